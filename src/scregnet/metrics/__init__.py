"""Numbers that tell how well scores separate edges from non-edges."""

from __future__ import annotations
