"""Predict gene regulatory links from single-cell RNA counts, a prior network and foundation-model gene embeddings."""

from __future__ import annotations

from importlib.metadata import version

from scregnet import bm, datasets, get, metrics, pl, pp, tl
from scregnet._settings import settings

__all__ = ["bm", "datasets", "get", "metrics", "pl", "pp", "settings", "tl"]

__version__ = version("scregnet")
