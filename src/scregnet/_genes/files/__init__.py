"""Networks in the files of other tools, read as frames of links."""

from __future__ import annotations
