"""Compiled loops that several methods share."""

from __future__ import annotations

from typing import no_type_check

import numpy as np

from scregnet._compiled import compiled


@compiled
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


@compiled
@no_type_check
def pair_products(
    left: np.ndarray, right: np.ndarray, rows: np.ndarray, columns: np.ndarray
) -> np.ndarray:
    """Return ``left[row] · right[column]`` of each pair, without copies of the vectors."""
    values = np.empty(len(rows), np.float32)
    for pair in range(len(rows)):
        row, column = rows[pair], columns[pair]
        total = np.float32(0)
        for i in range(left.shape[1]):
            total += left[row, i] * right[column, i]
        values[pair] = total
    return values
