"""Cells in an order, and windows that slide over them."""

from __future__ import annotations

import numpy as np

LEAST_CELLS = 3
"""Cells of a window: two values of two genes always correlate perfectly."""


def order_of_cells(expression: np.ndarray, order: str) -> np.ndarray:
    """Return the positions of the columns of (n_genes, n_cells) in their order.

    ``"given"`` keeps them; ``"component"`` sorts them along the leading principal component, whose
    largest weight among genes is positive.
    """
    n_cells = expression.shape[1]
    if order == "given" or min(expression.shape) < 3:
        return np.arange(n_cells)
    from scipy.sparse.linalg import svds

    values = np.asarray(expression, np.float64)
    start = np.random.default_rng(0).standard_normal(min(values.shape))
    left, _, right = svds(values, k=1, v0=start)
    sign = np.sign(left[np.abs(left[:, 0]).argmax(), 0])
    return np.argsort(sign * right[0], kind="stable")


def window_cells(n_cells: int, n_windows: int, share: float) -> np.ndarray:
    """Return the cells of each window, (n_windows, width): evenly spaced, from first to last."""
    width = min(n_cells, max(LEAST_CELLS, round(share * n_cells)))
    starts = np.round(np.linspace(0, n_cells - width, n_windows)).astype(np.int64)
    return starts[:, None] + np.arange(width)
