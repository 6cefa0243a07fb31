"""The default method: a Gaussian process over pairs, averaged with factors of the labels or a forest of genes, and corrected by boosted trees."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from scregnet._settings import settings
from scregnet._validate import check_integer, check_interval
from scregnet.links.methods.joint.covariance import Variances
from scregnet.links.methods.joint.features import N_COLUMNS, GeneTable, PairFeatures
from scregnet.links.methods.joint.forest import forest_logits
from scregnet.links.methods.joint.kernel import gene_features
from scregnet.links.methods.joint.pairs import (
    DENSE_CELLS,
    KnownPairs,
    SparsePairs,
    known_pairs,
    sample_others,
)
from scregnet.links.methods.joint.process import EVERY, PairProcess
from scregnet.links.methods.joint.trees import TreeTable
from scregnet.links.search.spaces import Range
from scregnet.links.task import FitResult, LinkMethod, LinkTask, Progress

# Bounds the memory of the table that the trees are grown from; of more training pairs a random share is taken.
TREE_PAIRS = 1_000_000
CHECKED = 10_000
# Of a large fit all genes are described for a TF if more than one in so many is asked for.
FEW = 4


@dataclass(frozen=True, eq=False)
class JointLinks:
    """A fitted joint model: the description of pairs by all training pairs, the forest's logits of targets without labels, and the boosted trees as LightGBM's text.

    ``offset`` is added to every logit: where a share of the non-edges was used, edges look more frequent than they are by as much.
    """

    features: PairFeatures
    forest: np.ndarray
    trees: tuple[str, ...]
    offset: float

    def score(self, sources: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Logit of each pair, float32."""
        scores = np.empty(len(sources), np.float32)
        n_genes = len(self.features.genes.shape)
        for tf, which in _grouped(sources):
            # A few pairs of a large fit are described alone; elsewhere rounding is the same in whatever company a pair is asked for.
            if self._is_large and FEW * len(which) < n_genes:
                scores[which] = self._of_tf(tf, targets[which])
            else:
                scores[which] = self._of_tf(tf, EVERY)[targets[which]]
        return scores + np.float32(self.offset)

    def _of_tf(self, tf: int, targets: np.ndarray | slice) -> np.ndarray:
        """Logits of one TF before the offset."""
        labelled = self.features.labelled_targets[targets]
        if self.trees and self.features.labelled_sources[tf]:
            rows = self.features.rows(tf, targets)
            scores = rows[:, 0].copy()
            if labelled.any():
                scores[labelled] += self._trees(rows[labelled]).astype(np.float32)
        else:
            scores = self.features.base(np.array([tf]), targets)[0]
        if self.forest.size and not labelled.all():
            here = self._unlabelled[targets][~labelled]
            # A TF without labels has row -1, which is the forest's last.
            scores[~labelled] = (
                scores[~labelled] + self.forest[self.features.process.row[tf], here]
            ) / 2
        return scores

    @cached_property
    def _unlabelled(self) -> np.ndarray:
        """Number of each gene among those without labels as a target."""
        return np.cumsum(~self.features.labelled_targets) - 1

    @property
    def _is_large(self) -> bool:
        return isinstance(self.features.process.pairs, SparsePairs)

    @cached_property
    def _trees(self) -> Callable[[np.ndarray], np.ndarray]:
        """Mean of the boosted models for each row."""
        import lightgbm as lgb

        boosters = [lgb.Booster(model_str=text) for text in self.trees]
        # For few rows it is not worth while to compile.
        table = TreeTable.of(boosters) if self._is_large else None
        if table is not None:
            return table.mean
        # Each row is summed by one thread, so their number changes nothing.
        n = max(settings.n_jobs, 0)
        return lambda rows: np.mean(
            [b.predict(rows, raw_score=True, num_threads=n) for b in boosters], axis=0
        )

    def state(self) -> dict[str, np.ndarray]:
        """Arrays; each boosted model is the bytes of its text."""
        trees = {
            f"trees_{i}": np.frombuffer(text.encode(), np.uint8)
            for i, text in enumerate(self.trees)
        }
        own = {"forest": self.forest, "offset": np.array(self.offset)}
        return {**self.features.state(), **trees, **own}

    @classmethod
    def from_state(cls, state: dict[str, np.ndarray]) -> JointLinks:
        """The inverse of :meth:`state`."""
        n_bags = sum(name.startswith("trees_") for name in state)
        trees = tuple(
            np.asarray(state[f"trees_{i}"], np.uint8).tobytes().decode() for i in range(n_bags)
        )
        forest, offset = np.asarray(state["forest"], np.float32), float(np.asarray(state["offset"]))
        return cls(PairFeatures.from_state(state), forest, trees, offset)


