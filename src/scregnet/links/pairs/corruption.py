"""Wrong labels on purpose, to measure how a fit bears them."""

from __future__ import annotations

import numpy as np

from scregnet._validate import check_choice

FLIPS = ("pairs", "edges")


def flip_labels(
    labels: np.ndarray, share: float, *, how: str = "pairs", rng: np.random.Generator
) -> np.ndarray:
    """Return labels of which some are flipped.

    With generators of the same seed, labels that are wrong at a small share are wrong at every
    larger one, too.

    Parameters
    ----------
    labels
        The labels, bool of shape (n,).
    share
        Share to flip, rounded to whole labels.
    how
        ``"pairs"``: flip this share of all labels. ``"edges"``: flip this share of the positive
        labels and as many negative ones, which keeps the number of positive labels.
    rng
        Source of randomness.
    """
    check_choice("flip", how, FLIPS)
    # One order for all shares: a larger share flips what a smaller one does, and more.
    order = rng.permutation(len(labels))
    if how == "pairs":
        wrong = order[: round(share * len(labels))]
    else:
        n = round(share * int(labels.sum()))
        wrong = np.concatenate([order[labels[order]][:n], order[~labels[order]][:n]])
    flipped = labels.copy()
    flipped[wrong] = ~flipped[wrong]
    return flipped
