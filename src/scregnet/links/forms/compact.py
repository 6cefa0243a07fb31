"""Arrays in fewer bytes, where that loses nothing or little."""

from __future__ import annotations

import numpy as np


def halved(array: np.ndarray) -> np.ndarray:
    """Return float32 values that half as many bytes can hold: within 0.05 % of the given ones."""
    return array.astype(np.float16).astype(np.float32)


def compact(array: np.ndarray) -> np.ndarray:
    """Return the same values in the smallest of the usual types that holds them all.

    Readers of saved arrays take any width and convert.
    """
    if array.dtype == np.float32 and array.size:
        with np.errstate(over="ignore"):
            half = array.astype(np.float16)
        return half if np.array_equal(half.astype(np.float32), array) else array
    if array.dtype in (np.int32, np.int64) and array.size:
        low, high = int(array.min()), int(array.max())
        for small in (np.int16, np.int32):
            if np.iinfo(small).min <= low and high <= np.iinfo(small).max:
                return array.astype(small, copy=False)
    return array


def upper_triangle(matrix: np.ndarray) -> np.ndarray:
    """Return the entries of a symmetric matrix on and above its diagonal, row by row."""
    return matrix[np.triu_indices(len(matrix))]


def from_upper_triangle(entries: np.ndarray, n: int) -> np.ndarray:
    """Return the symmetric matrix of ``n`` rows; the inverse of :func:`upper_triangle`."""
    matrix = np.empty((n, n), entries.dtype)
    rows, columns = np.triu_indices(n)
    matrix[rows, columns] = matrix[columns, rows] = entries
    return matrix
