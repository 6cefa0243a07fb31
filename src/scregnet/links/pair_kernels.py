"""Compiled sums over lists of pairs, apart from :mod:`scregnet.links.known_pairs` so that numba is imported for large fits only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, no_type_check

import numba
import numpy as np


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
def products(left: np.ndarray, right: np.ndarray, indptr: np.ndarray, columns: np.ndarray) -> np.ndarray:
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
