"""Which pairs that are no edges serve as negatives."""

from __future__ import annotations

import numpy as np

from scregnet._validate import check_choice
from scregnet.links.pairs.codes import find_codes, pair_codes
from scregnet.links.pairs.reciprocity import is_reciprocal
from scregnet.links.task import Pairs, Split

NEGATIVES = ("all", "sampled", "hard", "degree_matched")

_ROUNDS = 200


def choose_negatives(
    split: Split,
    kind: str,
    ratio: float = 1.0,
    *,
    rng: np.random.Generator,
    scattered: bool = False,
) -> Split:
    """Choose among the non-edges of the parts, in training, validation and test alike.

    Parameters
    ----------
    split
        The three parts with all their non-edges.
    kind
        ``"all"``: every non-edge. ``"sampled"``: at random. ``"hard"``: at random among those of the same TF, edge by edge, so that
        a TF has as many negatives as edges where it has so many non-edges, and how often a TF is a regulator tells little.
        ``"degree_matched"``: see :func:`match_degrees`.
    ratio
        Negatives per edge, with ``"sampled"`` and ``"hard"``; where there are fewer, all are taken.
    rng
        Source of randomness.
    scattered
        Whether any pair may be in any part, as in a split of pairs. Matched foursomes seldom lie within one part then: they are made over all parts, and
        as wholes divided anew in the same proportions; but within the parts in a reciprocal network, whose split keeps both directions of a pair together.
        Not read with other kinds, which leave every pair in its part.

    Returns
    -------
    The three parts; edges are kept except with ``"degree_matched"``.
    """
    check_choice("negatives", kind, NEGATIVES)
    parts = (split.train, split.validation, split.test)
    if kind == "all":
        return split
    if kind != "degree_matched":
        return Split(*(_sample(pairs, ratio, rng=rng, per_tf=kind == "hard") for pairs in parts))
    fields = ("sources", "targets", "labels")
    everything = Pairs(
        *(np.concatenate([getattr(pairs, field) for pairs in parts]) for field in fields)
    )
    if not scattered or is_reciprocal(everything):
        return Split(*(match_degrees(pairs, rng=rng)[0] for pairs in parts))
    matched, foursome = match_degrees(everything, rng=rng)
    n = len(matched) // 4
    shares = np.cumsum([pairs.n_positive for pairs in parts]) / max(everything.n_positive, 1)
    part = np.searchsorted(shares[:2] * n, rng.permutation(n), side="right")
    return Split(*(matched.take(part[foursome] == number) for number in range(3)))


def _sample(pairs: Pairs, ratio: float, *, rng: np.random.Generator, per_tf: bool) -> Pairs:
    group = pairs.sources if per_tf else np.zeros(len(pairs), np.int32)
    others = np.flatnonzero(~pairs.labels)
    others = others[np.lexsort((rng.random(len(others)), group[others]))]
    _, start, size = np.unique(group[others], return_index=True, return_counts=True)
    rank = np.arange(len(others)) - np.repeat(start, size)
    # Numbers that are not whole are rounded at random, or a low ratio would leave TFs with few edges without negatives.
    wanted = ratio * np.bincount(group, weights=pairs.labels)
    wanted = np.floor(wanted + rng.random(len(wanted)))
    keep = pairs.labels.copy()
    keep[others[rank < wanted[group[others]]]] = True
    return pairs.take(keep)


def match_degrees(pairs: Pairs, *, rng: np.random.Generator) -> tuple[Pairs, np.ndarray]:
    """Keep edges and non-edges that agree in how often every TF is a source and how often every gene is a target.

    Two edges a → b and c → d are joined when a → d and c → b are both non-edges of ``pairs``: these two become negatives. Each edge
    is joined once and each non-edge used once, so both kinds have the same number of pairs of every TF and of every target; a score that
    is a sum of one term per TF and one per target has the same mean on both. Edges that find no partner, such as most of those of a TF that
    regulates nearly every gene, are left out with the negatives that are not used: keeping them would give the degrees away again.

    Returns
    -------
    The pairs that are kept, and for each the number of its foursome.
    """
    width = int(pairs.targets.max(initial=0)) + 1
    codes = pair_codes(pairs.sources, pairs.targets, width)
    others = np.flatnonzero(~pairs.labels)
    others = others[np.argsort(codes[others])]
    ordered = codes[others]
    taken = np.zeros(len(others), bool)
    lone = np.flatnonzero(pairs.labels)
    foursomes = [np.empty((0, 4), np.intp)]
    for _ in range(_ROUNDS):
        if len(lone) < 2 or len(others) < 2:
            break
        order = rng.permutation(lone)
        one, two = np.array_split(order[: len(order) // 2 * 2], 2)
        cross = np.stack(
            [
                find_codes(ordered, pair_codes(pairs.sources[a], pairs.targets[b], width))
                for a, b in ((one, two), (two, one))
            ]
        )
        open_ = np.flatnonzero((cross >= 0).all(axis=0) & ~taken[cross].any(axis=0))
        # Several of one round may want the same negative: the first gets it.
        wanted = cross[:, open_].T
        is_first = np.zeros(wanted.size, bool)
        is_first[np.unique(wanted, return_index=True)[1]] = True
        joined = open_[is_first.reshape(wanted.shape).all(axis=1)]
        taken[cross[:, joined]] = True
        foursomes.append(np.stack([one[joined], two[joined], *others[cross[:, joined]]], axis=1))
        lone = np.setdiff1d(lone, foursomes[-1][:, :2], assume_unique=True)
    kept = np.concatenate(foursomes)
    number = np.full(len(pairs), -1)
    number[kept] = np.arange(len(kept))[:, None]
    return pairs.take(number >= 0), number[number >= 0]
