"""All metrics of one set of pairs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scregnet.metrics._arrays import read_labels
from scregnet.metrics._metrics import (
    ENOUGH_PAIRS,
    auprc,
    auroc,
    brier,
    ece,
    epr,
    mean_of,
    sampled_figures,
    values_per_tf,
)
from scregnet.metrics._weighted import WeightedMetrics

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

MANY_PAIRS = 1_000_000
"""Pairs above which all figures are computed at once."""


def evaluate(
    labels: ArrayLike,
    scores: ArrayLike,
    groups: ArrayLike,
    probabilities: ArrayLike | None = None,
    *,
    weights: ArrayLike | None = None,
) -> dict[str, float]:
    """All metrics of one set of pairs.

    Parameters
    ----------
    labels, scores, groups
        Whether each pair is an edge, its score, higher for likelier edges, and its TF; shape (n,).
    probabilities
        Calibrated probability of each pair, shape (n,); ``None`` skips ``brier`` and ``ece``.
    weights
        How many pairs each stands for, shape (n,), such as 20 for non-edges of which one in 20 was
        drawn; ``None`` counts each once.

    Returns
    -------
    ``auroc``, ``auprc``, ``auprc_ratio`` (AUPRC / ``prevalence``; 1 is chance) and ``epr`` over all
    pairs; ``per_tf_auroc`` and ``per_tf_auprc``, means over TFs with both kinds of pairs, and
    ``per_tf_auroc_5`` and ``per_tf_auprc_5``, over TFs with at least 5 edges and 5 non-edges (NaN
    without such TFs); ``brier`` and ``ece``; ``prevalence``, the share of edges; ``n_tfs_5``, the
    number of TFs with 5 of both. With ``weights``, ``per_tf_auprc`` and ``per_tf_auprc_5`` are NaN:
    the few non-edges drawn of one TF leave its precision far too high.

    Raises
    ------
    ValueError
        If a label is neither true nor false, only one kind occurs, a score is not finite, a
        probability is outside [0, 1], a pair has no TF, or a mask hides values.

    Examples
    --------
    >>> import scregnet as sr
    >>> sr.metrics.evaluate([1, 0], [0.9, 0.1], ["KLF1", "KLF1"])["per_tf_auroc"]
    1.0
    """
    if weights is not None:
        weighted = WeightedMetrics(labels, scores, groups, probabilities, weights)
        return sampled_figures(weighted.figures())
    if np.size(labels) > MANY_PAIRS:
        # The same up to rounding, with one sort for all figures.
        return WeightedMetrics(labels, scores, groups, probabilities).figures()
    precision, prevalence = auprc(labels, scores), float(np.mean(read_labels(labels)))
    areas, rarer = values_per_tf(labels, scores, groups, auroc)
    precisions, _ = values_per_tf(labels, scores, groups, auprc)
    figures = {
        "auroc": auroc(labels, scores),
        "auprc": precision,
        "auprc_ratio": precision / prevalence,
        "epr": epr(labels, scores),
        "per_tf_auroc": mean_of(areas, rarer, 1),
        "per_tf_auprc": mean_of(precisions, rarer, 1),
        "per_tf_auroc_5": mean_of(areas, rarer, ENOUGH_PAIRS),
        "per_tf_auprc_5": mean_of(precisions, rarer, ENOUGH_PAIRS),
    }
    if probabilities is not None:
        figures |= {"brier": brier(labels, probabilities), "ece": ece(labels, probabilities)}
    n_tfs = float(np.count_nonzero(rarer >= ENOUGH_PAIRS))
    return {**figures, "prevalence": prevalence, "n_tfs_5": n_tfs}
