"""Feed-forward loops (X → Y, X → Z, Y → Z), next to random graphs with the same degrees."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

SWAPS = 20
"""Exchanges that are tried, for each link, between two random graphs."""

MOST_LISTED = 100


def feed_forward(
    sources: np.ndarray, targets: np.ndarray, n_random: int, rng: np.random.Generator
) -> dict[str, Any]:
    """Count the loops, and compare with ``n_random`` random graphs.

    ``sources`` and ``targets`` are positions of genes; links from a gene to itself do not count.
    """
    apart = sources != targets
    # Regulators come first, so that a table of regulators × genes says which links there are.
    first = np.unique(sources[apart])
    genes = np.concatenate([first, np.setdiff1d(targets[apart], first)])
    place = np.empty(int(genes.max(initial=-1)) + 1, np.int64)
    place[genes] = np.arange(len(genes))
    rows, columns = place[sources[apart]], place[targets[apart]]
    shape = (len(first), len(genes))
    n = int(_loops(rows, columns, shape).sum())
    counts = _random_counts(rows, columns, shape, n_random, rng)
    found: dict[str, Any] = {"n": n, "n_random": n_random}
    if n_random:
        mean, sd = float(counts.mean()), float(counts.std(ddof=1)) if n_random > 1 else np.nan
        found |= {
            "random_mean": mean,
            "random_sd": sd,
            "z": (n - mean) / sd if sd > 0 else np.nan,
            "p_more": float((1 + (counts >= n).sum()) / (1 + n_random)),
            "p_fewer": float((1 + (counts <= n).sum()) / (1 + n_random)),
        }
    return found


def most_shared(sources: np.ndarray, targets: np.ndarray, n_genes: int) -> pd.DataFrame:
    """Return the links between regulators that close most loops, and how many; positions."""
    apart = sources != targets
    found = _loops(sources[apart], targets[apart], (n_genes, n_genes)).tocoo()
    order = np.lexsort((found.col, found.row, -found.data))[:MOST_LISTED]
    return pd.DataFrame(
        {
            "source": found.row[order],
            "via": found.col[order],
            "n_targets": found.data[order].astype(np.int64),
        }
    )


def _loops(rows: np.ndarray, columns: np.ndarray, shape: tuple[int, int]) -> sp.csr_matrix:
    """Return, at each link between regulators, how many genes both of its ends regulate."""
    links = sp.csr_matrix((np.ones(len(rows), np.float32), (rows, columns)), shape=shape)
    between = links[:, : shape[0]].tocoo()
    if between.nnz == 0:
        return sp.csr_matrix((shape[0], shape[0]), dtype=np.float32)
    shared = links[between.row].multiply(links[between.col]).sum(axis=1)
    found = sp.csr_matrix(
        (np.asarray(shared).ravel(), (between.row, between.col)), shape=(shape[0], shape[0])
    )
    found.eliminate_zeros()
    return found


def _random_counts(
    rows: np.ndarray,
    columns: np.ndarray,
    shape: tuple[int, int],
    n_random: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Count the loops of random graphs in which each gene has as many regulators and targets."""
    if n_random == 0 or len(rows) < 2:
        return np.full(n_random, _loops(rows, columns, shape).sum())
    from scregnet.tl._graph.rewired import swap_targets

    there = np.zeros(shape, dtype=bool)
    there[rows, columns] = True
    columns = columns.copy()
    counts = np.empty(n_random)
    for graph in range(n_random):
        drawn = rng.integers(len(rows), size=(SWAPS * len(rows), 2))
        swap_targets(rows, columns, there, drawn)
        counts[graph] = _loops(rows, columns, shape).sum()
    return counts
