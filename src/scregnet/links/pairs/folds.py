"""Divide labelled pairs into folds, so that each pair can be scored without its own label."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scregnet.links.pairs.codes import by_group, shuffled
from scregnet.links.pairs.reciprocity import is_reciprocal, reverses

if TYPE_CHECKING:
    from scregnet.links.task import Pairs


def assign_folds(pairs: Pairs, n_folds: int, *, rng: np.random.Generator) -> np.ndarray:
    """Return the fold of each pair, int16 from 0 to ``n_folds - 1``, spread evenly within each TF.

    The label of a pair does not decide its fold: if it did, the pair's probability would depend on
    it. In a reciprocal network, such as STRING, both directions of a pair are in one fold, because
    the reverse would tell the label. Labels are read for that question alone: is the network
    reciprocal as a whole?
    """
    order = shuffled(len(pairs), rng)
    order = by_group(order, pairs.sources)
    fold = np.empty(len(pairs), np.int16)
    # Dealt out in turn, so the folds of a TF differ by at most one pair.
    turns = np.roll(np.arange(n_folds, dtype=np.int16), -int(rng.integers(n_folds)))
    fold[order] = np.resize(turns, len(pairs))
    if is_reciprocal(pairs):
        reverse = reverses(pairs)
        follows = (reverse >= 0) & (pairs.sources > pairs.targets)
        fold[follows] = fold[reverse[follows]]
    return fold
