"""What the boosted trees see of a pair: its labels' neighbourhood, expression and embedding."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

from scregnet.links.forms.compact import halved
from scregnet.links.forms.saved import State, read_floats, read_integers
from scregnet.links.methods.joint.process import PairProcess, has_many
from scregnet.links.methods.label_factors.factors import FactorPrior, factorise
from scregnet.links.methods.label_factors.label_matrix import LabelMatrix
from scregnet.links.task import Pairs

if TYPE_CHECKING:
    from scregnet.links.methods.joint.cells import Cells
    from scregnet.links.methods.joint.pairs import KnownPairs

# Components of expression that correlations are computed from, and those that are features. More
# than 16 were not better on development splits (docs/results/models.md).
N_SHAPE, N_COLUMNS = 64, 16
# Most co-expressed genes whose labels are summed up.
N_NEIGHBOURS = 50
# Genes whose correlations with all genes are in memory at a time.
BLOCK = 1000
# Pairs added to the labels of a TF or target, so that few labels give no extreme rate: 0.3 edges
# of 2 pairs.
PSEUDO_EDGES, PSEUDO_PAIRS = 0.3, 2
# The same for weighted sums over similar genes or TFs: 0.1 edges of 1 pair.
PSEUDO_NEAR = 0.1
# The middle of what the null model "label_factors" chooses from. Validation pairs are not used
# here, so that they are fresh for the calibration.
FACTOR_PRIORS = (
    FactorPrior(8, precision=0.3, target_precision=2.0, variational=True, n_iterations=30),
    FactorPrior(24, precision=6.0, target_precision=2.0, variational=False, n_iterations=20),
)


@dataclass(frozen=True, eq=False)
class GeneTable:
    """Description of single genes, without labels."""

    shape: np.ndarray
    """(n_genes, 64): products of rows are correlations of expression, in leading components."""

    columns: np.ndarray
    """(n_genes, n_columns): mean, spread and detection rate of expression, then components of
    expression and embedding, then what evidence layers say of the gene."""

    neighbours: np.ndarray
    """(n_genes, 50): the most co-expressed other genes."""

    nearness: np.ndarray
    """(n_genes, 50): fourth powers of their correlations, 0 for negative ones."""

    @classmethod
    def of(
        cls,
        expression: np.ndarray,
        summary: np.ndarray,
        embedding: np.ndarray | None,
        rng: np.random.Generator,
        *,
        more: Sequence[np.ndarray] = (),
        n_neighbours: int = N_NEIGHBOURS,
    ) -> GeneTable:
        """Build from standardised expression, its summary, an embedding, and more columns."""
        length = np.linalg.norm(expression, axis=1, keepdims=True)
        shape = _components(expression / np.maximum(length, 1e-6), N_SHAPE, rng)
        columns = [summary, shape[:, :N_COLUMNS]]
        if embedding is not None:
            columns.append(_components(embedding, N_COLUMNS, rng))
        columns += more
        neighbours, nearness = _neighbours(shape, n_neighbours)
        return cls(shape, np.concatenate(columns, axis=1).astype(np.float32), neighbours, nearness)

    def halved(self) -> GeneTable:
        """Return the table with numbers that half as many bytes can hold."""
        return replace(self, shape=halved(self.shape), nearness=halved(self.nearness))


def _components(values: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Return coordinates on the ``n`` leading singular vectors, zeros where there are fewer."""
    from sklearn.utils.extmath import randomized_svd

    rank = min(n, *values.shape)
    left, size, _ = randomized_svd(values, rank, random_state=int(rng.integers(2**31)), n_iter=4)
    return np.pad(left * size, ((0, 0), (0, n - rank))).astype(np.float32)


def _neighbours(shape: np.ndarray, n_neighbours: int) -> tuple[np.ndarray, np.ndarray]:
    n_genes = len(shape)
    n = min(n_neighbours, n_genes - 1)
    neighbours = np.empty((n_genes, n), np.int32)
    nearness = np.empty((n_genes, n), np.float32)
    for start in range(0, n_genes, BLOCK):
        block = np.arange(start, min(start + BLOCK, n_genes))
        correlation = shape[block] @ shape.T
        # A gene is not its own neighbour.
        correlation[np.arange(len(block)), block] = -np.inf
        nearest = np.argpartition(-correlation, n - 1, axis=1)[:, :n]
        neighbours[block] = nearest
        # The fourth power gives the few strong correlations the weight.
        nearness[block] = np.maximum(np.take_along_axis(correlation, nearest, axis=1), 0) ** 4
    return neighbours, nearness


