"""Numbers that tell how well scores separate edges from non-edges."""

from __future__ import annotations

from scregnet.metrics._ranking import auprc, auroc, epr, evaluate, per_tf

__all__ = ["auprc", "auroc", "epr", "evaluate", "per_tf"]
