"""Geneformer."""

from __future__ import annotations
