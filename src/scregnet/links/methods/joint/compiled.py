"""Compiled sums over lists of pairs, apart from what calls them so that numba is imported for large fits only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, no_type_check

import numba
import numpy as np

# Rows whose columns stay in the processor's nearest memory.
BLOCK = 256
# What is not further from zero is zero to LightGBM.
LIGHTGBM_ZERO = np.float32(1e-35)


def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    # Sums in another order than written: several terms at a time.
    how: dict[str, Any] = {"nogil": True, "fastmath": {"reassoc", "contract", "nsz"}}
    try:
        return numba.njit(cache=True, **how)(function)
    except RuntimeError:
        # Neither the package's folder nor the user's cache can be written to: compile anew in every session.
        return numba.njit(**how)(function)


@_compiled
@no_type_check
def products(
    left: np.ndarray, right: np.ndarray, indptr: np.ndarray, columns: np.ndarray
) -> np.ndarray:
    """``left[row] @ right[column]`` for each cell of a sparse matrix."""
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
    """For each cell the sum over the cells of the same gene, each times ``tfs[row of the one, row of the other]``; the cells are in order of genes."""
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
    features: np.ndarray,
    thresholds: np.ndarray,
    left: np.ndarray,
    values: np.ndarray,
    sequence: np.uint32,
) -> np.ndarray:
    """Sum of the leaves that each row of a table reaches, as :class:`~scregnet.links.methods.joint.trees.TreeTable` has the trees."""
    sums = np.zeros(len(table))
    columns = np.empty((table.shape[1], BLOCK), np.float32)
    struck = np.empty(BLOCK, np.uint32)
    for start in range(0, len(table), BLOCK):
        n = min(BLOCK, len(table) - start)
        for i in range(n):
            for feature in range(table.shape[1]):
                value = table[start + i, feature]
                columns[feature, i] = value if abs(value) > LIGHTGBM_ZERO else np.float32(0)
        for tree in range(len(features)):
            struck[:n] = 0
            for node in range(features.shape[1]):
                column, threshold, leaves = (
                    columns[features[tree, node]],
                    thresholds[tree, node],
                    left[tree, node],
                )
                for i in range(n):
                    struck[i] |= leaves if column[i] > threshold else np.uint32(0)
            for i in range(n):
                first = ~struck[i] & (struck[i] + np.uint32(1))
                sums[start + i] += values[tree, np.uint32(first * sequence) >> np.uint32(27)]
    return sums
