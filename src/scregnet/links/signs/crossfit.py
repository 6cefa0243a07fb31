"""How well signs are predicted that a fit did not see, and what that allows to say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import logit, stdtrit

from scregnet.links.signs.model import SignModel, UsualSign

if TYPE_CHECKING:
    from scregnet.links.signs.coexpression import Coexpression
    from scregnet.links.signs.known import KnownSigns

N_FOLDS = 5

MIN_EDGES, MIN_EITHER = 20, 5
"""Fewest signed edges, and fewest of either sign, for a prediction."""

MODELS = ("expression", "labels", "usual_sign", "base")
"""What is compared, the richest first: TF, target and correlations; TF and target; the TF alone
(the null model); the share of known edges that activate."""


@dataclass(frozen=True, eq=False)
class Held:
    """P(activates) of each known sign by fits without it: one array for each of :data:`MODELS`.

    ``"expression"`` is absent where no expression was given.
    """

    probabilities: dict[str, np.ndarray]
    known: KnownSigns

    def best(self, models: tuple[str, ...]) -> str | None:
        """Return the model of least log loss, or ``None`` if it is not ahead of ``"base"``.

        Ahead means that the interval of its gain is above zero.
        """
        chosen = min(
            (model for model in models if model in self.probabilities),
            key=lambda model: self.losses(model).mean(),
        )
        return chosen if self.gain(chosen)[1] > 0 else None

    def evidence(self, model: str) -> np.ndarray:
        """Return the logit of each edge less that of ``"base"``; positive speaks for activating.

        The share of the others differs from fold to fold. Without it folds can be compared.
        """
        return _logit(self.probabilities[model]) - _logit(self.probabilities["base"])

    def losses(self, model: str) -> np.ndarray:
        """Return the log loss of each edge."""
        logits = _logit(self.probabilities[model])
        # log(1 + exp(-x)) for an edge that activates, log(1 + exp(x)) for one that represses.
        return np.logaddexp(0, np.where(self.known.activates, -logits, logits))

    def gain(self, model: str) -> tuple[float, float, float]:
        """Return the mean log loss that ``model`` saves over ``"base"``, and its 95 % interval.

        Edges of one TF are not independent, so the interval takes TFs as units.
        """
        saved = self.losses("base") - self.losses(model)
        mean = float(saved.mean())
        tfs, row = np.unique(self.known.sources, return_inverse=True)
        sums = np.bincount(row, weights=saved - mean)
        n = len(tfs)
        if n < 2:
            return mean, -np.inf, np.inf
        error = np.sqrt(n / (n - 1) * np.square(sums).sum()) / len(saved)
        # Student's t: with a dozen TFs the normal quantile is too small.
        half = float(stdtrit(n - 1, 0.975) * error)
        return mean, mean - half, mean + half


def can_be_predicted(known: KnownSigns) -> bool:
    """Whether there are enough signed edges of both kinds to fit and to judge a model."""
    n = known.n_repressing
    return len(known) >= MIN_EDGES and min(n, len(known) - n) >= MIN_EITHER


def hold_out_edges(
    known: KnownSigns, coexpression: Coexpression | None, rng: np.random.Generator
) -> Held:
    """Predict each known sign by a fit without it, but with other signs of its TF."""
    # Each sign is dealt out by itself: the rarer one is in every fold.
    fold = np.empty(len(known), np.intp)
    for sign in (True, False):
        own = rng.permutation(np.flatnonzero(known.activates == sign))
        fold[own] = np.arange(len(own)) % N_FOLDS
    return _held(known, coexpression, fold, lambda number: known.take(fold != number))


def hold_out_tfs(
    known: KnownSigns, coexpression: Coexpression | None, rng: np.random.Generator
) -> Held | None:
    """Predict each known sign by a fit without any sign of its TF; ``None`` if that cannot be."""
    tfs = np.unique(known.sources)
    fold_of = np.zeros(known.n_genes, np.intp)
    fold_of[rng.permutation(tfs)] = np.arange(len(tfs)) % N_FOLDS
    fold = fold_of[known.sources]

    def seen(number: int) -> KnownSigns:
        return known.without_tfs(tfs[fold_of[tfs] == number])

    # A TF may hold most of the rarer sign; without it no fit could learn that sign.
    if any(seen(number).n_repressing in (0, len(seen(number))) for number in np.unique(fold)):
        return None
    return _held(known, coexpression, fold, seen, usual_sign=False)


def _held(
    known: KnownSigns,
    coexpression: Coexpression | None,
    fold: np.ndarray,
    seen: Callable[[int], KnownSigns],
    *,
    usual_sign: bool = True,
) -> Held:
    without = {"expression"} if coexpression is None else set()
    # Of a TF that was not seen it says nothing.
    without |= set() if usual_sign else {"usual_sign"}
    models = [model for model in MODELS if model not in without]
    found = {model: np.empty(len(known), np.float32) for model in models}
    for number in np.unique(fold):
        own = np.flatnonzero(fold == number)
        others = seen(int(number))
        pairs = known.sources[own], known.targets[own]
        if coexpression is not None:
            found["expression"][own] = SignModel.fit(others, coexpression).of_pairs(*pairs)
        found["labels"][own] = SignModel.fit(others, None).of_pairs(*pairs)
        if usual_sign:
            found["usual_sign"][own] = UsualSign.fit(others).of_pairs(*pairs)
        found["base"][own] = others.share
    return Held(found, known)


def _logit(probabilities: np.ndarray) -> np.ndarray:
    return logit(np.clip(probabilities.astype(np.float64), 1e-7, 1 - 1e-7))
