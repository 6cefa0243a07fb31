"""A Gaussian process over pairs of genes: what a TF does to a gene, it does to similar genes, and similar TFs do it too."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import expit

from scregnet.links.methods.joint.pairs import KnownPairs, from_state

if TYPE_CHECKING:
    import scipy.sparse as sp

STEPS, SOLVER_STEPS, TOLERANCE = 20, 100, 1e-2
# A smaller curvature leaves the step to rounding errors.
LEAST_CURVATURE = 1e-3
# In logits: more than that is worth a warning.
UNFINISHED = 0.3


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


# All genes as targets.
EVERY = slice(None)


@dataclass(frozen=True, eq=False)
class PairProcess:
    """The posterior of a fitted process; ``parts`` gives the parts of a TF's logits.

    ``features`` (n_genes, n_inducing) has the kernel of genes as ``features @ features.T``; ``tfs`` are the positions of the labelled TFs, ``weights``
    the dual weights of ``pairs``, the known pairs, ``likeness`` (n_tfs, n_tfs) how TFs have targets in common.
    """

    features: np.ndarray
    tfs: np.ndarray
    pairs: KnownPairs
    weights: np.ndarray
    likeness: np.ndarray
    mean: float
    variances: Variances

    @classmethod
    def fit(
        cls, features: np.ndarray, tfs: np.ndarray, pairs: KnownPairs, variances: Variances
    ) -> PairProcess:
        """Fit to the known pairs, whose rows are ``tfs``.

        Newton's method for the most probable logits: conjugate gradients solve each step for the dual weights, and a step is halved until it leads to more
        probable logits; where rounding lets none do so, the fit ends. It warns if it is far from converged then. How TFs have targets in common is estimated from what is left over once the
        biases are taken off, after a first fit without that part.

        Notes
        -----
        Rasmussen and Williams, Gaussian Processes for Machine Learning (2006), section 3.4.
        """
        # Half a pair of either kind: a fold may hold no edge at all.
        share = (pairs.labels.sum() + 0.5) / (pairs.known.sum() + 1)
        mean = float(np.log(share / (1 - share)))
        none = np.zeros((len(tfs), len(tfs)), np.float32)
        first = cls(
            features, tfs, pairs, np.zeros(pairs.known.shape, np.float32), none, mean, variances
        )._solved()
        return replace(first, likeness=first._likeness())._solved()

    def _solved(self) -> PairProcess:
        v, pairs, n_tfs = self.variances, self.pairs, len(self.tfs)
        kernel = self.features[self.tfs] @ self.features[self.tfs].T
        flat = np.float32(v.target) + np.float32(v.joint) * self.likeness
        smooth = (
            v.target_smooth
            + v.own * np.eye(n_tfs)
            + v.similar * kernel
            + v.joint_smooth * self.likeness
        )
        smooth = smooth.astype(np.float32)

        def covariance(x: np.ndarray) -> np.ndarray:
            matrix = pairs.matrix(x)
            biases = pairs.per_tf(np.float32(v.tf) * matrix.sum(1))
            return (
                biases
                + pairs.mixed(flat, x)
                + pairs.dot(smooth @ (matrix @ self.features), self.features)
            )

        mean, known = np.float32(self.mean), pairs.known
        labels = pairs.labels.astype(np.float32)

        def loss(weights: np.ndarray, logits: np.ndarray) -> float:
            likelihood = np.logaddexp(0, logits) - labels * logits
            return float(
                np.where(known, likelihood + weights * (logits - mean) / 2, 0).sum(dtype=np.float64)
            )

        weights = self.weights
        logits = mean + covariance(weights)
        least = loss(weights, logits)
        for _ in range(STEPS):
            expected = expit(logits)
            root = np.where(
                known, np.sqrt(np.maximum(expected * (1 - expected), LEAST_CURVATURE)), 0
            )
            inverse = np.divide(1, root, out=np.zeros_like(root), where=known)
            right = (labels - expected) * inverse + root * (logits - mean)
            # Of the covariance, the bias of a TF is the most that a step has to undo, and easily inverted.
            shrink = np.float32(v.tf) / (1 + np.float32(v.tf) * pairs.matrix(root**2).sum(1))

            def unbiased(
                x: np.ndarray, root: np.ndarray = root, shrink: np.ndarray = shrink
            ) -> np.ndarray:
                return x - root * pairs.per_tf(shrink * pairs.matrix(root * x).sum(1))

            end = root * _conjugate_gradients(covariance, root, right, weights * inverse, unbiased)
            step, change = end - weights, mean + covariance(end) - logits
            share, far = np.float32(1), float(np.abs(change)[known].mean())
            while share > TOLERANCE:
                found = loss(weights + share * step, logits + share * change)
                # Close to the end, rounding decides which is less.
                if found <= least + 1e-7 * abs(least):
                    break
                share /= 2
            else:
                break
            weights, logits, least = weights + share * step, logits + share * change, found
            if far < TOLERANCE:
                break
        if not far < UNFINISHED:
            msg = f"the process of method='joint' has not converged: its last step would change logits by {far:.2g} on average. Take smaller prior variances."
            warnings.warn(msg, RuntimeWarning, stacklevel=2)
        return replace(self, weights=weights)

    def _likeness(self) -> np.ndarray:
        """Correlation of what the biases leave over between TFs, the nearest that is a covariance, of mean variance 1."""
        pairs, expected = self.pairs, expit(self.biases())
        scale = np.sqrt(np.maximum(expected * (1 - expected), 0.01))
        left = np.where(pairs.known, (pairs.labels - expected) / scale, 0)
        values, vectors = np.linalg.eigh(
            pairs.gram(left) / (pairs.gram(pairs.known.astype(np.float32)) + 20)
        )
        likeness = (vectors * np.maximum(values, 0)) @ vectors.T
        return (likeness / max(np.diag(likeness).mean(), 1e-6)).astype(np.float32)

    @cached_property
    def row(self) -> np.ndarray:
        """Row of each gene among the labelled TFs, -1 for the others."""
        row = np.full(len(self.features), -1)
        row[self.tfs] = np.arange(len(self.tfs))
        return row

    @cached_property
    def _matrix(self) -> np.ndarray | sp.csr_array:
        return self.pairs.matrix(self.weights)

    @cached_property
    def _projected(self) -> np.ndarray:
        return self._matrix @ self.features

    @cached_property
    def _tf_features(self) -> np.ndarray:
        return self.features[self.tfs]

    @cached_property
    def _tf_biases(self) -> np.ndarray:
        return self.variances.tf * self._matrix.sum(1)

    @cached_property
    def _target_biases(self) -> np.ndarray:
        total = self._matrix.sum(0)
        smooth = self.features @ (total @ self.features)
        v = self.variances
        return np.stack([np.float32(v.target) * total, np.float32(v.target_smooth) * smooth])

    def biases(self) -> np.ndarray:
        """The logits of the biases alone, float32, for each of ``pairs``."""
        own, of_targets = (
            self.pairs.per_tf(self._tf_biases),
            self.pairs.per_gene(self._target_biases.sum(0)),
        )
        return (self.mean + own + of_targets).astype(np.float32)

    def parts(self, sources: np.ndarray, targets: np.ndarray | slice = EVERY) -> np.ndarray:
        """Parts of the logits of every pair of the given genes, float32 of shape (6, n_sources, n_targets).

        Bias of the TF, bias of the target, shared bias of similar targets, the TF's preferences by expression, targets in common with other TFs, and these by
        expression. A gene that is not among the labelled TFs has what its expression tells and nothing else.
        """
        v, rows = self.variances, self.row[sources]
        seen = rows >= 0
        mine = rows[seen]
        projected, features = self._projected, self.features[targets]
        preference = np.zeros((2, len(sources), features.shape[1]), np.float32)
        preference[0] = v.similar * ((self.features[sources] @ self._tf_features.T) @ projected)
        preference[0, seen] += v.own * projected[mine]
        preference[1, seen] = v.joint_smooth * (self.likeness[mine] @ projected)
        parts = np.zeros((6, len(sources), len(features)), np.float32)
        parts[0, seen] = self._tf_biases[mine][:, None]
        parts[1:3] = self._target_biases[:, None, targets]
        parts[4, seen] = v.joint * (self.likeness[mine] @ self._matrix)[:, targets]
        # Both at once: what takes time is to read the features of all genes.
        parts[[3, 5]] = (preference.reshape(-1, features.shape[1]) @ features.T).reshape(
            2, *parts.shape[1:]
        )
        return parts

    def state(self) -> dict[str, np.ndarray]:
        """Plain arrays from which :meth:`from_state` makes an equal object."""
        arrays = {
            name: np.asarray(getattr(self, name))
            for name in ("features", "tfs", "weights", "likeness", "mean")
        }
        arrays["variances"] = np.array([getattr(self.variances, f.name) for f in fields(Variances)])
        return arrays | {f"pairs_{name}": value for name, value in self.pairs.state().items()}

    @classmethod
    def from_state(cls, state: dict[str, np.ndarray]) -> PairProcess:
        """The inverse of :meth:`state`."""
        features, weights, likeness = (
            np.asarray(state[name], np.float32) for name in ("features", "weights", "likeness")
        )
        variances = Variances(*map(float, state["variances"]))
        pairs = from_state(
            {
                name.removeprefix("pairs_"): state[name]
                for name in state
                if name.startswith("pairs_")
            }
        )
        return cls(
            features,
            np.asarray(state["tfs"]),
            pairs,
            weights,
            likeness,
            float(state["mean"]),
            variances,
        )

    def logits(self, sources: np.ndarray) -> np.ndarray:
        """Logits of every pair of the given genes with all genes, float32 of shape (n_sources, n_genes)."""
        return np.float32(self.mean) + self.parts(sources).sum(0)


def _conjugate_gradients(
    covariance: Callable[[np.ndarray], np.ndarray],
    root: np.ndarray,
    right: np.ndarray,
    start: np.ndarray,
    precondition: Callable[[np.ndarray], np.ndarray],
) -> np.ndarray:
    """Solve ``x + root * covariance(root * x) = right``."""
    solution = start
    residual = right - start - root * covariance(root * start)
    direction = near = precondition(residual)
    size, enough = float((residual * near).sum()), TOLERANCE**2 * float((right**2).sum())
    for _ in range(SOLVER_STEPS):
        # Of huge variances rounding leaves nothing positive.
        if float((residual**2).sum()) <= enough or not size > 0:
            break
        image = direction + root * covariance(root * direction)
        step = size / float((direction * image).sum())
        solution = solution + step * direction
        residual = residual - step * image
        near = precondition(residual)
        before, size = size, float((residual * near).sum())
        direction = near + size / before * direction
    return solution
