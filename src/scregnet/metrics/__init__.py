"""Metrics of scored pairs with their bootstrap intervals; q and lift of links."""

from __future__ import annotations

from scregnet.metrics._bootstrap import bootstrap, bootstrap_difference
from scregnet.metrics._evaluate import evaluate
from scregnet.metrics._lift import lift
from scregnet.metrics._metrics import auprc, auroc, brier, ece, epr, per_tf
from scregnet.metrics._q_values import q_values

__all__ = [
    "auprc",
    "auroc",
    "bootstrap",
    "bootstrap_difference",
    "brier",
    "ece",
    "epr",
    "evaluate",
    "lift",
    "per_tf",
    "q_values",
]
