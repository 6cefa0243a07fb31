"""Choose which pairs that are no edges serve as negatives."""

from __future__ import annotations

import numpy as np

from scregnet._validate import check_choice
from scregnet.links.pairs.codes import find_codes, pair_codes
from scregnet.links.pairs.reciprocity import concatenate, is_reciprocal
from scregnet.links.task import Pairs, Split

NEGATIVES = ("all", "sampled", "hard", "degree_matched")

# Five times as many rounds match 0 to 5 % more edges (hESC, mDC and mESC with 500 genes).
_ROUNDS = 200


def choose_negatives(
    split: Split,
    kind: str,
    ratio: float = 1.0,
    *,
    rng: np.random.Generator,
    scattered: bool = False,
) -> Split:
    """Choose negatives among the non-edges of all three parts.

    Parameters
    ----------
    split
        The three parts with all their non-edges.
    kind
        ``"all"``: every non-edge. ``"sampled"``: at random. ``"hard"``: at random among those of
        the same TF, so that a TF has as many negatives as edges times ``ratio``.
        ``"degree_matched"``: see :func:`match_degrees`.
    ratio
        Negatives per edge with ``"sampled"`` and ``"hard"``. Takes all where there are fewer.
    rng
        Source of randomness.
    scattered
        With ``"degree_matched"``: whether any pair may be in any part, as in a split of pairs.
        Pairs may then change their part (see ``_match_across_parts``). Other kinds ignore it.

    Returns
    -------
    The three parts. All edges are kept except with ``"degree_matched"``.
    """
    check_choice("negatives", kind, NEGATIVES)
    parts = (split.train, split.validation, split.test)
    if kind == "all":
        return split
    if kind != "degree_matched":
        return Split(*(_sample(pairs, ratio, rng=rng, per_tf=kind == "hard") for pairs in parts))
    # The split of a reciprocal network keeps both directions of a pair in one part; so must this.
    if not scattered or is_reciprocal(concatenate(parts)):
        return Split(*(match_degrees(pairs, rng=rng)[0] for pairs in parts))
    return _match_across_parts(parts, rng=rng)


def _sample(pairs: Pairs, ratio: float, *, rng: np.random.Generator, per_tf: bool) -> Pairs:
    """Keep all edges, and ``ratio`` times as many non-edges of each TF or of all together."""
    others = np.flatnonzero(~pairs.labels)
    draw = rng.random(len(others))
    n_edges = np.bincount(pairs.sources, pairs.labels) if per_tf else np.array([pairs.n_positive])
    # Rounded at random: a low ratio would leave TFs with few edges without negatives.
    wanted = np.floor(ratio * n_edges + rng.random(len(n_edges)))
    keep = pairs.labels.copy()
    if not per_tf:
        keep[others[_lowest(draw, int(wanted[0]))]] = True
        return pairs.take(keep)
    # The non-edges of each TF in random order; rank is their position within the TF.
    others = others[np.lexsort((draw, pairs.sources[others]))]
    _, start, size = np.unique(pairs.sources[others], return_index=True, return_counts=True)
    rank = np.arange(len(others)) - np.repeat(start, size)
    keep[others[rank < wanted[pairs.sources[others]]]] = True
    return pairs.take(keep)


def _lowest(values: np.ndarray, n: int) -> np.ndarray:
    """Return the positions of the ``n`` lowest values; there may be millions of others."""
    return np.argpartition(values, n)[:n] if n < len(values) else np.arange(len(values))


def _match_across_parts(parts: tuple[Pairs, Pairs, Pairs], *, rng: np.random.Generator) -> Split:
    """Match degrees over all parts, then divide whole foursomes in the same proportions.

    Few foursomes lie within one part of a split of pairs.
    """
    matched, foursome = match_degrees(concatenate(parts), rng=rng)
    n = len(matched) // 4
    n_positive = [pairs.n_positive for pairs in parts]
    bounds = np.cumsum(n_positive)[:2] / max(sum(n_positive), 1) * n
    part = np.searchsorted(bounds, rng.permutation(n), side="right")
    return Split(*(matched.take(part[foursome] == number) for number in range(3)))


def match_degrees(pairs: Pairs, *, rng: np.random.Generator) -> tuple[Pairs, np.ndarray]:
    """Keep edges and non-edges with the same degrees of every TF and every target.

    Two edges a → b and c → d are joined if a → d and c → b are both non-edges of ``pairs``: these
    two become negatives. Each pair is in one such foursome at most. So every TF and every target
    is in as many edges as negatives, and a score that is a sum of one term per TF and one per
    target has the same mean on both.

    Edges without a partner are dropped, such as most of those of a TF that regulates nearly every
    gene. Kept, they would give the degrees away again.

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
        # Edges one[i] and two[i] are tried with each other.
        order = rng.permutation(lone)
        one, two = np.array_split(order[: len(order) // 2 * 2], 2)
        # Positions among the non-edges of a → d and of c → b, -1 for edges and unknown pairs.
        cross = np.stack(
            [
                find_codes(ordered, pair_codes(pairs.sources[a], pairs.targets[b], width))
                for a, b in ((one, two), (two, one))
            ]
        )
        joined = _joined(cross, taken)
        taken[cross[:, joined]] = True
        foursomes.append(np.stack([one[joined], two[joined], *others[cross[:, joined]]], axis=1))
        lone = np.setdiff1d(lone, foursomes[-1][:, :2], assume_unique=True)
    kept = np.concatenate(foursomes)
    number = np.full(len(pairs), -1)
    number[kept] = np.arange(len(kept))[:, None]
    return pairs.take(number >= 0), number[number >= 0]


def _joined(cross: np.ndarray, taken: np.ndarray) -> np.ndarray:
    """Return the columns of ``cross`` whose two negatives exist, are free and wanted first."""
    # The conditions hold by columns; cross = -1 looks up the last of taken, which does no harm.
    free = np.flatnonzero((cross >= 0).all(axis=0) & ~taken[cross].any(axis=0))
    # Several of one round may want the same negative: the first gets it.
    wanted = cross[:, free].T
    is_first = np.zeros(wanted.size, bool)
    is_first[np.unique(wanted, return_index=True)[1]] = True
    return free[is_first.reshape(wanted.shape).all(axis=1)]
