"""Data: simulated cells with a known network, BEELINE, ChIP libraries, perturbed TFs."""

from __future__ import annotations

from scregnet.datasets._beeline import beeline
from scregnet.datasets._chip_library import chip_library
from scregnet.datasets._dream4 import dream4
from scregnet.datasets._perturbation import perturbation
from scregnet.datasets._simulated import simulated

__all__ = ["beeline", "chip_library", "dream4", "perturbation", "simulated"]
