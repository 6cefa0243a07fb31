"""Pairs in the order of the ranking, and runs of them that every resample counts together."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

BITS = 32
"""Of a score, and of the place of a pair, where both are sorted as one number."""

BLOCK = 1 << 20
"""Scores that are made such numbers at a time, so that memory does not grow with them."""


class Ranking(NamedTuple):
    """Pairs by stratum and falling score, and runs of them.

    A stratum has the edges or the non-edges of one TF. The pairs of a cell are in one step of the
    ranking of all pairs, and in one of that of the TF. Tied pairs are one step. So are neighbours
    without edges: their order changes no figure.
    """

    places: np.ndarray
    """Place of each pair in its stratum."""

    begins: np.ndarray
    """Where each cell begins, and their end."""

    steps: np.ndarray
    own_steps: np.ndarray
    of_stratum: np.ndarray
    """First cell of each stratum, and their end."""

    bin_begins: np.ndarray
    """Where each run of probabilities of one bin begins, and their end."""

    bins: np.ndarray
    bins_of_stratum: np.ndarray
    """First of these runs of each stratum, and their end."""

    n_steps: int
    groups: np.ndarray
    """Where the steps of each TF with both kinds of pairs begin, and their end."""


def rank(
    labels: np.ndarray,
    scores: np.ndarray,
    group: np.ndarray,
    *,
    strata: np.ndarray,
    bins: np.ndarray,
) -> tuple[Ranking, np.ndarray]:
    """Return the ranking of pairs, and the order in which it has them.

    ``strata`` is where each stratum begins, and their end: non-edges and edges of the TFs that
    ``group`` numbers. ``bins`` is empty without probabilities.
    """
    from scregnet.metrics._compiled import numbered_steps, numbered_within, placed

    order = falling(scores)
    number = numbered_steps(scores[order], labels[order], np.zeros(0, np.int32))
    n_steps = int(number[-1]) + 1
    steps = _back(number, order)
    order = placed(order, group, strata[:-1:2])
    own = group[order]
    number = numbered_steps(scores[order], labels[order], own)
    # Other TFs have no ranking of their own: their pairs go to one more step, the last.
    both = np.asarray((np.diff(strata) > 0).reshape(-1, 2).all(axis=1))
    first = np.append(number[strata[:-1:2]], number[-1] + 1)
    groups = np.append(0, np.cumsum(np.diff(first)[both]))
    shift = np.zeros(len(both), np.int32)
    shift[both] = groups[:-1] - first[:-1][both]
    number += shift[own]
    number[~both[own]] = groups[-1]
    own_steps = _back(number, order)
    del number, own
    stratum = 2 * group
    stratum += labels
    order = placed(order, stratum, strata[:-1])
    places = numbered_within(stratum, len(strata) - 1)
    # Of 16 bits where that is enough: they stay in the caches.
    places = places.astype(np.uint16 if np.diff(strata).max() <= 2**16 else np.int32)[order]
    del stratum
    begins, of_stratum = _runs(strata, steps[order], own_steps[order])
    leaders = order[begins[:-1]]
    if len(bins):
        bins = bins[order]
        bin_begins, bins_of_stratum = _runs(strata, bins)
        bins = bins[bin_begins[:-1]]
    else:
        bin_begins, bins_of_stratum = np.zeros(1, np.int32), np.zeros(len(strata), np.int64)
    ranking = Ranking(
        places,
        begins,
        steps[leaders],
        own_steps[leaders],
        of_stratum,
        bin_begins,
        bins,
        bins_of_stratum,
        n_steps,
        groups,
    )
    return ranking, order


def _runs(strata: np.ndarray, *numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return where runs of equal numbers begin, and their end; the first run of each stratum."""
    new = np.zeros(len(numbers[0]) + 1, bool)
    new[strata] = True
    for ordered in numbers:
        new[1:-1] |= ordered[1:] != ordered[:-1]
    begins = np.flatnonzero(new).astype(np.int32)
    return begins, np.searchsorted(begins, strata)


def falling(scores: np.ndarray) -> np.ndarray:
    """Return where scores are in falling order, int32."""
    if scores.dtype != np.float32:
        return np.argsort(-scores, kind="stable").astype(np.int32)
    # Score and place as one number of 64 bits: a quarter of the time of sorting an index. Bits of
    # floats rise as they do if those of negative ones are turned, and the sign of the others. Minus
    # zero becomes zero.
    keys = np.empty(len(scores), np.uint64)
    sign = np.uint32(2 ** (BITS - 1))
    for start in range(0, len(scores), BLOCK):
        bits = (np.float32(0) - scores[start : start + BLOCK]).view(np.uint32)
        bits ^= np.where(bits >= sign, np.uint32(2**BITS - 1), sign)
        key = keys[start : start + BLOCK]
        key[:] = bits
        key <<= np.uint64(BITS)
        key |= np.arange(start, start + len(key), dtype=np.uint64)
    keys.sort()
    keys &= np.uint64(2**BITS - 1)
    return keys.astype(np.int32)


def _back(numbers: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Return numbers of the ordered pairs in the order of the pairs."""
    found = np.empty_like(numbers)
    found[order] = numbers
    return found
