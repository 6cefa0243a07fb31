"""scGPT's input: expression in bins within the cell, and which genes a long cell keeps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import scipy.sparse as sp

# Cells that are sorted at once. Bounds the dense scratch arrays; does not change the result.
_ROWS = 512


def bin_values(counts: sp.csr_matrix, n_bins: int, keys: np.ndarray) -> np.ndarray:
    r"""Return the bin of every stored value, 1 to ``n_bins - 1``, in the order of ``counts.data``.

    The edges of a cell are the quantiles :math:`0, 1/(n-2), \ldots, 1` of its non-zero values, with
    :math:`n` = ``n_bins`` and linear interpolation. The bin of a value is the number of edges that
    are not above it. With counts several edges coincide. Then every bin from 1 + (number of
    edges below the value) to (number of edges not above it) is as good. scGPT was trained with one
    of them at random, so one is drawn, by the value's key.

    Parameters
    ----------
    counts
        Cells × genes, without explicit zeros.
    n_bins
        Number of bins, with that of zero.
    keys
        A random number (uint64) for every stored value, see :func:`keys_of`.
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

        # First and last place of the run of equal values that each place belongs to.
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
        # The upper 53 bits as a number in [0, 1).
        share = (keys[target] >> np.uint64(11)) * 2.0**-53
        bins[target] = low[filled] + (share * (high - low + 1)[filled]).astype(np.int64)
    return bins


def _edges_up_to(
    values: np.ndarray, n_values: np.ndarray, quantiles: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return, per place of sorted rows, how many edges are not above its value, and how many below.

    The first number is right at the last place of a run of equal values, the second at the first.
    """
    where = (n_values[:, None] - 1) * quantiles
    left = np.floor(where).astype(np.int64)
    right = np.minimum(left + 1, n_values[:, None] - 1)
    share = where - left
    a, b = np.take_along_axis(values, left, axis=1), np.take_along_axis(values, right, axis=1)
    # Interpolated as numpy does it, to the last bit: edges must be equal to values exactly.
    edges = np.where(share >= 0.5, b - (b - a) * (1 - share), a + (b - a) * share)
    # First place whose value is not below the edge, and first place whose value is above it.
    reached = np.where(edges == a, left, right)
    passed = np.where(edges == b, right, left) + 1
    counted = []
    for edge in (reached, passed):
        rows = np.arange(len(values))[:, None] * (values.shape[1] + 1)
        table = np.bincount((rows + edge).ravel(), minlength=len(values) * (values.shape[1] + 1))
        counted.append(table.reshape(len(values), -1)[:, :-1].cumsum(axis=1))
    return counted[0], counted[1]


def choose(counts: sp.csr_matrix, room: int, keys: np.ndarray) -> np.ndarray:
    """Return which stored values to keep (bool): at most ``room`` per cell, drawn by key."""
    kept = np.ones(counts.nnz, dtype=bool)
    for source, filled in _chunks(counts, longer_than=room):
        ranks = np.full(filled.shape, np.iinfo(np.uint64).max)
        # The keys decided the bins. Mixed once more, they give a choice independent of the bins.
        ranks[filled] = _mix(keys[source[filled]])
        beyond = np.argsort(ranks, axis=1, kind="stable")[:, room:]
        real = np.take_along_axis(filled, beyond, axis=1)
        kept[np.take_along_axis(source, beyond, axis=1)[real]] = False
    return kept


def _chunks(counts: sp.csr_matrix, longer_than: int = 0) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield cells as rectangles: positions in ``counts.data``, and which of them are filled."""
    # Sorted by length, so that the rectangles have little padding.
    present = np.diff(counts.indptr)
    order = np.argsort(present, kind="stable")
    order = order[present[order] > longer_than]
    for start in range(0, len(order), _ROWS):
        rows = order[start : start + _ROWS]
        column = np.arange(present[rows].max())
        filled = column < present[rows][:, None]
        # Places beyond the end of a row point to its last value; they are never read.
        yield counts.indptr[rows][:, None] + np.minimum(column, present[rows][:, None] - 1), filled


def keys_of(counts: sp.csr_matrix, tokens: np.ndarray, seed: int) -> np.ndarray:
    """Return a random number (uint64) for every stored value.

    It is a hash of the seed, the gene and the content of the cell. So it does not depend on the
    order of cells and genes, nor on other cells.

    Parameters
    ----------
    counts
        Cells × genes, columns ascending.
    tokens
        The vocabulary's id of every column.
    seed
        Seed, not negative.
    """
    # A cell's content is the sum of the hashes of its values: the same in any order of genes.
    gene = _mix(tokens.astype(np.uint64))[counts.indices]
    held = np.concatenate(
        [np.zeros(1, np.uint64), np.cumsum(_mix(gene ^ counts.data.view(np.uint64)))]
    )
    cell = _mix((held[counts.indptr[1:]] - held[counts.indptr[:-1]]) ^ np.uint64(seed))
    return _mix(gene + np.repeat(cell, np.diff(counts.indptr)))


def _mix(x: np.ndarray) -> np.ndarray:
    """Return well mixed 64-bit integers (step and finaliser of SplitMix64)."""
    z = x + np.uint64(0x9E3779B97F4A7C15)
    z ^= z >> np.uint64(30)
    z *= np.uint64(0xBF58476D1CE4E5B9)
    z ^= z >> np.uint64(27)
    z *= np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    return z
