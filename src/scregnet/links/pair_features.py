"""What trees are told of a pair of genes: what the labelled pairs say of it, and what expression and embedding say."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np

from scregnet.links.factors import LabelMatrix, factorise
from scregnet.links.pair_process import PairProcess
from scregnet.links.task import Pairs

N_SHAPE, N_COLUMNS, N_NEIGHBOURS = 64, 16, 50


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
            expression / np.maximum(np.linalg.norm(expression, axis=1, keepdims=True), 1e-6), N_SHAPE, rng
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
    """Features of pairs from one set of labelled pairs: labels outside that set leave no trace in them.

    ``edges`` and ``known`` are bool of shape (n_tfs, n_genes), rows as in ``process.tfs``; ``left`` is what the biases leave of the labels. ``factors`` are
    logits of low-rank factors of the labels, without columns where they are not wanted.
    """

    genes: GeneTable
    process: PairProcess
    edges: np.ndarray
    known: np.ndarray
    left: np.ndarray
    factors: np.ndarray

    @classmethod
    def fit(
        cls, genes: GeneTable, process: PairProcess, labels: np.ndarray, known: np.ndarray, *, factors: bool
    ) -> PairFeatures:
        """Keep what is known, and factorise it if ``factors``, which say nothing of a TF or a target without labels."""
        left = np.where(known, labels - 1 / (1 + np.exp(-process.biases())), 0).astype(np.float32)
        logits = factor_logits(labels, known) if factors else np.zeros((len(labels), 0), np.float32)
        return cls(genes, process, labels & known, known, left, logits)

    def base(self, sources: np.ndarray, parts: np.ndarray | None = None) -> np.ndarray:
        """Logits before any tree, float32 of shape (n_sources, n_genes): of the process, or its mean with the factors' where they know TF and target."""
        parts = self.process.parts(sources) if parts is None else parts
        logits = np.float32(self.process.mean) + parts.sum(0)
        if not self.factors.shape[1]:
            return logits
        mine = self._row[sources]
        known = ((mine >= 0) & self._labelled_tfs[mine])[:, None] & self.labelled_targets
        return np.where(known, (logits + self.factors[mine]) / 2, logits)

    @cached_property
    def labelled_targets(self) -> np.ndarray:
        """Which genes have a label as a target."""
        return np.asarray(self.known.any(axis=0), bool)

    @cached_property
    def _labelled_tfs(self) -> np.ndarray:
        return np.asarray(self.known.any(axis=1), bool)

    @cached_property
    def labelled_sources(self) -> np.ndarray:
        """Which genes have a label as a TF."""
        mask = np.zeros(len(self.genes.shape), bool)
        mask[self.process.tfs[self._labelled_tfs]] = True
        return mask

    @cached_property
    def _row(self) -> np.ndarray:
        row = np.full(len(self.genes.shape), -1)
        row[self.process.tfs] = np.arange(len(self.process.tfs))
        return row

    def rows(self, sources: np.ndarray) -> np.ndarray:
        """Features of every pair of the given genes with all genes, float32 of shape (n_sources, n_genes, n_features); the first is :meth:`base`."""
        genes, process = self.genes, self.process
        n_genes = len(genes.shape)
        mine = self._row[sources]
        seen = (mine >= 0)[:, None]

        def own(values: np.ndarray) -> np.ndarray:
            return np.where(seen, values[mine], 0).astype(np.float32)

        edges, known, left = own(self.edges), own(self.known), own(self.left)
        parts = process.parts(sources)
        weight = np.maximum(genes.shape[sources] @ genes.shape[process.tfs].T, 0) ** 2
        weight[seen[:, 0], mine[seen[:, 0]]] = 0
        mask = self.known.astype(np.float32)
        degree = np.zeros(n_genes, np.float32)
        degree[process.tfs] = self.edges.sum(1)
        near = 1 + self._near(known)
        columns = [
            self.base(sources, parts),
            process.mean + parts.sum(0),
            *parts,
            _wide((edges.sum(1, keepdims=True) + 0.3) / (known.sum(1, keepdims=True) + 2), n_genes),
            np.broadcast_to((self.edges.sum(0) + 0.3) / (mask.sum(0) + 2), left.shape),
            np.broadcast_to(degree, left.shape),
            self._near(left) / near,
            (self._near(edges) + 0.1) / near,
            (weight @ self.left) / (1 + weight @ mask),
            own(process.likeness) @ self.left,
            genes.shape[sources] @ genes.shape.T,
        ]
        if self.factors.shape[1]:
            columns.append(own(self.factors))
        columns += [np.broadcast_to(column, left.shape) for column in genes.columns.T]
        columns += [np.broadcast_to(column[:, None], left.shape) for column in genes.columns[sources].T]
        return np.stack(columns, axis=2, dtype=np.float32)

    def _near(self, values: np.ndarray) -> np.ndarray:
        """Sum over the most co-expressed genes of each gene, weighted by nearness."""
        total = np.zeros(values.shape, np.float32)
        for neighbour, nearness in zip(self.genes.neighbours.T, self.genes.nearness.T, strict=True):
            total += values[:, neighbour] * nearness
        return total

    def state(self) -> dict[str, np.ndarray]:
        """Plain arrays from which :meth:`from_state` makes an equal object."""
        state = {f"gene_{f.name}": getattr(self.genes, f.name) for f in fields(GeneTable)}
        state |= {f"process_{name}": value for name, value in self.process.state().items()}
        return state | {name: getattr(self, name) for name in ("edges", "known", "left", "factors")}

    @classmethod
    def from_state(cls, state: dict[str, np.ndarray]) -> PairFeatures:
        """The inverse of :meth:`state`."""
        genes = GeneTable(*(np.asarray(state[f"gene_{f.name}"]) for f in fields(GeneTable)))
        prefix = "process_"
        process = {name.removeprefix(prefix): state[name] for name in state if name.startswith(prefix)}
        edges, known = (np.asarray(state[name], bool) for name in ("edges", "known"))
        left, factors = (np.asarray(state[name], np.float32) for name in ("left", "factors"))
        return cls(genes, PairProcess.from_state(process), edges, known, left, factors)


def _wide(column: np.ndarray, n: int) -> np.ndarray:
    return np.broadcast_to(column, (len(column), n))


def factor_logits(labels: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Logits of low-rank factors of the known labels, two estimates averaged, float32, for every pair.

    As in the null model ``"label_factors"``, but with fixed priors: there the validation pairs choose them, here they are left untouched.
    """
    sources, targets = np.nonzero(known)
    matrix = LabelMatrix.of(Pairs(sources.astype(np.int32), targets.astype(np.int32), labels[known]))
    estimates = [
        factorise(matrix, 8, precision=0.3, target_precision=2.0, variational=True, n_iterations=30),
        factorise(matrix, 24, precision=6.0, target_precision=2.0, variational=False, n_iterations=20),
    ]
    logits = np.zeros(labels.shape, np.float32)
    inside = np.ix_(matrix.sources, matrix.targets)
    logits[inside] = np.mean([e.source_vectors @ e.target_vectors.T for e in estimates], axis=0)
    return logits
