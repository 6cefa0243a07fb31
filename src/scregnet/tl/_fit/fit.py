"""A method fitted to labelled pairs, calibrated, judged, and what of it is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd

from scregnet._genes.split import PARTS, LabelledPairs, pairs_frame
from scregnet._logging import logger
from scregnet._progress import stage
from scregnet._threads import one_thread_each
from scregnet.links import LinkTask, PlattCalibration, get_method, method_class, null_models
from scregnet.metrics import evaluate
from scregnet.metrics._bootstrap import interval, resample
from scregnet.metrics._metrics import LOWER_IS_BETTER, OF_THE_PAIRS
from scregnet.tl._fit.network import Calibrated, Network, all_links, scored

if TYPE_CHECKING:
    from scregnet.links import EnsembleLinks, FitResult, FittedLinks, LinkMethod, Pairs, Split
    from scregnet.links.evidence import EvidenceLayer
    from scregnet.links.task import Progress, Scorer
    from scregnet.tl._fit.task import FitOptions

DIFFERENCE_COLUMNS = ["best_null", "difference", "difference_low", "difference_high"]
METRIC_COLUMNS = ["model", "split", "metric", "value", "low", "high", *DIFFERENCE_COLUMNS]
LAYER = "evidence:"
"""What the names of null models of evidence layers begin with."""

PART_NAMES = {"test": "on test pairs", "folds": "out of fold"}
HISTORY_COLUMNS = ["epoch", "train_loss", "validation_loss", "validation_auroc", "validation_auprc"]


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
    """float32, the parts one after the other."""

    deviations: np.ndarray | None
    """Standard deviation over the members of an ensemble, in the same order."""

    figures: list[Figure]

    def of_part(self, part: str) -> dict[str, Figure]:
        """Return the figures on one part of the pairs, by metric."""
        return {figure.metric: figure for figure in self.figures if figure.split == part}


def judge(links: Scorer, parts: Split, options: FitOptions) -> Verdict:
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
    if _tfs_are_unseen(parts):
        level = _prevalence(parts, options)
        calibration = calibration.at_level(scores["validation"], level)
    probabilities = {part: calibration(scores[part]) for part in PARTS}
    figures = [
        row
        for part in ("validation", "test")
        for row in figures_of(
            part, getattr(parts, part), scores[part], probabilities[part], options
        )
    ]
    return Verdict(
        links,
        calibration,
        np.concatenate([probabilities[part] for part in PARTS]),
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
    labels = np.concatenate([parts.train.labels, parts.validation.labels])
    # Half a pair of either kind, so that the level is neither 0 nor 1.
    share = (labels.sum() + 0.5) / (len(labels) + 1)
    return float(min(share / options.label_frequency, 1 - 0.5 / (len(labels) + 1)))


def judge_nulls(
    parts: Split, n_genes: int, options: FitOptions, *, but: str | None
) -> dict[str, Verdict]:
    """Fit and judge every null model except ``but``, the method itself."""
    task = LinkTask(n_genes, parts.train, parts.validation)
    verdicts = {}
    for name in null_models():
        if name != but:
            rng = np.random.default_rng(options.random_state)
            with stage(f"null model {name}"), one_thread_each():
                links = get_method(name).fit(task, rng=rng, device=None).links
            verdicts[name] = judge(links, parts, options)
    return verdicts


def judge_layers(
    parts: Split, n_genes: int, options: FitOptions, layers: Sequence[EvidenceLayer]
) -> dict[str, Verdict]:
    """Judge each evidence layer alone, under the name ``"evidence:<key>"``."""
    from scregnet.links.layer_alone import LayerAlone

    task = LinkTask(n_genes, parts.train, parts.validation)
    verdicts = {}
    for layer in layers:
        with stage(f"layer {layer.name} alone"):
            alone = LayerAlone.fit(layer, task)
        verdicts[f"{LAYER}{layer.name}"] = judge(alone, parts, options)
    return verdicts


def figures_of(
    part: str, pairs: Pairs, scores: np.ndarray, probabilities: np.ndarray, options: FitOptions
) -> list[Figure]:
    """Return the metrics on some pairs, with bootstrap intervals if asked for."""
    # Labels say what is listed. Their probability is that of being listed.
    listed = options.label_frequency * probabilities
    data = (pairs.labels, scores, pairs.sources, listed)
    figures = evaluate(*data)
    if not options.n_bootstrap:
        return [Figure(part, metric, value) for metric, value in figures.items()]
    # One seed for all models: they are compared on the same resamples.
    rng = np.random.default_rng(options.random_state)
    with stage(f"bootstrap, {part} pairs"):
        found = resample(*data, n_bootstrap=options.n_bootstrap, rng=rng)
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


@dataclass(frozen=True, eq=False)
class Fit:
    """A fitted method and all verdicts on the same pairs."""

    method: str
    members: list[FitResult]
    verdicts: dict[str, Verdict]
    """By model; the method comes first, the null models follow."""

    labelled: LabelledPairs
    options: FitOptions
    folds: np.ndarray | None = None
    """The fold of each labelled pair in each repeat."""

    fold_verdicts: dict[str, Verdict] = field(default_factory=dict)
    """By model, if ``n_folds`` is above 1: on all labelled pairs, out of fold."""

    @property
    def verdict(self) -> Verdict:
        """The verdict on the method itself."""
        return self.verdicts[self.method]

    def metrics(self) -> pd.DataFrame:
        """Return the figures of all models, and the method's differences to the null models."""
        rows = [
            *metric_rows(self.verdicts, self.method),
            *metric_rows(self.fold_verdicts, self.method),
        ]
        table = pd.DataFrame(rows, columns=METRIC_COLUMNS)
        # Missing names need a categorical: h5ad has no other form for them.
        layers = [name for name in self.verdicts if name.startswith(LAYER)]
        names = pd.Categorical(table["best_null"], categories=[*null_models(), *layers])
        return table.assign(best_null=names)

    def behind(self) -> str | None:
        """Say by how much the method is not ahead of the null models per TF; None if it is."""
        part = "test" if self.folds is None else "folds"
        table = self.metrics()
        chosen = (table["model"] == self.method) & (table["split"] == part)
        row = table[chosen].set_index("metric").loc["per_tf_auroc"]
        has_interval = not np.isnan(row["difference_low"])
        least = row["difference_low"] if has_interval else row["difference"]
        # Also where there is no difference: of a null model, or without a metric per TF.
        if not least <= 0:
            return None
        figures = (
            f"per_tf_auroc {row['value']:.3f} {PART_NAMES[part]}, {row['best_null']!r} has "
            f"{row['value'] - row['difference']:.3f}, difference {row['difference']:.3f}"
        )
        if not has_interval:
            return figures
        ends = f"{row['difference_low']:.3f} to {row['difference_high']:.3f}"
        return f"{figures} (95 % interval {ends})"

    def pairs(self, genes: pd.Index) -> pd.DataFrame:
        """Return the labelled pairs with each model's probability."""
        frame = pairs_frame(self.labelled.parts, genes)
        for name, found in self.verdicts.items():
            column = "probability" if name == self.method else f"probability_{name}"
            frame[column] = found.probabilities
            if name == self.method and found.deviations is not None:
                frame["probability_sd"] = found.deviations
        if self.folds is not None:
            for number, fold in enumerate(self.folds.T):
                frame[f"fold_{number + 1}"] = fold
        for name, found in self.fold_verdicts.items():
            column = "out_of_fold" if name == self.method else f"out_of_fold_{name}"
            frame[column] = found.probabilities
        return frame

    def network(self, candidates: np.ndarray, n_genes: int) -> Network:
        """Return the probabilities of all links of the candidates, and those of the null model."""
        null = self.null
        return all_links(
            self._delivered(self.method),
            None if null is None else self._delivered(null),
            candidates,
            n_genes,
            # Folds of a single model differ in their labels; that is no deviation between fits.
            with_deviations=self.options.n_models > 1,
            threshold=self.options.threshold,
            top_n_targets=self.options.top_n_targets,
        )

    @property
    def null(self) -> str | None:
        """Name of the null model that fits the validation pairs better; ``None`` for a null model.

        Test pairs choose nothing.
        """
        losses = {
            name: found.calibration.loss
            for name, found in self.verdicts.items()
            if name in null_models() and name != self.method
        }
        if method_class(self.method).is_null or not losses:
            return None
        return min(losses, key=lambda name: losses[name])

    def _delivered(self, model: str) -> Calibrated:
        verdict = (self.fold_verdicts or self.verdicts)[model]
        return Calibrated(verdict.links, verdict.calibration)

    def to_uns(self, genes: pd.Index) -> dict[str, Any]:
        """Return what ``uns`` keeps of the fit, apart from its parameters."""
        links, calibration = self._delivered(self.method)
        return {
            "metrics": self.metrics(),
            "history": _history([member.history for member in self.members]),
            "pairs": self.pairs(genes),
            "left_out": self.labelled.left_out_frame(genes),
            "model": {
                "method": self.method,
                "n_models": self.options.n_models,
                "n_folds": self.options.n_folds,
                "genes": genes.to_numpy(str).astype(object),
                "slope": calibration.slope,
                "intercept": calibration.intercept,
                # The method's own links, which unlike those of a layer alone can be kept.
                "state": cast("FittedLinks", links).state(),
            },
        }

    def best_epoch(self) -> int | list[int]:
        """Return the epoch that was kept, one number for each member of an ensemble."""
        best = [member.best_epoch for member in self.members]
        return best[0] if len(best) == 1 else best

    def log(self, name: str) -> None:
        """Say how the models do on the test pairs."""
        table = self.metrics()
        test = table[table["split"] == "test"].set_index(["model", "metric"])["value"]
        shown = [
            f"{model} AUROC {test[model, 'auroc']:.3f}, AUPRC {test[model, 'auprc']:.3f}, "
            f"per TF {test[model, 'per_tf_auroc']:.3f}"
            for model in self.verdicts
        ]
        logger.info("%s, test pairs: %s", name, "; ".join(shown))


