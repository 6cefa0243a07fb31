"""Metrics of scored pairs, and their bootstrap intervals."""

from __future__ import annotations

from scregnet.metrics._bootstrap import bootstrap, bootstrap_difference
from scregnet.metrics._metrics import auprc, auroc, brier, ece, epr, evaluate, per_tf

__all__ = [
    "auprc",
    "auroc",
    "bootstrap",
    "bootstrap_difference",
    "brier",
    "ece",
    "epr",
    "evaluate",
    "per_tf",
]
