"""Fit the joint model to all folds at once: what two folds have in common is fitted once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from scregnet._threads import in_threads
from scregnet.links.methods.joint.cells import Cells
from scregnet.links.methods.joint.links import JointLinks
from scregnet.links.methods.joint.pairs import known_pairs, places_of
from scregnet.links.methods.joint.trees import Trees
from scregnet.links.task import FoldFit

if TYPE_CHECKING:
    from scregnet.links.methods.joint.features import PairFeatures
    from scregnet.links.methods.joint.pairs import KnownPairs
    from scregnet.links.task import Pairs

# Labelled TFs × genes above which folds are fitted in threads. Below, they wait for Python's lock.
PARALLEL_CELLS = 50_000
# Ways to divide the folds of a model into halves. Each gives two boosted models; their mean hangs
# less on seeds and on single cells. Four folds can be divided in no more ways.
N_HALVINGS = 3

Describe = Callable[["KnownPairs"], "PairFeatures"]
Forest = Callable[["PairFeatures", np.random.Generator], np.ndarray]
Grow = Callable[[np.ndarray, np.ndarray, list[np.ndarray], np.random.Generator], "list[Trees]"]


@dataclass(frozen=True, eq=False)
class Steps:
    """The steps of a fit, as functions of labelled pairs and random numbers."""

    describe: Describe
    forest: Forest
    coarse_forest: Forest
    """Of fewer trees: what it scores serves the calibration alone."""

    grow: Grow | None
    """``None``: no boosted trees."""


class _Rows(NamedTuple):
    """The pairs of one fold, scored and described without two folds: it and another one."""

    place: np.ndarray
    """Where they are among the labelled pairs."""

    labels: np.ndarray
    features: np.ndarray
    logits: np.ndarray
    """Before any tree, in terms of the sampled pairs."""

    boosted: np.ndarray
    """Whether trees correct the pair: its TF and its target have labels elsewhere."""

    share: float
    """Share of the non-edges that was used, and that is here."""


@dataclass(frozen=True, eq=False)
class CrossedFolds:
    """Labelled pairs with their folds.

    With ``K`` folds, the features of fold ``j`` for the model that never sees fold ``k`` come from
    the pairs outside both. The same pairs describe fold ``k`` for the model without ``j``. So
    ``K (K - 1) / 2`` fits of the process describe the training pairs of all ``K`` models, and no
    validation pairs are needed: half of the folds of a model calibrate the trees of the other half.
    The folds are divided in several ways, and all trees are averaged.
    """

    known: KnownPairs
    tfs: np.ndarray
    place: np.ndarray
    """Position of each value of ``known`` among the labelled pairs, -1 for none."""

    fold: np.ndarray
    """Fold of each value, -1 for none."""

    draw: np.ndarray
    """A uniform random number for each value. It decides whether a non-edge is sampled, and does
    not depend on labels."""

    max_pairs: int
    """Training pairs of a large fit at most."""

    @classmethod
    def of(
        cls,
        pairs: Pairs,
        n_genes: int,
        fold: np.ndarray,
        rng: np.random.Generator,
        *,
        max_pairs: int,
        dense_cells: int,
    ) -> CrossedFolds:
        """Arrange ``pairs``, of which ``fold`` are the folds, as the process wants them."""
        tfs, known = known_pairs(pairs, n_genes, dense_cells=dense_cells)
        place = places_of(pairs, tfs, known)
        draw = rng.random(place.shape, dtype=np.float32)
        return cls(known, tfs, place, np.where(place >= 0, fold[place], -1), draw, max_pairs)

    def fits(self, steps: Steps, rng: np.random.Generator, repeat: int) -> Iterator[FoldFit]:
        """Yield the fit that never saw fold ``k``, for each ``k``."""
        n_folds = int(self.fold.max()) + 1
        both = list(combinations(range(n_folds), 2))
        # A stream for each job, so that threads do not decide who draws what.
        streams = rng.spawn(len(both) + n_folds)
        described = in_threads(
            lambda job: self._described(*job, steps),
            zip(both, streams, strict=False),
            parallel=worth_threads(self.known),
        )
        rows: list[dict[int, _Rows]] = [{} for _ in range(n_folds)]
        for (j, k), (of_j, of_k) in zip(both, described, strict=True):
            rows[k][j], rows[j][k] = of_j, of_k
        yield from in_threads(
            lambda job: self._fit(*job, steps, repeat),
            zip(range(n_folds), rows, streams[len(both) :], strict=True),
            parallel=worth_threads(self.known),
        )

    def _fit(
        self,
        fold: int,
        rows: dict[int, _Rows],
        rng: np.random.Generator,
        steps: Steps,
        repeat: int,
    ) -> FoldFit:
        """Fit to the pairs outside a fold; ``rows`` are the other folds, described without it."""
        pairs, share = self._without((fold,))
        features = steps.describe(pairs)
        forest = steps.forest(features, rng)
        described = [rows[other] for other in sorted(rows)]
        halves = _halves(len(described), rng)
        trees = [] if steps.grow is None else _grown(described, halves, steps.grow, rng)
        links = JointLinks(features, forest, tuple(trees), float(np.log(share)))
        return _fold_fit(links, repeat, fold, described, halves)

    def _without(self, folds: tuple[int, ...]) -> tuple[KnownPairs, float]:
        """Return the pairs outside some folds, and the share of the non-edges that they keep."""
        known = self.known
        there = known.known & ~np.isin(self.fold, folds)
        n_edges = int((known.labels & there).sum())
        n_others = int(there.sum()) - n_edges
        wanted = max(self.max_pairs - n_edges, n_edges)
        if wanted >= n_others or not known.is_sparse:
            return known.keep(there), 1.0
        share = wanted / n_others
        return known.keep(there & (known.labels | (self.draw < share))), share

    def _described(
        self, folds: tuple[int, int], rng: np.random.Generator, steps: Steps
    ) -> list[_Rows]:
        """Describe the pairs of each of two folds by the pairs outside both."""
        pairs, share = self._without(folds)
        features = steps.describe(pairs)
        unlabelled = ~features.labelled_targets
        found = []
        forest = None
        for fold in folds:
            which = (self.fold == fold) & (self.known.labels | (self.draw < share))
            row, targets = self.known.cells(which)
            if forest is None and unlabelled[targets].any():
                forest = steps.coarse_forest(features, rng)
            tfs = self.tfs[row]
            table = features.rows(Cells.chosen(tfs, targets, self.known.shape[1]))
            links = JointLinks(features, _or_none(forest, features), (), 0.0)
            logits = links.with_forest(table[:, 0], tfs, targets)
            boosted = features.labelled_sources[tfs] & features.labelled_targets[targets]
            found.append(
                _Rows(self.place[which], self.known.labels[which], table, logits, boosted, share)
            )
        return found


def worth_threads(pairs: KnownPairs) -> bool:
    """Whether more time is spent on arrays than on Python between them."""
    return pairs.shape[0] * pairs.shape[1] > PARALLEL_CELLS


def _or_none(forest: np.ndarray | None, features: PairFeatures) -> np.ndarray:
    """Return the forest's logits, or an array without columns."""
    return np.zeros((len(features.process.tfs) + 1, 0), np.float32) if forest is None else forest


