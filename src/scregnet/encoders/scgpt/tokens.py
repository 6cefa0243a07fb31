"""scGPT's values: expression in bins within the cell, and the choice of genes in cells that have too many."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import scipy.sparse as sp

# Cells that are sorted in one go; bounds the dense scratch arrays, not the result.
_ROWS = 512


def bin_values(counts: sp.csr_matrix, n_bins: int, keys: np.ndarray) -> np.ndarray:
    r"""Return the bin, 1 to ``n_bins - 1``, of every value that is stored, in the order of ``counts.data``.

    The edges of a cell are the quantiles :math:`0, 1/(n-2), \ldots, 1` of its non-zero values, :math:`n` being ``n_bins``, with
    linear interpolation; a value's bin is the number of edges that are not above it. Where several edges coincide, as they do with
    counts, every bin from one more than the number of edges below the value up to that number is as good. scGPT was trained with one of
    them at random, so one is drawn, by the value's key.

    Parameters
    ----------
    counts
        Cells × genes, without explicit zeros.
    n_bins
        Number of bins, zero's included.
    keys
        A random number (uint64) for every value that is stored, see :func:`keys_of`.
    """
    bins = np.zeros(counts.nnz, dtype=np.int64)
    quantiles = np.linspace(0, 1, n_bins - 1)
    for source, filled in _chunks(counts):
        values = np.full(filled.shape, np.inf)
        values[filled] = counts.data[source[filled]]
        order = np.argsort(values, axis=1, kind="stable")
        values = np.take_along_axis(values, order, axis=1)
        n_values = filled.sum(axis=1)
        at_or_below, below = _edges_up_to(values, n_values, quantiles)

        # Where each run of equal values starts and ends.
        place = np.arange(n_values.max())
        starts = np.ones(values.shape, dtype=bool)
        starts[:, 1:] = values[:, 1:] != values[:, :-1]
        first = np.maximum.accumulate(np.where(starts, place, 0), axis=1)
        ends = np.ones(values.shape, dtype=bool)
        ends[:, :-1] = starts[:, 1:]
        last = np.minimum.accumulate(np.where(ends, place, len(place))[:, ::-1], axis=1)[:, ::-1]

        high = np.take_along_axis(at_or_below, last, axis=1)
        low = np.minimum(np.take_along_axis(below, first, axis=1) + 1, high)
        target = np.take_along_axis(source, order, axis=1)[filled]
        share = (keys[target] >> np.uint64(11)) * 2.0**-53
        bins[target] = low[filled] + (share * (high - low + 1)[filled]).astype(np.int64)
    return bins


def _edges_up_to(
    values: np.ndarray, n_values: np.ndarray, quantiles: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return, for every place of sorted rows, how many edges are not above its value, and how many are below.

    The first holds at the last place of a run of equal values, the second at the first.
    """
    where = (n_values[:, None] - 1) * quantiles
    left = np.floor(where).astype(np.int64)
    right = np.minimum(left + 1, n_values[:, None] - 1)
    share = where - left
    a, b = np.take_along_axis(values, left, axis=1), np.take_along_axis(values, right, axis=1)
    # As numpy interpolates, to the last bit: an edge must equal the value where it should.
    edges = np.where(share >= 0.5, b - (b - a) * (1 - share), a + (b - a) * share)
    # From which place on values are not below the edge, and from which they are above.
    reached = np.where(edges == a, left, right)
    passed = np.where(edges == b, right, left) + 1
    counted = []
    for edge in (reached, passed):
        rows = np.arange(len(values))[:, None] * (values.shape[1] + 1)
        table = np.bincount((rows + edge).ravel(), minlength=len(values) * (values.shape[1] + 1))
        counted.append(table.reshape(len(values), -1)[:, :-1].cumsum(axis=1))
    return counted[0], counted[1]


def choose(counts: sp.csr_matrix, room: int, keys: np.ndarray) -> np.ndarray:
    """Return which of the values that are stored are kept (bool): in a cell with more than ``room``, as many, drawn by their keys."""
    kept = np.ones(counts.nnz, dtype=bool)
    for source, filled in _chunks(counts, longer_than=room):
        ranks = np.full(filled.shape, np.iinfo(np.uint64).max)
        # Keys have decided on bins already: mixed once more, the choice does not depend on those.
        ranks[filled] = _mix(keys[source[filled]])
        beyond = np.argsort(ranks, axis=1, kind="stable")[:, room:]
        kept[
            np.take_along_axis(source, beyond, axis=1)[np.take_along_axis(filled, beyond, axis=1)]
        ] = False
    return kept


def _chunks(counts: sp.csr_matrix, longer_than: int = 0) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield some cells as rectangles: positions in ``counts.data``, and which of them are filled."""
    present = np.diff(counts.indptr)
    order = np.argsort(present, kind="stable")
    order = order[present[order] > longer_than]
    for start in range(0, len(order), _ROWS):
        rows = order[start : start + _ROWS]
        column = np.arange(present[rows].max())
        filled = column < present[rows][:, None]
        # Places beyond a row's end point to its last value; they are never read.
        yield counts.indptr[rows][:, None] + np.minimum(column, present[rows][:, None] - 1), filled


def keys_of(counts: sp.csr_matrix, tokens: np.ndarray, seed: int) -> np.ndarray:
    """Return a random number (uint64) for every value that is stored.

    It is a hash of the seed, the gene and what the cell holds, so it depends neither on the order of cells and genes nor on what else
    is in the data.

    Parameters
    ----------
    counts
        Cells × genes, columns ascending.
    tokens
        The vocabulary's id of every column.
    seed
        Seed, not negative.
    """
    gene = _mix(tokens.astype(np.uint64))[counts.indices]
    held = np.concatenate(
        [np.zeros(1, np.uint64), np.cumsum(_mix(gene ^ counts.data.view(np.uint64)))]
    )
    cell = _mix((held[counts.indptr[1:]] - held[counts.indptr[:-1]]) ^ np.uint64(seed))
    return _mix(gene + np.repeat(cell, np.diff(counts.indptr)))


def _mix(x: np.ndarray) -> np.ndarray:
    """Return well mixed 64-bit integers (the finaliser of SplitMix64)."""
    z = x + np.uint64(0x9E3779B97F4A7C15)
    z ^= z >> np.uint64(30)
    z *= np.uint64(0xBF58476D1CE4E5B9)
    z ^= z >> np.uint64(27)
    z *= np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    return z
