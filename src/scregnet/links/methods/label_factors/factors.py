"""Low-rank logistic factors of a matrix of labels of which some cells are known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp
from scipy.linalg import eigh

if TYPE_CHECKING:
    from scregnet.links.task import Pairs

TF_BIAS_PRECISION = 0.1
WARM_UP = 6
# A known cell of a sparse matrix takes about as long as this many cells of a dense one.
SPARSE_COST = 16
# Of larger matrices the factors of the TFs are found on a part of the targets, then made better in a few rounds on all.
CELLS_SOLVED = 8_000_000
ROUNDS = 3
# Root mean square of what a factor adds to a logit, below which it is dropped.
LEAST_LOGIT = 1e-3
# Columns of the biases on either side; the same column of the other side is 1.
TF_BIAS, TARGET_BIAS = -2, -1
OTHER = {TF_BIAS: TARGET_BIAS, TARGET_BIAS: TF_BIAS}
BLOCK, SOLVED = 1 << 17, 1 << 12


@dataclass(frozen=True, eq=False)
class LabelMatrix:
    """Labels of the given pairs as a matrix of the TFs × targets that occur in them; sparse where few of its cells are given."""

    sources: np.ndarray
    """Positions of the genes in rows."""

    targets: np.ndarray
    """Positions of the genes in columns."""

    known: np.ndarray | sp.csr_array
    """1 where a pair is given, 0 elsewhere; float32."""

    centred: np.ndarray | sp.csr_array
    """Label less one half where a pair is given, 0 elsewhere; float32, with the same cells as ``known``."""

    @classmethod
    def of(cls, pairs: Pairs) -> LabelMatrix:
        """The matrix of the given pairs."""
        (sources, rows), (targets, columns) = _numbered(pairs.sources), _numbered(pairs.targets)
        shape = len(sources), len(targets)
        values = pairs.labels - np.float32(0.5)
        if SPARSE_COST * len(pairs) < shape[0] * shape[1]:
            # As below, the last label counts of a pair that is given twice.
            cells, last = np.unique(
                (rows.astype(np.int64) * shape[1] + columns)[::-1], return_index=True
            )
            known = sp.csr_array(
                (np.ones(len(cells), np.float32), np.divmod(cells, shape[1])), shape
            )
            return cls(sources, targets, known, _like(known, values[::-1][last]))
        known, centred = (np.zeros(shape, np.float32) for _ in range(2))
        known[rows, columns] = 1
        centred[rows, columns] = values
        return cls(sources, targets, known, centred)

    @property
    def n_pairs(self) -> int:
        """Number of known cells."""
        return (
            self.known.nnz
            if isinstance(self.known, sp.csr_array)
            else int(np.count_nonzero(self.known))
        )

    @property
    def n_cells(self) -> int:
        """Number of cells to compute with, in terms of those of a dense matrix."""
        return (
            SPARSE_COST * self.n_pairs if isinstance(self.known, sp.csr_array) else self.known.size
        )

    @property
    def mean_logit(self) -> float:
        """Logit of the share of edges, with half a pair of either kind added."""
        n = self.n_pairs
        n_edges = float(self.centred.sum(dtype=np.float64)) + n / 2
        return float(np.log((n_edges + 0.5) / (n - n_edges + 0.5)))

    def every(self, step: int) -> LabelMatrix:
        """All TFs with every ``step``-th target."""
        known, centred = (m[:, ::step] if step > 1 else m for m in (self.known, self.centred))
        return LabelMatrix(self.sources, self.targets[::step], known, centred)

    def dot(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        """Product of a vector of the TF and one of the target, float32: of every cell, or of the known cells of a sparse matrix one after the other."""
        left, right = left.astype(np.float32), right.astype(np.float32)
        if not isinstance(self.known, sp.csr_array):
            return left @ right.T
        rows, columns = (
            np.repeat(np.arange(len(left)), np.diff(self.known.indptr)),
            self.known.indices,
        )
        blocks = [slice(start, start + BLOCK) for start in range(0, len(rows), BLOCK)]
        return np.concatenate(
            [np.einsum("ij,ij->i", left[rows[b]], right[columns[b]]) for b in blocks]
        )

    def cells(self, values: np.ndarray) -> np.ndarray | sp.csr_array:
        """What :meth:`dot` gives as a matrix that is 0 where no pair is given. ``values`` are overwritten."""
        if isinstance(self.known, sp.csr_array):
            return _like(self.known, values)
        return np.multiply(values, self.known, out=values)


def _numbered(genes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The genes that occur, ascending, and the number of each among them, without sorting millions of them."""
    there = np.zeros(int(genes.max(initial=-1)) + 1, bool)
    there[genes] = True
    return np.flatnonzero(there), (np.cumsum(there, dtype=np.int32) - 1)[genes]


