"""The network as a page: template, style, script, and the library that draws."""

from __future__ import annotations
