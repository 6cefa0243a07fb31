"""Scores of links in a cell type without labels, from what other experiments know."""

from __future__ import annotations
