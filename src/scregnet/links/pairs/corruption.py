"""Wrong labels made on purpose, to see what they do to a fit."""

from __future__ import annotations

import numpy as np

from scregnet._validate import check_choice

FLIPS = ("pairs", "edges")


def flip_labels(
    labels: np.ndarray, share: float, *, how: str = "pairs", rng: np.random.Generator
) -> np.ndarray:
    """Return bool labels (n,) of which some are wrong.

    A generator of the same seed draws the same order: labels that are wrong at a small share are wrong at a larger one, too.

    Parameters
    ----------
    labels
        The labels, bool of shape (n,).
    share
        Share to flip, rounded to whole labels.
    how
        ``"pairs"``: this share of all labels, whichever they are. ``"edges"``: this share of the positive labels, and as many negative ones, so
        that the number of positive labels stays.
    rng
        Source of randomness.
    """
    check_choice("flip", how, FLIPS)
    order = rng.permutation(len(labels))
    if how == "pairs":
        wrong = order[: round(share * len(labels))]
    else:
        n = round(share * int(labels.sum()))
        wrong = np.concatenate([order[labels[order]][:n], order[~labels[order]][:n]])
    flipped = labels.copy()
    flipped[wrong] = ~flipped[wrong]
    return flipped
