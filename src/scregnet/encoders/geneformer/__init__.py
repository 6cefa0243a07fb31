"""Geneformer: tokens, network, training, and where its weights are."""

from __future__ import annotations