def _like(matrix: sp.csr_array, values: np.ndarray) -> sp.csr_array:
    return sp.csr_array((values, matrix.indices, matrix.indptr), matrix.shape)


@dataclass(frozen=True, eq=False)
class Factors:
    """Logit of a pair is ``source_vectors[row] @ target_vectors[column]``.

    The columns of both are the factors, then a bias for each TF (beside a 1 for each target), then a 1 for each TF (beside a bias for each target).
    """

    source_vectors: np.ndarray
    target_vectors: np.ndarray


def factorise(
    labels: LabelMatrix,
    rank: int,
    *,
    precision: float,
    target_precision: float,
    variational: bool,
    n_iterations: int,
) -> Factors:
    """Fit ``a[TF] + b[target] + u[TF] · v[target]`` to the known labels.

    The priors are normal: factors around 0 with the given ``precision``, biases of targets around their mean with ``target_precision``, biases of TFs
    around 0 with a small one. Under the parabola that bounds the logistic likelihood from below, either side given the other is a
    ridge regression for each gene, so both are solved in turn, and the bound is made tight at the logits that come out. A matrix of more than
    :data:`CELLS_SOLVED` cells is solved so for every k-th target, and then, from the factors that its TFs have by then, :data:`ROUNDS` times as a whole.

    Parameters
    ----------
    labels
        What is known.
    rank
        Largest number of factors; those that die out are dropped.
    precision
        Of the prior of the factors.
    target_precision
        Of the prior of the targets' biases.
    variational
        Follow means and covariances (variational Bayes), which prunes factors that the labels do not call for; or most probable values only.
    n_iterations
        Times that both sides are solved; the first few fit the biases alone, and the factors start from what these leave over.

    Notes
    -----
    Jaakkola and Jordan, Bayesian parameter estimation via variational methods, Statistics and Computing 10 (2000).
    """
    step = min(-(-labels.n_cells // CELLS_SOLVED), len(labels.targets))
    part = labels.every(step)
    tfs = _Side.of(len(part.sources), TF_BIAS, 0.0, (precision, TF_BIAS_PRECISION, variational))
    targets = _Side.of(
        len(part.targets),
        TARGET_BIAS,
        labels.mean_logit,
        (precision, target_precision, variational),
    )
    for iteration in range(n_iterations):
        if iteration == WARM_UP and rank:
            tfs, targets = _start(tfs, targets, part, min(rank, *part.known.shape))
        tfs.solve(part, targets)
        targets.solve(part, tfs)
        _drop(tfs, targets)
    if step > 1:
        targets = targets.spread(len(labels.targets), step)
        for _ in range(ROUNDS):
            targets.solve(labels, tfs)
            tfs.solve(labels, targets)
        targets.solve(labels, tfs)
    return Factors(tfs.mean.astype(np.float32), targets.mean.astype(np.float32))


class _Side:
    """Vectors of all TFs or of all targets: mean of each, and covariance if variational."""

    def __init__(self, mean: np.ndarray, bias: int, prior: tuple[float, float, bool]) -> None:
        self.mean, self.bias, self.prior = mean, bias, prior
        self.covariance = np.zeros((*mean.shape, mean.shape[1])) if prior[2] else None

    @classmethod
    def of(
        cls, n: int, bias: int, start: float, prior: tuple[float, float, bool], n_factors: int = 0
    ) -> _Side:
        """Without factors, all biases at ``start``. The prior: precision of factors and of biases, and whether covariances are followed."""
        mean = np.zeros((n, n_factors + 2))
        mean[:, -2:] = 1
        mean[:, bias] = start
        return cls(mean, bias, prior)

    @property
    def free(self) -> np.ndarray:
        """Columns to solve for: all but the 1 beside the other side's bias."""
        return np.array([*range(self.mean.shape[1] - 2), self.bias])

    @property
    def centre(self) -> float:
        """What the biases are drawn to: 0 for TFs, their mean for targets."""
        return float(self.mean[:, self.bias].mean()) if self.bias == TARGET_BIAS else 0.0

    def with_factors(self, factors: np.ndarray) -> _Side:
        """The same biases with the given factors."""
        return _Side(np.concatenate([factors, self.mean[:, -2:]], axis=1), self.bias, self.prior)

    def keep(self, columns: np.ndarray) -> None:
        """Forget the other columns."""
        self.mean = self.mean[:, columns]
        if self.covariance is not None:
            self.covariance = self.covariance[:, columns][:, :, columns]

    def spread(self, n: int, step: int) -> _Side:
        """The side of all targets, of which this is every ``step``-th; the others have the mean bias and no factors yet."""
        side = _Side.of(n, self.bias, self.centre, self.prior, self.mean.shape[1] - 2)
        side.mean[::step] = self.mean
        if side.covariance is not None:
            side.covariance[::step] = self.covariance
        return side

    def moments(self) -> np.ndarray:
        """Second moments of each vector, float32: the upper triangle, for they are symmetric."""
        k, l = np.triu_indices(self.mean.shape[1])
        mean = self.mean.astype(np.float32)
        products = np.take(mean, k, axis=1)
        products *= np.take(mean, l, axis=1)
        if self.covariance is not None:
            products += self.covariance[:, k, l]
        return products

    def solve(self, labels: LabelMatrix, other: _Side) -> None:
        """One ridge regression for each gene on the vectors of the other side."""
        if self.bias == TF_BIAS:
            weights, centred = _curvature(labels, self, other), labels.centred
        else:
            weights, centred = _curvature(labels, other, self).T, labels.centred.T
        gram = weights @ other.moments()
        width, free = self.mean.shape[1], self.free
        place = np.zeros((width, width), np.intp)
        upper = np.triu_indices(width)
        place[upper] = place.T[upper] = np.arange(gram.shape[1])
        # The column that is 1 here is the other side's bias, which is known.
        wanted = centred @ other.mean[:, free] - gram[:, place[free, OTHER[self.bias]]]
        precision, bias_precision, _ = self.prior
        wanted[:, -1] += bias_precision * self.centre
        penalties = np.diag([precision] * (width - 2) + [bias_precision])
        for start in range(0, len(gram), SOLVED):
            rows = slice(start, start + SOLVED)
            system = np.take(gram[rows], place[np.ix_(free, free)], axis=1) + penalties
            if self.covariance is None:
                self.mean[rows, free] = np.linalg.solve(system, wanted[rows, :, None])[:, :, 0]
            else:
                inverse = np.linalg.inv(system)
                self.mean[rows, free] = np.einsum("gij,gj->gi", inverse, wanted[rows])
                self.covariance[rows, free[:, None], free] = inverse


def _drop(tfs: _Side, targets: _Side) -> None:
    """Forget factors that died out: what is nearly 0 goes on to shrink, and costs as much as any other."""
    squares = [np.square(side.mean).mean(axis=0) for side in (tfs, targets)]
    alive = squares[0] * squares[1] > LEAST_LOGIT**2
    alive[-2:] = True
    if not alive.all():
        for side in (tfs, targets):
            side.keep(alive)


def _curvature(labels: LabelMatrix, tfs: _Side, targets: _Side) -> np.ndarray | sp.csr_array:
    """Curvature of the parabola that touches the logistic likelihood at the root mean squared logit of every cell."""
    if tfs.covariance is not None:
        k, l = np.triu_indices(tfs.mean.shape[1])
        logits = labels.dot(
            tfs.moments() * np.where(k == l, np.float32(1), np.float32(2)), targets.moments()
        )
        logits = np.sqrt(np.maximum(logits, 1e-4, out=logits), out=logits)
    else:
        logits = labels.dot(tfs.mean, targets.mean)
        logits = np.maximum(np.abs(logits, out=logits), 1e-2, out=logits)
    slopes = np.tanh(logits / 2)
    slopes /= logits
    slopes /= 2
    return labels.cells(slopes)


def _start(tfs: _Side, targets: _Side, labels: LabelMatrix, rank: int) -> tuple[_Side, _Side]:
    """Factors from the singular vectors of what the biases leave over."""
    left = labels.centred + labels.cells(
        0.5 - 1 / (1 + np.exp(-labels.dot(tfs.mean, targets.mean)))
    )
    narrow = left if left.shape[0] <= left.shape[1] else left.T
    products = narrow @ narrow.T
    products = products.toarray() if sp.issparse(products) else products
    n = len(products)
    squares, vectors = eigh(products.astype(np.float64), subset_by_index=(n - rank, n - 1))
    vectors = vectors[:, ::-1]
    roots = np.sqrt(np.sqrt(np.maximum(squares[::-1], 1e-12)))
    halves = (vectors * roots / 2, narrow.T @ vectors / roots / 2)
    if narrow is not left:
        halves = halves[::-1]
    return tfs.with_factors(halves[0]), targets.with_factors(halves[1])
