"""Expression in few levels, for trees and for tables of counts."""

from __future__ import annotations

import numpy as np

from scregnet._validate import check_integer, check_interval

MOST_BINS = 255
"""Levels that fit into a byte, with one to spare."""

MOST_LEVELS = 64
"""Of trees: the loops that look for cuts have one bit of a number for each."""


def check_bins(n_bins: int, *, most: int = MOST_BINS) -> None:
    """Raise ``ValueError`` for a number of levels that the loops over them do not take."""
    check_integer("n_bins", n_bins, minimum=2)
    check_interval("n_bins", n_bins, 2, most)


def binned(values: np.ndarray, most: int = MOST_BINS) -> tuple[np.ndarray, np.ndarray]:
    """Return the level of each value in its row, uint8, and the number of levels of each row.

    Rows with at most ``most`` distinct values keep all of them. Of others, the commonest value of
    each row (zero counts, as a rule) stays a level of its own, and the rest is cut at quantiles.
    """
    levels = np.empty(values.shape, np.uint8)
    n_levels = np.empty(len(values), np.int32)
    for row, own in enumerate(values):
        distinct, where, times = np.unique(own, return_inverse=True, return_counts=True)
        if len(distinct) > most:
            where = _joined(times, most)[where]
        levels[row] = where
        n_levels[row] = int(where.max()) + 1
    return levels, n_levels


def _joined(times: np.ndarray, most: int) -> np.ndarray:
    """Return the level of each distinct value, given how often each is there."""
    # Values that fill a level by themselves keep it; the others share what is left.
    level, share = np.empty(len(times), np.int64), times.sum() / most
    current, filled = 0, 0.0
    for value, number in enumerate(times):
        if filled and filled + number > share * 1.5:
            current, filled = current + 1, 0.0
        level[value] = current
        filled += number
        if filled >= share:
            current, filled = current + 1, 0.0
    return np.minimum(level, most - 1)
