"""Bootstrap intervals of all metrics, from one sort of the scores.

A resample is a weight per pair: how often the pair was drawn. The scores are sorted once, and each
replicate needs only cumulative sums of its weights.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from scregnet._threads import in_threads
from scregnet._validate import check_integer, check_interval
from scregnet.metrics._arrays import read_tfs
from scregnet.metrics._metrics import (
    ENOUGH_PAIRS,
    OF_THE_PAIRS,
    bins,
    check_probabilities,
    check_scores,
    check_weights,
    sampled_figures,
)

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

# Resamples in memory at a time, and pairs from which they are scored in threads.
AT_ONCE, PARALLEL_PAIRS = 8, 100_000


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
    n = len(weighted.labels)
    figures = weighted(np.ones(n, np.uint16))
    draw = _Strata(weighted.labels, weighted.groups)
    drawn: list[dict[str, float]] = []
    for start in range(0, n_bootstrap, AT_ONCE):
        # Drawn in order, so that threads do not decide who draws what.
        some = [draw(rng) for _ in range(min(AT_ONCE, n_bootstrap - start))]
        drawn += in_threads(weighted, some, parallel=n > PARALLEL_PAIRS)
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


class _Strata:
    """Draws with replacement among each TF's edges and among its non-edges."""

    def __init__(self, labels: np.ndarray, groups: np.ndarray) -> None:
        # Pairs sorted by stratum; per pair the first place and the size of its stratum.
        stratum = 2 * groups + labels
        self.order = np.argsort(stratum, kind="stable")
        _, first, sizes = np.unique(stratum[self.order], return_index=True, return_counts=True)
        self.first, self.sizes = np.repeat(first, sizes), np.repeat(sizes, sizes)

    def __call__(self, rng: np.random.Generator) -> np.ndarray:
        """Return how often each pair was drawn, uint16."""
        drawn = self.first + (rng.random(len(self.order)) * self.sizes).astype(np.intp)
        counts = np.empty(len(self.order), np.uint16)
        counts[self.order] = np.bincount(drawn, minlength=len(self.order))
        return counts


class WeightedMetrics:
    """All metrics of one set of pairs, as functions of how often each pair was drawn.

    Pairs drawn once each give what :func:`evaluate` returns. Each TF must keep as many edges and
    non-edges as it has, as resamples do.
    """

    def __init__(
        self,
        labels: ArrayLike,
        scores: ArrayLike,
        groups: ArrayLike,
        probabilities: ArrayLike | None = None,
        weights: ArrayLike | None = None,
    ) -> None:
        self.labels, scores = check_scores(labels, scores)
        n = len(scores)
        self._weights = np.ones(n) if weights is None else check_weights(weights, n)
        names = read_tfs("groups", groups, len(self.labels))
        _, self.groups = np.unique(names, return_inverse=True)
        by_pair = self.labels, scores, self._weights
        self._all = _Ranking(*by_pair, np.zeros(n, np.intp), np.arange(n))
        # Pairs of TFs with both kinds: the others have no ranking of their own.
        edges = np.bincount(self.groups, weights=self.labels)
        rarer = np.minimum(edges, np.bincount(self.groups) - edges)
        both = rarer > 0
        # Every resample keeps the edges and non-edges of a TF, and so these TFs.
        self._enough = rarer[both] >= ENOUGH_PAIRS
        self._n_enough = float(self._enough.sum())
        rows = np.flatnonzero(both[self.groups])
        self._per_tf = _Ranking(*by_pair, self.groups, rows) if len(rows) else None
        self._of_edges = self._weights * self.labels
        self._residual: np.ndarray | None = None
        if probabilities is not None:
            _, values = check_probabilities(self.labels, probabilities)
            self._residual, self._bins = values - self.labels, bins(values)

    def __call__(self, drawn: np.ndarray) -> dict[str, float]:
        """All metrics of pairs that were ``drawn`` so often, uint16 of shape (n,)."""
        weights = self._weights * drawn
        total, n_edges = weights.sum(), self._of_edges @ drawn.astype(np.float64)
        prevalence = float(n_edges / total)
        (auroc,), (auprc,), found = self._all(drawn, n_edges)
        figures = {
            "auroc": auroc,
            "auprc": auprc,
            "auprc_ratio": auprc / prevalence,
            # Precision among as many pairs as there are edges.
            "epr": found / n_edges / prevalence,
            "per_tf_auroc": float("nan"),
            "per_tf_auprc": float("nan"),
            "per_tf_auroc_5": float("nan"),
            "per_tf_auprc_5": float("nan"),
        }
        if self._per_tf is not None:
            *both, _ = self._per_tf(drawn)
            for name, values in zip(("auroc", "auprc"), both, strict=True):
                figures[f"per_tf_{name}"] = values.mean()
                if self._n_enough:
                    figures[f"per_tf_{name}_5"] = values[self._enough].mean()
        if self._residual is not None:
            weighted = weights * self._residual
            figures["brier"] = weighted @ self._residual / total
            figures["ece"] = np.abs(np.bincount(self._bins, weights=weighted)).sum() / total
        return {
            **{metric: float(value) for metric, value in figures.items()},
            "prevalence": prevalence,
            "n_tfs_5": self._n_enough,
        }


class _Ranking:
    """Some pairs by group, then by falling score; tied ones form one step of the ranking."""

    def __init__(
        self,
        labels: np.ndarray,
        scores: np.ndarray,
        weights: np.ndarray,
        groups: np.ndarray,
        rows: np.ndarray,
    ) -> None:
        # In few bytes, which are what the loop waits for.
        order = rows[np.lexsort((-scores[rows], groups[rows]))].astype(np.int32)
        self.order, self.weights, self.labels = order, weights[order], labels[order]
        sorted_scores, sorted_groups = scores[order], groups[order]
        new_group = np.append(True, sorted_groups[1:] != sorted_groups[:-1])
        new_step = new_group | np.append(True, sorted_scores[1:] != sorted_scores[:-1])
        # Where each step begins among the pairs, and each group among the steps; then their ends.
        self.steps = np.append(np.flatnonzero(new_step), len(order))
        self.groups = np.append(np.flatnonzero(new_group[new_step]), len(self.steps) - 1)

    def __call__(self, drawn: np.ndarray, k: float = 0.0) -> tuple[np.ndarray, np.ndarray, float]:
        """Return AUROC and AUPRC of every group, and edges among the first group's k best pairs."""
        from scregnet.metrics._compiled import ranked

        return ranked(
            drawn, self.order, self.weights, self.labels, self.steps, self.groups, float(k)
        )
