"""GRN-Transformer."""

from __future__ import annotations
