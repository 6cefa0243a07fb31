"""Core: labelled pairs and gene features in, scores of links out."""

from __future__ import annotations

from scregnet.links.calibration import PlattCalibration
from scregnet.links.ensemble import EnsembleLinks, fit_members, join
from scregnet.links.evidence import EvidenceLayer
from scregnet.links.forms.additive import AdditiveLinks
from scregnet.links.forms.bilinear import BilinearLinks
from scregnet.links.pairs.negatives import NEGATIVES, choose_negatives
from scregnet.links.pairs.splits import SPLITS, VALIDATION_FRACTIONS, hold_out, split_pairs
from scregnet.links.registry import (
    LINK_METHODS,
    get_method,
    load_fitted,
    method_class,
    null_models,
    register_method,
)
from scregnet.links.task import FitResult, FittedLinks, FoldFit, LinkMethod, LinkTask, Pairs, Split

__all__ = [
    "LINK_METHODS",
    "NEGATIVES",
    "SPLITS",
    "VALIDATION_FRACTIONS",
    "AdditiveLinks",
    "BilinearLinks",
    "EnsembleLinks",
    "EvidenceLayer",
    "FitResult",
    "FittedLinks",
    "FoldFit",
    "LinkMethod",
    "LinkTask",
    "Pairs",
    "PlattCalibration",
    "Split",
    "choose_negatives",
    "fit_members",
    "get_method",
    "hold_out",
    "join",
    "load_fitted",
    "method_class",
    "null_models",
    "register_method",
    "split_pairs",
]
