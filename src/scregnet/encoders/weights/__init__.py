"""Published weights: where they are, and how they are read safely."""

from __future__ import annotations
