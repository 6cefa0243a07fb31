"""Medians of the genes over the cells that have them: exact, in two passes over the cells."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

# A bin is a power of two in 32 parts: five bits of a double's fraction.
_SHIFT = 52 - 5
# From 2^-10 to 2^14, counts in 10,000; values beyond are in the first or the last bin.
_LOWEST, _HIGHEST = ((1023 + power) << 5 for power in (-10, 14))

# Genes whose sums are in memory at once.
_GENES = 1024


def medians(
    blocks: Callable[[], Iterable[tuple[np.ndarray, np.ndarray]]], n_genes: int
) -> np.ndarray:
    """Return the median of each gene's values, NaN for a gene without one.

    The first pass counts the values of each gene in narrow bins. The second keeps those of the bin
    with the median: a few of a hundred values are in memory, at twelve bytes each.

    Parameters
    ----------
    blocks
        Goes through the values, gene and positive value of each; called twice.
    n_genes
        Number of genes.
    """
    n_bins = _HIGHEST - _LOWEST + 1
    counts = np.zeros(n_genes * n_bins, np.uint32)
    for genes, values in blocks():
        np.add.at(counts, genes.astype(np.int64) * n_bins + _bins(values), np.uint32(1))
    total, first, last, before = _middle(counts.reshape(n_genes, n_bins))
    del counts

    kept_genes, kept_values = [np.zeros(0, np.int32)], [np.zeros(0)]
    for genes, values in blocks():
        bins = _bins(values)
        near = (bins >= first[genes]) & (bins <= last[genes])
        kept_genes.append(genes[near].astype(np.int32))
        kept_values.append(values[near])
    of, found = np.concatenate(kept_genes), np.concatenate(kept_values)
    found = found[np.lexsort((found, of))]
    starts = np.concatenate([[0], np.cumsum(np.bincount(of, minlength=n_genes))])[:-1]
    middle = np.full((2, n_genes), np.nan)
    seen = total > 0
    for row, rank in enumerate(_ranks(total)):
        middle[row, seen] = found[(starts + rank - before)[seen]]
    return middle.mean(axis=0)


def _ranks(total: np.ndarray) -> np.ndarray:
    """Return the ranks of the two middle values; one and the same of an odd number."""
    return np.stack([np.maximum(total - 1, 0) // 2, total // 2])


def _middle(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return how many values a gene has, the bins of the middle two, and how many lie below."""
    n_genes, n_bins = counts.shape
    total, first, last, before = np.zeros((4, n_genes), np.int64)
    for start in range(0, n_genes, _GENES):
        rows = slice(start, start + _GENES)
        # By 64 bits: a gene's values may be more than 32 bits count.
        up_to = counts[rows].cumsum(axis=1, dtype=np.int64)
        total[rows] = up_to[:, -1]
        low, high = ((up_to <= rank[:, None]).sum(axis=1) for rank in _ranks(total[rows]))
        first[rows], last[rows] = low, np.minimum(high, n_bins - 1)
        below = up_to[np.arange(len(up_to)), np.maximum(low, 1) - 1]
        before[rows] = np.where(low > 0, below, 0)
    return total, first, last, before


def _bins(values: np.ndarray) -> np.ndarray:
    # Positive doubles sort as their bits do.
    codes = np.ascontiguousarray(values, np.float64).view(np.int64) >> _SHIFT
    return np.clip(codes, _LOWEST, _HIGHEST) - _LOWEST
