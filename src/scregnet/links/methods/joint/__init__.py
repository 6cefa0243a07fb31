"""The default method."""

from __future__ import annotations
