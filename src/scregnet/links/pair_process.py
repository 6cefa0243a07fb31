"""A Gaussian process over pairs of genes: what a TF does to a gene, it does to similar genes, and similar TFs do it too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np
from scipy.linalg import solve_triangular
from scipy.special import expit

INDUCING = 512
STEPS, SOLVER_STEPS, TOLERANCE = 8, 100, 1e-2


@dataclass(frozen=True)
class Variances:
    """Prior variances, on the logit scale, of the parts of a logit."""

    tf: float = 3.0
    """Of the bias of a TF."""

    target: float = 1.0
    """Of the bias of a target."""

    target_smooth: float = 1.0
    """Of how similar genes share the bias of a target."""

    own: float = 0.3
    """Of a TF's own preference among genes, shared by similar genes."""

    similar: float = 0.2
    """Of the preference that it shares with TFs of similar expression."""

    joint: float = 2.0
    """Of the targets that it shares with TFs that have targets in common with it."""

    joint_smooth: float = 0.5
    """Of the preference that it shares with those TFs, shared by similar genes."""


@dataclass(frozen=True, eq=False)
class PairProcess:
    """The posterior of a fitted process; ``parts`` gives the parts of a TF's logits.

    ``features`` (n_genes, n_inducing) has the kernel of genes as ``features @ features.T``; ``tfs`` are the positions of the labelled TFs, ``weights``
    (n_tfs, n_genes) the dual weights, ``likeness`` (n_tfs, n_tfs) how TFs have targets in common.
    """

    features: np.ndarray
    tfs: np.ndarray
    weights: np.ndarray
    likeness: np.ndarray
    mean: float
    variances: Variances

    @classmethod
    def fit(
        cls, features: np.ndarray, tfs: np.ndarray, labels: np.ndarray, known: np.ndarray, variances: Variances
    ) -> PairProcess:
        """Fit to the ``known`` cells of ``labels``, bool of shape (n_tfs, n_genes).

        The logistic likelihood is bounded from below by a parabola that is made tight at the logits that come out, and so on until they stay where they
        are; each time, conjugate gradients solve for the dual weights. How TFs have targets in common is estimated from what is left over once the
        biases are taken off, after a first fit without that part.

        Notes
        -----
        Jaakkola and Jordan, Bayesian parameter estimation via variational methods, Statistics and Computing 10 (2000).
        """
        # Half a pair of either kind: a fold may hold no edge at all.
        share = ((labels & known).sum() + 0.5) / (known.sum() + 1)
        mean = float(np.log(share / (1 - share)))
        none = np.zeros((len(tfs), len(tfs)), np.float32)
        first = cls(features, tfs, np.zeros(labels.shape, np.float32), none, mean, variances)
        first = first._solved(labels, known)
        likeness = first._likeness(labels, known)
        return cls(features, tfs, first.weights, likeness, mean, variances)._solved(labels, known)

    def _solved(self, labels: np.ndarray, known: np.ndarray) -> PairProcess:
        v, n_tfs = self.variances, len(self.tfs)
        kernel = self.features[self.tfs] @ self.features[self.tfs].T
        flat = np.float32(v.target) + np.float32(v.joint) * self.likeness
        smooth = v.target_smooth + v.own * np.eye(n_tfs) + v.similar * kernel + v.joint_smooth * self.likeness
        smooth = smooth.astype(np.float32)

        def covariance(x: np.ndarray) -> np.ndarray:
            return (
                np.float32(v.tf) * x.sum(1, keepdims=True) + flat @ x + (smooth @ (x @ self.features)) @ self.features.T
            )

        mean, mask = np.float32(self.mean), known.astype(np.float32)
        centred = np.where(known, labels - np.float32(0.5), 0).astype(np.float32)
        weights = self.weights
        logits = mean + covariance(weights)
        for _ in range(STEPS):
            size = np.maximum(np.abs(logits), 1e-3)
            curvature = np.tanh(size / 2) / (2 * size)
            root = np.sqrt(curvature) * mask
            right = np.where(known, (centred - curvature * mean) / np.sqrt(curvature), 0)
            start = np.where(known, weights / np.maximum(root, 1e-6), 0)
            solution = _conjugate_gradients(covariance, root, right, start)
            weights = root * solution
            before, logits = logits, mean + covariance(weights)
            if np.abs(logits - before)[known].mean() < TOLERANCE:
                break
        return PairProcess(self.features, self.tfs, weights, self.likeness, self.mean, self.variances)

    def _likeness(self, labels: np.ndarray, known: np.ndarray) -> np.ndarray:
        """Correlation of what the biases leave over between TFs, the nearest that is a covariance, of mean variance 1."""
        expected = expit(self.biases())
        left = np.where(known, (labels - expected) / np.sqrt(np.maximum(expected * (1 - expected), 0.01)), 0)
        mask = known.astype(np.float32)
        values, vectors = np.linalg.eigh((left @ left.T) / (mask @ mask.T + 20))
        likeness = (vectors * np.maximum(values, 0)) @ vectors.T
        return (likeness / max(np.diag(likeness).mean(), 1e-6)).astype(np.float32)

    @cached_property
    def _projected(self) -> np.ndarray:
        return self.weights @ self.features

    @cached_property
    def _target_biases(self) -> tuple[np.ndarray, np.ndarray]:
        total = self.weights.sum(0)
        smooth = self.features @ (total @ self.features)
        return np.float32(self.variances.target) * total, np.float32(self.variances.target_smooth) * smooth

    def biases(self) -> np.ndarray:
        """The logits of the biases alone, float32 of shape (n_tfs, n_genes)."""
        own = self.variances.tf * self.weights.sum(1)[:, None]
        return (self.mean + own + np.sum(self._target_biases, axis=0)).astype(np.float32)

    def parts(self, sources: np.ndarray) -> np.ndarray:
        """Parts of the logits of every pair of the given genes with all genes, float32 of shape (6, n_sources, n_genes).

        Bias of the TF, bias of the target, shared bias of similar targets, the TF's preferences by expression, targets in common with other TFs, and these by
        expression. A gene that is not among the labelled TFs has what its expression tells and nothing else.
        """
        v = self.variances
        row = np.full(len(self.features), -1)
        row[self.tfs] = np.arange(len(self.tfs))
        seen = row[sources] >= 0
        mine = row[sources][seen]
        projected = self._projected
        shape = (len(sources), len(self.features))
        parts = np.zeros((6, *shape), np.float32)
        parts[0, seen] = v.tf * self.weights.sum(1)[mine][:, None]
        parts[1], parts[2] = self._target_biases
        preference = v.similar * ((self.features[sources] @ self.features[self.tfs].T) @ projected)
        preference[seen] += v.own * projected[mine]
        parts[3] = preference @ self.features.T
        parts[4, seen] = v.joint * (self.likeness[mine] @ self.weights)
        parts[5, seen] = (v.joint_smooth * (self.likeness[mine] @ projected)) @ self.features.T
        return parts

    def state(self) -> dict[str, np.ndarray]:
        """Plain arrays from which :meth:`from_state` makes an equal object."""
        arrays = {name: np.asarray(getattr(self, name)) for name in ("features", "tfs", "weights", "likeness", "mean")}
        return arrays | {"variances": np.array([getattr(self.variances, f.name) for f in fields(Variances)])}

    @classmethod
    def from_state(cls, state: dict[str, np.ndarray]) -> PairProcess:
        """The inverse of :meth:`state`."""
        features, weights, likeness = (
            np.asarray(state[name], np.float32) for name in ("features", "weights", "likeness")
        )
        variances = Variances(*map(float, state["variances"]))
        return cls(features, np.asarray(state["tfs"]), weights, likeness, float(state["mean"]), variances)

    def logits(self, sources: np.ndarray) -> np.ndarray:
        """Logits of every pair of the given genes with all genes, float32 of shape (n_sources, n_genes)."""
        return np.float32(self.mean) + self.parts(sources).sum(0)


