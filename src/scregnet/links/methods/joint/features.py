"""What trees are told of a pair of genes: what the labelled pairs say of it, and what expression and embedding say."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

from scregnet.links.methods.joint.process import EVERY, PairProcess
from scregnet.links.methods.label_factors.factors import FactorPrior, LabelMatrix, factorise
from scregnet.links.task import Pairs

if TYPE_CHECKING:
    from scregnet.links.methods.joint.pairs import KnownPairs

N_SHAPE, N_COLUMNS, N_NEIGHBOURS = 64, 16, 50
# The middle of what the null model "label_factors" chooses from. Validation pairs are not used
# here, so that they are fresh for the calibration.
FACTOR_PRIORS = (
    FactorPrior(8, precision=0.3, target_precision=2.0, variational=True, n_iterations=30),
    FactorPrior(24, precision=6.0, target_precision=2.0, variational=False, n_iterations=20),
)


@dataclass(frozen=True, eq=False)
class GeneTable:
    """What is known of single genes before any label.

    ``shape`` (n_genes, 64): products of rows are correlations of expression, without the smallest components; ``columns``: mean, spread and detection rate,
    principal components of expression and embedding; ``neighbours`` and ``nearness`` (n_genes, 50): the most co-expressed genes and the fourth powers of
    their correlations.
    """

    shape: np.ndarray
    columns: np.ndarray
    neighbours: np.ndarray
    nearness: np.ndarray

    @classmethod
    def of(
        cls,
        expression: np.ndarray,
        summary: np.ndarray,
        embedding: np.ndarray | None,
        rng: np.random.Generator,
    ) -> GeneTable:
        """From standardised expression, its summary and an embedding."""
        shape = _components(
            expression / np.maximum(np.linalg.norm(expression, axis=1, keepdims=True), 1e-6),
            N_SHAPE,
            rng,
        )
        columns = [summary, shape[:, :N_COLUMNS]]
        if embedding is not None:
            columns.append(_components(embedding, N_COLUMNS, rng))
        neighbours, nearness = _neighbours(shape)
        return cls(shape, np.concatenate(columns, axis=1).astype(np.float32), neighbours, nearness)


def _components(values: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Coordinates of the rows on the ``n`` leading singular vectors, zeros where there are fewer."""
    from sklearn.utils.extmath import randomized_svd

    rank = min(n, *values.shape)
    left, size, _ = randomized_svd(values, rank, random_state=int(rng.integers(2**31)), n_iter=4)
    return np.pad(left * size, ((0, 0), (0, n - rank))).astype(np.float32)


