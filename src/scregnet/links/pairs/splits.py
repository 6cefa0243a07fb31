"""Divide labelled pairs into training, validation and test parts: at random or by genes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np

from scregnet._validate import check_choice
from scregnet.links.pairs.codes import by_group, counted, pair_codes, shuffled
from scregnet.links.pairs.reciprocity import is_reciprocal, reverses, without_reverses
from scregnet.links.task import Pairs, Split

SPLITS = ("pairs", "targets", "tfs", "both")

VALIDATION_FRACTIONS = {"pairs": 0.1, "targets": 0.1, "tfs": 0.2, "both": 0.3}
"""Default share for validation. TFs are few, so the kinds that hold them out need larger ones.

With ``"both"``, 0.3 of the TFs and 0.3 of the targets are 0.09 of the pairs.
"""

LEAST_OTHERS = 5
"""Non-edges for each edge that a sample of the closed world holds at least."""

# Figures per TF and differences between TFs need more than one.
_MIN_TFS = 2
# Draws of held-out genes before a part with one kind of label is accepted; the caller checks.
_DRAWS = 10


def split_pairs(
    sources: np.ndarray,
    targets: np.ndarray,
    n_genes: int,
    *,
    rng: np.random.Generator,
    kind: str = "pairs",
    test_fraction: float = 0.33,
    validation_fraction: float | None = None,
    max_pairs: int | None = None,
    set_aside: tuple[np.ndarray, np.ndarray] | None = None,
) -> Split:
    """Divide the :func:`universe` of a network in three parts.

    Validation pairs are of the same kind as test pairs. In a reciprocal network such as STRING
    (:func:`~scregnet.links.pairs.reciprocity.is_reciprocal`) the reverse of a pair tells its
    label. There ``kind="pairs"`` keeps both directions in one part. The other kinds drop training
    pairs whose reverse is held out, and validation pairs whose reverse is a test pair.

    Parameters
    ----------
    sources
        Regulator of each known edge, as a position among the genes. Edges are unique, and none
        runs from a gene to itself.
    targets
        Target of each known edge.
    n_genes
        Number of genes.
    rng
        Source of randomness.
    max_pairs
        Pairs to draw of a larger universe (:func:`sampled_universe`); ``None`` takes all.
    set_aside
        Sources and targets of pairs that are no edges and must not be non-edges: in no part.
    kind
        ``"pairs"``: divide the edges and the non-edges of each TF in the same proportions, as
        scRegNet and GENELink do (:func:`hold_out`). ``"targets"``, ``"tfs"``, ``"both"``: hold
        out targets, TFs or both with all their pairs (:func:`hold_out_genes`).
    test_fraction
        Share of the pairs, the targets, the TFs, or the TFs and the targets, for testing.
    validation_fraction
        The same share of the remainder, for validation; ``None`` takes that of the kind in
        :data:`VALIDATION_FRACTIONS`.

    Returns
    -------
    The three parts. Together they hold every pair of the universe once, except mixed pairs with
    ``"both"`` and, in a reciprocal network, dropped reverses.

    Raises
    ------
    ValueError
        Too few TFs have edges to hold some out.
    """
    check_choice("kind", kind, SPLITS)
    if max_pairs is None:
        pairs = universe(sources, targets, n_genes)
    else:
        pairs = sampled_universe(sources, targets, n_genes, max_pairs, rng)
    if set_aside is not None:
        pairs = _without(pairs, *set_aside, n_genes)
    # Asked once, of all pairs: the answer for a part of them could differ.
    reciprocal = is_reciprocal(pairs)
    divide: Callable[..., tuple[Pairs, Pairs]] = hold_out
    if kind != "pairs":
        divide = partial(
            hold_out_genes, tfs=kind in ("tfs", "both"), targets=kind in ("targets", "both")
        )
    rest, test = divide(pairs, test_fraction, rng=rng, reciprocal=reciprocal)
    del pairs  # of millions, no third copy
    share = VALIDATION_FRACTIONS[kind] if validation_fraction is None else validation_fraction
    train, validation = divide(rest, share, rng=rng, reciprocal=reciprocal)
    return Split(train, validation, test)


def universe(sources: np.ndarray, targets: np.ndarray, n_genes: int) -> Pairs:
    """Return every pair of a TF that has an edge with every other gene.

    Pairs that are no edges are negatives: BEELINE's closed world.
    """
    tfs, row = np.unique(sources, return_inverse=True)
    labels = np.zeros((len(tfs), n_genes), bool)
    labels[row, targets] = True
    other = np.ones_like(labels)  # False for a TF with itself
    other[np.arange(len(tfs)), tfs] = False
    # All genes but the TF, without 64 bits for each of millions of pairs.
    tfs = tfs.astype(np.int32)
    genes = np.arange(n_genes - 1, dtype=np.int32)
    target = genes + (genes >= tfs[:, None])
    return Pairs(np.repeat(tfs, n_genes - 1), target.ravel(), labels[other])


def _without(pairs: Pairs, sources: np.ndarray, targets: np.ndarray, n_genes: int) -> Pairs:
    """Return the pairs without some non-edges; the others stand for as many fewer."""
    aside = np.unique(pair_codes(sources, targets, n_genes))
    tfs = np.unique(pairs.sources)
    n_aside = int(np.isin(aside // n_genes, tfs).sum())
    kept = pairs.labels | ~np.isin(pair_codes(pairs.sources, pairs.targets, n_genes), aside)
    left = pairs.take(kept)
    if pairs.share == 1:
        return left
    n_others = len(tfs) * (n_genes - 1) - pairs.n_positive - n_aside
    return replace(left, share=(len(left) - left.n_positive) / n_others)


def sampled_universe(
    sources: np.ndarray,
    targets: np.ndarray,
    n_genes: int,
    max_pairs: int,
    rng: np.random.Generator,
) -> Pairs:
    """Return the :func:`universe`, or about ``max_pairs`` of it where there are more.

    These are all edges and a random share of the other pairs, at least :data:`LEAST_OTHERS` for
    each edge.
    """
    tfs, row = np.unique(sources, return_inverse=True)
    n_edges = len(targets)
    n_others = len(tfs) * (n_genes - 1) - n_edges
    wanted = max(max_pairs - n_edges, LEAST_OTHERS * n_edges)
    if wanted >= n_others:
        return universe(sources, targets, n_genes)
    order = np.argsort(row, kind="stable")
    of_tf = np.split(targets[order], np.cumsum(np.bincount(row))[:-1])
    found, labels = [], []
    # A TF at a time, so that memory is that of what is returned.
    for tf, own in zip(tfs, of_tf, strict=True):
        kept = rng.random(n_genes) < wanted / n_others
        kept[tf] = False
        kept[own] = True
        genes = np.flatnonzero(kept)
        found.append(genes.astype(np.int32))
        labels.append(np.isin(genes, own))
    sources = np.repeat(tfs, [len(genes) for genes in found]).astype(np.int32)
    joined = np.concatenate(labels)
    # By what was drawn, not what was asked for, the non-edges stand for all of them.
    share = (len(joined) - n_edges) / n_others
    return Pairs(sources, np.concatenate(found), joined, share=share)


def hold_out(
    pairs: Pairs, fraction: float, *, rng: np.random.Generator, reciprocal: bool | None = None
) -> tuple[Pairs, Pairs]:
    """Divide pairs in two, the second with a share of each TF's edges and of its non-edges.

    Numbers that are not whole are rounded at random with the right expectation, so that TFs with
    one or two edges are not always in the same half. In a ``reciprocal`` network (``None``: if
    the pairs look like it) both directions of a pair go to one half. There the shares of TFs
    whose edges nearly all lie among TFs may differ somewhat.
    """
    held = held_out(pairs, fraction, rng=rng, reciprocal=reciprocal)
    return pairs.take(~held), pairs.take(held)


def held_out(
    pairs: Pairs, fraction: float, *, rng: np.random.Generator, reciprocal: bool | None = None
) -> np.ndarray:
    """Return the mask of the second half of :func:`hold_out`."""
    order = shuffled(len(pairs), rng)
    # By TF, then by label, each group in random order: the first n of a group are held out.
    group = 2 * pairs.sources + pairs.labels
    sizes = counted(group)
    sizes = sizes[sizes > 0]
    starts = np.cumsum(sizes) - sizes
    order = by_group(order, group)
    del group
    held = np.zeros(len(pairs), bool)
    wanted = np.floor(fraction * sizes + rng.random(len(sizes))).astype(int)
    for start, n in zip(starts, wanted, strict=True):
        held[order[start : start + n]] = True
    if is_reciprocal(pairs) if reciprocal is None else reciprocal:
        reverse = reverses(pairs)
        _join(held, reverse, rng)
        # Pairs without a reverse make up for what a group now has too many or too few of.
        for start, size, n in zip(starts, sizes, wanted, strict=True):
            members = order[start : start + size]
            excess = int(held[members].sum()) - n
            free = members[(reverse[members] < 0) & (held[members] == (excess > 0))]
            held[free[: abs(excess)]] = excess < 0
    return held


def _join(held: np.ndarray, reverse: np.ndarray, rng: np.random.Generator) -> None:
    """Where one direction is held out, hold out both or none; even odds keep the expected share."""
    one = np.flatnonzero(held & (reverse >= 0) & ~held[reverse])
    both = rng.random(len(one)) < 0.5
    held[reverse[one[both]]] = True
    held[one[~both]] = False


def hold_out_genes(
    pairs: Pairs,
    fraction: float,
    *,
    tfs: bool,
    targets: bool,
    rng: np.random.Generator,
    reciprocal: bool = False,
) -> tuple[Pairs, Pairs]:
    """Divide pairs in two so that the first has no pair of a held-out TF or target.

    A share ``fraction`` of the TFs (``tfs``; at least two, and two remain) and of the targets
    (``targets``) is held out. With both, the second half has the pairs of held-out TFs with
    held-out targets and the first those of neither; mixed pairs are dropped. A gene is held out
    in its role only: a held-out target that is a TF, too, keeps its pairs as a TF. In a
    ``reciprocal`` network the first half lacks the pairs whose reverse is in the second.

    One gene is drawn from each of as many groups of similar degree, so that hubs fall in both
    halves. A draw that leaves a half without edges or without non-edges is repeated.

    Raises
    ------
    ValueError
        Too few TFs or targets would remain in one of the halves.
    """
    for _ in range(_DRAWS):
        inside, outside = np.ones(len(pairs), bool), np.ones(len(pairs), bool)
        for wanted, genes, least in ((tfs, pairs.sources, _MIN_TFS), (targets, pairs.targets, 1)):
            if wanted:
                held = _draw(genes, pairs.labels, fraction, least, rng)[genes]
                inside &= held
                outside &= ~held
        rest, second = pairs.take(outside), pairs.take(inside)
        if reciprocal:
            rest = without_reverses(rest, second)
        if all(0 < half.n_positive < len(half) for half in (rest, second)):
            break
    return rest, second


def _draw(
    genes: np.ndarray, labels: np.ndarray, fraction: float, least: int, rng: np.random.Generator
) -> np.ndarray:
    """Return a mask over genes: a share of those that occur, spread over their degrees."""
    present = np.unique(genes)
    n = max(round(fraction * len(present)), least)
    if len(present) - n < least:
        msg = (
            f"split: {len(present)} genes in the held-out role cannot be divided in two with {n} "
            f"in the second and at least {least} in the first. Training, validation and test part "
            "need at least two TFs each; lower test_fraction or validation_fraction, or use "
            "kind='pairs'."
        )
        raise ValueError(msg)
    degree = np.bincount(genes, weights=labels)[present]
    order = np.lexsort((rng.random(len(present)), degree))  # by degree, ties at random
    # One from each of n groups; or, if n is more than half, all but one from each of the groups.
    n_groups = min(n, len(present) - n)
    edges = np.linspace(0, len(present), n_groups + 1).astype(int)
    picked = order[edges[:-1] + (rng.random(n_groups) * np.diff(edges)).astype(int)]
    chosen = np.zeros(len(present), bool)
    chosen[picked] = True
    held = np.zeros(int(present[-1]) + 1, bool)
    held[present[chosen if n == n_groups else ~chosen]] = True
    return held
