"""All metrics of one set of pairs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scregnet.metrics._calibration import brier, ece
from scregnet.metrics._ranking import auprc, auroc, epr, per_tf

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


def evaluate(
    labels: ArrayLike, scores: ArrayLike, groups: ArrayLike, probabilities: ArrayLike | None = None
) -> dict[str, float]:
    """All metrics of one set of pairs.

    Parameters
    ----------
    labels
        Whether each pair is an edge, shape (n,).
    scores
        Score of each pair, higher for likelier edges, shape (n,).
    groups
        TF of each pair, shape (n,).
    probabilities
        Calibrated probability of each pair, shape (n,); ``None`` leaves ``brier`` and ``ece`` out.

    Returns
    -------
    ``auroc``, ``auprc``, ``auprc_ratio`` (over the share of edges: 1 is chance) and ``epr`` over all pairs, ``per_tf_auroc`` and ``per_tf_auprc``
    as means over TFs, ``brier`` and ``ece`` of the probabilities, and ``prevalence``, the share of edges.

    Raises
    ------
    ValueError
        If only one kind of label occurs, a score is not finite, or a probability is outside [0, 1].

    Examples
    --------
    >>> import scregnet as sr
    >>> sr.metrics.evaluate([1, 0, 1, 0], [0.9, 0.1, 0.4, 0.3], ["A", "A", "B", "B"])["per_tf_auroc"]
    1.0
    """
    precision, prevalence = auprc(labels, scores), float(np.mean(np.asarray(labels, bool)))
    figures = {
        "auroc": auroc(labels, scores),
        "auprc": precision,
        "auprc_ratio": precision / prevalence,
        "epr": epr(labels, scores),
        "per_tf_auroc": per_tf(labels, scores, groups, auroc),
        "per_tf_auprc": per_tf(labels, scores, groups, auprc),
    }
    if probabilities is not None:
        figures |= {"brier": brier(labels, probabilities), "ece": ece(labels, probabilities)}
    return {**figures, "prevalence": prevalence}