@dataclass(frozen=True)
class Joint(LinkMethod):
    """Degree as explicit biases, similarity of genes and of TFs as a prior, and trees for what neither says.

    1. A Gaussian process over pairs (:class:`~scregnet.links.methods.joint.process.PairProcess`): the logit of a pair is a bias of the TF, a bias of the target, and preferences of the
       TF among genes, which similar genes (expression, family, and the embedding if there is one) and TFs of similar targets share. It says something of TFs and targets without labels.
    2. Where the target has no labels, a forest of genes (:func:`~scregnet.links.methods.joint.forest.forest_logits`), averaged with it: genes that are alike in expression, family and
       embedding fall into the same leaves and are regulated alike.
    3. Where TF and target both have labels, low-rank factors of the labels, averaged with it, and
    4. gradient-boosted trees (LightGBM) that start from these logits and see, for each pair, their parts, what the labels of co-expressed genes and
       of similar TFs say, and expression and embedding of both genes. They are trained on features that do not know the pair's own label: the training pairs are divided in
       folds, and each is described by a fit to the others.

    Factors and boosted trees are fitted if most validation pairs are of TFs and targets with labels. For TFs without labels, what some dozens of TFs have in common is
    soon learned by heart, and the process is better alone; for targets without labels they added next to nothing to the forest. Of more than a million training pairs
    the trees see a random million. The seed sets folds and bags, the forest, the genes that the kernel is built on where there are many, and the start of the principal components. Runs on the processor.

    Up to a million labelled TFs × genes, labels are a whole matrix, and all of them are used. Beyond that they are a list, and time and memory grow with the labelled
    pairs, and with the genes without labels times the TFs, for the forest. Of more than ``max_pairs`` pairs all edges and a random share of the non-edges are used. In a logistic model this moves the
    intercept alone, by the logarithm of that share, which is taken off again: logits and probabilities are those of all pairs (the forest's nearly so).

    Parameters
    ----------
    n_trees, learning_rate, n_leaves
        Of the boosting; ``n_trees=0`` leaves the trees out.
    n_bags
        Boosted models that are averaged, each with folds of its own.
    n_folds
        Folds that describe the training pairs.
    n_forest_trees
        Trees of the forest of genes; 0 leaves the forest out.
    max_pairs
        Training pairs above which, in fits of more than a million labelled TFs × genes, a random share of the non-edges is used, so many that there are ``max_pairs``
        pairs, though never fewer than edges. Where few are left a gene, it may have no label then.
    dense_cells
        Labelled TFs × genes up to which labels are a whole matrix.
    tf, target, target_smooth, own, similar, joint, joint_smooth
        Prior variances of the process (:class:`~scregnet.links.methods.joint.process.Variances`).
    family
        How much more alike genes of one family are (by their symbols: ``HOXB4``, ``HOXB13``), where equal expression and embedding count 1; 0 leaves families out.
    """

    n_trees: int = 300
    learning_rate: float = 0.03
    n_leaves: int = 7
    n_bags: int = 2
    n_folds: int = 5
    n_forest_trees: int = 200
    max_pairs: int = 250_000
    dense_cells: int = DENSE_CELLS
    tf: float = Variances.tf
    target: float = Variances.target
    target_smooth: float = Variances.target_smooth
    own: float = Variances.own
    similar: float = Variances.similar
    joint: float = Variances.joint
    joint_smooth: float = Variances.joint_smooth
    family: float = 0.3

    fitted: ClassVar[type[JointLinks]] = JointLinks
    summary: ClassVar[str] = (
        "Gaussian process over pairs, label factors, boosted trees, forest of genes"
    )
    needs_expression: ClassVar[bool] = True
    uses_embedding: ClassVar[bool] = True
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

    def __post_init__(self) -> None:
        for name in ("n_trees", "n_forest_trees"):
            check_integer(name, getattr(self, name), minimum=0)
        check_interval("learning_rate", self.learning_rate, 0, 1, closed="right")
        for name, least in (
            ("n_leaves", 2),
            ("n_bags", 1),
            ("n_folds", 2),
            ("max_pairs", 1),
            ("dense_cells", 0),
        ):
            check_integer(name, getattr(self, name), minimum=least)
        check_interval("tf", self.tf, 0, np.inf, closed="neither")
        for name in (
            "target",
            "target_smooth",
            "own",
            "similar",
            "joint",
            "joint_smooth",
            "family",
        ):
            check_interval(name, getattr(self, name), 0, np.inf, closed="left")

    def fit(
        self,
        task: LinkTask,
        *,
        rng: np.random.Generator,
        device: Any = None,
        progress: Progress | None = None,
    ) -> FitResult:
        """Fit to the training pairs. Of the validation pairs only this is used: whether their TFs and their targets have training pairs."""
        if task.expression is None or task.summary is None:
            msg = "method='joint' needs expression of the genes and its summary (mean, standard deviation, detection rate); the task has none."
            raise ValueError(msg)
        train, offset = sample_others(
            task.train, task.n_genes, self.max_pairs, rng, dense_cells=self.dense_cells
        )
        tfs, pairs = known_pairs(train, task.n_genes, dense_cells=self.dense_cells)
        kernel = gene_features(
            task.expression,
            task.summary,
            task.embedding,
            task.families,
            family=self.family,
            first=tfs,
            rng=rng,
        )
        table = GeneTable.of(task.expression, task.summary, task.embedding, rng)
        variances = Variances(
            self.tf,
            self.target,
            self.target_smooth,
            self.own,
            self.similar,
            self.joint,
            self.joint_smooth,
        )
        seen = np.isin(task.validation.sources, task.train.sources) & np.isin(
            task.validation.targets, task.train.targets
        )
        both_seen = seen.mean() > 0.5

        def describe(pairs: KnownPairs) -> PairFeatures:
            process = PairProcess.fit(kernel, tfs, pairs, variances)
            return PairFeatures.fit(table, process, factors=both_seen)

        whole = describe(pairs)
        columns = np.concatenate([table.columns, kernel[:, :N_COLUMNS]], axis=1)
        forest = forest_logits(columns, pairs, self.n_forest_trees, rng)
        trees: list[str] = []
        share = min(1, TREE_PAIRS / len(train))
        for _ in range(self.n_bags if self.n_trees and both_seen else 0):
            rows, outcomes = [], []
            for held in _folds(pairs, self.n_folds, rng):
                part = describe(pairs.keep(~held))
                kept = held & (rng.random(held.shape) < share) if share < 1 else held
                of_tfs, targets = pairs.cells(kept)
                rows += [part.rows(tfs[row], targets[which]) for row, which in _grouped(of_tfs)]
                outcomes.append(pairs.labels[kept])
            trees.append(self._boost(np.concatenate(rows), np.concatenate(outcomes), rng))
        links = JointLinks(whole, forest, tuple(trees), offset)
        # Some thousands of pairs tell whether scores differ; there may be millions.
        check = task.validation.take(
            np.arange(0, len(task.validation), 1 + len(task.validation) // CHECKED)
        )
        if not np.ptp(links.score(check.sources, check.targets)) > 1e-6:
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


def _folds(pairs: KnownPairs, n: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Which pairs are held back, as values, for each fold that holds some and leaves some."""
    known = pairs.known
    fold = rng.integers(n, size=known.shape)
    for number in range(n):
        held = known & (fold == number)
        if held.any() and (known & ~held).any():
            yield held


def _grouped(sources: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Each of the sources, ascending, and where it is."""
    order = np.argsort(sources, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(sources[order])) + 1)
    return ((int(sources[group[0]]), group) for group in groups if len(group))
