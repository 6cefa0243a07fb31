"""Analyse: gene embeddings, the fitted network, scores of links."""

from __future__ import annotations

from scregnet.tl._ablation_study import ablation_study
from scregnet.tl._audit_split import audit_split
from scregnet.tl._embed import embed
from scregnet.tl._finetune import finetune
from scregnet.tl._fit_grn import fit_grn
from scregnet.tl._robustness_study import robustness_study
from scregnet.tl._score_links import score_links
from scregnet.tl._tf_activity import tf_activity
from scregnet.tl._tune_grn import tune_grn

__all__ = [
    "ablation_study",
    "audit_split",
    "embed",
    "finetune",
    "fit_grn",
    "robustness_study",
    "score_links",
    "tf_activity",
    "tune_grn",
]
