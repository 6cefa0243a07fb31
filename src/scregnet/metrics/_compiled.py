"""A compiled loop over a ranking."""

from __future__ import annotations

from functools import partial
from typing import no_type_check

import numpy as np

from scregnet._compiled import compiled


# Runs of tied pairs are short: adding several at a time takes longer.
@partial(compiled, fastmath=frozenset())
@no_type_check
def ranked(
    drawn: np.ndarray,
    order: np.ndarray,
    weights: np.ndarray,
    labels: np.ndarray,
    steps: np.ndarray,
    groups: np.ndarray,
    k: float,
) -> tuple[np.ndarray, np.ndarray, float]:
    """Go down the ranking of every group once.

    Parameters
    ----------
    drawn
        How often each pair was drawn, uint16 of shape (n,): small, so that it stays in the caches.
    order
        The pairs by group, then by falling score.
    weights, labels
        How many pairs each stands for, and whether it is an edge, in that order.
    steps
        Where each run of tied pairs begins in ``order``, and its end.
    groups
        Where each group begins in ``steps``, and their end.
    k
        Pairs of the first group, from its top, among which edges are counted.

    Returns
    -------
    Area under the ROC curve, ties by half, and average precision of every group; edges among the
    first ``k`` pairs of the first group, of tied pairs by their share.
    """
    n_groups = len(groups) - 1
    auroc, auprc = np.empty(n_groups), np.empty(n_groups)
    found = 0.0
    for group in range(n_groups):
        edges = pairs = area = precision = 0.0
        for step in range(groups[group], groups[group + 1]):
            gain = size = 0.0
            for place in range(steps[step], steps[step + 1]):
                weight = weights[place] * drawn[order[place]]
                size += weight
                gain += weight * labels[place]
            if group == 0 and pairs < k <= pairs + size:
                found = edges + (k - pairs) * gain / size
            edges += gain
            pairs += size
            # Steps without weight at the top of a group have no precision and add nothing.
            precision += gain * edges / max(pairs, 1.0)
            # Non-edges of the step times the edges above them, plus half of those tied with them.
            area += (size - gain) * (edges - gain / 2)
        auroc[group] = area / (edges * (pairs - edges))
        auprc[group] = precision / edges
    return auroc, auprc, found