@dataclass(frozen=True, eq=False)
class PairFeatures:
    """Features of pairs, made of one set of labelled pairs: those of ``process``.

    Labels outside that set do not change them.

    Parameters
    ----------
    genes
        Description of single genes.
    process
        The process fitted to the labelled pairs.
    left
        Residuals of the labels after the biases: ``y - σ(bias)``.
    tf_factors, target_factors
        Vectors with the logit ``tf_factors[row] · target_factors[gene]`` of low-rank factors of the
        labels. They have no columns if there are no factors, and zeros for genes without labels.
    """

    genes: GeneTable
    process: PairProcess
    left: np.ndarray
    tf_factors: np.ndarray
    target_factors: np.ndarray

    @classmethod
    def fit(cls, genes: GeneTable, process: PairProcess, *, factors: bool) -> PairFeatures:
        """Compute the residuals, and the factors if ``factors``."""
        pairs = process.pairs
        expected = 1 / (1 + np.exp(-process.biases()))
        left = np.where(pairs.known, pairs.labels - expected, 0).astype(np.float32)
        if factors:
            vectors = factor_vectors(pairs)
        else:
            n_tfs, n_genes = pairs.shape
            vectors = np.zeros((n_tfs, 0), np.float32), np.zeros((n_genes, 0), np.float32)
        if has_many(pairs):
            # A file then takes half the bytes; all that follows goes by the rounded numbers.
            process = replace(process, weights=halved(process.weights))
            left, vectors = halved(left), (halved(vectors[0]), halved(vectors[1]))
        return cls(genes, process, left, *vectors)

    def base(
        self, cells: Cells, parts: np.ndarray | None = None, factors: np.ndarray | None = None
    ) -> np.ndarray:
        """Return the logits of some pairs before any tree, float32.

        Those of the process, or their mean with those of the factors where TF and target have
        labels. ``parts`` are the process's and ``factors`` the logits of :meth:`factor_logits`, if
        they are known.
        """
        parts = self.process.parts(cells) if parts is None else parts
        logits = np.float32(self.process.mean) + parts.sum(0)
        if not self.tf_factors.shape[1]:
            return logits
        factors = self.factor_logits(cells) if factors is None else factors
        known = cells.per_source(self.labelled_sources[cells.sources])
        known &= cells.per_gene(self.labelled_targets)
        return np.where(known, (logits + factors) / 2, logits)

    def factor_logits(self, cells: Cells) -> np.ndarray:
        """Return the logits of the factors, 0 for a TF or target without labels."""
        rows = self.process.row[cells.sources]
        mine = np.where(rows[:, None] >= 0, self.tf_factors[rows], np.float32(0))
        return cells.dot(mine, self.target_factors)

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
    def _counts(self) -> tuple[np.ndarray, np.ndarray]:
        """Edges and labels of each target."""
        return self._edges.sum(0), self._known.sum(0)

    @cached_property
    def _edges(self) -> np.ndarray | sp.csr_array:
        return self.process.pairs.matrix(self.process.pairs.labels.astype(np.float32))

    @cached_property
    def _known(self) -> np.ndarray | sp.csr_array:
        return self.process.pairs.matrix(self.process.pairs.known.astype(np.float32))

    @cached_property
    def _degree(self) -> np.ndarray:
        """Edges of each gene as a TF."""
        degree = np.zeros(len(self.genes.shape), np.float32)
        degree[self.process.tfs] = self._edges.sum(1)
        return degree

    @cached_property
    def _tf_rates(self) -> np.ndarray:
        """Rate of edges of each labelled TF, and last that of a gene without labels."""
        n_edges, n_known = (np.append(m.sum(1), 0) for m in (self._edges, self._known))
        return (n_edges + PSEUDO_EDGES) / (n_known + PSEUDO_PAIRS)

    @cached_property
    def _tf_shape(self) -> np.ndarray:
        return self.genes.shape[self.process.tfs]

    @cached_property
    def _near_to(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Which genes a gene is near to, and how near: a sparse matrix by columns."""
        nearness, n_genes = self.genes.nearness, len(self.genes.shape)
        indptr = np.arange(n_genes + 1) * nearness.shape[1]
        near = sp.csr_array(
            (nearness.ravel(), self.genes.neighbours.ravel(), indptr), (n_genes, n_genes)
        ).tocsc()
        return near.indptr, near.indices, near.data

    @cached_property
    def _listed(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Known pairs by TF: where each TF begins, targets, and edges, labels and residuals."""
        pairs = self.process.pairs
        rows, columns = pairs.cells(pairs.known)
        values = [values[pairs.known] for values in (pairs.labels, pairs.known, self.left)]
        starts = np.searchsorted(rows, np.arange(pairs.shape[0] + 1))
        return starts, columns.astype(np.int32), np.stack(values, axis=1).astype(np.float32)

    @property
    def n_columns(self) -> int:
        """Number of features that :meth:`rows` gives."""
        # Two logits and their terms, seven columns of labels, the correlation, the factors.
        n_of_pair = 2 + self.process.n_parts + 7 + 1 + bool(self.tf_factors.shape[1])
        n_of_pair += len(self.process.slopes)
        return n_of_pair + 2 * self.genes.columns.shape[1]

    def rows(self, cells: Cells) -> np.ndarray:
        """Return the features of some pairs, float32 of shape (n_pairs, n_columns).

        In Fortran's order: columns are written and read one by one. The first column is
        :meth:`base`; what follows is

        - the logit of the process and its terms;
        - what the labels say (:meth:`_label_columns`);
        - the correlation of TF and target, and the logit of the factors;
        - the columns of evidence layers;
        - expression and embedding of the target, then of the TF.
        """
        table = np.empty((len(cells), self.n_columns), np.float32, order="F")
        start = 0
        for block in cells.blocks():
            here = table[start : start + len(block)]
            for number, column in enumerate(self._columns(block)):
                here[:, number] = column
            start += len(block)
        return table

    def _columns(self, cells: Cells) -> Iterator[np.ndarray]:
        """Yield the columns of :meth:`rows`."""
        genes, process = self.genes, self.process
        evidence = process.evidence(cells)
        parts = process.parts(cells, evidence)
        factors = self.factor_logits(cells)
        yield self.base(cells, parts, factors)
        yield process.mean + parts.sum(0)
        yield from parts
        yield from self._label_columns(cells)
        yield cells.dot(genes.shape[cells.sources], genes.shape)
        if self.tf_factors.shape[1]:
            yield factors
        yield from evidence
        yield from map(cells.per_gene, self._gene_columns)
        yield from map(cells.per_source, self._gene_columns[:, cells.sources])

    @cached_property
    def _gene_columns(self) -> np.ndarray:
        """The columns of the genes as lines, (n_columns, n_genes)."""
        return np.ascontiguousarray(self.genes.columns.T)

    def _label_columns(self, cells: Cells) -> Iterator[np.ndarray]:
        """Yield what the labels of the TF, of the targets and of similar genes say."""
        process, pairs = self.process, self.process.pairs
        rows = process.row[cells.sources]
        seen = rows >= 0
        # Squared correlations with the other TFs.
        weight = cells.product(self.genes.shape[cells.sources], self._tf_shape.T)
        weight = np.maximum(weight, 0) ** 2
        weight[seen, rows[seen]] = 0
        likeness = np.zeros_like(weight)
        likeness[seen] = process.likeness[rows[seen]]
        near_edges, near_known, near_left = self._near(cells)
        n_edges, n_known = self._counts
        known = pairs.known.astype(np.float32)
        # Rates of edges of TF and target, and edges of the target as a TF.
        yield cells.per_source(self._tf_rates[rows])
        yield cells.per_gene((n_edges + PSEUDO_EDGES) / (n_known + PSEUDO_PAIRS))
        yield cells.per_gene(self._degree)
        # Residuals and edges of the TF with genes that are co-expressed with the target.
        yield near_left / (1 + near_known)
        yield (near_edges + PSEUDO_NEAR) / (1 + near_known)
        # Residuals of the target with TFs that are co-expressed with the TF, or like it.
        residuals = pairs.mixed_at(weight, self.left, cells)
        yield residuals / (1 + pairs.mixed_at(weight, known, cells))
        yield pairs.mixed_at(likeness, self.left, cells)

    def _near(self, cells: Cells) -> np.ndarray:
        """Return edges, labels and residuals of the source with genes near to the target.

        Weighted by nearness, float32 of shape (3, n_pairs).
        """
        from scregnet.links.methods.joint.compiled import near_sums

        rows = self.process.row[cells.sources]
        return near_sums(self._near_to, self._listed, rows, cells.indptr, cells.targets)

    def state(self) -> dict[str, np.ndarray]:
        """Plain arrays from which :meth:`from_state` makes an equal object."""
        state = {f"gene_{f.name}": getattr(self.genes, f.name) for f in fields(GeneTable)}
        state |= {f"process_{name}": value for name, value in self.process.state().items()}
        return state | {
            name: getattr(self, name) for name in ("left", "tf_factors", "target_factors")
        }

    @classmethod
    def from_state(cls, state: State) -> PairFeatures:
        """The inverse of :meth:`state`; raise ``ValueError`` if the arrays do not fit together."""
        process = PairProcess.from_state(state, "process_")
        n_tfs, n_genes = process.pairs.shape
        neighbours = read_integers(state, "gene_neighbours", (n_genes, None), high=n_genes - 1)
        genes = GeneTable(
            read_floats(state, "gene_shape", (n_genes, None)),
            read_floats(state, "gene_columns", (n_genes, None)),
            neighbours,
            read_floats(state, "gene_nearness", neighbours.shape),
        )
        left = read_floats(state, "left", process.pairs.known.shape)
        tf_factors = read_floats(state, "tf_factors", (n_tfs, None))
        target_factors = read_floats(state, "target_factors", (n_genes, tf_factors.shape[1]))
        return cls(genes, process, left, tf_factors, target_factors)


def factor_vectors(pairs: KnownPairs) -> tuple[np.ndarray, np.ndarray]:
    """Return vectors of TFs and of genes, whose products are logits of low-rank factors.

    float32; zeros for TFs and genes without labels. The logits are the mean of two estimates, as in
    the null model ``"label_factors"``, with fixed priors.
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
