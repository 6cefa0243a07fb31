"""Draw the network, its evaluation, its training, and the studies of `bm`."""

from __future__ import annotations

from scregnet.pl._ablation import ablation
from scregnet.pl._adjacency import adjacency
from scregnet.pl._benchmark import benchmark
from scregnet.pl._calibration import calibration
from scregnet.pl._comparison import comparison
from scregnet.pl._coverage import coverage
from scregnet.pl._evidence import evidence
from scregnet.pl._gene_embedding import gene_embedding
from scregnet.pl._grn import grn
from scregnet.pl._grn_html import grn_html
from scregnet.pl._history import history
from scregnet.pl._metrics import metrics
from scregnet.pl._regulon import regulon
from scregnet.pl._robustness import robustness
from scregnet.pl._validation import validation

__all__ = [
    "ablation",
    "adjacency",
    "benchmark",
    "calibration",
    "comparison",
    "coverage",
    "evidence",
    "gene_embedding",
    "grn",
    "grn_html",
    "history",
    "metrics",
    "regulon",
    "robustness",
    "validation",
]
