"""Metrics of scored pairs: ranking, over all pairs or per TF; calibration; all of them at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from scregnet._validate import check_integer
from scregnet.metrics._arrays import read_labels, read_numbers, read_tfs

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

# As in Guo et al. 2017. Bins of equal width do not depend on the pairs: replicates share them.
_MOST = 1e100
N_BINS = 15

METRICS = (
    "auroc",
    "auprc",
    "auprc_ratio",
    "epr",
    "per_tf_auroc",
    "per_tf_auprc",
    "per_tf_auroc_5",
    "per_tf_auprc_5",
    "brier",
    "ece",
    "prevalence",
    "n_tfs_5",
)
"""What :func:`evaluate` returns, in its order."""

ENOUGH_PAIRS = 5
"""Edges, and non-edges, of the TFs that the metrics ending in ``_5`` are about."""

OF_THE_PAIRS = ("prevalence", "n_tfs_5")
"""Figures of the pairs alone: the same for all models and all resamples."""

LOWER_IS_BETTER = ("brier", "ece")
"""Metrics that measure an error. Of all others, except those of the pairs, more is better."""


def check_scores(labels: ArrayLike, scores: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Return labels as bool and scores as float64; raise if they cannot be ranked."""
    labels, scores = _arrays(labels, scores, "scores")
    if not np.isfinite(scores).all():
        msg = "scores hold NaN or infinite values."
        raise ValueError(msg)
    if labels.all() or not labels.any():
        msg = f"both edges and non-edges are needed; all {len(labels)} labels are {labels.any()}."
        raise ValueError(msg)
    return labels, scores


