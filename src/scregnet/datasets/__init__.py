"""Data: simulated counts with a known network, and the BEELINE benchmark."""

from __future__ import annotations

from scregnet.datasets._beeline import beeline
from scregnet.datasets._simulated import simulated

__all__ = ["beeline", "simulated"]
