"""Turn scores into probabilities, fitted on validation pairs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from scregnet.links.forms.saved import HINT

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

_LOG_SLOPES = (-7.0, 7.0)
"""Bounds of the log-slope per standard deviation of the scores.

Scores that say nothing would send it to minus infinity. At -7 a standard deviation moves the logit
by 0.001, and the order of pairs is still kept.
"""

MANY_PAIRS, N_BINS = 1_000_000, 1 << 17
"""Pairs above which those of one label and nearly one score are counted together, and how nearly.

With scores from -30 to 30 standard deviations the loss changes by less than 1e-8.
"""

_Loss = Callable[[np.ndarray], tuple[float, np.ndarray]]


@dataclass(frozen=True)
class PlattCalibration:
    """Platt scaling, ``p = sigmoid(slope * score + intercept)`` with a positive slope.

    The slope is positive so that the order of pairs never changes. Platt, in Advances in Large
    Margin Classifiers (1999).
    """

    slope: float
    intercept: float
    loss: float = float("nan")
    """Mean negative log-likelihood of the smoothed targets that were fitted, in nats a pair."""

    @classmethod
    def fit(
        cls,
        scores: np.ndarray,
        labels: np.ndarray,
        *,
        weights: np.ndarray | None = None,
        label_frequency: float = 1.0,
    ) -> PlattCalibration:
        """Fit to validation pairs.

        Parameters
        ----------
        scores
            Scores, (n,).
        labels
            Labels, bool of shape (n,); both must occur.
        weights
            How many pairs each counts for, (n,); ``None`` counts each once.
        label_frequency
            Share c of the edges that are labelled, at random. A pair is then labelled with
            probability ``c * p`` (Elkan & Noto, KDD 2008). That is fitted, and ``p`` is the
            probability of being an edge.
        """
        from scipy.optimize import minimize

        labels = np.asarray(labels, bool)
        n_positive, n_negative = int(labels.sum()), int((~labels).sum())
        if n_positive == 0 or n_negative == 0:
            msg = (
                "calibration needs edges and non-edges among the validation pairs, found "
                f"{n_positive} and {n_negative}."
            )
            raise ValueError(msg)
        scores = np.asarray(scores, np.float64)
        # Standardised, so that start and bounds do not depend on the scale of the scores.
        centre, spread = scores.mean(), scores.std()
        z = (scores - centre) / (spread or 1.0)
        share, odds = None, n_positive / n_negative
        if weights is not None:
            share = weights / weights.sum()
            odds = weights[labels].sum() / weights[~labels].sum()
        # Platt's smoothed targets t keep the fit finite for classes that a score separates. By the
        # weights: a few drawn non-edges that stand for many must not look like half an edge.
        t = np.where(labels, (n_positive + 1) / (n_positive + 2), 1 / (n_positive / odds + 2))
        if len(z) > MANY_PAIRS:
            z, t, share = _in_bins(z, t, share)
        # Slope 1, and the log-odds of an edge.
        start = np.array([0.0, np.log(odds)])
        found = minimize(
            _loss(z, t, label_frequency, share),
            start,
            jac=True,
            method="L-BFGS-B",
            bounds=[_LOG_SLOPES, (None, None)],
        )
        slope = float(np.exp(found.x[0]) / (spread or 1.0))
        return cls(slope, float(found.x[1] - slope * centre), float(found.fun))

    def __call__(self, scores: np.ndarray) -> np.ndarray:
        """Return the probability of each score, float32."""
        from scipy.special import expit

        logits = self.slope * np.asarray(scores, np.float64) + self.intercept
        return expit(logits).astype(np.float32)

    def at_level(
        self, scores: np.ndarray, mean: float, weights: np.ndarray | None = None
    ) -> PlattCalibration:
        """Return the calibration with another intercept: the probabilities have the given mean.

        ``weights`` are as of :meth:`fit`.
        """
        from scipy.optimize import brentq
        from scipy.special import expit

        logits = self.slope * np.asarray(scores, np.float64) + self.intercept

        def excess(shift: float) -> float:
            return float(np.average(expit(logits + shift), weights=weights) - mean)

        # Beyond these, every probability is 0 or 1 in float32.
        low, high = -200.0 - logits.max(), 200.0 - logits.min()
        return replace(self, intercept=self.intercept + float(brentq(excess, low, high)))


def _in_bins(
    z: np.ndarray, t: np.ndarray, share: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return scores, targets and shares of bins of scores; ``t`` has one value for each label."""
    low, width = z.min(), np.ptp(z) / N_BINS
    place = np.minimum((z - low) / (width or 1.0), N_BINS - 1).astype(np.int32)
    values = []
    for target in np.unique(t):
        of_label = t == target
        weights = None if share is None else share[of_label]
        where = place[of_label]
        total = np.bincount(where, weights, minlength=N_BINS)
        scores = z[of_label] if weights is None else weights * z[of_label]
        there = np.flatnonzero(total)
        mean = np.bincount(where, scores, minlength=N_BINS)[there] / total[there]
        values.append((mean, np.full(len(there), target), total[there]))
    mean, targets, total = (np.concatenate(parts) for parts in zip(*values, strict=True))
    return mean, targets, total / total.sum()


def _loss(z: np.ndarray, t: np.ndarray, c: float, share: np.ndarray | None = None) -> _Loss:
    """Return the negative log-likelihood of targets t and its gradient, per pair.

    ``share`` is the weight of each pair, in sum 1; ``None`` weighs all alike.

    It is a function of the log-slope a and the intercept b: the logit is ``l = exp(a) z + b``, an
    edge has probability ``p = sigmoid(l)``, and a label has ``q = c p``.
    """
    from scipy.special import expit

    mean = np.mean if share is None else partial(np.dot, share)

    def loss(theta: np.ndarray) -> tuple[float, np.ndarray]:
        slope = np.exp(theta[0])
        logit = slope * z + theta[1]
        p = expit(logit)
        if c == 1:
            # -t log p - (1 - t) log(1 - p) = log(1 + e^l) - t l, and its derivative by l.
            value = mean(np.logaddexp(0, logit) - t * logit)
            by_logit = p - t
        else:
            q = c * p
            # log q by way of log p = -log(1 + e^-l), which stays finite where p underflows.
            log_q = np.log(c) - np.logaddexp(0, -logit)
            value = -mean(t * log_q + (1 - t) * np.log1p(-q))
            by_logit = (1 - p) * (q - t) / (1 - q)
        # dl/da = exp(a) z, dl/db = 1.
        return float(value), np.array([mean(by_logit * z) * slope, mean(by_logit)])

    return loss


def read_calibrations(slopes: ArrayLike, intercepts: ArrayLike) -> list[PlattCalibration]:
    """Make calibrations from stored numbers, which must be finite, with positive slopes."""
    pair = [np.atleast_1d(np.asarray(values)) for values in (slopes, intercepts)]
    sound = (
        all(values.ndim == 1 and values.dtype.kind in "iuf" for values in pair)
        and pair[0].shape == pair[1].shape
        and len(pair[0]) > 0
    )
    if not sound or not np.isfinite(pair).all() or (pair[0] <= 0).any():
        msg = (
            "the calibrations (slope and intercept) of the saved network are not finite numbers "
            f"with positive slopes. {HINT}"
        )
        raise ValueError(msg)
    return [PlattCalibration(float(a), float(b)) for a, b in zip(*pair, strict=True)]
