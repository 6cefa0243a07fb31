"""Pairs of genes that are there both ways: in an undirected network one tells the label of the other."""

from __future__ import annotations

import numpy as np

from scregnet.links.pairs.codes import find_codes, pair_codes
from scregnet.links.task import Pairs

LEAST_EXCESS = 0.2
"""How much more often the reverse of an edge must be an edge than the reverse of a non-edge. Among regulators of BEELINE's ChIP-seq networks it is 0 to 0.05, in STRING 1."""


def reverses(pairs: Pairs) -> np.ndarray:
    """Position of every pair's reverse among ``pairs``, which are unique; -1 where it is not there."""
    place = np.full(len(pairs), -1)
    n = int(max(pairs.sources.max(initial=-1), pairs.targets.max(initial=-1))) + 1
    is_source, is_target = np.zeros(n, bool), np.zeros(n, bool)
    is_source[pairs.sources] = is_target[pairs.targets] = True
    # Most pairs end at a gene that regulates nothing: they need not be sorted.
    both = np.flatnonzero(is_source[pairs.targets] & is_target[pairs.sources])
    code = pair_codes(pairs.sources[both], pairs.targets[both], n)
    both, code = both[order := np.argsort(code)], code[order]
    found = find_codes(code, pair_codes(pairs.targets[both], pairs.sources[both], n))
    there = found >= 0
    place[both[there]] = both[found[there]]
    return place


def is_reciprocal(pairs: Pairs) -> bool:
    """Whether an edge between two regulators tells that its reverse is one, by far more than chance: :data:`LEAST_EXCESS`."""
    reverse = reverses(pairs)
    both = reverse >= 0
    labels, of_reverse = pairs.labels[both], pairs.labels[reverse[both]]
    if not 0 < labels.sum() < len(labels):
        return False
    return bool(of_reverse[labels].mean() - of_reverse[~labels].mean() >= LEAST_EXCESS)


def without_reverses(pairs: Pairs, held_out: Pairs) -> Pairs:
    """The pairs whose reverse is not held out."""
    fields = ("sources", "targets", "labels")
    both = Pairs(
        *(np.concatenate([getattr(part, name) for part in (pairs, held_out)]) for name in fields)
    )
    return pairs.take(reverses(both)[: len(pairs)] < len(pairs))