def fit_links(
    name: str,
    method: LinkMethod,
    task: LinkTask,
    labelled: LabelledPairs,
    options: FitOptions,
    nulls: dict[str, Verdict],
    *,
    device: Any = None,
    progress: Callable[[int], Progress | None] | None = None,
) -> Fit:
    """Fit a method once, or ``n_models`` times with different seeds, and judge it.

    ``progress`` gives the callback for the member of a number.
    """
    if options.n_models == 1:
        rng = np.random.default_rng(options.random_state)
        callback = None if progress is None else progress(0)
        with threads(method), stage(f"fit of {name}", 0):
            members = [method.fit(task, rng=rng, device=device, progress=callback)]
        links: FittedLinks | EnsembleLinks = members[0].links
    else:
        from scregnet.links.ensemble import fit_members, join

        with threads(method):
            members = fit_members(
                method,
                task,
                options.n_models,
                random_state=options.random_state,
                device=device,
                progress=progress,
            )
        links = join(members, task, label_frequency=options.label_frequency)
    verdicts = {name: judge(links, labelled.parts, options), **nulls}
    return Fit(name, members, verdicts, labelled, options)


def warn_if_behind(method: str, fits: Mapping[str, str | None]) -> None:
    """Log one warning that names the networks, by key, that are not ahead of the null models."""
    behind = [f"{key}: {figures}" for key, figures in fits.items() if figures is not None]
    if behind:
        figures = "; ".join(behind)
        more = f" A model {LAYER!r} knows that layer too." if LAYER in figures else ""
        logger.warning(
            "fit_grn: method=%r is not clearly ahead of its null models within TFs. %s. "
            "The network may be little more than popularity: the null models know how many links "
            "TFs and targets have, and not one cell.%s Do not read its new links as specific to a "
            "TF; sr.bm.controls shows what the cells contribute.",
            *(method, figures, more),
        )


def threads(method: LinkMethod) -> Any:
    """Bound the threads of a fit; torch's only for methods that use it."""
    if not method.uses_torch:
        return one_thread_each()
    from scregnet._device import torch_threads

    # A second thread did not make a fit faster (docs/results/fit.md).
    return torch_threads(default=1)


def _history(histories: list[list[dict[str, float]]]) -> pd.DataFrame:
    """Return one row an epoch, and a column ``model`` where there are several members."""
    frame = pd.DataFrame([row for rows in histories for row in rows], columns=HISTORY_COLUMNS)
    frame = frame.astype({"epoch": np.int64, **dict.fromkeys(HISTORY_COLUMNS[1:], np.float64)})
    if len(histories) > 1:
        number = np.repeat(np.arange(len(histories)), [len(rows) for rows in histories])
        frame.insert(0, "model", number)
    return frame
