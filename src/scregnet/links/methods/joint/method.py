"""The default method: a Gaussian process over TF–gene pairs, refined by factors, forest, trees."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from scregnet._progress import stage
from scregnet._threads import in_threads
from scregnet._validate import check_integer, check_interval
from scregnet.links.methods.joint.cells import Cells
from scregnet.links.methods.joint.covariance import Variances
from scregnet.links.methods.joint.crossed import CrossedFolds, Steps, worth_threads
from scregnet.links.methods.joint.described import DescribedGenes
from scregnet.links.methods.joint.links import JointLinks
from scregnet.links.methods.joint.pairs import (
    DENSE_CELLS,
    KnownPairs,
    known_pairs,
    sample_others,
)
from scregnet.links.methods.joint.process import has_many
from scregnet.links.methods.joint.trees import Trees
from scregnet.links.search.spaces import Range
from scregnet.links.task import FitResult, FoldFit, LinkMethod, LinkTask, Pairs, Progress

if TYPE_CHECKING:
    from scregnet.links.methods.joint.features import PairFeatures

# Training pairs that the boosted trees are grown from at most: bounds the memory of their table.
TREE_PAIRS = 1_000_000
# Validation pairs, roughly, that show whether scores differ. There may be millions.
CHECKED = 10_000
# Models that never saw a fold are averaged, so each may be coarser: up to this learning rate
# boosted trees take larger steps and fewer of them. Figures out of fold stay the same.
COARSE_RATE = 0.2
# Trees at most of a forest that only calibrates.
COARSE_FOREST = 50
# Settings of LightGBM. They were set on development splits, where more, larger or slower trees were
# not better (docs/results/models.md).
BOOSTING = {
    "objective": "binary",
    "min_data_in_leaf": 40,
    "lambda_l2": 20.0,
    "feature_fraction": 0.3,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    # Features have no missing values; Trees relies on it.
    "use_missing": False,
    # The same trees whatever the number of threads.
    "deterministic": True,
    "force_col_wise": True,
    "verbose": -1,
}


@dataclass(frozen=True)
class Joint(LinkMethod):
    """Gaussian process over TF–gene pairs, refined by label factors, a forest and boosted trees.

    :doc:`/methods` describes the four steps. The process gives every pair a logit, also those of
    TFs and targets without labels. Where the target has no labels, the logit is averaged with that
    of a forest of genes. Where both have labels, it is averaged with low-rank factors of the labels
    and corrected by boosted trees; both are fitted if most validation pairs are of this kind.
    Nothing else of the validation pairs is used. Runs on the CPU.

    Parameters
    ----------
    n_trees, learning_rate, n_leaves
        Boosting rounds, their learning rate, and leaves of a tree; ``n_trees=0`` disables boosting.
    n_bags
        Boosted models that are averaged, each with its own folds; with the same ones in large fits.
    n_inner_folds
        Folds of the training pairs. The features of each fold are computed without its labels.
    n_forest_trees
        Trees of the forest of genes; 0 disables the forest.
    max_pairs
        Training pairs of a large fit at most. Of more pairs, it uses all edges and a random share
        of the non-edges, at least as many as edges, and corrects the logits for it.
    dense_cells
        Labelled TFs × genes above which a fit is large. Labels are then a list of pairs, and time
        and memory grow with the pairs.
    tf, target, target_smooth, own, similar, joint, joint_smooth
        Prior variances of the process, see
        :class:`~scregnet.links.methods.joint.covariance.Variances`.
    family
        Added to the similarity of genes of one family, by their symbols (``HOXB4``, ``HOXB13``).
        Genes of equal expression and embedding have similarity 1. 0 leaves families out.
    evidence_slopes
        Prior variance of the slopes of evidence layers; 0 leaves out what they say of pairs.
    profile
        Largest weight of the profile of a layer in the similarity of genes, where expression and
        embedding weigh 1. The weight grows with how surely the training labels agree with the
        profile.
    """

    n_trees: int = 300
    learning_rate: float = 0.03
    n_leaves: int = 7
    n_bags: int = 2
    n_inner_folds: int = 5
    n_forest_trees: int = 200
    max_pairs: int = 150_000
    dense_cells: int = DENSE_CELLS
    tf: float = Variances.tf
    target: float = Variances.target
    target_smooth: float = Variances.target_smooth
    own: float = Variances.own
    similar: float = Variances.similar
    joint: float = Variances.joint
    joint_smooth: float = Variances.joint_smooth
    family: float = 0.3
    evidence_slopes: float = Variances.evidence_slopes
    profile: float = 1.0

    fitted: ClassVar[type[JointLinks]] = JointLinks
    summary: ClassVar[str] = (
        "Gaussian process over pairs, label factors, boosted trees, forest of genes"
    )
    needs_expression: ClassVar[bool] = True
    uses_embedding: ClassVar[bool] = True
    uses_evidence: ClassVar[bool] = True
    # All pairs labelled, simulated cells: the split and the whole call with folds and nulls.
    largest_run: ClassVar[Mapping[str, float]] = {
        "genes": 20_000,
        "cells": 3_000,
        "tfs": 1_170,
        "pairs": 23_400_000,
        "seconds": 1064,
        "gib": 3.5,
    }
    # About a factor of ten to either side of the defaults.
    search_space: ClassVar[Mapping[str, Range]] = {
        "n_trees": Range(50, 1000, log=True),
        "learning_rate": Range(0.01, 0.2, log=True),
        "n_leaves": Range(3, 31, log=True),
        "tf": Range(0.3, 30.0, log=True),
        "target": Range(0.1, 10.0, log=True),
        "target_smooth": Range(0.05, 5.0, log=True),
        "own": Range(0.03, 3.0, log=True),
        "similar": Range(0.02, 2.0, log=True),
        "joint": Range(0.2, 20.0, log=True),
        "joint_smooth": Range(0.05, 5.0, log=True),
        "family": Range(0.03, 3.0, log=True),
        "evidence_slopes": Range(0.1, 10.0, log=True),
        "profile": Range(0.1, 10.0, log=True),
    }
    ablations: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "no boosted trees": {"n_trees": 0},
        "no forest": {"n_forest_trees": 0},
        "no similarity": {
            "target_smooth": 0.0,
            "own": 0.0,
            "similar": 0.0,
            "joint_smooth": 0.0,
            "n_forest_trees": 0,
        },
        "no families": {"family": 0.0},
    }

    # mESC with 500 genes, and simulated cells.
    fold_share: ClassVar[float] = 0.25
    # 0.9e-6 with 20,000 genes. Links of other TFs take a tenth of it or less, and are not counted.
    seconds_per_link: ClassVar[float] = 1e-6

    def __post_init__(self) -> None:
        least = {"n_leaves": 2, "n_bags": 1, "n_inner_folds": 2, "max_pairs": 1}
        for name in ("n_trees", "n_forest_trees", "dense_cells", *least):
            check_integer(name, getattr(self, name), minimum=least.get(name, 0))
        check_interval("learning_rate", self.learning_rate, 0, 1, closed="right")
        # One term has to be there; 0 leaves one of the others out.
        check_interval("tf", self.tf, 0, np.inf, closed="neither")
        for name in ("target", "target_smooth", "own", "similar", "joint", "joint_smooth"):
            check_interval(name, getattr(self, name), 0, np.inf, closed="left")
        for name in ("family", "evidence_slopes", "profile"):
            check_interval(name, getattr(self, name), 0, np.inf, closed="left")

    def fit(
        self,
        task: LinkTask,
        *,
        rng: np.random.Generator,
        device: Any = None,
        progress: Progress | None = None,
    ) -> FitResult:
        """Fit to the training pairs; see the class for what the validation pairs decide."""
        # The steps draw from rng in this order: a seed gives the same fit.
        train, offset = sample_others(
            task.train, task.n_genes, self.max_pairs, rng, dense_cells=self.dense_cells
        )
        tfs, pairs = known_pairs(train, task.n_genes, dense_cells=self.dense_cells)
        genes = self._described_genes(task, tfs, rng)
        with stage("process and factors"):
            features = genes.describe(pairs)
        with stage("forest"):
            forest = genes.forest(features, self.n_forest_trees, rng)
        trees: list[Trees] = []
        if self.n_trees and genes.factors:
            trees = self._boosted(genes, pairs, rng)
        links = JointLinks(features, forest, tuple(trees), offset)
        _check_scores(links, task.validation)
        return FitResult(links)

    def fit_folds(
        self, task: LinkTask, folds: np.ndarray, *, rng: np.random.Generator, device: Any = None
    ) -> Iterator[FoldFit]:
        """Fit to the labelled pairs of all folds but one, for each fold of each repeat.

        What does not depend on labels is computed once, and each description of pairs serves two
        folds (:class:`~scregnet.links.methods.joint.crossed.CrossedFolds`).
        """
        pairs = task.train
        first = folds[:, 0] == folds[0, 0]
        # Positions alone are read: pairs of one fold, and whether the others know TF and target.
        seen = replace(task, train=pairs.take(~first), validation=pairs.take(first))
        genes = self._described_genes(seen, np.unique(pairs.sources), rng)

        def forest(n_trees: int, features: PairFeatures, own: np.random.Generator) -> np.ndarray:
            return genes.forest(features, n_trees, own)

        whole = partial(forest, self.n_forest_trees)
        coarse = partial(forest, min(self.n_forest_trees, COARSE_FOREST))
        grow = self._coarser()._grown_from_each if self.n_trees and genes.factors else None
        steps = Steps(genes.describe, whole, coarse, grow)
        for repeat, (fold, own) in enumerate(zip(folds.T, rng.spawn(folds.shape[1]), strict=True)):
            crossed = CrossedFolds.of(
                pairs,
                task.n_genes,
                fold,
                own,
                max_pairs=self.max_pairs,
                dense_cells=self.dense_cells,
            )
            yield from crossed.fits(steps, own, repeat)

    def rough_seconds(self, task: LinkTask) -> float:
        """Return about how long a fit takes on one CPU core."""
        # mESC with 500 genes: 26 s; 48,000 sampled pairs of 20,000 genes: 95 s.
        n_pairs = min(len(task.train), max(self.max_pairs, self.dense_cells))
        return 4e-4 * n_pairs + 3.5e-3 * len(np.unique(task.train.targets))

    def _described_genes(
        self, task: LinkTask, tfs: np.ndarray, rng: np.random.Generator
    ) -> DescribedGenes:
        return DescribedGenes.of(
            task,
            tfs,
            rng,
            variances=Variances(**{f.name: getattr(self, f.name) for f in fields(Variances)}),
            family=self.family,
            profile=self.profile,
            dense_cells=self.dense_cells,
        )

    def _boosted(
        self, genes: DescribedGenes, pairs: KnownPairs, rng: np.random.Generator
    ) -> list[Trees]:
        """Grow each boosted model from the training pairs, described without their own labels."""
        # Many pairs are described once: another division into folds would tell the trees little.
        n_divisions = 1 if has_many(pairs) else self.n_bags
        trees: list[Trees] = []
        with stage("boosted trees", n_divisions * self.n_inner_folds) as tick:
            for _ in range(n_divisions):
                described = self._described(genes, pairs, rng, tick)
                seeds = rng.integers(2**31, size=self.n_bags // n_divisions).tolist()
                grow = partial(self._grown, *described)
                trees += in_threads(grow, seeds, parallel=worth_threads(pairs))
        return trees

    def _described(
        self,
        genes: DescribedGenes,
        pairs: KnownPairs,
        rng: np.random.Generator,
        tick: Callable[[], None],
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return features and labels of the training pairs, each described without its fold."""
        share = min(1, TREE_PAIRS / int(pairs.known.sum()))

        def described(job: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
            held, kept = job
            features = genes.describe(pairs.keep(~held))
            of_tfs, targets = pairs.cells(kept)
            rows = features.rows(Cells.chosen(genes.tfs[of_tfs], targets, pairs.shape[1]))
            tick()
            return rows, pairs.labels[kept]

        jobs = [
            (held, held & (rng.random(held.shape) < share) if share < 1 else held)
            for held in _folds(pairs, self.n_inner_folds, rng)
        ]
        found = in_threads(described, jobs, parallel=worth_threads(pairs))
        rows, outcomes = (np.concatenate(values) for values in zip(*found, strict=True))
        return rows, outcomes

    def _coarser(self) -> Joint:
        """Return the method with fewer boosted trees, and in proportion a larger learning rate."""
        rate = max(self.learning_rate, COARSE_RATE)
        n_trees = round(self.n_trees * self.learning_rate / rate)
        # 0 means no trees at all, so that a few stay at least one.
        return replace(self, learning_rate=rate, n_trees=max(n_trees, min(self.n_trees, 1)))

    def _grown(self, rows: np.ndarray, outcomes: np.ndarray, seed: int) -> Trees:
        """Boost the logits in the first column of ``rows``."""
        import lightgbm as lgb

        how = self._boosting | {"seed": seed}
        data = lgb.Dataset(rows, outcomes, init_score=rows[:, 0])
        return Trees.of(lgb.train(how, data, self.n_trees))

    def _grown_from_each(
        self,
        rows: np.ndarray,
        outcomes: np.ndarray,
        parts: list[np.ndarray],
        rng: np.random.Generator,
    ) -> list[Trees]:
        """Boost one model from each part of the rows, which are prepared once."""
        import lightgbm as lgb

        how = self._boosting
        data = lgb.Dataset(rows, outcomes, init_score=rows[:, 0], params=how)
        grown = []
        for part, seed in zip(parts, rng.integers(2**31, size=len(parts)).tolist(), strict=True):
            seeds = {"bagging_seed": seed, "feature_fraction_seed": seed}
            grown.append(Trees.of(lgb.train(how | seeds, data.subset(part.tolist()), self.n_trees)))
        return grown

    @property
    def _boosting(self) -> dict[str, Any]:
        """Settings of LightGBM."""
        return BOOSTING | {
            "learning_rate": self.learning_rate,
            "num_leaves": self.n_leaves,
            # Threads are spent on folds: those of OpenMP wait in a loop for each other.
            "num_threads": 1,
        }


def _folds(pairs: KnownPairs, n: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Yield which pairs are held back, for each fold that holds some and leaves some."""
    known = pairs.known
    fold = rng.integers(n, size=known.shape)
    for number in range(n):
        held = known & (fold == number)
        if held.any() and (known & ~held).any():
            yield held


def _check_scores(links: JointLinks, validation: Pairs) -> None:
    """Raise ``RuntimeError`` if all validation pairs have the same score."""
    step = 1 + len(validation) // CHECKED
    check = validation.take(np.arange(0, len(validation), step))
    if not np.ptp(links.score(check.sources, check.targets)) > 1e-6:
        msg = (
            "training collapsed: every validation pair has the same score. "
            "Give more training pairs, or larger prior variances."
        )
        raise RuntimeError(msg)
