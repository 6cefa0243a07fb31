"""Data: simulated counts with a known network, the BEELINE benchmark, and ChIP libraries."""

from __future__ import annotations

from scregnet.datasets._beeline import beeline
from scregnet.datasets._chip_library import chip_library
from scregnet.datasets._simulated import simulated

__all__ = ["beeline", "chip_library", "simulated"]
