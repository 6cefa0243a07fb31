"""Pairs of genes as single integers, for sorting, sets and look-ups."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

MANY_PLACES = 2**22
"""From so many on, places are sorted in a compiled loop, which takes a third of the memory."""


def pair_codes(sources: np.ndarray, targets: np.ndarray, n_genes: int) -> np.ndarray:
    """Return the code of each pair: ``source * n_genes + target``, int64.

    Codes sort by source, then by target. ``n_genes`` must be larger than every target.
    """
    # Positions are int32, which 46,341 genes or more would overflow.
    return np.asarray(sources, np.int64) * int(n_genes) + np.asarray(targets, np.int64)


def decode_pairs(codes: np.ndarray, n_genes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the sources and the targets of codes: the inverse of :func:`pair_codes`, int64."""
    return np.divmod(codes, n_genes)


def find_codes(ordered: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return the position of each wanted code in an ascending array, -1 where it is missing."""
    if not len(ordered):
        return np.full(np.shape(wanted), -1)
    # searchsorted gives the length of the array for codes above its last.
    place = np.minimum(np.searchsorted(ordered, wanted), len(ordered) - 1)
    return np.where(ordered[place] == wanted, place, -1)


def narrow(numbers: np.ndarray) -> np.ndarray:
    """Return small integers in 16 bits: a stable sort is ten times as fast for millions of them."""
    # They are sorted by their digits then.
    return (
        numbers.astype(np.uint16) if numbers.max(initial=0) <= np.iinfo(np.uint16).max else numbers
    )


def by_group(order: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Return the places in ``order`` by their group; those of a group stay in their order."""
    if len(order) < MANY_PLACES:
        return order[np.argsort(narrow(group)[order], kind="stable")]
    from scregnet.links.pairs.compiled import placed_by_group

    sizes = counted(group)
    return np.asarray(placed_by_group(order, group, np.cumsum(sizes) - sizes))


def counted(group: np.ndarray, least: int = 0) -> np.ndarray:
    """Return what ``np.bincount`` does, without a copy of all numbers in 64 bits.

    There are at least ``least`` counts.
    """
    sizes = np.zeros(max(int(group.max(initial=-1)) + 1, least), np.int64)
    for start in range(0, len(group), MANY_PLACES):
        sizes += np.bincount(group[start : start + MANY_PLACES], minlength=len(sizes))
    return sizes


def shuffled(n: int, rng: np.random.Generator) -> np.ndarray:
    """Return what ``rng.permutation(n)`` does, in half the memory."""
    order = np.arange(n, dtype=np.int32 if n <= np.iinfo(np.int32).max else np.int64)
    rng.shuffle(order)
    return order


def grouped(sources: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Yield each of the sources, ascending, and where it is."""
    order = np.argsort(sources, kind="stable")
    for places in np.split(order, np.flatnonzero(np.diff(sources[order])) + 1):
        if len(places):
            yield int(sources[places[0]]), places
