"""The steps of a comparison of two groups of cells."""

from __future__ import annotations
