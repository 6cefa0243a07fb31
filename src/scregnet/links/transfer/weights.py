"""Weights of the columns: given, or learned on labelled data sets."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from scregnet.links.calibration import PlattCalibration
from scregnet.links.layer_alone import PSEUDO_EDGES, PSEUDO_PAIRS
from scregnet.links.pairs.codes import grouped
from scregnet.links.task import Pairs
from scregnet.links.transfer.columns import COVERAGE, TransferColumns, columns_of
from scregnet.links.transfer.links import TransferLinks

Labelled = tuple[TransferColumns, Pairs]
"""A data set with labels."""


def unit_weights(n_layers: int, names: Sequence[str]) -> np.ndarray:
    """Return weight 1 for the columns of the given names, 0 for the others, float32."""
    return np.array([column.name in names for column in columns_of(n_layers)], np.float32)


def learned_weights(data: Sequence[Labelled]) -> np.ndarray:
    """Return the slopes of a logistic regression of the labels, each data set counted equally.

    The log odds of each TF's own rate are one more column, so that the slopes are those within
    TFs; it has no place among the weights, since the TFs of the new cells have no labels.
    """
    from sklearn.linear_model import LogisticRegression

    used = np.array([column.name != COVERAGE for column in data[0][0].places])
    values = np.concatenate([_values(columns, pairs, used) for columns, pairs in data])
    labels = np.concatenate([pairs.labels for _, pairs in data])
    rates = np.concatenate([_log_odds(pairs) for _, pairs in data])
    share = np.concatenate([_shares(pairs) for _, pairs in data])
    fitted = LogisticRegression(max_iter=500).fit(
        np.column_stack([values, rates]), labels, sample_weight=share / share.mean()
    )
    weights = np.zeros(len(used), np.float32)
    weights[used] = fitted.coef_[0][:-1]
    return weights


def calibrate(scores: Sequence[np.ndarray], pairs: Sequence[Pairs]) -> PlattCalibration:
    """Fit probabilities to the scores of several data sets, each counted equally."""
    share = np.concatenate([_shares(part) for part in pairs])
    labels = np.concatenate([part.labels for part in pairs])
    return PlattCalibration.fit(np.concatenate(scores), labels, weights=share * len(share))


def _shares(pairs: Pairs) -> np.ndarray:
    """Return the weight of each pair, in sum 1."""
    weights = np.ones(len(pairs)) if pairs.weights is None else pairs.weights
    return weights / weights.sum()


def scores_of(weights: np.ndarray, data: Labelled) -> np.ndarray:
    """Return the scores of the labelled pairs of a data set."""
    columns, pairs = data
    return TransferLinks(columns, weights).score(pairs.sources, pairs.targets)


def _values(columns: TransferColumns, pairs: Pairs, used: np.ndarray) -> np.ndarray:
    """Return the used columns of the pairs, float32 (n_pairs, n_used)."""
    values = np.empty((len(pairs), int(used.sum())), np.float32)
    for source, places in grouped(pairs.sources):
        values[places] = columns.of_tf(source, used)[used][:, pairs.targets[places]].T
    return values


def _log_odds(pairs: Pairs) -> np.ndarray:
    """Return the log odds of the rate of each pair's TF."""
    _, tf = np.unique(pairs.sources, return_inverse=True)
    n_edges, n_pairs = np.bincount(tf, weights=pairs.labels), np.bincount(tf, pairs.weights)
    rate = (n_edges + PSEUDO_EDGES) / (n_pairs + PSEUDO_PAIRS)
    return np.log(rate / (1 - rate))[tf]
