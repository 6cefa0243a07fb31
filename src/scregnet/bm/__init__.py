"""Benchmark: check a split, study the parts of a method and its robustness. Returns frames, writes nothing."""

from __future__ import annotations

from scregnet.bm._ablation_study import ablation_study
from scregnet.bm._audit_split import audit_split
from scregnet.bm._robustness_study import robustness_study

__all__ = ["ablation_study", "audit_split", "robustness_study"]
