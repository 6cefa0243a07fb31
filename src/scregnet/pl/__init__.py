"""Draw: the network, its evaluation, the course of the training."""

from __future__ import annotations
