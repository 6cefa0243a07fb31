"""The default method: a Gaussian process over pairs and low-rank factors of the labels, corrected by boosted trees."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from scregnet._settings import settings
from scregnet._validate import check_integer, check_interval
from scregnet.links.pair_features import GeneTable, PairFeatures
from scregnet.links.pair_process import PairProcess, Variances, gene_features
from scregnet.links.task import FitResult, LinkTask, Pairs, Progress

# What trees learn from some targets holds for others in part only.
UNSEEN_TARGETS = 0.5
# Bounds the memory of the table that the trees are grown from; of more training pairs a random share is taken.
TREE_PAIRS = 1_000_000


@dataclass(frozen=True)
class Joint:
    """Degree as explicit biases, similarity of genes and of TFs as a prior, and trees for what neither says.

    1. A Gaussian process over pairs (:class:`~scregnet.links.pair_process.PairProcess`): the logit of a pair is a bias of the TF, a bias of the target, and preferences of the
       TF among genes, which similar genes (expression, family, and the embedding if there is one) and TFs of similar targets share. It says something of TFs and targets without labels.
    2. Where TF and target both have labels, low-rank factors of the labels, averaged with it.
    3. Gradient-boosted trees (LightGBM) that start from these logits and see, for each pair, their parts, what the labels of co-expressed genes and
       of similar TFs say, and expression and embedding of both genes. They are trained on features that do not know the pair's own label: the training pairs are divided in
       folds, by pair or, if the validation pairs are of targets without labels, by target, and each is described by a fit to the others.

    Trees are grown, and used, for pairs like those of validation only, and never for TFs without labels: what some dozens of TFs have in common is
    soon learned by heart, and the process alone is better there. For targets without labels their correction counts half. Of more than a million training pairs
    the trees see a random million. The seed sets folds and bags, the genes that the kernel is built on where there are many, and the start of the principal components. Runs on the processor.

    Parameters
    ----------
    n_trees, learning_rate, n_leaves
        Of the boosting; ``n_trees=0`` leaves the trees out.
    n_bags
        Boosted models that are averaged, each with folds of its own.
    n_folds
        Folds that describe the training pairs.
    max_pairs
        Labelled TFs × genes above which a fit is refused: memory grows with them, and time a little faster.
    tf, target, target_smooth, own, similar, joint, joint_smooth
        Prior variances of the process (:class:`~scregnet.links.pair_process.Variances`).
    family
        How much more alike genes of one family are (by their symbols: ``HOXB4``, ``HOXB13``), where equal expression and embedding count 1; 0 leaves families out.
    """

    n_trees: int = 300
    learning_rate: float = 0.03
    n_leaves: int = 7
    n_bags: int = 2
    n_folds: int = 5
    max_pairs: int = 4_000_000
    tf: float = Variances.tf
    target: float = Variances.target
    target_smooth: float = Variances.target_smooth
    own: float = Variances.own
    similar: float = Variances.similar
    joint: float = Variances.joint
    joint_smooth: float = Variances.joint_smooth
    family: float = 0.3

    needs_expression: ClassVar[bool] = True
    uses_embedding: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_integer("n_trees", self.n_trees, minimum=0)
        check_interval("learning_rate", self.learning_rate, 0, 1, closed="right")
        for name, least in (("n_leaves", 2), ("n_bags", 1), ("n_folds", 2), ("max_pairs", 1)):
            check_integer(name, getattr(self, name), minimum=least)
        check_interval("tf", self.tf, 0, np.inf, closed="neither")
        for name in ("target", "target_smooth", "own", "similar", "joint", "joint_smooth", "family"):
            check_interval(name, getattr(self, name), 0, np.inf, closed="left")

    def fit(
        self, task: LinkTask, *, rng: np.random.Generator, device: Any = None, progress: Progress | None = None
    ) -> FitResult:
        """Fit to the training pairs. Of the validation pairs only this is used: whether their TFs and their targets have training pairs."""
        if task.expression is None or task.summary is None:
            msg = "method='joint' needs expression of the genes and its summary (mean, standard deviation, detection rate); the task has none."
            raise ValueError(msg)
        n_tfs = len(np.unique(task.train.sources))
        if n_tfs * task.n_genes > self.max_pairs:
            msg = (
                f"method='joint' describes every pair of {n_tfs:,} labelled TFs with {task.n_genes:,} genes, more than max_pairs={self.max_pairs:,}: "
                "it would take many minutes and much memory. Select genes first (sr.pp.select_genes), raise max_pairs, or take method='label_factors' or 'scregnet'."
            )
            raise ValueError(msg)
        tfs, labels, known = _matrix(task.train, task.n_genes)
        kernel = gene_features(
            task.expression, task.summary, task.embedding, task.families, family=self.family, first=tfs, rng=rng
        )
        table = GeneTable.of(task.expression, task.summary, task.embedding, rng)
        variances = Variances(
            self.tf, self.target, self.target_smooth, self.own, self.similar, self.joint, self.joint_smooth
        )
        tfs_seen = _mostly_in(task.validation.sources, task.train.sources)
        targets_seen = _mostly_in(task.validation.targets, task.train.targets)

        def describe(known: np.ndarray) -> PairFeatures:
            process = PairProcess.fit(kernel, tfs, labels, known, variances)
            return PairFeatures.fit(table, process, labels, known, factors=tfs_seen and targets_seen)

        whole = describe(known)
        trees: list[str] = []
        share = min(1, TREE_PAIRS / len(task.train))
        for _ in range(self.n_bags if self.n_trees and tfs_seen else 0):
            rows, outcomes = [], []
            for held in _folds(known, self.n_folds, by_target=not targets_seen, rng=rng):
                part = describe(known & ~held)
                kept = held & (rng.random(held.shape) < share) if share < 1 else held
                for row in np.flatnonzero(kept.any(1)):
                    rows.append(part.rows(tfs[[row]])[0][kept[row]])
                    outcomes.append(labels[row, kept[row]])
            trees.append(self._boost(np.concatenate(rows), np.concatenate(outcomes), rng))
        links = JointLinks(whole, tuple(trees), targets_seen)
        scores = links.score(task.validation.sources, task.validation.targets)
        if not np.ptp(scores) > 1e-6:
            msg = "training collapsed: every validation pair has the same score. Give more training pairs, or larger prior variances."
            raise RuntimeError(msg)
        return FitResult(links)

    def _boost(self, rows: np.ndarray, outcomes: np.ndarray, rng: np.random.Generator) -> str:
        import lightgbm as lgb

        data = lgb.Dataset(rows, outcomes, init_score=rows[:, 0])
        how = {
            "objective": "binary",
            "learning_rate": self.learning_rate,
            "num_leaves": self.n_leaves,
            "min_data_in_leaf": 40,
            "lambda_l2": 20.0,
            "feature_fraction": 0.3,
            "bagging_fraction": 0.8,
            "bagging_freq": 1,
            "deterministic": True,
            "force_col_wise": True,
            "num_threads": max(settings.n_jobs, 0),
            "seed": int(rng.integers(2**31)),
            "verbose": -1,
        }
        return lgb.train(how, data, self.n_trees).model_to_string()


@dataclass(frozen=True, eq=False)
class JointLinks:
    """A fitted joint model: the description of pairs by all training pairs, and the trees as LightGBM's text."""

    features: PairFeatures
    trees: tuple[str, ...]
    targets_seen: bool

    def score(self, sources: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Logit of each pair, float32."""
        scores = np.empty(len(sources), np.float32)
        if not len(sources):
            return scores
        boosters = self._boosters()
        order = np.argsort(sources, kind="stable")
        tfs, starts = np.unique(sources[order], return_index=True)
        for tf, which in zip(tfs, np.split(order, starts[1:]), strict=True):
            if not boosters or not self.features.labelled_sources[tf]:
                scores[which] = self.features.base(np.array([tf]))[0][targets[which]]
                continue
            rows = self.features.rows(np.array([tf]))[0][targets[which]]
            scores[which] = rows[:, 0]
            apply = np.flatnonzero(self.features.labelled_targets[targets[which]] == self.targets_seen)
            if len(apply):
                trees = np.mean(
                    [booster.predict(rows[apply], raw_score=True, num_threads=1) for booster in boosters], axis=0
                )
                scores[which[apply]] += (1 if self.targets_seen else UNSEEN_TARGETS) * trees.astype(np.float32)
        return scores

    def _boosters(self) -> list[Any]:
        import lightgbm as lgb

        return [lgb.Booster(model_str=text) for text in self.trees]

    def state(self) -> dict[str, np.ndarray]:
        """Arrays; each boosted model is the bytes of its text."""
        trees = {f"trees_{i}": np.frombuffer(text.encode(), np.uint8) for i, text in enumerate(self.trees)}
        return {**self.features.state(), **trees, "targets_seen": np.array(self.targets_seen)}

    @classmethod
    def from_state(cls, state: dict[str, np.ndarray]) -> JointLinks:
        """The inverse of :meth:`state`."""
        n_bags = sum(name.startswith("trees_") for name in state)
        trees = tuple(np.asarray(state[f"trees_{i}"], np.uint8).tobytes().decode() for i in range(n_bags))
        return cls(PairFeatures.from_state(state), trees, bool(np.asarray(state["targets_seen"])))


def _matrix(pairs: Pairs, n_genes: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The TFs, and labels and what is known of them, bool of shape (n_tfs, n_genes)."""
    tfs, rows = np.unique(pairs.sources, return_inverse=True)
    labels, known = (np.zeros((len(tfs), n_genes), bool) for _ in range(2))
    labels[rows, pairs.targets] = pairs.labels
    known[rows, pairs.targets] = True
    return tfs, labels, known


def _mostly_in(genes: np.ndarray, others: np.ndarray) -> bool:
    return bool(np.isin(genes, others).mean() > 0.5)


def _folds(known: np.ndarray, n: int, *, by_target: bool, rng: np.random.Generator) -> Iterator[np.ndarray]:
    fold = rng.permutation(known.shape[1]) % n if by_target else rng.integers(n, size=known.shape)
    for number in range(n):
        held = known & (fold == number)
        if held.any() and (known & ~held).any():
            yield held
