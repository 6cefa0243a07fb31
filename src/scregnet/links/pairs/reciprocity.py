"""Pairs that occur both ways: in an undirected network one tells the label of the other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from scregnet.links.pairs.codes import find_codes, pair_codes
from scregnet.links.task import Pairs

LEAST_EXCESS = 0.2
"""Least excess of a reciprocal network: how much more often the reverse of an edge is an edge.

Compared with the reverse of a non-edge, among regulators. It is 0 to 0.05 in BEELINE's ChIP-seq
networks and 1 in STRING.
"""

BLOCK = 2**22
"""Pairs that are looked up at a time, so that memory does not grow with them."""


def reverses(pairs: Pairs) -> np.ndarray:
    """Return the position of each pair's reverse among unique pairs, -1 where there is none."""
    both, reverse = _both_ways(pairs)
    place = np.full(len(pairs), -1)
    place[both] = reverse
    return place


def _ends(pairs: Pairs) -> tuple[np.ndarray, np.ndarray]:
    """Return which genes are a source, and which a target."""
    n = int(max(pairs.sources.max(initial=-1), pairs.targets.max(initial=-1))) + 1
    is_source, is_target = np.zeros(n, bool), np.zeros(n, bool)
    is_source[pairs.sources] = is_target[pairs.targets] = True
    return is_source, is_target


def _both_ways(pairs: Pairs) -> tuple[np.ndarray, np.ndarray]:
    """Return the positions of the pairs that have a reverse, and those of the reverse."""
    is_source, is_target = _ends(pairs)
    n = len(is_source)
    # Most pairs end at a gene that regulates nothing: they need not be sorted.
    both = np.flatnonzero(is_source[pairs.targets] & is_target[pairs.sources])
    codes = pair_codes(pairs.sources[both], pairs.targets[both], n)
    order = np.argsort(codes)
    found = find_codes(codes[order], pair_codes(pairs.targets[both], pairs.sources[both], n))
    has_reverse = found >= 0
    return both[has_reverse], both[order[found[has_reverse]]]


def is_reciprocal(pairs: Pairs) -> bool:
    """Return whether the reverse of an edge is an edge far more often than chance.

    Far more: by :data:`LEAST_EXCESS`.
    """
    both, mixed, neither = _edges_both_ways(pairs)
    # Without both kinds of pairs there is nothing to compare.
    if not both + mixed or not mixed + neither:
        return False
    # Where non-edges were drawn, a reverse that is none stands for those that were not.
    of_edges = both / (both + mixed / pairs.share)
    of_others = mixed / (mixed + neither / pairs.share)
    return bool(of_edges - of_others >= LEAST_EXCESS)


def _edges_both_ways(pairs: Pairs) -> tuple[int, int, int]:
    """Count the pairs with a reverse: edges whose reverse is one, whose is none, and non-edges.

    The last are those whose reverse is no edge either.
    """
    genes = _regulated_regulators(pairs)
    if np.count_nonzero(genes >= 0) ** 2 > len(pairs):
        one, other = _both_ways(pairs)
        labels, reverse = pairs.labels[one], pairs.labels[other]
        there = np.ones(len(labels), bool)
    else:
        # Most of these pairs are there: a table is smaller than a list, and is not sorted.
        there, labels = _tables(pairs, genes)
        there = there & there.T
        reverse = labels.T
    counts = (labels & reverse, labels & ~reverse, ~labels & ~reverse)
    both, mixed, neither = (int(np.count_nonzero(kind & there)) for kind in counts)
    return both, mixed, neither


def _regulated_regulators(pairs: Pairs) -> np.ndarray:
    """Return the number of each gene among those that are source and target, -1 for others."""
    is_source, is_target = _ends(pairs)
    genes = is_source & is_target
    return np.where(genes, np.cumsum(genes, dtype=np.int32) - 1, np.int32(-1))


def _tables(pairs: Pairs, genes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return which pairs of the numbered genes are there, and which are edges."""
    n = int(genes.max(initial=-1)) + 1
    there, edges = np.zeros((n, n), bool), np.zeros((n, n), bool)
    for start in range(0, len(pairs), BLOCK):
        some = slice(start, start + BLOCK)
        rows, columns = genes[pairs.sources[some]], genes[pairs.targets[some]]
        inside = (rows >= 0) & (columns >= 0)
        there[rows[inside], columns[inside]] = True
        edges[rows[inside], columns[inside]] = pairs.labels[some][inside]
    return there, edges


def without_reverses(pairs: Pairs, held_out: Pairs) -> Pairs:
    """Return the pairs whose reverse is not held out."""
    both = concatenate([pairs, held_out])
    return pairs.take(reverses(both)[: len(pairs)] < len(pairs))


def concatenate(parts: Sequence[Pairs]) -> Pairs:
    """Return the pairs of several parts of one universe, one part after the other."""
    sources, targets, labels = (
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("sources", "targets", "labels")
    )
    return Pairs(sources, targets, labels, parts[0].share)
