"""Deliver probabilities out of fold: a labelled pair is scored by fits without its label."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np

from scregnet._genes.frames import PARTS
from scregnet._logging import logger
from scregnet._progress import stage
from scregnet._threads import in_threads, one_thread_each
from scregnet._validate import noted
from scregnet.links import (
    FittedLinks,
    LinkTask,
    Pairs,
    PlattCalibration,
    fit_members,
    get_method,
)
from scregnet.links.folded import FoldedLinks
from scregnet.links.pairs.folds import assign_folds
from scregnet.links.pairs.reciprocity import concatenate
from scregnet.links.pairs.splits import held_out
from scregnet.tl._fit.fit import threads
from scregnet.tl._fit.network import scored
from scregnet.tl._fit.verdict import LAYER, Verdict, figures_of

if TYPE_CHECKING:
    from scregnet._genes.split import LabelledPairs
    from scregnet.links import FitResult, LinkMethod
    from scregnet.links.evidence import EvidenceLayer
    from scregnet.tl._fit.fit import Fit
    from scregnet.tl._fit.task import FitOptions

VALIDATION = 0.1
"""Share of a fold's pairs that calibrates, as in a split of pairs."""

REPEATED_PAIRS, MOST_REPEATS = 80_000, 4
"""With ``fit_folds``, folds are drawn until so many pairs were held out, at most this often.

Which links come first hangs on the folds most where pairs are few, and there a repeat is cheap.
"""

LEAST_CROSSED = 4
"""Folds from which a method's own ``fit_folds`` is used."""

PARALLEL_PAIRS = 50_000
"""Pairs above which folds are fitted in threads. Below, threads wait for Python's lock."""

STREAM = 5
"""Number of the random stream of the folds; the split and the fits have streams of their own."""

AS_IT_IS = PlattCalibration(1.0, 0.0)
"""The scores of folded links are calibrated logits already."""


