"""How well signs are predicted that a fit did not see, and what that allows to say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import logit, stdtrit

from scregnet.links.signs.model import SignModel, UsualSign

if TYPE_CHECKING:
    from scregnet.links.signs.coexpression import KnownCorrelations
    from scregnet.links.signs.known import KnownSigns

N_FOLDS = 5

MIN_EDGES, MIN_EITHER = 20, 5
"""Fewest signed edges, and fewest of either sign, for a prediction."""

MODELS = ("expression", "labels", "usual_sign", "base")
"""What is compared, the richest first: TF, target and correlations; TF and target; the TF alone
(the null model); and the share of the other folds' edges that activate."""


@dataclass(frozen=True, eq=False)
class Held:
    """P(activates) of each known sign by fits without it: one array for each of :data:`MODELS`.

    ``"expression"`` is absent where no expression was given.
    """

    probabilities: dict[str, np.ndarray]
    known: KnownSigns

    def best(self) -> str | None:
        """Return the model of least log loss, or ``None`` if it is not ahead of ``"base"``.

        Ahead means that the interval of its gain is above zero.
        """
        models = [model for model in self.probabilities if model != "base"]
        chosen = min(models, key=lambda model: self.losses(model).mean())
        return chosen if self.gain(chosen)[1] > 0 else None

    def evidence(self, model: str) -> np.ndarray:
        """Return the logit of each edge less that of ``"base"``; positive speaks for activating.

        The share of the others differs from fold to fold. Without it folds can be compared.
        """
        return _logit(self.probabilities[model]) - _logit(self.probabilities["base"])

    def losses(self, model: str) -> np.ndarray:
        """Return the log loss of each edge; ``"base"`` is given the share of all of them.

        With few TFs the share of the other folds is far off, and easily beaten.
        """
        p = self.probabilities[model]
        logits = _logit(np.full(len(p), self.known.share) if model == "base" else p)
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
    known: KnownSigns, correlations: KnownCorrelations | None, rng: np.random.Generator
) -> Held:
    """Predict each known sign by a fit without it, but with other signs of its TF."""
    # Each sign is dealt out by itself: the rarer one is in every fold.
    fold = np.empty(len(known), np.intp)
    for sign in (True, False):
        own = rng.permutation(np.flatnonzero(known.activates == sign))
        fold[own] = np.arange(len(own)) % N_FOLDS
    found = _empty(known, correlations, ("expression", "labels", "usual_sign", "base"))
    for number in range(N_FOLDS):
        _predict(found, known, known.take(fold != number), correlations, fold == number)
    return Held(found, known)


def hold_out_tfs(
    known: KnownSigns, correlations: KnownCorrelations | None, rng: np.random.Generator
) -> Held | None:
    """Predict each known sign by a fit without any sign of its TF; ``None`` if that cannot be."""
    tfs = np.unique(known.sources)
    fold_of = np.zeros(known.n_genes, np.intp)
    fold_of[rng.permutation(tfs)] = np.arange(len(tfs)) % N_FOLDS
    fold = fold_of[known.sources]
    parts = [
        known.take(fold != number).without_outside(tfs[fold_of[tfs] == number])
        for number in np.unique(fold)
    ]
    # A TF may hold most of the rarer sign; without it no fit could learn that sign.
    if any(part.n_repressing in (0, len(part)) for part in parts):
        return None
    # The usual sign says nothing of a TF without known signs.
    found = _empty(known, correlations, ("expression", "labels", "base"))
    for number, part in enumerate(parts):
        _predict(found, known, part, correlations, fold == number)
    return Held(found, known)


def _empty(
    known: KnownSigns, correlations: KnownCorrelations | None, models: tuple[str, ...]
) -> dict[str, np.ndarray]:
    return {
        model: np.empty(len(known), np.float32)
        for model in models
        if model != "expression" or correlations is not None
    }


def _predict(
    found: dict[str, np.ndarray],
    known: KnownSigns,
    seen: KnownSigns,
    correlations: KnownCorrelations | None,
    held: np.ndarray,
) -> None:
    """Fit every model to the ``seen`` signs and write its probabilities of the ``held`` ones."""
    pairs = known.sources[held], known.targets[held]
    if correlations is not None:
        z = correlations.given(~held)
        found["expression"][held] = SignModel.fit(seen, z[~held]).of_pairs(*pairs, z[held])
    found["labels"][held] = SignModel.fit(seen, None).of_pairs(*pairs, None)
    if "usual_sign" in found:
        found["usual_sign"][held] = UsualSign.fit(seen).rates[pairs[0]]
    found["base"][held] = seen.share


def _logit(probabilities: np.ndarray) -> np.ndarray:
    return logit(np.clip(probabilities.astype(np.float64), 1e-7, 1 - 1e-7))
