"""Bootstrap intervals of all metrics, from one sort of the scores.

The scores are sorted once (``_weighted``): a replicate needs only how many pairs were drawn of each
step of the ranking.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from scregnet._threads import in_threads
from scregnet._validate import check_integer, check_interval
from scregnet.metrics._metrics import OF_THE_PAIRS, sampled_figures
from scregnet.metrics._uniform import ahead, can_go_ahead, go_ahead
from scregnet.metrics._weighted import WeightedMetrics

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

# Pairs from which resamples are drawn in threads.
PARALLEL_PAIRS = 100_000


def bootstrap(
    labels: ArrayLike,
    scores: ArrayLike,
    groups: ArrayLike,
    probabilities: ArrayLike | None = None,
    *,
    n_bootstrap: int = 200,
    rng: np.random.Generator,
    level: float = 0.95,
    weights: ArrayLike | None = None,
) -> dict[str, tuple[float, float]]:
    """Percentile intervals of what :func:`evaluate` returns, over resamples of the pairs.

    Edges and non-edges of each TF are resampled separately, so every replicate has the same TFs.
    The intervals are about the choice of tested pairs; they say nothing about other TFs.

    Parameters
    ----------
    labels, scores, groups
        Whether each pair is an edge, its score, higher for likelier edges, and its TF; shape (n,).
    probabilities
        Calibrated probability of each pair, shape (n,); ``None`` skips ``brier`` and ``ece``.
    n_bootstrap
        Number of resamples.
    rng
        Source of randomness.
    level
        Share of the resamples that the interval covers.
    weights
        How many pairs each stands for, shape (n,), such as 20 for non-edges of which one in 20 was
        drawn; ``None`` counts each once.

    Returns
    -------
    Metric → lower and upper end. Both are NaN for ``prevalence`` and ``n_tfs_5``, which resampling
    does not change, and for per-TF metrics if no TF has enough pairs of both kinds.

    Raises
    ------
    ValueError
        If a label is neither true nor false, only one kind occurs, a score is not finite, a
        probability is outside [0, 1], a pair has no TF, or a mask hides values.

    Notes
    -----
    The replicates are shifted so that their mean is the figure itself. Repeated edges share a place
    in the ranking, which raises average precision, and noise raises the calibration error: without
    the shift a figure can lie outside its own interval.

    Examples
    --------
    >>> import numpy as np
    >>> import scregnet as sr
    >>> labels, scores = [1, 1, 0, 0, 1, 0], [0.9, 0.3, 0.5, 0.1, 0.8, 0.2]
    >>> rng = np.random.default_rng(0)
    >>> low, high = sr.metrics.bootstrap(labels, scores, ["A"] * 6, rng=rng)["auroc"]
    """
    check_interval("level", level, 0, 1, closed="neither")
    found = resample(
        labels, scores, groups, probabilities, n_bootstrap=n_bootstrap, rng=rng, weights=weights
    )
    prevalence = found.figures["prevalence"]
    return {
        metric: interval(metric, figure, found.replicates[metric], prevalence, level=level)
        for metric, figure in found.figures.items()
    }


def bootstrap_difference(
    labels: ArrayLike,
    scores: ArrayLike,
    other_scores: ArrayLike,
    groups: ArrayLike,
    *,
    probabilities: ArrayLike | None = None,
    other_probabilities: ArrayLike | None = None,
    n_bootstrap: int = 200,
    rng: np.random.Generator,
    level: float = 0.95,
    weights: ArrayLike | None = None,
) -> dict[str, tuple[float, float, float]]:
    """By how much two models of the same pairs differ in each metric, with percentile intervals.

    The bootstrap is paired: both models are scored on the same resamples, drawn as in
    :func:`bootstrap`. Differences are the first model's figure minus the other's.

    Parameters
    ----------
    labels, groups
        Whether each pair is an edge, and its TF; shape (n,).
    scores, other_scores
        Scores of the two models, higher for likelier edges; shape (n,).
    probabilities, other_probabilities
        Calibrated probabilities of the two models, shape (n,). Without both, ``brier`` and ``ece``
        are left out.
    n_bootstrap
        Number of resamples.
    rng
        Source of randomness.
    level
        Share of the resamples that the interval covers.
    weights
        How many pairs each stands for, shape (n,), such as 20 for non-edges of which one in 20 was
        drawn; ``None`` counts each once.

    Returns
    -------
    Metric → difference, lower and upper end. The ends are NaN for ``prevalence`` and ``n_tfs_5``,
    which do not depend on the model, and all three for per-TF metrics if no TF has enough pairs of
    both kinds.

    Raises
    ------
    ValueError
        If a label is neither true nor false, only one kind occurs, a score is not finite, a
        probability is outside [0, 1], a pair has no TF, or a mask hides values.

    Examples
    --------
    >>> import numpy as np
    >>> import scregnet as sr
    >>> labels, groups = [1, 1, 0, 0, 1, 0], ["A"] * 6
    >>> first, second = [0.9, 0.3, 0.5, 0.1, 0.8, 0.2], [0.1, 0.9, 0.8, 0.2, 0.3, 0.7]
    >>> rng = np.random.default_rng(0)
    >>> found = sr.metrics.bootstrap_difference(labels, first, second, groups, rng=rng)
    >>> difference, low, high = found["auroc"]
    """
    check_interval("level", level, 0, 1, closed="neither")
    if probabilities is None or other_probabilities is None:
        probabilities = other_probabilities = None
    # Generators in the same state: the two models get the same resamples.
    first_rng, second_rng = copy.deepcopy(rng), rng
    how: dict[str, Any] = {"n_bootstrap": n_bootstrap, "weights": weights}
    first = resample(labels, scores, groups, probabilities, rng=first_rng, **how)
    second = resample(labels, other_scores, groups, other_probabilities, rng=second_rng, **how)
    prevalence = first.figures["prevalence"]
    found = {}
    for metric, figure in first.figures.items():
        difference = figure - second.figures[metric]
        replicates = first.replicates[metric] - second.replicates[metric]
        ends = interval(metric, difference, replicates, prevalence, paired=True, level=level)
        found[metric] = (difference, *ends)
    return found


@dataclass(frozen=True, eq=False)
class Resampled:
    """All metrics of some pairs, and the same metrics of every resample of these pairs."""

    figures: dict[str, float]
    replicates: dict[str, np.ndarray]
    """By metric; shape (n_bootstrap,)."""


def resample(
    labels: ArrayLike,
    scores: ArrayLike,
    groups: ArrayLike,
    probabilities: ArrayLike | None,
    *,
    n_bootstrap: int,
    rng: np.random.Generator,
    weights: ArrayLike | None = None,
) -> Resampled:
    """Compute the metrics of the pairs and of ``n_bootstrap`` resamples of them.

    The resamples depend on ``labels``, ``groups`` and ``rng`` alone. Models of the same pairs and
    seed can be compared replicate by replicate.
    """
    check_integer("n_bootstrap", n_bootstrap, minimum=1)
    weighted = WeightedMetrics(labels, scores, groups, probabilities, weights)
    figures, n = weighted.figures(), len(weighted)
    # A copy of the generator for each resample, so that threads do not decide who draws what.
    parallel = n > PARALLEL_PAIRS and can_go_ahead(rng)
    streams = (ahead(rng, n * number) for number in range(n_bootstrap)) if parallel else None
    drawn = list(in_threads(weighted.resample, streams or [rng] * n_bootstrap, parallel=parallel))
    if parallel:
        go_ahead(rng, n * n_bootstrap)
    if weights is not None:
        figures, drawn = sampled_figures(figures), [sampled_figures(found) for found in drawn]
    return Resampled(
        figures, {metric: np.array([found[metric] for found in drawn]) for metric in figures}
    )


def interval(
    metric: str,
    figure: float,
    replicates: np.ndarray,
    prevalence: float,
    *,
    paired: bool = False,
    level: float = 0.95,
) -> tuple[float, float]:
    """Return the percentile interval of a figure, or of the difference of two if ``paired``."""
    if metric in OF_THE_PAIRS:
        return float("nan"), float("nan")
    tails = [(1 - level) / 2, (1 + level) / 2]
    # The shift must not leave the range of the metric; ratios to chance end at 1 / prevalence.
    largest = 1 / prevalence if metric in ("auprc_ratio", "epr") else 1.0
    ends = np.quantile(replicates, tails) - replicates.mean() + figure
    low, high = np.clip(ends, -largest if paired else 0, largest)
    return float(low), float(high)