def _neighbours(shape: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    n_genes = len(shape)
    n = min(N_NEIGHBOURS, n_genes - 1)
    neighbours = np.empty((n_genes, n), np.int32)
    nearness = np.empty((n_genes, n), np.float32)
    for start in range(0, n_genes, 1000):
        block = np.arange(start, min(start + 1000, n_genes))
        correlation = shape[block] @ shape.T
        correlation[np.arange(len(block)), block] = -np.inf
        nearest = np.argpartition(-correlation, n - 1, axis=1)[:, :n]
        neighbours[block] = nearest
        nearness[block] = np.maximum(np.take_along_axis(correlation, nearest, axis=1), 0) ** 4
    return neighbours, nearness


@dataclass(frozen=True, eq=False)
class PairFeatures:
    """Features of pairs from one set of labelled pairs, those of ``process``: labels outside that set leave no trace in them.

    ``left`` is what the biases leave of the labels of these pairs. The logit of low-rank factors of the labels is ``tf_factors[row] @ target_factors[gene]``;
    both have no columns where factors are not wanted, and zeros for genes without labels.
    """

    genes: GeneTable
    process: PairProcess
    left: np.ndarray
    tf_factors: np.ndarray
    target_factors: np.ndarray

    @classmethod
    def fit(cls, genes: GeneTable, process: PairProcess, *, factors: bool) -> PairFeatures:
        """Keep what is known, and factorise it if ``factors``, which say nothing of a TF or a target without labels."""
        pairs = process.pairs
        left = np.where(pairs.known, pairs.labels - 1 / (1 + np.exp(-process.biases())), 0).astype(
            np.float32
        )
        vectors = (
            factor_vectors(pairs)
            if factors
            else tuple(np.zeros((n, 0), np.float32) for n in pairs.shape)
        )
        return cls(genes, process, left, *vectors)

    def base(
        self,
        sources: np.ndarray,
        targets: np.ndarray | slice = EVERY,
        parts: np.ndarray | None = None,
    ) -> np.ndarray:
        """Logits before any tree, float32 of shape (n_sources, n_targets): of the process, or its mean with the factors' where they know TF and target."""
        parts = self.process.parts(sources, targets) if parts is None else parts
        logits = np.float32(self.process.mean) + parts.sum(0)
        if not self.tf_factors.shape[1]:
            return logits
        mine = self.process.row[sources]
        known = ((mine >= 0) & self._labelled_tfs[mine])[:, None] & self.labelled_targets[targets]
        return np.where(
            known, (logits + self.tf_factors[mine] @ self.target_factors[targets].T) / 2, logits
        )

    @cached_property
    def labelled_targets(self) -> np.ndarray:
        """Which genes have a label as a target."""
        return self._counts[1] > 0

    @cached_property
    def _labelled_tfs(self) -> np.ndarray:
        return np.asarray(self._known.sum(1) > 0)

    @cached_property
    def labelled_sources(self) -> np.ndarray:
        """Which genes have a label as a TF."""
        mask = np.zeros(len(self.genes.shape), bool)
        mask[self.process.tfs[self._labelled_tfs]] = True
        return mask

    @cached_property
    def _edges(self) -> np.ndarray | sp.csr_array:
        return self.process.pairs.matrix(self.process.pairs.labels.astype(np.float32))

    @cached_property
    def _known(self) -> np.ndarray | sp.csr_array:
        return self.process.pairs.matrix(self.process.pairs.known.astype(np.float32))

    @cached_property
    def _left(self) -> np.ndarray | sp.csr_array:
        return self.process.pairs.matrix(self.left)

    @cached_property
    def _counts(self) -> tuple[np.ndarray, np.ndarray]:
        """Edges and labels of each target."""
        return self._edges.sum(0), self._known.sum(0)

    @cached_property
    def _degree(self) -> np.ndarray:
        """Edges of each gene as a TF."""
        degree = np.zeros(len(self.genes.shape), np.float32)
        degree[self.process.tfs] = self._edges.sum(1)
        return degree

    @cached_property
    def _tf_shape(self) -> np.ndarray:
        return self.genes.shape[self.process.tfs]

    @cached_property
    def _nearness(self) -> sp.csr_array:
        nearness, n_genes = self.genes.nearness, len(self.genes.shape)
        indptr = np.arange(n_genes + 1) * nearness.shape[1]
        return sp.csr_array(
            (nearness.ravel(), self.genes.neighbours.ravel(), indptr), (n_genes, n_genes)
        )

    def rows(self, source: int, targets: np.ndarray | slice = EVERY) -> np.ndarray:
        """Features of the pairs of a gene with the given genes, float32 of shape (n_targets, n_features); the first is :meth:`base`."""
        genes, process, pairs = self.genes, self.process, self.process.pairs
        row, alone = self.process.row[source], np.array([source])
        parts = process.parts(alone, targets)
        # Of the TF itself: edges, labels, and what the biases leave of these.
        own, likeness = (
            np.zeros((3, pairs.shape[1]), np.float32),
            np.zeros(len(process.tfs), np.float32),
        )
        weight = np.maximum(self._tf_shape @ genes.shape[source], 0) ** 2
        if row >= 0:
            own[:] = [pairs.row(values, row) for values in (pairs.labels, pairs.known, self.left)]
            likeness[:], weight[row] = process.likeness[row], 0
        near_edges, near_known, near_left = self._near(own, targets)
        n_edges, n_known = self._counts
        columns = [
            self.base(alone, targets, parts)[0],
            process.mean + parts.sum(0)[0],
            *parts[:, 0],
            (own[0].sum() + 0.3) / (own[1].sum() + 2),
            ((n_edges + 0.3) / (n_known + 2))[targets],
            self._degree[targets],
            near_left / (1 + near_known),
            (near_edges + 0.1) / (1 + near_known),
            ((weight @ self._left) / (1 + weight @ self._known))[targets],
            (likeness @ self._left)[targets],
            genes.shape[targets] @ genes.shape[source],
        ]
        if self.tf_factors.shape[1]:
            mine = self.tf_factors[row] if row >= 0 else np.zeros_like(self.tf_factors[0])
            columns.append(self.target_factors[targets] @ mine)
        n, width = len(columns), genes.columns.shape[1]
        table = np.empty((parts.shape[2], n + 2 * width), np.float32)
        for number, column in enumerate(columns):
            table[:, number] = column
        table[:, n : n + width] = genes.columns[targets]
        table[:, n + width :] = genes.columns[source]
        return table

    def _near(self, values: np.ndarray, targets: np.ndarray | slice = EVERY) -> np.ndarray:
        """Sum over the most co-expressed genes of each target, weighted by nearness."""
        nearness = self._nearness if isinstance(targets, slice) else self._nearness[targets]
        return (nearness @ values.T).T

    def state(self) -> dict[str, np.ndarray]:
        """Plain arrays from which :meth:`from_state` makes an equal object."""
        state = {f"gene_{f.name}": getattr(self.genes, f.name) for f in fields(GeneTable)}
        state |= {f"process_{name}": value for name, value in self.process.state().items()}
        return state | {
            name: getattr(self, name) for name in ("left", "tf_factors", "target_factors")
        }

    @classmethod
    def from_state(cls, state: dict[str, np.ndarray]) -> PairFeatures:
        """The inverse of :meth:`state`."""
        genes = GeneTable(*(np.asarray(state[f"gene_{f.name}"]) for f in fields(GeneTable)))
        prefix = "process_"
        process = {
            name.removeprefix(prefix): state[name] for name in state if name.startswith(prefix)
        }
        arrays = (
            np.asarray(state[name], np.float32) for name in ("left", "tf_factors", "target_factors")
        )
        return cls(genes, PairProcess.from_state(process), *arrays)


def factor_vectors(pairs: KnownPairs) -> tuple[np.ndarray, np.ndarray]:
    """Vectors of TFs and of genes, float32, whose products are logits of low-rank factors of the known labels: the mean of two estimates.

    As in the null model ``"label_factors"``, but with fixed priors: there the validation pairs choose them, here they are left untouched.
    """
    sources, targets = pairs.cells(pairs.known)
    matrix = LabelMatrix.of(
        Pairs(sources.astype(np.int32), targets.astype(np.int32), pairs.labels[pairs.known])
    )
    estimates = [factorise(matrix, prior) for prior in FACTOR_PRIORS]
    of_tfs = np.concatenate([e.source_vectors for e in estimates], axis=1)
    of_genes = np.concatenate([e.target_vectors for e in estimates], axis=1) / len(estimates)
    left, right = (np.zeros((n, of_tfs.shape[1]), np.float32) for n in pairs.shape)
    left[matrix.sources], right[matrix.targets] = of_tfs, of_genes
    return left, right
