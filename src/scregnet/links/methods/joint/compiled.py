"""Compiled loops, in a file of their own so that numba is imported only where they run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, no_type_check

import numba
import numpy as np

# Rows that go through the trees together. Their columns stay in the nearest cache of the CPU; 512
# rows were not faster.
BLOCK = 256
# LightGBM takes values as close to zero as this for zero.
LIGHTGBM_ZERO = np.float32(1e-35)


def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    # Sums in another order than written, so that the CPU adds several terms at a time.
    how: dict[str, Any] = {"nogil": True, "fastmath": {"reassoc", "contract", "nsz"}}
    try:
        return numba.njit(cache=True, **how)(function)
    except RuntimeError:
        # Neither the package's folder nor the user's cache is writable: compile in every session.
        return numba.njit(**how)(function)


@_compiled
@no_type_check
def products(
    left: np.ndarray, right: np.ndarray, indptr: np.ndarray, columns: np.ndarray
) -> np.ndarray:
    """Return ``left[row] · right[column]`` for each cell of a sparse matrix."""
    values = np.empty(len(columns), np.float32)
    for row in range(len(indptr) - 1):
        for cell in range(indptr[row], indptr[row + 1]):
            column = columns[cell]
            total = np.float32(0)
            for i in range(left.shape[1]):
                total += left[row, i] * right[column, i]
            values[cell] = total
    return values


@_compiled
@no_type_check
def mixed(tfs: np.ndarray, values: np.ndarray, rows: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Return ``Σ tfs[row, other row] * value`` over the cells of the same gene, for each cell.

    The cells are in order of genes; those of a gene begin at its ``starts``.
    """
    mixture = np.empty_like(values)
    for gene in range(len(starts) - 1):
        for cell in range(starts[gene], starts[gene + 1]):
            row = rows[cell]
            total = np.float32(0)
            for other in range(starts[gene], starts[gene + 1]):
                total += tfs[row, rows[other]] * values[other]
            mixture[cell] = total
    return mixture


@_compiled
@no_type_check
def tree_sums(
    table: np.ndarray,
    n_leaves: np.ndarray,
    features: np.ndarray,
    thresholds: np.ndarray,
    children: np.ndarray,
    values: np.ndarray,
) -> np.ndarray:
    """Return the sum of the leaves that each row of a table reaches.

    The arrays are those of :class:`~scregnet.links.methods.joint.trees.Trees`, with float32
    thresholds. Cuts are taken one by one, each for a block of rows: a row that is at the cut moves
    to a child. Parents come before children, so one pass brings every row to a leaf. This is ten
    times as fast as sending one row after the other down a tree, where the CPU has to guess at each
    cut which way the row goes.
    """
    sums = np.zeros(len(table))
    columns = np.empty((table.shape[1], BLOCK), np.float32)
    # Where each row is: the number of a cut, or -1 - leaf.
    at = np.empty(BLOCK, np.int32)
    for start in range(0, len(table), BLOCK):
        n = min(BLOCK, len(table) - start)
        # Column by column, so that the values of a cut lie next to each other. NaN becomes zero,
        # as in LightGBM without missing values.
        for i in range(n):
            for feature in range(table.shape[1]):
                value = table[start + i, feature]
                columns[feature, i] = value if abs(value) > LIGHTGBM_ZERO else np.float32(0)
        first_cut, first_leaf = 0, 0
        for tree in range(len(n_leaves)):
            n_cuts = n_leaves[tree] - 1
            at[:n] = 0 if n_cuts else -1
            for cut in range(n_cuts):
                column = columns[features[first_cut + cut]]
                threshold = thresholds[first_cut + cut]
                here = np.int32(cut)
                to_left = children[first_cut + cut, 0] - here
                to_right = children[first_cut + cut, 1] - here
                # Sums without branches: the CPU handles several rows at a time.
                for i in range(n):
                    step = to_right if column[i] > threshold else to_left
                    at[i] += step if at[i] == here else np.int32(0)
            for i in range(n):
                sums[start + i] += values[first_leaf - 1 - at[i]]
            first_cut += n_cuts
            first_leaf += n_leaves[tree]
    return sums
