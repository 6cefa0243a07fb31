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


def reverses(pairs: Pairs) -> np.ndarray:
    """Return the position of each pair's reverse among unique pairs, -1 where there is none."""
    both, reverse = _both_ways(pairs)
    place = np.full(len(pairs), -1)
    place[both] = reverse
    return place


def _both_ways(pairs: Pairs) -> tuple[np.ndarray, np.ndarray]:
    """Return the positions of the pairs that have a reverse, and those of the reverse."""
    n = int(max(pairs.sources.max(initial=-1), pairs.targets.max(initial=-1))) + 1
    is_source, is_target = np.zeros(n, bool), np.zeros(n, bool)
    is_source[pairs.sources] = is_target[pairs.targets] = True
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
    both, reverse = _both_ways(pairs)
    labels, of_reverse = pairs.labels[both], pairs.labels[reverse]
    # Without both kinds of pairs there is nothing to compare.
    if not 0 < labels.sum() < len(labels):
        return False
    # Where non-edges were drawn, a reverse that is none stands for those that were not.
    weights = np.where(of_reverse, 1.0, 1 / pairs.share)
    of_edges, of_others = (
        np.average(of_reverse[kind], weights=weights[kind]) for kind in (labels, ~labels)
    )
    return bool(of_edges - of_others >= LEAST_EXCESS)


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
