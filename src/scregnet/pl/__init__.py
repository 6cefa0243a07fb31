"""Draw: the network, its evaluation, the course of the training."""

from __future__ import annotations

from scregnet.pl._calibration import calibration
from scregnet.pl._grn import grn
from scregnet.pl._history import history
from scregnet.pl._metrics import metrics

__all__ = ["calibration", "grn", "history", "metrics"]
