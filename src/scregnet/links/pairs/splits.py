"""Divide labelled pairs into training, validation and test parts: at random, or by what was never labelled."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from scregnet._validate import check_choice
from scregnet.links.pairs.reciprocity import is_reciprocal, reverses, without_reverses
from scregnet.links.task import Pairs, Split

SPLITS = ("pairs", "targets", "tfs", "both")

VALIDATION_FRACTIONS = {"pairs": 0.1, "targets": 0.1, "tfs": 0.2, "both": 0.3}
"""Shares that leave enough validation pairs of each kind: with ``"both"``, 0.3 of the TFs and 0.3 of the targets are 0.09 of the pairs."""

_MIN_TFS = 2
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
) -> Split:
    """Divide the :func:`universe` of a network in three parts; validation pairs are of the same kind as test pairs.

    In a network whose edges mostly run both ways, such as STRING (:func:`~scregnet.links.pairs.reciprocity.is_reciprocal`), the reverse of a pair tells its label. There
    both directions are in one part with ``kind="pairs"``; with the others the training lacks every pair whose reverse is a validation or
    test pair, and the validation part those whose reverse is a test pair. This goes by genes, never by labels: were edges alone kept together, a
    reverse among the training pairs would tell that a pair is none.

    Parameters
    ----------
    sources
        Regulator of each known edge, positions of genes; edges are unique and none runs from a gene to itself.
    targets
        Target of each known edge.
    n_genes
        Number of genes.
    rng
        Source of randomness.
    kind
        ``"pairs"``: every TF's edges and its non-edges are divided in the same proportions, as scRegNet and GENELink do (:func:`hold_out`).
        ``"targets"``, ``"tfs"``, ``"both"``: targets, TFs or both are held out with all their pairs (:func:`hold_out_genes`).
    test_fraction
        Share of the pairs, the targets, the TFs, or the TFs and the targets, for testing.
    validation_fraction
        The same share of the remainder for validation; ``None`` takes that of the kind in :data:`VALIDATION_FRACTIONS`.

    Returns
    -------
    The three parts. Together they hold every pair of the universe once; with ``"both"`` all but the mixed ones, and where genes of a reciprocal network are
    held out all but the reverses of what is held out.

    Raises
    ------
    ValueError
        There are too few TFs with edges to hold some out.
    """
    check_choice("kind", kind, SPLITS)
    pairs = universe(sources, targets, n_genes)
    reciprocal = is_reciprocal(pairs)
    divide: Callable[..., tuple[Pairs, Pairs]] = hold_out
    if kind != "pairs":
        divide = partial(
            hold_out_genes, tfs=kind in ("tfs", "both"), targets=kind in ("targets", "both")
        )
    rest, test = divide(pairs, test_fraction, rng=rng, reciprocal=reciprocal)
    share = VALIDATION_FRACTIONS[kind] if validation_fraction is None else validation_fraction
    train, validation = divide(rest, share, rng=rng, reciprocal=reciprocal)
    return Split(train, validation, test)


def universe(sources: np.ndarray, targets: np.ndarray, n_genes: int) -> Pairs:
    """Every pair of a TF that has an edge with every other gene; a pair that is no edge is a negative (BEELINE's closed world)."""
    tfs, row = np.unique(sources, return_inverse=True)
    labels = np.zeros((len(tfs), n_genes), bool)
    labels[row, targets] = True
    other = np.ones_like(labels)
    other[np.arange(len(tfs)), tfs] = False
    row, target = np.nonzero(other)
    return Pairs(tfs[row].astype(np.int32), target.astype(np.int32), labels[other])


def hold_out(
    pairs: Pairs, fraction: float, *, rng: np.random.Generator, reciprocal: bool | None = None
) -> tuple[Pairs, Pairs]:
    """Divide pairs in two, the second with a share ``fraction`` of every TF's edges and of its non-edges.

    Shares that are not whole numbers are rounded at random with the right expectation, so that TFs with one or two edges are not
    always in the same part. If the network is ``reciprocal`` (``None``: if the pairs look like it) both directions of a pair go to one part; TFs whose edges nearly all
    come from and go to other TFs may then have a somewhat different share.
    """
    order = rng.permutation(len(pairs))
    order = order[np.lexsort((pairs.labels[order], pairs.sources[order]))]
    group = 2 * pairs.sources[order].astype(np.int64) + pairs.labels[order]
    _, starts, sizes = np.unique(group, return_index=True, return_counts=True)
    held = np.zeros(len(pairs), bool)
    wanted = np.floor(fraction * sizes + rng.random(len(sizes))).astype(int)
    for start, n in zip(starts, wanted, strict=True):
        held[order[start : start + n]] = True
    if is_reciprocal(pairs) if reciprocal is None else reciprocal:
        reverse = reverses(pairs)
        _join(held, reverse, rng)
        # Pairs without a reverse make up for what a TF has too many or too few of by now.
        for start, size, n in zip(starts, sizes, wanted, strict=True):
            members = order[start : start + size]
            excess = int(held[members].sum()) - n
            free = members[(reverse[members] < 0) & (held[members] == (excess > 0))]
            held[free[: abs(excess)]] = excess < 0
    return pairs.take(~held), pairs.take(held)


def _join(held: np.ndarray, reverse: np.ndarray, rng: np.random.Generator) -> None:
    """Where only one direction is held out, hold out both or none: at even chance, which leaves the expected share as it is."""
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
    """Divide pairs in two so that the first has no pair of a held-out TF, or of a held-out target.

    A share ``fraction`` of the TFs (``tfs``; at least two, and two remain) and of the targets (``targets``) is held out. With both, the
    second half has the pairs of held-out TFs with held-out targets, the first those of neither; the mixed pairs are in none. A
    gene is held out in its role only: a held-out target that is a TF as well keeps its pairs as a TF. If the network is ``reciprocal``, the first
    half lacks the pairs whose reverse is in the second: a held-out target keeps its pairs as a TF with genes that are no TFs.

    Held-out genes are drawn one from each of as many groups of similar degree, so that hubs fall in both halves. A draw that
    leaves a half without edges or without non-edges is repeated a few times.

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
    """A mask over positions of genes with a share of those that occur, spread over their numbers of edges."""
    present = np.unique(genes)
    n = max(round(fraction * len(present)), least)
    if len(present) - n < least:
        msg = (
            f"split: {len(present)} genes in the held-out role cannot be divided in two with {n} in the second and at least {least} in the first. "
            "Training, validation and test part need at least two TFs each; lower test_fraction or validation_fraction, or use kind='pairs'."
        )
        raise ValueError(msg)
    degree = np.bincount(genes, weights=labels)[present]
    order = np.lexsort((rng.random(len(present)), degree))
    # One from each of n groups, or all but one from each of the others: whichever leaves groups of two or more.
    n_groups = min(n, len(present) - n)
    edges = np.linspace(0, len(present), n_groups + 1).astype(int)
    picked = order[edges[:-1] + (rng.random(n_groups) * np.diff(edges)).astype(int)]
    chosen = np.zeros(len(present), bool)
    chosen[picked] = True
    held = np.zeros(int(present[-1]) + 1, bool)
    held[present[chosen if n == n_groups else ~chosen]] = True
    return held
