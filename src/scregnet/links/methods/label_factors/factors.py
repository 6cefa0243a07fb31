"""Low-rank logistic factors of a matrix of labels, of which some cells are known."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import scipy.sparse as sp
from scipy.linalg import eigh

if TYPE_CHECKING:
    from scregnet.links.methods.label_factors.label_matrix import LabelMatrix

# Weak, because TFs differ widely in how many targets they have.
TF_BIAS_PRECISION = 0.1
# First iterations without factors, so that these start from what the biases do not explain.
WARM_UP = 6
# Larger matrices are solved for a part of the targets first. Time grows with the cells.
CELLS_SOLVED = 8_000_000
# Rounds on all targets after that.
ROUNDS = 3
# Root mean square of what a factor adds to a logit, below which it is dropped.
LEAST_LOGIT = 1e-3
# Columns of the biases. On the other side, the same column is 1.
TF_BIAS, TARGET_BIAS = -2, -1
OTHER = {TF_BIAS: TARGET_BIAS, TARGET_BIAS: TF_BIAS}
# Cells of a dense matrix that are computed at a time.
TILE = 1 << 17


@dataclass(frozen=True)
class FactorPrior:
    """Priors of the factors, and how they are estimated."""

    rank: int
    """Factors at most; factors that die out are dropped."""

    precision: float
    """Of the factors, around 0."""

    target_precision: float
    """Of the biases of targets, around their mean."""

    variational: bool
    """Whether to follow means and covariances (variational Bayes) or most probable values only.

    Variational Bayes prunes factors that the labels do not call for.
    """

    n_iterations: int
    """Times that both sides are solved."""


@dataclass(frozen=True, eq=False)
class Factors:
    """Vectors with the logit ``source_vectors[row] · target_vectors[column]``.

    Columns of the source vectors: factors ``u``, bias ``a``, 1. Columns of the target vectors:
    factors ``v``, 1, bias ``b``.
    """

    source_vectors: np.ndarray
    target_vectors: np.ndarray


def factorise(
    labels: LabelMatrix, prior: FactorPrior, *, cells_solved: int = CELLS_SOLVED
) -> Factors:
    """Fit ``a[TF] + b[target] + u[TF] · v[target]`` to the known labels.

    A parabola bounds the logistic likelihood of each label from below. Under it, each side given
    the other is a ridge regression per gene. Both sides are solved in turn, and the parabola is
    moved to touch the likelihood at the new logits.

    Parameters
    ----------
    labels
        Known labels.
    prior
        Priors and number of iterations. The first few iterations fit the biases alone.
    cells_solved
        In a larger matrix, every k-th target is solved first. A few rounds on all targets start
        from the factors of the TFs that this gives.

    Notes
    -----
    Jaakkola and Jordan, Bayesian parameter estimation via variational methods, Statistics and
    Computing 10 (2000).
    """
    step = min(-(-labels.n_cells // cells_solved), len(labels.targets))
    part = labels.every(step)
    tfs, targets = _biases(part, labels.mean_logit, prior)
    for iteration in range(prior.n_iterations):
        if iteration == WARM_UP and prior.rank:
            tfs, targets = _start(tfs, targets, part, min(prior.rank, *part.known.shape))
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


class _SidePrior(NamedTuple):
    precision: float
    """Of the factors."""

    bias_precision: float
    variational: bool


class _Side:
    """Vectors of all TFs or of all targets: mean of each, and covariance if variational."""

    def __init__(self, mean: np.ndarray, bias: int, prior: _SidePrior) -> None:
        self.mean, self.bias, self.prior = mean, bias, prior
        self.covariance = np.zeros((*mean.shape, mean.shape[1])) if prior.variational else None
        self._moments: np.ndarray | None = None

    @classmethod
    def of(cls, n: int, bias: int, start: float, prior: _SidePrior, n_factors: int = 0) -> _Side:
        """Return ``n`` vectors with factors of 0 and all biases at ``start``."""
        mean = np.zeros((n, n_factors + 2))
        mean[:, -2:] = 1
        mean[:, bias] = start
        return cls(mean, bias, prior)

    @property
    def free(self) -> np.ndarray:
        """Columns to solve for: all but the 1 that multiplies the other side's bias."""
        return np.array([*range(self.mean.shape[1] - 2), self.bias])

    @property
    def centre(self) -> float:
        """Mean of the prior of the biases: 0 for TFs, their own mean for targets."""
        return float(self.mean[:, self.bias].mean()) if self.bias == TARGET_BIAS else 0.0

    def with_factors(self, factors: np.ndarray) -> _Side:
        """Return the same biases with the given factors."""
        return _Side(np.concatenate([factors, self.mean[:, -2:]], axis=1), self.bias, self.prior)

    def keep(self, columns: np.ndarray) -> None:
        """Drop the other columns."""
        self._moments = None
        self.mean = self.mean[:, columns]
        if self.covariance is not None:
            self.covariance = self.covariance[:, columns][:, :, columns]

    def spread(self, n: int, step: int) -> _Side:
        """Return all ``n`` targets; these are every ``step``-th, the others get the mean bias."""
        side = _Side.of(n, self.bias, self.centre, self.prior, self.mean.shape[1] - 2)
        side.mean[::step] = self.mean
        if side.covariance is not None:
            side.covariance[::step] = self.covariance
        return side

    def moments(self) -> np.ndarray:
        """Return the second moments ``E[x xᵀ]`` of each vector, upper triangles, float32."""
        if self._moments is None:
            k, l = _upper(self.mean.shape[1])
            mean = self.mean.astype(np.float32)
            self._moments = np.take(mean, k, axis=1)
            self._moments *= np.take(mean, l, axis=1)
            if self.covariance is not None:
                self._moments += self.covariance[:, k, l]
        return self._moments

    def vectors(self) -> np.ndarray:
        """Return what gives the logits of pairs of genes, float32, or if variational their squares.

        The latter are ``E[(x · z)²] = Σ E[x xᵀ] E[z zᵀ]``.
        """
        return self.mean.astype(np.float32) if self.covariance is None else self.moments()

    def weighted_vectors(self) -> np.ndarray:
        """Return the :meth:`vectors` that those of the other side are multiplied by."""
        vectors = self.vectors()
        if self.covariance is None:
            return vectors
        # Entries off the diagonal count twice.
        k, l = _upper(self.mean.shape[1])
        return vectors * np.where(k == l, np.float32(1), np.float32(2))

    def _place(self) -> np.ndarray:
        """Return where :meth:`moments` have each entry of their matrix, (width, width)."""
        width = self.mean.shape[1]
        place = np.zeros((width, width), np.intp)
        upper = _upper(width)
        place[upper] = place.T[upper] = np.arange(len(upper[0]))
        return place

    def solve(self, labels: LabelMatrix, other: _Side) -> None:
        """Solve one ridge regression per gene on the vectors of the other side."""
        penalties = np.full(self.mean.shape[1] - 1, self.prior.precision)
        penalties[-1] = self.prior.bias_precision
        pull = self.prior.bias_precision * self.centre
        if labels.is_sparse:
            self._solve_sparse(labels, other, penalties, pull)
        else:
            self._solve_dense(labels, other, penalties, pull)
        self._moments = None

    def _solve_dense(
        self, labels: LabelMatrix, other: _Side, penalties: np.ndarray, pull: float
    ) -> None:
        """Solve over all cells, a tile at a time."""
        from scregnet.links.methods.label_factors.compiled import solved_systems

        known, centred, free = labels.known, labels.centred, self.free
        own, others = self.weighted_vectors(), other.vectors()
        place, moments = self._place(), other.moments()
        free_others = other.mean[:, free].astype(np.float32)
        n_rows = max(1, TILE // len(others))
        for start in range(0, len(own), n_rows):
            # Of TFs whole rows, of targets whole columns: what is made of a tile stays in the CPU's
            # caches until it was added up.
            rows = slice(start, start + n_rows)
            cells = (rows, slice(None)) if self.bias == TF_BIAS else (slice(None), rows)
            ends = (own[rows], others) if self.bias == TF_BIAS else (others, own[rows])
            weights = _slopes(ends[0] @ ends[1].T, squared=self.covariance is not None)
            weights *= known[cells]
            residuals = centred[cells]
            if self.bias == TARGET_BIAS:
                weights, residuals = weights.T, residuals.T
            # Σ λ z zᵀ over the known cells of each gene, as upper triangles.
            gram = weights @ moments
            # Σ (y - ½) z, less what the other side's bias explains: its column here is 1.
            wanted = (residuals @ free_others).astype(np.float64)
            wanted -= gram[:, place[free, OTHER[self.bias]]]
            wanted[:, -1] += pull
            shape = (len(gram), len(free), len(free))
            inverses = np.empty(shape if self.covariance is not None else (0, 0, 0))
            solved_systems(gram, wanted, place[np.ix_(free, free)], penalties, inverses)
            self.mean[rows, free] = wanted
            if self.covariance is not None:
                self.covariance[rows, free[:, None], free] = inverses

    def _solve_sparse(
        self,
        labels: LabelMatrix,
        other: _Side,
        penalties: np.ndarray,
        pull: float,
    ) -> None:
        """Solve over the known cells alone."""
        from scregnet.links.methods.label_factors.compiled import ridge_regressions

        free, width, n = self.free, self.mean.shape[1], len(self.mean)
        if self.covariance is not None:
            moments, place = other.moments(), self._place()
        else:
            # From the vectors: these stay in the CPU's caches, the many products would not.
            moments, place = np.empty((0, 0), np.float32), np.arange(width**2).reshape(width, -1)
        inverses = np.empty((n if self.covariance is not None else 0, len(free), len(free)))
        sides = (self, other) if self.bias == TF_BIAS else (other, self)
        weights = _curvature(labels, *sides)
        self.mean[:, free] = ridge_regressions(
            labels.by_tf if self.bias == TF_BIAS else labels.by_target,
            weights,
            labels.centred.data,
            other.mean.astype(np.float32),
            moments,
            place,
            free,
            OTHER[self.bias] % width,
            penalties,
            pull,
            inverses,
        )
        if self.covariance is not None:
            self.covariance[:, free[:, None], free] = inverses


@cache
def _upper(width: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows and columns of an upper triangle; thousands of solves ask for the same."""
    return np.triu_indices(width)


def _biases(labels: LabelMatrix, mean_logit: float, prior: FactorPrior) -> tuple[_Side, _Side]:
    """Return both sides without factors, biases of TFs at 0 and of targets at the mean logit."""
    of_tfs = _SidePrior(prior.precision, TF_BIAS_PRECISION, prior.variational)
    of_targets = _SidePrior(prior.precision, prior.target_precision, prior.variational)
    tfs = _Side.of(len(labels.sources), TF_BIAS, 0.0, of_tfs)
    return tfs, _Side.of(len(labels.targets), TARGET_BIAS, mean_logit, of_targets)


def _drop(tfs: _Side, targets: _Side) -> None:
    """Drop factors that died out: they go on to shrink, and cost as much as any other."""
    squares = [np.square(side.mean).mean(axis=0) for side in (tfs, targets)]
    alive = squares[0] * squares[1] > LEAST_LOGIT**2
    alive[-2:] = True
    if not alive.all():
        for side in (tfs, targets):
            side.keep(alive)


def _curvature(labels: LabelMatrix, tfs: _Side, targets: _Side) -> np.ndarray:
    """Return the curvature of the parabola of each known cell of a sparse matrix."""
    logits = labels.dot(tfs.weighted_vectors(), targets.vectors())
    return _slopes(logits, squared=tfs.covariance is not None)


def _slopes(logits: np.ndarray, *, squared: bool) -> np.ndarray:
    """Return the curvature of the parabola of each logit: ``λ = tanh(ξ / 2) / (2 ξ)``; in place.

    ``ξ`` is where the parabola touches the likelihood: the root mean square of the logit.
    ``squared`` says that the squares of these are given.
    """
    if squared:
        logits = np.sqrt(np.maximum(logits, 1e-4, out=logits), out=logits)
    else:
        # At least 0.01, as above: λ tends to 1/4 at 0, but 0 / 0 does not.
        logits = np.maximum(np.abs(logits, out=logits), 1e-2, out=logits)
    slopes = logits / 2
    np.tanh(slopes, out=slopes)
    slopes /= logits
    slopes /= 2
    return slopes


def _start(tfs: _Side, targets: _Side, labels: LabelMatrix, rank: int) -> tuple[_Side, _Side]:
    """Return both sides with factors: leading singular vectors of what the biases leave."""
    # y - σ(a + b) in the known cells.
    left = labels.centred + labels.cells(
        0.5 - 1 / (1 + np.exp(-labels.dot(tfs.mean, targets.mean)))
    )
    # Singular vectors from the products of the shorter side, which is a small matrix.
    narrow = left if left.shape[0] <= left.shape[1] else left.T
    products = narrow @ narrow.T
    products = products.toarray() if sp.issparse(products) else products
    n = len(products)
    squares, vectors = eigh(products.astype(np.float64), subset_by_index=(n - rank, n - 1))
    vectors = vectors[:, ::-1]
    # Square roots of the singular values, so that both sides are of equal size. Half of each is
    # only a start: the iterations set the size.
    roots = np.sqrt(np.sqrt(np.maximum(squares[::-1], 1e-12)))
    halves = (vectors * roots / 2, narrow.T @ vectors / roots / 2)
    if narrow is not left:
        halves = halves[::-1]
    return tfs.with_factors(halves[0]), targets.with_factors(halves[1])
