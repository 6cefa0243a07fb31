"""Compiled loops over a ranking."""

from __future__ import annotations

from functools import partial
from typing import no_type_check

import numpy as np

from scregnet._compiled import compiled


# Ties are runs of any length: there is nothing to reorder.
@partial(compiled, fastmath=frozenset())
@no_type_check
def numbered_steps(scores: np.ndarray, labels: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Return the step of the ranking that each of the ordered pairs is in, int32.

    Tied pairs of a group are one step. So are neighbours without edges. ``group`` is empty where
    all pairs are of one.
    """
    n = len(scores)
    number = np.empty(n, np.int32)
    step, had_edge, start = -1, True, 0
    while start < n:
        begins = had_edge or (len(group) > 0 and group[start] != group[start - 1])
        end, has_edge = start, False
        while end < n and scores[end] == scores[start]:
            if len(group) and group[end] != group[start]:
                break
            has_edge |= labels[end]
            end += 1
        if begins or has_edge:
            step += 1
        number[start:end] = step
        had_edge, start = has_edge, end
    return number


@partial(compiled, fastmath=frozenset())
@no_type_check
def placed(order: np.ndarray, group: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Return ordered places by their group, which begin at ``starts``; a stable sort."""
    found = np.empty(len(order), np.int32)
    free = starts.copy()
    for place in order:
        found[free[group[place]]] = place
        free[group[place]] += 1
    return found


@partial(compiled, fastmath=frozenset())
@no_type_check
def numbered_within(group: np.ndarray, n_groups: int) -> np.ndarray:
    """Return how many of each one's group are before it, int32."""
    number = np.empty(len(group), np.int32)
    taken = np.zeros(n_groups, np.int32)
    for place in range(len(group)):
        number[place] = taken[group[place]]
        taken[group[place]] += 1
    return number


@compiled
@no_type_check
def _gather(counts: np.ndarray, places: np.ndarray, weights: np.ndarray, drawn: np.ndarray) -> None:
    """Write how often each pair was drawn, times its weight."""
    if len(weights):
        for pair in range(len(places)):
            drawn[pair] = counts[places[pair]] * weights[pair]
    else:
        for pair in range(len(places)):
            drawn[pair] = counts[places[pair]]


@compiled
@no_type_check
def _errors(drawn: np.ndarray, values: np.ndarray, label: int) -> tuple[float, float]:
    """Return the sums of probability minus label and of its square."""
    gap, squares = 0.0, 0.0
    for pair in range(len(values)):
        residual = np.float64(values[pair]) - label
        part = drawn[pair] * residual
        gap += part
        squares += part * residual
    return gap, squares


# Each in a loop of its own, which the compiler then does several pairs at a time.
@compiled
@no_type_check
def _add_stratum(
    stratum: int,
    strata: np.ndarray,
    room: tuple[np.ndarray, np.ndarray, np.ndarray],
    ranking: tuple[np.ndarray, ...],
    weights: np.ndarray,
    values: np.ndarray,
    grows: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> float:
    """Add the counts of a stratum; the arguments are those of :func:`add_drawn`."""
    places, begins, steps, own_steps, of_stratum, bin_begins, bins, bins_of_stratum = ranking
    totals, own_totals, gaps = grows
    counts, drawn, down_to = room
    start, stop = strata[stratum], strata[stratum + 1]
    is_edge, squares = stratum % 2, 0.0
    _gather(counts, places[start:stop], weights[start:stop], drawn)
    if len(values):
        for run in range(bins_of_stratum[stratum], bins_of_stratum[stratum + 1]):
            first, last = bin_begins[run], bin_begins[run + 1]
            gap, square = _errors(drawn[first - start : last - start], values[first:last], is_edge)
            gaps[bins[run]] += gap
            squares += square
    # What a run of any length adds up to is the difference of two sums from the top.
    total = drawn[0] * 0
    for pair in range(stop - start):
        total += drawn[pair]
        down_to[pair] = total
    above = drawn[0] * 0
    for cell in range(of_stratum[stratum], of_stratum[stratum + 1]):
        below = down_to[begins[cell + 1] - start - 1]
        number = float(below - above)
        above = below
        totals[0, steps[cell]] += number
        own_totals[0, own_steps[cell]] += number
        if is_edge:
            totals[1, steps[cell]] += number
            own_totals[1, own_steps[cell]] += number
    return squares


@compiled
@no_type_check
def add_each(
    strata: np.ndarray,
    room: tuple[np.ndarray, np.ndarray, np.ndarray],
    ranking: tuple[np.ndarray, ...],
    weights: np.ndarray,
    values: np.ndarray,
    grows: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> float:
    """Do what :func:`add_drawn` does with every pair taken once."""
    squares = 0.0
    room[0][:] = 1
    for stratum in range(len(strata) - 1):
        squares += _add_stratum(stratum, strata, room, ranking, weights, values, grows)
    return squares


@compiled
@no_type_check
def add_drawn(
    uniform: np.ndarray,
    first: int,
    strata: np.ndarray,
    room: tuple[np.ndarray, np.ndarray, np.ndarray],
    ranking: tuple[np.ndarray, ...],
    weights: np.ndarray,
    values: np.ndarray,
    grows: tuple[np.ndarray, np.ndarray, np.ndarray],
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
    room
        Three arrays with an entry for each pair of the largest stratum. The first is zeros; what
        was drawn of a stratum that goes on after these numbers is left in it. The others are of the
        type of ``weights``.
    ranking
        The first fields of a :class:`~scregnet.metrics._ranking.Ranking`.
    weights, values
        In the order of the ranking: how many pairs each stands for, without entries for one each;
        and its probability, without entries for none.
    grows
        Pairs and edges of each step, (2, n_steps); those of the steps of single groups; and the sum
        of probability minus label by bin.

    Returns
    -------
    The sum of the squares of probability minus label over what was drawn.
    """
    counts, squares = room[0], 0.0
    stratum = np.searchsorted(strata, first, side="right") - 1
    place, n = first, first + len(uniform)
    while place < n:
        start, stop = strata[stratum], strata[stratum + 1]
        size = stop - start
        # Counted first: the counts stay in the caches, what is known of the pairs would not.
        for at in range(place, min(stop, n)):
            counts[int(uniform[at - first] * size)] += 1
        place = min(stop, n)
        if place < stop:
            break
        squares += _add_stratum(stratum, strata, room, ranking, weights, values, grows)
        counts[:size] = 0
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
        Pairs and edges of each step of the rankings, (2, n_steps). Those of one step are tied, or
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
            size, gain = totals[0, step], totals[1, step]
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