def _halves(n: int, rng: np.random.Generator) -> np.ndarray:
    """Return which of ``n`` folds belong to each half, (2 * N_HALVINGS, n).

    Each half is followed by the other one. Of up to four folds, the ways to divide them are all
    there are.
    """
    if n <= 4:
        # Of an even number, both halves would be found: take the one with the first fold.
        ways = [way for way in combinations(range(n), n // 2) if n % 2 or 0 in way]
    else:
        ways = [tuple(rng.permutation(n)[: n // 2]) for _ in range(N_HALVINGS)]
    return np.array([np.isin(np.arange(n), way) ^ other for way in ways for other in (False, True)])


def _grown(
    described: list[_Rows], halves: np.ndarray, grow: Grow, rng: np.random.Generator
) -> list[Trees]:
    """Grow the boosted model of each half."""
    number = np.repeat(np.arange(len(described)), [len(rows.labels) for rows in described])
    return grow(
        np.concatenate([rows.features for rows in described]),
        np.concatenate([rows.labels for rows in described]),
        [np.flatnonzero(half[number]) for half in halves],
        rng,
    )


def _fold_fit(
    links: JointLinks, repeat: int, fold: int, described: list[_Rows], halves: np.ndarray
) -> FoldFit:
    """Score the pairs of each fold by the trees of the halves without it."""
    scores, weights = [], []
    for number, rows in enumerate(described):
        score = rows.logits.astype(np.float64) + np.log(rows.share)
        if links.trees and rows.boosted.any():
            table = rows.features[rows.boosted]
            without = np.flatnonzero(~halves[:, number])
            trees = Trees.joined([links.trees[i] for i in without])
            score[rows.boosted] += trees.sums(table) / len(without)
        scores.append(score)
        # A sampled non-edge counts for those that were left out.
        weights.append(np.where(rows.labels, 1.0, 1 / rows.share))
    places = np.concatenate([rows.place for rows in described])
    return FoldFit(links, repeat, fold, places, np.concatenate(scores), np.concatenate(weights))
