"""Deliver probabilities out of fold: a labelled pair is scored by fits without its label."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from scregnet._genes.split import PARTS, LabelledPairs
from scregnet.links import FittedLinks, LinkTask, Pairs, PlattCalibration, get_method, hold_out
from scregnet.links.ensemble import fit_members
from scregnet.links.folded import FoldedLinks
from scregnet.links.pairs.folds import assign_folds
from scregnet.links.pairs.reciprocity import concatenate
from scregnet.tl._fit.fit import Verdict, figures_of, threads

if TYPE_CHECKING:
    from scregnet.links import LinkMethod
    from scregnet.tl._fit.fit import Fit
    from scregnet.tl._fit.task import FitOptions

VALIDATION = 0.1
"""Share of a fold's pairs that calibrates, as in a split of pairs."""

STREAM = 5
"""Number of the random stream of the folds; the split and the fits have streams of their own."""

AS_IT_IS = PlattCalibration(1.0, 0.0)
"""The scores of folded links are calibrated logits already."""


@dataclass(frozen=True, eq=False)
class Fold:
    """One fold: the pairs that are held out, and those to fit to and to calibrate on."""

    number: int
    train: Pairs
    validation: Pairs


@dataclass(frozen=True, eq=False)
class Folds:
    """All labelled pairs of a fit, the parts one after the other, and the fold of each."""

    pairs: Pairs
    fold: np.ndarray
    each: tuple[Fold, ...]

    @classmethod
    def draw(cls, labelled: LabelledPairs, n_folds: int, random_state: int | None) -> Folds:
        """Draw the folds. Test labels of the split may train a fold, and choose nothing in it."""
        parts = [getattr(labelled.parts, part) for part in PARTS]
        pairs = concatenate(parts)
        seed = np.random.SeedSequence(random_state, spawn_key=(STREAM,))
        rng = np.random.default_rng(seed)
        fold = assign_folds(pairs, n_folds, rng=rng)
        is_test = np.repeat([False, False, True], [len(part) for part in parts])
        # A stream for each fold: what one draws, and so its labels, cannot move another.
        streams = enumerate(rng.spawn(n_folds))
        each = tuple(_divide(pairs, fold, number, is_test, own) for number, own in streams)
        return cls(pairs, fold, each)


def _divide(
    pairs: Pairs, fold: np.ndarray, number: int, is_test: np.ndarray, rng: np.random.Generator
) -> Fold:
    """Divide what is not held out: validation pairs come from outside the test part."""
    seen = fold != number
    learned = pairs.take(seen & is_test)
    train, validation = hold_out(pairs.take(seen & ~is_test), VALIDATION, rng=rng)
    for part, name in ((train, "training"), (validation, "validation")):
        if part.n_positive in (0, len(part)):
            msg = (
                f"n_folds: fold {number} has {part.n_positive} edges among {len(part)} {name} "
                "pairs, and needs edges and non-edges. Give a prior with more edges, or n_folds=1."
            )
            raise ValueError(msg)
    return Fold(number, concatenate([train, learned]), validation)


def fit_folds(
    method: LinkMethod, task: LinkTask, folds: Folds, options: FitOptions, device: Any
) -> FoldedLinks:
    """Fit a method once for each fold, or ``n_models`` times, and calibrate each fit."""
    members: list[FittedLinks] = []
    calibrations: list[PlattCalibration] = []
    numbers: list[int] = []
    for fold in folds.each:
        part = replace(task, train=fold.train, validation=fold.validation)
        with threads(method):
            # Every fold has the same seeds: folds differ in their labels alone.
            results = fit_members(
                method, part, options.n_models, random_state=options.random_state, device=device
            )
        check = fold.validation
        for result in results:
            scores = result.links.score(check.sources, check.targets)
            calibrations.append(
                PlattCalibration.fit(scores, check.labels, label_frequency=options.label_frequency)
            )
            members.append(result.links)
            numbers.append(fold.number)
    return FoldedLinks.of(members, calibrations, numbers, folds.pairs, folds.fold, task.n_genes)


def judge_null_folds(
    names: Iterable[str], n_genes: int, folds: Folds, options: FitOptions
) -> dict[str, Verdict]:
    """Fit the null models on the same folds and judge them. One fit a fold: they draw nothing."""
    task = LinkTask(n_genes, folds.each[0].train, folds.each[0].validation)
    once = replace(options, n_models=1)
    return {
        name: judge_folds(fit_folds(get_method(name), task, folds, once, None), folds, options)
        for name in names
    }


def judge_folds(links: FoldedLinks, folds: Folds, options: FitOptions) -> Verdict:
    """Score every labelled pair out of fold, and evaluate all of them together."""
    pairs = folds.pairs
    scores, deviations = links.score_and_sd(pairs.sources, pairs.targets)
    probabilities = AS_IT_IS(scores)
    return Verdict(
        AS_IT_IS,
        probabilities,
        deviations if options.n_models > 1 else None,
        figures_of("folds", pairs, scores, probabilities, options),
    )


def with_folds(
    fit: Fit,
    method: LinkMethod,
    task: LinkTask,
    folds: Folds,
    nulls: dict[str, Verdict],
    device: Any,
) -> Fit:
    """Add the folds to a fit that was evaluated: they are what is delivered."""
    links = fit_folds(method, task, folds, fit.options, device)
    verdicts = {fit.method: judge_folds(links, folds, fit.options), **nulls}
    return replace(fit, folded=links, fold_verdicts=verdicts)