def gene_features(
    expression: np.ndarray,
    summary: np.ndarray,
    embedding: np.ndarray | None,
    families: np.ndarray | None = None,
    *,
    family: float = 0.0,
    first: np.ndarray,
    rng: np.random.Generator,
    n_inducing: int = INDUCING,
) -> np.ndarray:
    """Features whose products are the kernel of genes, float32 of shape (n_genes, n_inducing).

    The kernel is a mean of the correlation of expression, an exponential of it, a Gaussian of mean, spread and detection rate, and, for genes that have a
    vector, an exponential of the cosine of embeddings; genes of one family have ``family`` on top. Exact for up to ``n_inducing`` genes; beyond, the Nyström approximation by as many genes, ``first`` (the
    TFs) and others at random.

    Notes
    -----
    Williams and Seeger, Using the Nyström method to speed up kernel machines, NIPS (2000).
    """
    n_genes = len(summary)
    others = np.setdiff1d(np.arange(n_genes), first)
    inducing = np.concatenate([first, rng.permutation(others)])[:n_inducing]
    kernel = _kernel(expression, summary, embedding, inducing)
    if families is not None and family:
        kernel += family * (families[:, None] == families[inducing])
    root = np.linalg.cholesky(kernel[inducing].astype(np.float64) + 1e-3 * np.eye(len(inducing)))
    return solve_triangular(root, kernel.T.astype(np.float64), lower=True).T.astype(np.float32)


def _kernel(
    expression: np.ndarray, summary: np.ndarray, embedding: np.ndarray | None, inducing: np.ndarray
) -> np.ndarray:
    unit = _unit(expression)
    correlation = unit @ unit[inducing].T
    spread = np.maximum(summary.std(0), 1e-6)
    scaled = (summary - summary.mean(0)) / spread
    distance = ((scaled[:, None, :] - scaled[None, inducing, :]) ** 2).sum(2)
    parts = [(0.5, correlation), (1.0, np.exp(2 * (correlation - 1))), (0.5, np.exp(-distance / 2))]
    if embedding is not None and embedding.any():
        there = np.any(embedding != 0, axis=1)
        centred = _unit(np.where(there[:, None], embedding - embedding[there].mean(0), 0))
        both = there[:, None] & there[None, inducing]
        parts.append((1.0, np.where(both, np.exp(2 * (centred @ centred[inducing].T - 1)), 0)))
    return sum(weight * part for weight, part in parts) / sum(weight for weight, _ in parts)


def _unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)


def _conjugate_gradients(
    covariance: Callable[[np.ndarray], np.ndarray], root: np.ndarray, right: np.ndarray, start: np.ndarray
) -> np.ndarray:
    """Solve ``x + root * covariance(root * x) = right``."""
    solution = start
    residual = right - start - root * covariance(root * start)
    direction = residual.copy()
    size, enough = float((residual**2).sum()), TOLERANCE**2 * float((right**2).sum())
    for _ in range(SOLVER_STEPS):
        if size <= enough:
            break
        image = direction + root * covariance(root * direction)
        step = size / float((direction * image).sum())
        solution = solution + step * direction
        residual = residual - step * image
        before, size = size, float((residual**2).sum())
        direction = residual + size / before * direction
    return solution
