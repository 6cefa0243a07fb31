"""Predict gene regulatory links from single-cell counts, a prior network and gene embeddings."""

from __future__ import annotations

from importlib.metadata import version

from scregnet import bm, datasets, get, io, metrics, pl, pp, tl
from scregnet._report import report
from scregnet._settings import settings

__all__ = ["bm", "datasets", "get", "io", "metrics", "pl", "pp", "report", "settings", "tl"]

__version__ = version("scregnet")


def __dir__() -> list[str]:
    # Private modules are attributes of the package too; tab completion leaves them out.
    return [*__all__, "__version__"]
