"""Low-rank logistic factors of a matrix of labels of which some cells are known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from scregnet.links.task import Pairs

TF_BIAS_PRECISION = 0.1
WARM_UP = 6


@dataclass(frozen=True, eq=False)
class LabelMatrix:
    """Labels of the given pairs as a matrix of the TFs × targets that occur in them."""

    sources: np.ndarray
    """Positions of the genes in rows."""

    targets: np.ndarray
    """Positions of the genes in columns."""

    known: np.ndarray
    """1 where a pair is given, 0 elsewhere; float32."""

    centred: np.ndarray
    """Label less one half where a pair is given, 0 elsewhere; float32."""

    @classmethod
    def of(cls, pairs: Pairs) -> LabelMatrix:
        """The matrix of the given pairs."""
        sources, rows = np.unique(pairs.sources, return_inverse=True)
        targets, columns = np.unique(pairs.targets, return_inverse=True)
        known, centred = (np.zeros((len(sources), len(targets)), np.float32) for _ in range(2))
        known[rows, columns] = 1
        centred[rows, columns] = pairs.labels - np.float32(0.5)
        return cls(sources, targets, known, centred)

    @property
    def mean_logit(self) -> float:
        """Logit of the share of edges, with half a pair of either kind added."""
        n_edges, n = float(self.centred.sum() + self.known.sum() / 2), float(self.known.sum())
        return float(np.log((n_edges + 0.5) / (n - n_edges + 0.5)))


@dataclass(frozen=True, eq=False)
class Factors:
    """Logit of a pair is ``source_vectors[row] @ target_vectors[column]``.

    The columns of both are the factors, then a bias for each TF (beside a 1 for each target), then a 1 for each TF (beside a bias for each target).
    """

    source_vectors: np.ndarray
    target_vectors: np.ndarray


def factorise(
    labels: LabelMatrix, rank: int, *, precision: float, target_precision: float, variational: bool, n_iterations: int
) -> Factors:
    """Fit ``a[TF] + b[target] + u[TF] · v[target]`` to the known labels.

    The priors are normal: factors around 0 with the given ``precision``, biases of targets around their mean with ``target_precision``, biases of TFs
    around 0 with a small one. Under the parabola that bounds the logistic likelihood from below, either side given the other is a
    ridge regression for each gene, so both are solved in turn, and the bound is made tight at the logits that come out.

    Parameters
    ----------
    labels
        What is known.
    rank
        Number of factors.
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
    n_tfs, n_targets = labels.known.shape
    rank = min(rank, n_tfs, n_targets)
    tfs = _Side(n_tfs, rank, bias=rank, one=rank + 1, start=0.0)
    targets = _Side(n_targets, rank, bias=rank + 1, one=rank, start=labels.mean_logit)
    centre = labels.mean_logit
    for iteration in range(n_iterations):
        if iteration == WARM_UP and rank:
            _start(tfs, targets, labels)
        n_factors = rank if iteration >= WARM_UP else 0
        weights = labels.known * _curvature(tfs, targets, variational=variational)
        tfs.solve(
            weights, labels.centred, targets, (n_factors, precision, TF_BIAS_PRECISION), 0.0, variational=variational
        )
        weights = labels.known * _curvature(tfs, targets, variational=variational)
        targets.solve(
            weights.T, labels.centred.T, tfs, (n_factors, precision, target_precision), centre, variational=variational
        )
        centre = float(targets.mean[:, targets.bias].mean())
    return Factors(tfs.mean.astype(np.float32), targets.mean.astype(np.float32))


class _Side:
    """Vectors of all TFs or of all targets: mean and covariance of each."""

    def __init__(self, n: int, rank: int, *, bias: int, one: int, start: float) -> None:
        width = rank + 2
        self.bias, self.one = bias, one
        self.mean = np.zeros((n, width))
        self.mean[:, one], self.mean[:, bias] = 1, start
        self.covariance = np.zeros((n, width, width))
        # Second moments are symmetric: half of each matrix is kept, ``twice`` counts what the other half adds.
        self.upper = np.triu_indices(width)
        self.twice = np.where(self.upper[0] == self.upper[1], 1, 2).astype(np.float32)
        self.place = np.zeros((width, width), np.intp)
        self.place[self.upper] = self.place.T[self.upper] = np.arange(len(self.twice))

    def moments(self, *, variational: bool) -> np.ndarray:
        """Second moments of each vector, upper triangles, float32."""
        k, l = self.upper
        product = self.mean[:, k] * self.mean[:, l]
        return (product + self.covariance[:, k, l] if variational else product).astype(np.float32)

    def solve(
        self,
        weights: np.ndarray,
        centred: np.ndarray,
        other: _Side,
        prior: tuple[int, float, float],
        centre: float,
        *,
        variational: bool,
    ) -> None:
        """One ridge regression for each gene on the vectors of the other side."""
        n_factors, precision, bias_precision = prior
        n, width = self.mean.shape
        free = [*range(n_factors), self.bias]
        penalties = np.array([precision] * n_factors + [bias_precision])
        gram = (weights @ other.moments(variational=variational)).astype(np.float64)
        gram = gram[:, self.place.ravel()].reshape(n, width, width)
        wanted = (centred @ other.mean)[:, free] - gram[:, free, self.one]
        wanted[:, -1] += bias_precision * centre
        system = gram[:, free][:, :, free] + np.diag(penalties)
        inverse = np.linalg.inv(system)
        self.mean[:, free] = np.einsum("gij,gj->gi", inverse, wanted)
        self.covariance[np.ix_(np.arange(n), free, free)] = inverse


def _curvature(tfs: _Side, targets: _Side, *, variational: bool) -> np.ndarray:
    """Curvature of the parabola that touches the logistic likelihood at every cell's root mean squared logit."""
    if variational:
        squares = (tfs.moments(variational=True) * tfs.twice) @ targets.moments(variational=True).T
        logits = np.sqrt(np.maximum(squares, 1e-4, out=squares), out=squares)
    else:
        logits = tfs.mean.astype(np.float32) @ targets.mean.T.astype(np.float32)
        logits = np.maximum(np.abs(logits, out=logits), 1e-2, out=logits)
    return np.tanh(logits / 2) / (2 * logits)


def _start(tfs: _Side, targets: _Side, labels: LabelMatrix) -> None:
    """Factors from the singular vectors of what the biases leave over."""
    logits = tfs.mean.astype(np.float32) @ targets.mean.T.astype(np.float32)
    left = labels.centred + labels.known * (0.5 - 1 / (1 + np.exp(-logits)))
    rank = tfs.mean.shape[1] - 2
    narrow = left if len(left) <= left.shape[1] else left.T
    squares, vectors = np.linalg.eigh((narrow @ narrow.T).astype(np.float64))
    vectors = vectors[:, ::-1][:, :rank]
    roots = np.sqrt(np.sqrt(np.maximum(squares[::-1][:rank], 1e-12)))
    halves = (vectors * roots / 2, narrow.T @ vectors / roots / 2)
    tfs.mean[:, :rank], targets.mean[:, :rank] = halves if narrow is left else halves[::-1]
