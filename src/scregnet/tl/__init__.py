"""Analyse: gene embeddings, the fitted network, scores of links."""

from __future__ import annotations
