"""Compiled loops over a ranking."""

from __future__ import annotations

from functools import partial
from typing import no_type_check

import numpy as np

from scregnet._compiled import compiled


# Each pair is drawn by a number of its own: there is nothing to reorder.
@partial(compiled, fastmath=frozenset())
@no_type_check
def add_drawn(
    uniform: np.ndarray,
    first: int,
    strata: np.ndarray,
    counts: np.ndarray,
    steps: np.ndarray,
    own_steps: np.ndarray,
    weights: np.ndarray,
    values: np.ndarray,
    bins: np.ndarray,
    totals: np.ndarray,
    own_totals: np.ndarray,
    gaps: np.ndarray,
) -> float:
    """Draw pairs with replacement, each from its stratum, and add them to the steps of the ranking.

    Parameters
    ----------
    uniform
        A random number from 0 to 1 for each pair from place ``first`` on.
    first
        The first place that is drawn.
    strata
        Where each stratum begins among the pairs, and its end. Non-edges and edges take turns.
    counts
        Zeros, as many as the largest stratum has pairs. What was drawn of a stratum that goes on
        after these numbers is left in it.
    steps, own_steps
        Step of each pair in the ranking of all pairs, and in that of its group.
    weights, values, bins
        How many pairs each stands for, empty for one each; its probability, empty for none; and the
        bin of the probability.
    totals, own_totals
        Pairs and edges of each step, (n_steps, 2), which grow.
    gaps
        Sum of probability minus label by bin, which grows.

    Returns
    -------
    The sum of the squares of probability minus label over what was drawn.
    """
    squares = 0.0
    stratum = np.searchsorted(strata, first, side="right") - 1
    place, n = first, first + len(uniform)
    while place < n:
        start, stop = strata[stratum], strata[stratum + 1]
        size, is_edge = stop - start, stratum % 2 == 1
        # Counted first: the counts stay in the caches, what is known of the pairs would not.
        for at in range(place, min(stop, n)):
            counts[int(uniform[at - first] * size)] += 1
        place = min(stop, n)
        if place < stop:
            break
        for pair in range(start, stop):
            weight = float(counts[pair - start])
            if weight == 0:
                continue
            counts[pair - start] = 0
            if len(weights):
                weight *= weights[pair]
            totals[steps[pair], 0] += weight
            own_totals[own_steps[pair], 0] += weight
            if is_edge:
                totals[steps[pair], 1] += weight
                own_totals[own_steps[pair], 1] += weight
            if len(values):
                residual = float(values[pair]) - is_edge
                gaps[bins[pair]] += weight * residual
                squares += weight * residual * residual
        stratum += 1
    return squares


# Runs of tied pairs are short: adding several at a time takes longer.
@partial(compiled, fastmath=frozenset())
@no_type_check
def ranked(
    totals: np.ndarray, groups: np.ndarray, k: float
) -> tuple[np.ndarray, np.ndarray, float]:
    """Go down the ranking of every group once.

    Parameters
    ----------
    totals
        Pairs and edges of each step of the rankings, (n_steps, 2). Those of one step are tied, or
        are no edges, whose order does not matter.
    groups
        Where each group begins among the steps, and their end.
    k
        Pairs of the first group, from its top, among which edges are counted.

    Returns
    -------
    Area under the ROC curve, ties by half, and average precision of every group; edges among the
    first ``k`` pairs of the first group, of tied pairs by their share.
    """
    n_groups = len(groups) - 1
    auroc, auprc = np.empty(n_groups), np.empty(n_groups)
    found = 0.0
    for group in range(n_groups):
        edges = pairs = area = precision = 0.0
        for step in range(groups[group], groups[group + 1]):
            size, gain = totals[step]
            if group == 0 and pairs < k <= pairs + size:
                found = edges + (k - pairs) * gain / size
            edges += gain
            pairs += size
            # Steps without weight at the top of a group have no precision and add nothing.
            precision += gain * edges / max(pairs, 1.0)
            # Non-edges of the step times the edges above them, plus half of those tied with them.
            area += (size - gain) * (edges - gain / 2)
        auroc[group] = area / (edges * (pairs - edges))
        auprc[group] = precision / edges
    return auroc, auprc, found
