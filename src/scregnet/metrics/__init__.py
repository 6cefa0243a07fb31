"""Numbers that tell how well scores separate edges from non-edges."""

from __future__ import annotations

from scregnet.metrics._bootstrap import bootstrap
from scregnet.metrics._calibration import brier, ece
from scregnet.metrics._evaluate import evaluate
from scregnet.metrics._ranking import auprc, auroc, epr, per_tf

__all__ = ["auprc", "auroc", "bootstrap", "brier", "ece", "epr", "evaluate", "per_tf"]
