"""How loops are compiled, and one that several methods share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, no_type_check

import numba
import numpy as np


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function with numba, and keep it for the next session where that is possible."""
    # Sums in another order than written, so that the CPU adds several terms at a time.
    how: dict[str, Any] = {"nogil": True, "fastmath": {"reassoc", "contract", "nsz"}}
    try:
        return numba.njit(cache=True, **how)(function)
    except RuntimeError:
        # Neither the package's folder nor the user's cache is writable: compile in every session.
        return numba.njit(**how)(function)


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
