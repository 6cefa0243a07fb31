"""One ensemble for each gene, over all cores, and what is kept of it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from scregnet._progress import stage
from scregnet._threads import in_threads
from scregnet.links.methods.levels import binned

Grow = Callable[[np.ndarray, np.ndarray, np.ndarray, int], np.ndarray]
"""Gets levels (n_tfs, n_cells), their numbers, the gene over cells and a seed; returns the
importance of each TF."""


def importances(
    expression: np.ndarray, regulators: np.ndarray, grow: Grow, *, n_bins: int, seed: int
) -> np.ndarray:
    """Return the importance of each candidate TF for each gene, float32 (n_tfs, n_genes).

    A gene never predicts itself. Every gene has a seed of its own, so that the number of threads
    changes nothing.
    """
    levels, n_levels = binned(expression[regulators], n_bins)
    seeds = np.random.default_rng(seed).integers(2**63, size=len(expression))
    found = np.zeros((len(regulators), len(expression)), np.float32)

    def one(gene: int) -> None:
        y = expression[gene].astype(np.float64)
        if y.min() == y.max() or not len(regulators):
            return
        own = np.searchsorted(regulators, gene)
        if own == len(regulators) or regulators[own] != gene:
            found[:, gene] = grow(levels, n_levels, y, int(seeds[gene]))
        elif len(regulators) > 1:
            others = np.delete(np.arange(len(regulators)), own)
            found[others, gene] = grow(levels[others], n_levels[others], y, int(seeds[gene]))

    with stage("trees of each gene", len(expression)) as tick:
        for _ in in_threads(one, range(len(expression))):
            tick()
    return found
