"""Scores into probabilities, fitted on validation pairs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class PlattCalibration:
    """Platt scaling, ``p = sigmoid(slope * score + intercept)``, with a positive slope so that the order of pairs never changes.

    The targets are smoothed as Platt proposed (Advances in Large Margin Classifiers, 1999): ``(n₊ + 1) / (n₊ + 2)`` for edges and
    ``1 / (n₋ + 2)`` for the rest, which keeps the fit finite where the classes can be told apart perfectly.

    Where only a share ``label_frequency`` of the edges is labelled, at random, a pair is labelled with the probability ``label_frequency * p`` (Elkan & Noto,
    Learning classifiers from only positive and unlabeled data, KDD 2008): this is fitted to the labels, and ``p`` is then that of being an edge.
    """

    slope: float
    intercept: float
    loss: float = float("nan")
    """Mean negative log-likelihood of the smoothed targets it was fitted to, in nats a pair."""

    @classmethod
    def fit(
        cls, scores: np.ndarray, labels: np.ndarray, *, label_frequency: float = 1.0
    ) -> PlattCalibration:
        """Fit to the scores (n,) and bool labels (n,) of validation pairs; both labels must occur."""
        from scipy.optimize import minimize
        from scipy.special import expit

        labels = np.asarray(labels, bool)
        n_positive, n_negative = int(labels.sum()), int((~labels).sum())
        if n_positive == 0 or n_negative == 0:
            msg = f"calibration needs edges and non-edges among the validation pairs, found {n_positive} and {n_negative}."
            raise ValueError(msg)
        scores = np.asarray(scores, np.float64)
        centre, spread = scores.mean(), scores.std()
        z = (scores - centre) / (spread or 1.0)
        wanted = np.where(labels, (n_positive + 1) / (n_positive + 2), 1 / (n_negative + 2))

        def loss(theta: np.ndarray) -> tuple[float, np.ndarray]:
            slope = np.exp(theta[0])
            logit = slope * z + theta[1]
            edge = expit(logit)
            if label_frequency == 1:
                value = np.mean(np.logaddexp(0, logit) - wanted * logit)
                residual = edge - wanted
            else:
                labelled = label_frequency * edge
                # log(labelled) with the log of the logistic function, which stays finite where that underflows.
                log_labelled = np.log(label_frequency) - np.logaddexp(0, -logit)
                value = -np.mean(wanted * log_labelled + (1 - wanted) * np.log1p(-labelled))
                residual = (1 - edge) * (labelled - wanted) / (1 - labelled)
            return float(value), np.array([np.mean(residual * z) * slope, np.mean(residual)])

        start = np.array([0.0, np.log(n_positive / n_negative)])
        # Scores that carry nothing would send the log-slope to minus infinity; the bound keeps the order of pairs.
        found = minimize(
            loss, start, jac=True, method="L-BFGS-B", bounds=[(-7.0, 7.0), (None, None)]
        )
        slope = float(np.exp(found.x[0]) / (spread or 1.0))
        return cls(slope, float(found.x[1] - slope * centre), float(found.fun))

    def __call__(self, scores: np.ndarray) -> np.ndarray:
        """Probability of each score, float32."""
        from scipy.special import expit

        return expit(self.slope * np.asarray(scores, np.float64) + self.intercept).astype(
            np.float32
        )