def check_probabilities(labels: ArrayLike, values: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Return labels as bool and values as float64; raise if these are no probabilities."""
    labels, probabilities = _arrays(labels, values, "probabilities")
    if len(labels) == 0:
        msg = "labels and probabilities are empty; at least one pair is needed."
        raise ValueError(msg)
    low, high = probabilities.min(), probabilities.max()
    # Written so that NaN, which fails every comparison, is refused too.
    if not (low >= 0 and high <= 1):
        msg = f"probabilities must lie between 0 and 1, got values from {low} to {high}."
        raise ValueError(msg)
    return labels, probabilities


def sampled_figures(figures: dict[str, float]) -> dict[str, float]:
    """Return figures of pairs with weights, NaN for those that a sample does not tell."""
    return figures | dict.fromkeys(("per_tf_auprc", "per_tf_auprc_5"), float("nan"))


def check_weights(weights: ArrayLike, n: int) -> np.ndarray:
    """Return weights as float64; raise unless they are positive, one for each pair."""
    values = read_numbers("weights", weights)
    # Areas have products of two sums of weights.
    if values.shape != (n,) or not ((values > 0) & (values < _MOST)).all():
        found = f", from {values.min():.4g} to {values.max():.4g}" if values.size else ""
        msg = (
            f"weights must be {n} positive numbers below {_MOST:.0e}, one for each pair; got shape "
            f"{values.shape}{found}."
        )
        raise ValueError(msg)
    return values


def _arrays(labels: ArrayLike, values: ArrayLike, name: str) -> tuple[np.ndarray, np.ndarray]:
    labels, values = read_labels(labels), read_numbers(name, values)
    if labels.shape != values.shape or labels.ndim != 1:
        shapes = f"{labels.shape} and {values.shape}"
        msg = f"labels and {name} must be one-dimensional and of one length, got shapes {shapes}."
        raise ValueError(msg)
    return labels, values


def bins(probabilities: np.ndarray) -> np.ndarray:
    """Return the number of each probability's bin of equal width, 0 to ``N_BINS - 1``."""
    return np.minimum((probabilities * N_BINS).astype(np.intp), N_BINS - 1)


def auroc(labels: ArrayLike, scores: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Area under the receiver operating characteristic curve; 0.5 is chance.

    Parameters
    ----------
    labels, scores
        Whether each pair is an edge, and its score, higher for likelier edges; shape (n,).
    weights
        How many pairs each stands for, shape (n,), such as 20 for non-edges of which one in 20 was
        drawn; ``None`` counts each once.

    Raises
    ------
    ValueError
        A label is not true or false, only one kind occurs, or a score is not finite or is masked.

    Examples
    --------
    >>> import scregnet as sr
    >>> sr.metrics.auroc([1, 0, 1, 0], [0.9, 0.1, 0.4, 0.4])
    0.875
    """
    hits, taken = _counts_from_the_best(*check_scores(labels, scores), weights)
    # Under the line through (misses, hits), which starts at (0, 0).
    heights = hits[1:] + hits[:-1]
    return float((np.diff(taken - hits) * heights).sum() / 2 / hits[-1] / (taken - hits)[-1])


def auprc(labels: ArrayLike, scores: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Area under the precision-recall curve as average precision; the share of edges is chance.

    Parameters
    ----------
    labels, scores
        Whether each pair is an edge, and its score, higher for likelier edges; shape (n,).
    weights
        How many pairs each stands for, shape (n,), such as 20 for non-edges of which one in 20 was
        drawn; ``None`` counts each once.

    Raises
    ------
    ValueError
        A label is not true or false, only one kind occurs, or a score is not finite or is masked.

    Examples
    --------
    >>> import scregnet as sr
    >>> round(sr.metrics.auprc([1, 0, 1, 0], [0.9, 0.8, 0.4, 0.1]), 3)
    0.833
    """
    hits, taken = _counts_from_the_best(*check_scores(labels, scores), weights)
    return float((np.diff(hits) * hits[1:] / taken[1:]).sum() / hits[-1])


def _counts_from_the_best(
    labels: np.ndarray, scores: np.ndarray, weights: ArrayLike | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return edges and pairs among the best, down to each score that occurs; both start with 0.

    scikit-learn checks its arguments for milliseconds. There are thousands of TFs.
    """
    order = np.argsort(-scores)
    ordered = scores[order]
    # Pairs of one score have no order among themselves.
    ends = np.append(np.flatnonzero(ordered[1:] != ordered[:-1]) + 1, len(order))
    taken = np.append(0, ends)
    if weights is None:
        return np.append(0, np.cumsum(labels[order]))[taken], taken
    counts = check_weights(weights, len(labels))[order]
    hits = np.cumsum(labels[order] * counts)
    return np.append(0, hits)[taken], np.append(0, np.cumsum(counts))[taken]


def epr(labels: ArrayLike, scores: ArrayLike) -> float:
    """Early precision ratio of BEELINE :cite:p:`pratapa2020beeline`; 1 is chance.

    Precision among the k best pairs over the share of edges, where k is the number of edges. Pairs
    tied at the k-th place count with their share of edges, so their order does not matter.

    Parameters
    ----------
    labels, scores
        Whether each pair is an edge, and its score, higher for likelier edges; shape (n,).

    Raises
    ------
    ValueError
        A label is not true or false, only one kind occurs, or a score is not finite or is masked.

    Examples
    --------
    >>> import scregnet as sr
    >>> sr.metrics.epr([1, 0, 1, 0], [0.9, 0.8, 0.4, 0.1])
    1.0
    """
    labels, scores = check_scores(labels, scores)
    k = int(labels.sum())
    cut = np.partition(scores, len(scores) - k)[len(scores) - k]
    above, tied = scores > cut, scores == cut
    # The places that the pairs above the cut leave are shared by the tied ones.
    hits = labels[above].sum() + (k - above.sum()) * labels[tied].mean()
    return float(hits / k / labels.mean())


def per_tf(
    labels: ArrayLike,
    scores: ArrayLike,
    tfs: ArrayLike,
    metric: Callable[[np.ndarray, np.ndarray], float] = auroc,
    *,
    min_pairs: int = 1,
) -> float:
    """Mean of a metric over TFs, each TF's pairs ranked among themselves.

    How many targets a TF has does not count. Without any TF that has enough pairs the mean is NaN.

    Parameters
    ----------
    labels, scores, tfs
        Whether each pair is an edge, its score, and its TF; shape (n,).
    metric
        Function of labels and scores.
    min_pairs
        TFs with fewer edges or fewer non-edges are left out.

    Raises
    ------
    ValueError
        ``min_pairs`` is below 1, a label is not true or false, or a pair has no TF or is masked.

    Examples
    --------
    >>> import scregnet as sr
    >>> sr.metrics.per_tf([1, 0, 1, 0], [0.9, 0.1, 0.2, 0.3], ["A", "A", "B", "B"])
    0.5
    """
    check_integer("min_pairs", min_pairs, minimum=1)
    return mean_of(*values_per_tf(labels, scores, tfs, metric, "tfs"), min_pairs)


def values_per_tf(
    labels: ArrayLike,
    scores: ArrayLike,
    tfs: ArrayLike,
    metric: Callable[[np.ndarray, np.ndarray], float],
    argument: str = "groups",
) -> tuple[np.ndarray, np.ndarray]:
    """Return the metric of each TF that has both kinds of pairs, and how many of the rarer kind."""
    labels, scores = _arrays(labels, scores, "scores")
    tfs = read_tfs(argument, tfs, len(labels))
    order = np.argsort(tfs, kind="stable")
    cuts = np.flatnonzero(tfs[order][1:] != tfs[order][:-1]) + 1
    rarer, values = [], []
    for rows in np.split(order, cuts):
        n_edges = int(labels[rows].sum())
        if 0 < n_edges < len(rows):
            rarer.append(min(n_edges, len(rows) - n_edges))
            values.append(metric(labels[rows], scores[rows]))
    return np.array(values, np.float64), np.array(rarer, np.intp)


def mean_of(values: np.ndarray, rarer: np.ndarray, min_pairs: int) -> float:
    """Return the mean of the values whose TF has enough pairs of both kinds; NaN without any."""
    enough = rarer >= min_pairs
    return float(values[enough].mean()) if enough.any() else float("nan")


def brier(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """Brier score: mean squared difference of probability and label; 0 is perfect.

    Predicting the share of edges ``p`` for every pair scores ``p * (1 - p)``.

    Parameters
    ----------
    labels, probabilities
        Whether each pair is an edge, and its probability; shape (n,).

    Raises
    ------
    ValueError
        There are no pairs, a label is not true or false, a probability is masked or not in [0, 1].

    Examples
    --------
    >>> import scregnet as sr
    >>> round(sr.metrics.brier([1, 0], [0.8, 0.4]), 3)
    0.1
    """
    labels, probabilities = check_probabilities(labels, probabilities)
    return float(np.mean((probabilities - labels) ** 2))


def ece(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """Expected calibration error :cite:p:`guo2017calibration`; 0 is perfect.

    Gap between mean probability and share of edges in 15 equal-width bins, as a mean over pairs.

    Parameters
    ----------
    labels, probabilities
        Whether each pair is an edge, and its probability; shape (n,).

    Raises
    ------
    ValueError
        There are no pairs, a label is not true or false, a probability is masked or not in [0, 1].

    Examples
    --------
    >>> import scregnet as sr
    >>> sr.metrics.ece([1, 0, 1, 0], [0.75, 0.75, 0.25, 0.25])
    0.25
    """
    labels, probabilities = check_probabilities(labels, probabilities)
    # A bin of n pairs adds n · |mean probability - share of edges| = |Σ (probability - label)|.
    gaps = np.bincount(bins(probabilities), weights=probabilities - labels)
    return float(np.abs(gaps).sum() / len(labels))
