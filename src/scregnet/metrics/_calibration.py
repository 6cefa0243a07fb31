"""How far probabilities are from what happened."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

N_BINS = 15


def checked(labels: ArrayLike, probabilities: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Labels as bool and probabilities as float64; raise where they do not fit together or are none."""
    labels, probabilities = np.asarray(labels, bool), np.asarray(probabilities, np.float64)
    if labels.shape != probabilities.shape or labels.ndim != 1:
        msg = f"labels and probabilities must be one-dimensional and of one length, got shapes {labels.shape} and {probabilities.shape}."
        raise ValueError(msg)
    if len(labels) == 0:
        msg = "labels and probabilities are empty; at least one pair is needed."
        raise ValueError(msg)
    if not ((probabilities >= 0) & (probabilities <= 1)).all():
        msg = f"probabilities must lie between 0 and 1, got values from {probabilities.min()} to {probabilities.max()}."
        raise ValueError(msg)
    return labels, probabilities


def bins(probabilities: np.ndarray) -> np.ndarray:
    """Number of the equal-width bin, 0 to ``N_BINS - 1``, that each probability falls into."""
    return np.minimum((probabilities * N_BINS).astype(np.intp), N_BINS - 1)


def brier(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """Brier score: mean squared difference of probability and label; 0 is perfect, ``p * (1 - p)`` is what the share of edges ``p`` alone gives.

    Parameters
    ----------
    labels
        Whether each pair is an edge, shape (n,).
    probabilities
        Probability of each pair, shape (n,).

    Raises
    ------
    ValueError
        If there are no pairs, or a probability is outside [0, 1].

    Examples
    --------
    >>> import scregnet as sr
    >>> round(sr.metrics.brier([1, 0], [0.8, 0.4]), 3)
    0.1
    """
    labels, probabilities = checked(labels, probabilities)
    return float(np.mean((probabilities - labels) ** 2))


def ece(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """Expected calibration error: mean distance, over pairs, of probability and share of edges in 15 bins of equal width; 0 is perfect.

    The bins of Guo et al. (2017), who brought the figure into use: they do not depend on the pairs, so that a model's figure and its bootstrap
    interval speak of the same bins, and tied probabilities are never torn apart.

    Parameters
    ----------
    labels
        Whether each pair is an edge, shape (n,).
    probabilities
        Probability of each pair, shape (n,).

    Raises
    ------
    ValueError
        If there are no pairs, or a probability is outside [0, 1].

    Notes
    -----
    Guo, Pleiss, Sun and Weinberger, On calibration of modern neural networks, ICML 2017.

    Examples
    --------
    >>> import scregnet as sr
    >>> sr.metrics.ece([1, 0, 1, 0], [0.75, 0.75, 0.25, 0.25])
    0.25
    """
    labels, probabilities = checked(labels, probabilities)
    gaps = np.bincount(bins(probabilities), weights=probabilities - labels)
    return float(np.abs(gaps).sum() / len(labels))
