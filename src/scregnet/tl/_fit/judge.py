"""Calibrate fitted links and evaluate them on the labelled pairs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from scregnet._anndata.split import PARTS
from scregnet.links import (
    EnsembleLinks,
    FittedLinks,
    LinkTask,
    PlattCalibration,
    Split,
    get_method,
    null_models,
)
from scregnet.metrics import bootstrap, evaluate

if TYPE_CHECKING:
    from scregnet.tl._fit.task import FitOptions


@dataclass(frozen=True, eq=False)
class Verdict:
    """One model's calibration, its probabilities of all labelled pairs, and its figures."""

    calibration: PlattCalibration
    probabilities: np.ndarray
    """float32, the parts one after the other."""

    deviations: np.ndarray | None
    """Standard deviation over the members of an ensemble, in the same order."""

    figures: list[tuple[str, str, float, float, float]]
    """Rows of split, metric, value, low, high."""


def judge(links: FittedLinks | EnsembleLinks, parts: Split, options: FitOptions) -> Verdict:
    """Calibrate on the validation pairs, then score and evaluate validation and test pairs."""
    scores, deviations = {}, []
    for part in PARTS:
        pairs = getattr(parts, part)
        scores[part], deviation = scored(links, pairs.sources, pairs.targets)
        if deviation is not None:
            deviations.append(deviation)
    calibration = PlattCalibration.fit(
        scores["validation"], parts.validation.labels, label_frequency=options.label_frequency
    )
    probabilities = {part: calibration(scores[part]) for part in PARTS}
    figures = [
        row
        for part in ("validation", "test")
        for row in _figures(part, parts, scores[part], probabilities[part], options)
    ]
    return Verdict(
        calibration,
        np.concatenate([probabilities[part] for part in PARTS]),
        np.concatenate(deviations) if deviations else None,
        figures,
    )


def scored(
    links: FittedLinks | EnsembleLinks, sources: np.ndarray, targets: np.ndarray
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return scores, and for an ensemble the standard deviation of the members' probabilities."""
    both = getattr(links, "score_and_sd", None)
    return (links.score(sources, targets), None) if both is None else both(sources, targets)


def judge_nulls(
    parts: Split, n_genes: int, options: FitOptions, *, but: str | None
) -> dict[str, Verdict]:
    """Fit and judge every null model except ``but``, the method itself."""
    task = LinkTask(n_genes, parts.train, parts.validation)
    verdicts = {}
    for name in null_models():
        if name != but:
            rng = np.random.default_rng(options.random_state)
            links = get_method(name).fit(task, rng=rng, device=None).links
            verdicts[name] = judge(links, parts, options)
    return verdicts


def _figures(
    part: str, parts: Split, scores: np.ndarray, probabilities: np.ndarray, options: FitOptions
) -> list[tuple[str, str, float, float, float]]:
    """Return the metrics of one part, with bootstrap intervals if asked for."""
    pairs = getattr(parts, part)
    # Labels say what is listed. Their probability is that of being listed.
    listed = options.label_frequency * probabilities
    data = (pairs.labels, scores, pairs.sources, listed)
    ends: dict[str, tuple[float, float]] = {}
    if options.n_bootstrap:
        # One seed for all models: they are compared on the same resamples.
        rng = np.random.default_rng(options.random_state)
        ends = bootstrap(*data, n_bootstrap=options.n_bootstrap, rng=rng)
    return [
        (part, metric, value, *ends.get(metric, (np.nan, np.nan)))
        for metric, value in evaluate(*data).items()
    ]
