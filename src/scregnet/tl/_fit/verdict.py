"""What a model is worth: its figures on labelled pairs, next to those of the null models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from scregnet._genes.frames import PARTS
from scregnet._logging import logger
from scregnet._progress import stage
from scregnet._threads import one_thread_each
from scregnet.links import LinkTask, PlattCalibration, get_method, null_models
from scregnet.links.pairs.reciprocity import concatenate
from scregnet.metrics import evaluate
from scregnet.metrics._bootstrap import interval, resample
from scregnet.metrics._evaluate import MANY_PAIRS
from scregnet.metrics._metrics import LOWER_IS_BETTER, OF_THE_PAIRS
from scregnet.tl._fit.network import scored

if TYPE_CHECKING:
    from scregnet.links import Pairs, Split
    from scregnet.links.evidence import EvidenceLayer
    from scregnet.links.task import Scorer
    from scregnet.tl._fit.task import FitOptions

DIFFERENCE_COLUMNS = ["best_null", "difference", "difference_low", "difference_high"]
METRIC_COLUMNS = ["model", "split", "metric", "value", "low", "high", *DIFFERENCE_COLUMNS]
LAYER = "evidence:"
"""What the names of null models of evidence layers begin with."""


@dataclass(frozen=True, eq=False)
class Figure:
    """One metric of one model on one part of the labelled pairs, with its 95 % interval."""

    split: str
    metric: str
    value: float
    low: float = np.nan
    high: float = np.nan
    replicates: np.ndarray | None = None
    """The metric on every resample. All models have the same resamples of a part."""

    def minus(self, other: Figure, prevalence: float) -> tuple[float, float, float]:
        """Return the difference to another model, and its 95 % interval by a paired bootstrap."""
        difference = self.value - other.value
        if self.replicates is None or other.replicates is None:
            return difference, np.nan, np.nan
        replicates = self.replicates - other.replicates
        ends = interval(self.metric, difference, replicates, prevalence, paired=True)
        return (difference, *ends)


@dataclass(frozen=True, eq=False)
class Verdict:
    """One model, its calibration, its probabilities of all labelled pairs, and its figures."""

    links: Scorer
    calibration: PlattCalibration
    probabilities: np.ndarray
    """float32, the parts one after the other; of a large closed world, of the kept pairs."""

    deviations: np.ndarray | None
    """Standard deviation over the members of an ensemble, in the same order."""

    figures: list[Figure]

    def of_part(self, part: str) -> dict[str, Figure]:
        """Return the figures on one part of the pairs, by metric."""
        return {figure.metric: figure for figure in self.figures if figure.split == part}


def judge(
    links: Scorer, parts: Split, options: FitOptions, *, kept: np.ndarray | None = None
) -> Verdict:
    """Calibrate on the validation pairs, then score and evaluate validation and test pairs.

    ``kept`` are the ascending positions of the pairs whose probabilities are kept; ``None`` keeps
    all.
    """
    check = parts.validation
    scores, _ = scored(links, check.sources, check.targets, with_sd=False)
    calibration = PlattCalibration.fit(
        scores, check.labels, weights=check.weights, label_frequency=options.label_frequency
    )
    if _tfs_are_unseen(parts):
        level = _prevalence(parts, options)
        calibration = calibration.at_level(scores, level, check.weights)
    probabilities, deviations, figures, start = [], [], [], 0
    for part in PARTS:
        pairs = getattr(parts, part)
        # One part at a time, of which only what is kept stays: there may be millions of pairs.
        scores, deviation = scored(links, pairs.sources, pairs.targets)
        found = calibration(scores)
        if part != "train":
            figures += figures_of(part, pairs, scores, found, options)
        wanted: Any = slice(None)
        if kept is not None:
            ends = np.searchsorted(kept, [start, start + len(pairs)])
            wanted = kept[slice(*ends)] - start
        start += len(pairs)
        probabilities.append(found[wanted])
        if deviation is not None:
            deviations.append(deviation[wanted])
    return Verdict(
        links,
        calibration,
        np.concatenate(probabilities),
        np.concatenate(deviations) if deviations else None,
        figures,
    )


def _tfs_are_unseen(parts: Split) -> bool:
    """Return whether most validation pairs have a TF without training pairs."""
    unseen = ~np.isin(parts.validation.sources, parts.train.sources)
    return bool(unseen.mean() > 0.5)


def _prevalence(parts: Split, options: FitOptions) -> float:
    """Return the share of edges among training and validation pairs.

    A few validation TFs have a share of their own, which is none of the test TFs'. All TFs together
    say more of the level.
    """
    both = concatenate([parts.train, parts.validation])
    n = len(both) if both.weights is None else float(both.weights.sum())
    # Half a pair of either kind, so that the level is neither 0 nor 1.
    share = (both.n_positive + 0.5) / (n + 1)
    return float(min(share / options.label_frequency, 1 - 0.5 / (n + 1)))


def judge_nulls(
    parts: Split,
    n_genes: int,
    options: FitOptions,
    *,
    but: str | None,
    kept: np.ndarray | None = None,
) -> dict[str, Verdict]:
    """Fit and judge every null model except ``but``, the method itself."""
    task = LinkTask(n_genes, parts.train, parts.validation)
    verdicts = {}
    for name in null_models():
        if name != but:
            rng = np.random.default_rng(options.random_state)
            with stage(f"null model {name}"), one_thread_each():
                links = get_method(name).fit(task, rng=rng, device=None).links
            verdicts[name] = judge(links, parts, options, kept=kept)
    return verdicts


def judge_layers(
    parts: Split,
    n_genes: int,
    options: FitOptions,
    layers: Sequence[EvidenceLayer],
    *,
    kept: np.ndarray | None = None,
) -> dict[str, Verdict]:
    """Judge each evidence layer alone, under the name ``"evidence:<key>"``."""
    from scregnet.links.layer_alone import LayerAlone

    task = LinkTask(n_genes, parts.train, parts.validation)
    verdicts = {}
    for layer in layers:
        with stage(f"layer {layer.name} alone"):
            alone = LayerAlone.fit(layer, task)
        verdicts[f"{LAYER}{layer.name}"] = judge(alone, parts, options, kept=kept)
    return verdicts


def figures_of(
    part: str, pairs: Pairs, scores: np.ndarray, probabilities: np.ndarray, options: FitOptions
) -> list[Figure]:
    """Return the metrics on some pairs, with bootstrap intervals if asked for."""
    # Labels say what is listed. Their probability is that of being listed.
    listed = options.label_frequency * probabilities
    data = (pairs.labels, scores, pairs.sources, listed)
    if not options.n_bootstrap:
        figures = evaluate(*data, weights=pairs.weights)
        return [Figure(part, metric, value) for metric, value in figures.items()]
    # One seed for all models: they are compared on the same resamples.
    rng = np.random.default_rng(options.random_state)
    with stage(f"bootstrap, {part} pairs"):
        found = resample(*data, n_bootstrap=options.n_bootstrap, rng=rng, weights=pairs.weights)
    # Of many pairs they are the same, and the pairs need not be sorted again.
    many = len(pairs) > MANY_PAIRS
    figures = found.figures if many else evaluate(*data, weights=pairs.weights)
    rows = []
    for metric, value in figures.items():
        replicates = found.replicates[metric]
        ends = interval(metric, found.figures[metric], replicates, figures["prevalence"])
        rows.append(Figure(part, metric, value, *ends, replicates))
    return rows


def against_nulls(
    figure: Figure, nulls: Mapping[str, Figure], prevalence: float
) -> tuple[str | None, float, float, float]:
    """Return the best null model in this metric, and the difference to it with its interval.

    The best one has the highest value, or the lowest error. It is the hardest to beat, and may be
    another one for another metric.
    """
    sign = -1 if figure.metric in LOWER_IS_BETTER else 1
    best = max(nulls, key=lambda name: sign * nulls[name].value)
    difference, low, high = figure.minus(nulls[best], prevalence)
    # Without a TF that has both kinds of pairs, metrics per TF are NaN for all models.
    return (None if np.isnan(difference) else best), difference, low, high


def metric_rows(verdicts: Mapping[str, Verdict], method: str) -> list[tuple[Any, ...]]:
    """Return the rows of the metrics: figures of all models, differences for the method alone."""
    nulls = [] if method in null_models() else [name for name in verdicts if name != method]
    rows = []
    for name, found in verdicts.items():
        for figure in found.figures:
            more: tuple[Any, ...] = (None, np.nan, np.nan, np.nan)
            # Validation pairs chose the epoch and calibrated: a lead on them proves little.
            is_compared = figure.split != "validation" and figure.metric not in OF_THE_PAIRS
            if nulls and name == method and is_compared:
                parts = {null: verdicts[null].of_part(figure.split) for null in nulls}
                rivals = {null: part[figure.metric] for null, part in parts.items()}
                prevalence = found.of_part(figure.split)["prevalence"].value
                more = against_nulls(figure, rivals, prevalence)
            row = (name, figure.split, figure.metric, figure.value, figure.low, figure.high)
            rows.append((*row, *more))
    return rows


def warn_if_behind(method: str, fits: Mapping[str, str | None]) -> None:
    """Log one warning that names the networks, by key, that are not ahead of the null models."""
    behind = [f"{key}: {figures}" for key, figures in fits.items() if figures is not None]
    if not behind:
        return
    figures = "; ".join(behind)
    meaning = (
        "The network may be little more than popularity: the null models know how many links TFs "
        "and targets have, and not one cell. Do not read its new links as specific to a TF"
    )
    if LAYER in figures:
        meaning = (
            f"A model {LAYER}<key> knows the layer and not one cell: the cells may add little to it"
        )
    logger.warning(
        "fit_grn: method=%r is not clearly ahead of its null models within TFs. %s. %s; "
        "sr.bm.controls shows what the cells contribute.",
        *(method, figures, meaning),
    )
