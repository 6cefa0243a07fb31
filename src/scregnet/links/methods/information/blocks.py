"""Levels of expression as PIDC makes them: Bayesian blocks, or bins of one width."""

from __future__ import annotations

from typing import no_type_check

import numpy as np

from scregnet.links.methods.compiled import compiled
from scregnet.links.methods.levels import MOST_BINS

FALSE_RATE = 0.05
"""How often a block may be found where there is none."""


def block_levels(values: np.ndarray) -> np.ndarray:
    """Return the Bayesian block of each value in its row, uint8 :cite:p:`scargle2013blocks`.

    Fitness and the prior against one more block are equations 19 and 21 there.
    """
    levels = np.empty(values.shape, np.uint8)
    for row, own in enumerate(values):
        distinct, where, times = np.unique(own, return_inverse=True, return_counts=True)
        starts = _blocks(distinct.astype(np.float64), times.astype(np.float64), FALSE_RATE)
        of_value = np.cumsum(starts) - 1
        levels[row] = np.minimum(of_value[where], MOST_BINS - 1)
    return levels


def width_levels(values: np.ndarray) -> np.ndarray:
    """Return the bin of each value in its row, uint8: as many of one width as the root of cells."""
    n_bins = min(max(round(np.sqrt(values.shape[1])), 1), MOST_BINS)
    low, high = values.min(axis=1, keepdims=True), values.max(axis=1, keepdims=True)
    width = np.where(high > low, (high - low) / n_bins, 1)
    return np.minimum((values - low) / width, n_bins - 1).astype(np.uint8)


@compiled
@no_type_check
def _blocks(distinct, times, false_rate):
    """Return which of the ascending values begins a block."""
    n = len(distinct)
    starts = np.zeros(n, np.bool_)
    starts[0] = True
    if n == 1:
        return starts
    # Edges of the cells of the values: half way to the next.
    edge = np.empty(n + 1)
    edge[0], edge[n] = distinct[0], distinct[n - 1]
    for i in range(1, n):
        edge[i] = (distinct[i - 1] + distinct[i]) / 2
    total = np.zeros(n + 1)
    for i in range(n):
        total[i + 1] = total[i] + times[i]
    best, first = np.zeros(n), np.zeros(n, np.int64)
    for last in range(n):
        prior = 4 - np.log(73.53 * false_rate * (last + 1) ** -0.478)
        highest, place = -np.inf, 0
        for start in range(last + 1):
            number = total[last + 1] - total[start]
            width = edge[last + 1] - edge[start]
            fitness = number * np.log(number / width) - prior
            if start > 0:
                fitness += best[start - 1]
            if fitness > highest:
                highest, place = fitness, start
        best[last], first[last] = highest, place
    last = n - 1
    while last >= 0:
        starts[first[last]] = True
        last = first[last] - 1
    return starts
