"""Most probable logits of a Gaussian process classifier, by Newton's method.

Rasmussen and Williams, Gaussian Processes for Machine Learning (2006), Algorithm 3.1. Two things
differ. Conjugate gradients solve line 7 in place of a Cholesky factor, because the covariance is an
operator. A line search halves steps that overshoot.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from scipy.special import expit

# A smaller curvature would leave the step to rounding errors: line 6 divides by its root.
LEAST_CURVATURE = 1e-3
# Relative increase of the loss that counts as none. Near the mode, float32 logits leave that much.
LOSS_ROUNDING = 1e-7


class Covariance(Protocol):
    """``K`` as an operator."""

    def __matmul__(self, values: np.ndarray) -> np.ndarray:
        """Return ``K`` times values."""
        ...

    def preconditioner(self, root: np.ndarray) -> Any:
        """Return an operator close to the inverse of ``I + W½ K W½``, where ``root`` is ``W½``."""
        ...


@dataclass(frozen=True, eq=False)
class LogisticObjective:
    """Negative log posterior of logits ``f = m + K a``, given labels.

    Entries that are not ``known`` count nothing.
    """

    labels: np.ndarray
    """``y``, float32."""

    known: np.ndarray
    """Which entries have a label."""

    mean: np.float32
    """``m``, the prior mean of every logit."""

    def loss(self, weights: np.ndarray, logits: np.ndarray) -> float:
        """Return ``-log p(y | f) + ½ aᵀ(f - m)``; equation 3.12 without constants."""
        # -log p(y | f) = log(1 + exp(f)) - y f
        likelihood = np.logaddexp(0, logits) - self.labels * logits
        prior = weights * (logits - self.mean) / 2
        return float(np.where(self.known, likelihood + prior, 0).sum(dtype=np.float64))

    def expand(self, logits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return ``∇ log p(y | f) = y - σ(f)`` and ``W½`` with ``W = σ(f) (1 - σ(f))``."""
        expected = expit(logits)
        curvature = np.maximum(expected * (1 - expected), LEAST_CURVATURE)
        return self.labels - expected, np.where(self.known, np.sqrt(curvature), 0)


class Mode(NamedTuple):
    """Where the search ended."""

    weights: np.ndarray
    """``a``: the logits are ``m + K a``."""

    last_change: float
    """Mean absolute change of the logits that the last full Newton step asked for."""


class _Point(NamedTuple):
    weights: np.ndarray
    logits: np.ndarray
    loss: float


def laplace_mode(
    covariance: Covariance,
    objective: LogisticObjective,
    *,
    start: np.ndarray,
    max_newton: int,
    max_cg: int,
    tolerance: float,
    cg_tolerance: float | None = None,
) -> Mode:
    """Return the weights of the most probable logits.

    Parameters
    ----------
    covariance
        ``K``.
    objective
        What is minimised.
    start
        Weights to start from.
    max_newton
        Newton steps at most.
    max_cg
        Steps of conjugate gradients in each Newton step at most.
    tolerance
        The search ends when a Newton step changes logits by less, on average. It also bounds the
        smallest share of a step.
    cg_tolerance
        Relative residual at which conjugate gradients end; ``None`` is ``tolerance``.
    """
    enough = tolerance if cg_tolerance is None else cg_tolerance
    mean = objective.mean
    logits = mean + covariance @ start  # line 2, from given weights in place of f = 0
    at = _Point(start, logits, objective.loss(start, logits))
    last_change = np.inf
    for _ in range(max_newton):  # line 3
        end = _newton_weights(covariance, objective, at, max_cg, enough)  # lines 4 to 7
        step, change = end - at.weights, mean + covariance @ end - at.logits  # line 8
        last_change = float(np.abs(change)[objective.known].mean())
        better = _line_search(objective, at, step, change, tolerance)
        if better is None:
            break
        at = better
        if last_change < tolerance:  # line 9
            break
    return Mode(at.weights, last_change)


def _newton_weights(
    covariance: Covariance, objective: LogisticObjective, at: _Point, max_cg: int, tolerance: float
) -> np.ndarray:
    """Return the weights ``a`` at the end of a full Newton step."""
    gradient, root = objective.expand(at.logits)  # line 4: W½
    scaled = _Scaled(covariance, root)  # line 5: B = I + W½ K W½, not factorised
    inverse = np.divide(1, root, out=np.zeros_like(root), where=objective.known)
    # Line 6, times W⁻½: b = W (f - m) + ∇ log p(y | f).
    right = gradient * inverse + root * (at.logits - objective.mean)
    # Line 7: a = b - W½ B⁻¹ W½ K b = W½ B⁻¹ W⁻½ b. The weights so far are a good start.
    solution = conjugate_gradients(
        scaled,
        right,
        start=at.weights * inverse,
        preconditioner=covariance.preconditioner(root),
        max_cg=max_cg,
        tolerance=tolerance,
    )
    return root * solution


def _line_search(
    objective: LogisticObjective,
    at: _Point,
    step: np.ndarray,
    change: np.ndarray,
    tolerance: float,
) -> _Point | None:
    """Halve the step until the loss does not rise; ``None`` if rounding lets no share do so."""
    share = np.float32(1)
    while share > tolerance:
        weights, logits = at.weights + share * step, at.logits + share * change
        loss = objective.loss(weights, logits)
        if loss <= at.loss + LOSS_ROUNDING * abs(at.loss):
            return _Point(weights, logits, loss)
        share /= 2
    return None


@dataclass(frozen=True, eq=False)
class _Scaled:
    """``W½ K W½`` as an operator."""

    covariance: Covariance
    root: np.ndarray

    def __matmul__(self, values: np.ndarray) -> np.ndarray:
        return self.root * (self.covariance @ (self.root * values))


def conjugate_gradients(
    scaled: Any,
    right: np.ndarray,
    *,
    start: np.ndarray,
    preconditioner: Any,
    max_cg: int,
    tolerance: float,
) -> np.ndarray:
    """Solve ``(I + scaled) x = right`` by preconditioned conjugate gradients.

    Parameters
    ----------
    scaled, preconditioner
        Operators that ``@`` applies.
    right, start
        Right side and first guess of ``x``.
    max_cg
        Steps at most.
    tolerance
        Length of the residual, relative to that of ``right``, that ends the search.
    """
    solution = start
    residual = right - start - scaled @ start
    direction = near = preconditioner @ residual
    size, enough = float((residual * near).sum()), tolerance**2 * float((right**2).sum())
    for _ in range(max_cg):
        # With huge variances, rounding can leave no positive size to divide by.
        if float((residual**2).sum()) <= enough or not size > 0:
            break
        image = direction + scaled @ direction
        step = size / float((direction * image).sum())
        solution = solution + step * direction
        residual = residual - step * image
        near = preconditioner @ residual
        before, size = size, float((residual * near).sum())
        direction = near + size / before * direction
    return solution
