"""Steps of `network_stats`: measures of genes, modules, feed-forward loops."""

from __future__ import annotations