@dataclass(frozen=True, eq=False)
class Folds:
    """All labelled pairs of a fit, the parts one after the other, and the folds of each."""

    pairs: Pairs
    folds: np.ndarray
    """int16 of shape (n_pairs, n_repeats). Each repeat divides the pairs anew."""

    n_folds: int
    is_test: np.ndarray
    """Pairs of the test part. They may train, and choose and calibrate nothing."""

    streams: tuple[np.random.Generator, ...]
    """One for each fold: what one fold draws, and so its labels, cannot move another."""

    kept: np.ndarray | None = None
    """Pairs whose probabilities are kept; ``None`` keeps those of all."""

    _held: dict[int, np.ndarray] = field(default_factory=dict)
    """Which of the pairs outside a fold are held out, as bits: the same for all models."""

    @classmethod
    def draw(cls, labelled: LabelledPairs, options: FitOptions, method: LinkMethod) -> Folds:
        """Draw the folds, once for each of ``n_models``; more often where a repeat is cheap."""
        parts = [getattr(labelled.parts, part) for part in PARTS]
        pairs = concatenate(parts)
        seed = np.random.SeedSequence(options.random_state, spawn_key=(STREAM,))
        rng = np.random.default_rng(seed)
        n_folds, n_repeats = options.fold_count, options.n_models
        if _is_crossed(method, n_folds):
            n_repeats *= int(np.clip(REPEATED_PAIRS // len(pairs), 1, MOST_REPEATS))
        folds = [assign_folds(pairs, n_folds, rng=rng) for _ in range(n_repeats)]
        is_test = np.repeat([False, False, True], [len(part) for part in parts])
        logger.info(
            "folds: %d of %d labelled pairs, drawn %d times", n_folds, len(pairs), n_repeats
        )
        streams = tuple(rng.spawn(n_folds * n_repeats))
        return cls(pairs, np.stack(folds, axis=1), n_folds, is_test, streams, labelled.kept)

    def divide(self, repeat: int, fold: int) -> tuple[Pairs, Pairs]:
        """Return what is not in a fold: training pairs, and others to choose and calibrate on.

        Validation pairs come from outside the test part.
        """
        seen = self.folds[:, repeat] != fold
        learned = self.pairs.take(seen & self.is_test)
        known = self.pairs.take(seen & ~self.is_test)
        place = repeat * self.n_folds + fold
        if place not in self._held:
            # A copy: the fit may be repeated for other models, on the same pairs.
            held = held_out(known, VALIDATION, rng=deepcopy(self.streams[place]))
            self._held[place] = np.packbits(held)
        held = np.unpackbits(self._held[place], count=len(known)).view(bool)
        train, validation = known.take(~held), known.take(held)
        _check_kinds(train, "training", fold)
        _check_kinds(validation, "validation", fold)
        return concatenate([train, learned]), validation


def _check_kinds(pairs: Pairs, name: str, fold: int) -> None:
    if pairs.n_positive in (0, len(pairs)):
        msg = (
            f"n_folds: fold {fold} has {pairs.n_positive} edges among {len(pairs)} {name} "
            "pairs, and needs edges and non-edges. Give a prior with more edges, or n_folds=1."
        )
        raise ValueError(msg)


def _is_crossed(method: LinkMethod, n_folds: int) -> bool:
    """Return whether the method fits all folds by itself."""
    # With fewer folds, two folds less would leave too little to describe the others by.
    return n_folds >= LEAST_CROSSED and hasattr(method, "fit_folds")


class _Member(NamedTuple):
    """Links that never saw one fold of one repeat, calibrated."""

    links: FittedLinks
    calibration: PlattCalibration
    place: tuple[int, int]


_Fits = Callable[..., Iterator[_Member]]


def fit_folds(
    method: LinkMethod,
    task: LinkTask,
    folds: Folds,
    options: FitOptions,
    device: Any,
    *,
    made: Sequence[FitResult] = (),
) -> FoldedLinks:
    """Fit a method once for each fold of each repeat, and calibrate each fit.

    A method without labels is only calibrated for each fold. ``made`` are its fits, one a
    repeat, if they are there already.
    """
    fits: _Fits = _crossed if _is_crossed(method, folds.n_folds) else _one_by_one
    if not method.needs_labels:
        fits = partial(_calibrated_alone, made=made)
    name = "folds" if not method.is_null else "folds of a null model"
    members = []
    with stage(name, folds.n_folds * folds.folds.shape[1]) as tick:
        for member in fits(method, task, folds, options, device):
            members.append(member)
            _log_member(name, member)
            tick()
    return FoldedLinks.of(
        [member.links for member in members],
        [member.calibration for member in members],
        [member.place for member in members],
        folds.pairs,
        folds.folds,
        task.n_genes,
    )


def _log_member(name: str, member: _Member) -> None:
    (repeat, fold), calibration = member.place, member.calibration
    logger.debug(
        "%s: repeat %d, fold %d: logit = %.3f * score + %.3f",
        *(name, repeat, fold, calibration.slope, calibration.intercept),
    )


def _crossed(
    method: Any, task: LinkTask, folds: Folds, options: FitOptions, device: Any
) -> Iterator[_Member]:
    """Fit all folds by the method's own ``fit_folds``."""
    pairs = folds.pairs
    whole = replace(task, train=pairs, validation=pairs.take(np.zeros(len(pairs), bool)))
    rng = np.random.default_rng(options.random_state)
    with threads(method):
        for fit in method.fit_folds(whole, folds.folds, rng=rng, device=device):
            used = ~folds.is_test[fit.places]
            check = pairs.take(fit.places[used])
            _check_kinds(check, "calibration", fit.fold)
            weights = fit.weights[used]
            if check.weights is not None:
                weights = weights * check.weights
            calibration = PlattCalibration.fit(
                fit.scores[used],
                check.labels,
                weights=weights,
                label_frequency=options.label_frequency,
            )
            yield _Member(fit.links, calibration, (fit.repeat, fit.fold))


def _calibrated_alone(
    method: LinkMethod,
    task: LinkTask,
    folds: Folds,
    options: FitOptions,
    device: Any,
    *,
    made: Sequence[FitResult],
) -> Iterator[_Member]:
    """Calibrate fits that never saw a label on what is outside of each fold."""
    n_repeats, pairs = folds.folds.shape[1], folds.pairs
    if not made:
        with threads(method):
            made = fit_members(
                method, task, n_repeats, random_state=options.random_state, device=device
            )
    for repeat, result in enumerate(made):
        scores = result.links.score(pairs.sources, pairs.targets)
        for fold in range(folds.n_folds):
            used = (folds.folds[:, repeat] != fold) & ~folds.is_test
            check = pairs.take(used)
            _check_kinds(check, "calibration", fold)
            calibration = PlattCalibration.fit(
                scores[used],
                check.labels,
                weights=check.weights,
                label_frequency=options.label_frequency,
            )
            yield _Member(result.links, calibration, (repeat, fold))


def _one_by_one(
    method: LinkMethod, task: LinkTask, folds: Folds, options: FitOptions, device: Any
) -> Iterator[_Member]:
    """Fit each fold for itself; every fold of a repeat has the same seed."""
    first = np.random.default_rng(options.random_state)
    seeds = [first, *first.spawn(folds.folds.shape[1] - 1)]

    def fit(place: tuple[int, int]) -> _Member:
        train, check = folds.divide(*place)
        part = replace(task, train=train, validation=check)
        with noted(f"in fold {place[1]}, counted from 0, of n_folds={folds.n_folds}"):
            links = method.fit(part, rng=deepcopy(seeds[place[0]]), device=device).links
        calibration = PlattCalibration.fit(
            links.score(check.sources, check.targets),
            check.labels,
            weights=check.weights,
            label_frequency=options.label_frequency,
        )
        return _Member(links, calibration, place)

    # torch has threads of its own, and its random state is the session's.
    parallel = not method.uses_torch and len(folds.pairs) > PARALLEL_PAIRS
    with threads(method):
        yield from in_threads(fit, np.ndindex(len(seeds), folds.n_folds), parallel=parallel)


def judge_null_folds(
    names: Iterable[str], n_genes: int, folds: Folds, options: FitOptions
) -> dict[str, Verdict]:
    """Fit the null models on the same folds and judge them."""
    task = LinkTask(n_genes, folds.pairs, folds.pairs)
    return {
        name: judge_folds(fit_folds(get_method(name), task, folds, options, None), folds, options)
        for name in names
    }


def judge_layer_folds(
    layers: Sequence[EvidenceLayer], n_genes: int, folds: Folds, options: FitOptions
) -> dict[str, Verdict]:
    """Judge each evidence layer alone on the same folds, under the name ``"evidence:<key>"``."""
    from scregnet.links.layer_alone import LayerAlone

    places = list(np.ndindex(folds.folds.shape[1], folds.n_folds))

    def fit(place: tuple[int, int], layer: EvidenceLayer) -> tuple[LayerAlone, PlattCalibration]:
        train, check = folds.divide(*place)
        alone = LayerAlone.fit(layer, LinkTask(n_genes, train, check))
        calibration = PlattCalibration.fit(
            alone.score(check.sources, check.targets),
            check.labels,
            weights=check.weights,
            label_frequency=options.label_frequency,
        )
        return alone, calibration

    verdicts = {}
    for layer in layers:
        with stage(f"folds of layer {layer.name} alone"), one_thread_each():
            members, calibrations = zip(*(fit(place, layer) for place in places), strict=True)
        # They are judged and not kept, so that they need no saved state.
        links = cast("Sequence[FittedLinks]", members)
        folded = FoldedLinks.of(links, calibrations, places, folds.pairs, folds.folds, n_genes)
        verdicts[f"{LAYER}{layer.name}"] = judge_folds(folded, folds, options)
    return verdicts


def judge_folds(links: FoldedLinks, folds: Folds, options: FitOptions) -> Verdict:
    """Score every labelled pair out of fold, and evaluate all of them together."""
    pairs = folds.pairs
    scores, deviations = scored(links, pairs.sources, pairs.targets, with_sd=options.n_models > 1)
    probabilities = AS_IT_IS(scores)
    kept = slice(None) if folds.kept is None else folds.kept
    return Verdict(
        links,
        AS_IT_IS,
        probabilities[kept],
        None if deviations is None else deviations[kept],
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
    links = fit_folds(method, task, folds, fit.options, device, made=fit.members)
    verdicts = {fit.method: judge_folds(links, folds, fit.options), **nulls}
    return replace(fit, folds=folds.folds, fold_verdicts=verdicts)
