"""Read results back: the network as a frame or graph, its evaluation; models, methods."""

from __future__ import annotations

from scregnet.get._calibration import calibration
from scregnet.get._comparison import comparison
from scregnet.get._curves import curves
from scregnet.get._evidence import evidence
from scregnet.get._graph import graph
from scregnet.get._grn import grn
from scregnet.get._group_differences import group_differences
from scregnet.get._history import history
from scregnet.get._methods import methods
from scregnet.get._metrics import metrics
from scregnet.get._models import models
from scregnet.get._network_difference import network_difference
from scregnet.get._regulons import regulons
from scregnet.get._score_links import score_links
from scregnet.get._tuned import tuned

__all__ = [
    "calibration",
    "comparison",
    "curves",
    "evidence",
    "graph",
    "grn",
    "group_differences",
    "history",
    "methods",
    "metrics",
    "models",
    "network_difference",
    "regulons",
    "score_links",
    "tuned",
]
