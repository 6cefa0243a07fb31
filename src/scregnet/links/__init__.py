"""Core: labelled pairs and gene features in, scores of links out."""

from __future__ import annotations

from scregnet.links.calibration import PlattCalibration
from scregnet.links.registry import LINK_METHODS, NULL_MODELS, get_method, load_fitted, register_method
from scregnet.links.splits import hold_out, split_pairs
from scregnet.links.task import FitResult, FittedLinks, LinkMethod, LinkTask, Pairs, Split

__all__ = [
    "LINK_METHODS",
    "NULL_MODELS",
    "FitResult",
    "FittedLinks",
    "LinkMethod",
    "LinkTask",
    "Pairs",
    "PlattCalibration",
    "Split",
    "get_method",
    "hold_out",
    "load_fitted",
    "register_method",
    "split_pairs",
]
