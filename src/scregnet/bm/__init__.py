"""Benchmark: check a split, study a method, ask perturbations. Functions return frames."""

from __future__ import annotations

from scregnet.bm._ablation_study import ablation_study
from scregnet.bm._audit_evidence import audit_evidence
from scregnet.bm._audit_split import audit_split
from scregnet.bm._controls import controls
from scregnet.bm._edge_kinds import edge_kinds
from scregnet.bm._effects_from_perturbseq import effects_from_perturbseq
from scregnet.bm._grade_links import grade_links
from scregnet.bm._rank_turns import rank_turns
from scregnet.bm._robustness_study import robustness_study
from scregnet.bm._run import run
from scregnet.bm._stability import stability
from scregnet.bm._validate import validate

__all__ = [
    "ablation_study",
    "audit_evidence",
    "audit_split",
    "controls",
    "edge_kinds",
    "rank_turns",
    "effects_from_perturbseq",
    "grade_links",
    "robustness_study",
    "run",
    "stability",
    "validate",
]
