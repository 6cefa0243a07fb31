"""Cells in an order, and windows that slide over them."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

LEAST_CELLS = 3
"""Cells of a window: two values of two genes always correlate perfectly."""


class Windows(NamedTuple):
    """Windows of equal width: as many of the TF as there are lags of the target.

    Window ``i`` starts at cell ``gap * i``. Those of the TF are the first ``n_lags``; with lag
    ``l``, window ``i`` of the TF meets window ``i + l`` of the target.
    """

    gap: int
    n_lags: int
    width: int

    @property
    def n_windows(self) -> int:
        """Number of windows that a target needs."""
        return 2 * self.n_lags - 1

    @property
    def n_cells(self) -> int:
        """Number of cells from the first of the first window to the last of the last one."""
        return self.width + self.gap * (self.n_windows - 1)


def plan_windows(n_cells: int, n_lags: int, gap: int, *, least_share: float) -> Windows:
    """Return windows that just fill the cells, with the gap and the lags that these allow.

    Parameters
    ----------
    n_cells
        Number of cells.
    n_lags
        Wanted lags; fewer where windows would be too narrow even with a gap of 1.
    gap
        Wanted cells from one window to the next; fewer where windows would be too narrow.
    least_share
        Share of the cells that a window holds at least, and three cells.
    """
    least = max(LEAST_CELLS, math.ceil(least_share * n_cells))
    # The first window of the TF moves so far to its last one, and from there so far by lags.
    room = max(0, n_cells - least) // 2
    n_lags = min(n_lags, room + 1)
    if n_lags > 1:
        gap = min(gap, room // (n_lags - 1))
    return Windows(gap, n_lags, n_cells - 2 * gap * (n_lags - 1))


def order_of_cells(
    expression: np.ndarray, order: str, time: np.ndarray | None = None
) -> np.ndarray:
    """Return the positions of the columns of (n_genes, n_cells) in their order.

    ``"given"`` keeps them; ``"component"`` sorts them along the leading principal component, whose
    largest weight among genes is positive; ``"pseudotime"`` sorts them by ``time``.
    """
    n_cells = expression.shape[1]
    if order == "pseudotime":
        return np.argsort(_checked_time(time, n_cells), kind="stable")
    # Where no gene varies, no order is better than the given one, and ARPACK stops.
    if order == "given" or min(expression.shape) < 3 or not expression.any():
        return np.arange(n_cells)
    from scipy.sparse.linalg import svds

    values = np.asarray(expression, np.float64)
    start = np.random.default_rng(0).standard_normal(min(values.shape))
    left, _, right = svds(values, k=1, v0=start)
    sign = np.sign(left[np.abs(left[:, 0]).argmax(), 0])
    return np.argsort(sign * right[0], kind="stable")


def _checked_time(time: np.ndarray | None, n_cells: int) -> np.ndarray:
    found = "none" if time is None else f"{len(time):,}"
    if time is None or len(time) != n_cells:
        msg = (
            "cell_order='pseudotime' needs the place in time of each column of expression: found "
            f"{found} for {n_cells:,} columns. Pass pseudotime=, or another cell_order."
        )
        raise ValueError(msg)
    if n_cells > 1 and np.ptp(time) == 0:
        msg = (
            f"cell_order='pseudotime' needs cells in an order: pseudotime is {time[0]:g} for all "
            f"{n_cells:,} of them. Pass another column, or another cell_order."
        )
        raise ValueError(msg)
    return time
