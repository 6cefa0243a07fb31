"""Ranking metrics over all pairs and TF by TF."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


def _checked(labels: ArrayLike, scores: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    labels, scores = np.asarray(labels, bool), np.asarray(scores, np.float64)
    if labels.shape != scores.shape or labels.ndim != 1:
        msg = f"labels and scores must be one-dimensional and of one length, got shapes {labels.shape} and {scores.shape}."
        raise ValueError(msg)
    if not np.isfinite(scores).all():
        msg = "scores hold NaN or infinite values."
        raise ValueError(msg)
    if labels.all() or not labels.any():
        msg = f"both edges and non-edges are needed, but all {len(labels)} labels are {bool(labels.any())}."
        raise ValueError(msg)
    return labels, scores


def auroc(labels: ArrayLike, scores: ArrayLike) -> float:
    """Area under the receiver operating characteristic curve; 0.5 is chance.

    Parameters
    ----------
    labels
        Whether each pair is an edge, shape (n,).
    scores
        Score of each pair, higher for likelier edges, shape (n,).

    Raises
    ------
    ValueError
        If only one kind of label occurs, or a score is not finite.

    Examples
    --------
    >>> import scregnet as sr
    >>> sr.metrics.auroc([1, 0, 1, 0], [0.9, 0.1, 0.4, 0.4])
    0.875
    """
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(*_checked(labels, scores)))


def auprc(labels: ArrayLike, scores: ArrayLike) -> float:
    """Area under the precision-recall curve as average precision; the share of edges is chance.

    Parameters
    ----------
    labels
        Whether each pair is an edge, shape (n,).
    scores
        Score of each pair, higher for likelier edges, shape (n,).

    Raises
    ------
    ValueError
        If only one kind of label occurs, or a score is not finite.

    Examples
    --------
    >>> import scregnet as sr
    >>> round(sr.metrics.auprc([1, 0, 1, 0], [0.9, 0.8, 0.4, 0.1]), 3)
    0.833
    """
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(*_checked(labels, scores)))


def epr(labels: ArrayLike, scores: ArrayLike) -> float:
    """Early precision ratio of BEELINE: precision among the k best pairs, k the number of edges, over the share of edges; 1 is chance.

    Pairs tied at the k-th score count with the share of edges among the tied, so that the order of the input does not matter.

    Parameters
    ----------
    labels
        Whether each pair is an edge, shape (n,).
    scores
        Score of each pair, higher for likelier edges, shape (n,).

    Raises
    ------
    ValueError
        If only one kind of label occurs, or a score is not finite.

    Examples
    --------
    >>> import scregnet as sr
    >>> sr.metrics.epr([1, 0, 1, 0], [0.9, 0.8, 0.4, 0.1])
    1.0
    """
    labels, scores = _checked(labels, scores)
    k = int(labels.sum())
    cut = np.partition(scores, len(scores) - k)[len(scores) - k]
    above, tied = scores > cut, scores == cut
    hits = labels[above].sum() + (k - above.sum()) * labels[tied].mean()
    return float(hits / k / labels.mean())


def per_tf(
    labels: ArrayLike,
    scores: ArrayLike,
    tfs: ArrayLike,
    metric: Callable[[np.ndarray, np.ndarray], float] = auroc,
) -> float:
    """Mean of a metric over TFs, each TF's pairs ranked among themselves: "this TF has many targets" is worth nothing.

    TFs whose pairs are all edges or all non-edges have no ranking and are left out.

    Parameters
    ----------
    labels
        Whether each pair is an edge, shape (n,).
    scores
        Score of each pair, higher for likelier edges, shape (n,).
    tfs
        TF of each pair, shape (n,).
    metric
        Function of labels and scores.

    Returns
    -------
    The macro average, or NaN where no TF has both kinds of pairs.

    Examples
    --------
    >>> import scregnet as sr
    >>> sr.metrics.per_tf([1, 0, 1, 0], [0.9, 0.1, 0.2, 0.3], ["A", "A", "B", "B"])
    0.5
    """
    labels, scores, tfs = np.asarray(labels, bool), np.asarray(scores), np.asarray(tfs)
    order = np.argsort(tfs, kind="stable")
    cuts = np.flatnonzero(tfs[order][1:] != tfs[order][:-1]) + 1
    values = []
    for rows in np.split(order, cuts):
        if 0 < labels[rows].sum() < len(rows):
            values.append(metric(labels[rows], scores[rows]))
    return float(np.mean(values)) if values else float("nan")
