"""Calibrate and evaluate fitted links on the labelled pairs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from scregnet._anndata.split import PARTS, pairs_frame
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

METRIC_COLUMNS = ["model", "split", "metric", "value", "low", "high"]


@dataclass(frozen=True, eq=False)
class Verdict:
    """One model's calibration, its probabilities of all labelled pairs (parts one after the other) and its figures.

    ``deviations`` is the standard deviation over the members of an ensemble; rows of ``figures`` are split, metric, value, low, high.
    """

    calibration: PlattCalibration
    probabilities: np.ndarray
    deviations: np.ndarray | None
    figures: list[tuple[str, str, float, float, float]]


def judge(
    links: FittedLinks | EnsembleLinks,
    labelled: Split,
    *,
    n_bootstrap: int,
    random_state: int | None,
    label_frequency: float,
) -> Verdict:
    """Calibrate on the validation pairs, then score and evaluate validation and test pairs."""
    scores: dict[str, np.ndarray] = {}
    deviations: list[np.ndarray] = []
    for name in PARTS:
        pairs = getattr(labelled, name)
        if isinstance(links, EnsembleLinks):
            scores[name], deviation = links.score_and_sd(pairs.sources, pairs.targets)
            deviations.append(deviation)
        else:
            scores[name] = links.score(pairs.sources, pairs.targets)
    calibration = PlattCalibration.fit(
        scores["validation"], labelled.validation.labels, label_frequency=label_frequency
    )
    probabilities = {name: calibration(scores[name]) for name in PARTS}
    figures = []
    for name in ("validation", "test"):
        pairs = getattr(labelled, name)
        # Labels say what is listed, so that is what their probability can be held against.
        data = (pairs.labels, scores[name], pairs.sources, label_frequency * probabilities[name])
        low_high: dict[str, tuple[float, float]] = {}
        if n_bootstrap:
            # One seed for all models: they are compared on the same resamples.
            low_high = bootstrap(
                *data, n_bootstrap=n_bootstrap, rng=np.random.default_rng(random_state)
            )
        for metric, value in evaluate(*data).items():
            figures.append((name, metric, value, *low_high.get(metric, (np.nan, np.nan))))
    return Verdict(
        calibration,
        np.concatenate([probabilities[name] for name in PARTS]),
        np.concatenate(deviations) if deviations else None,
        figures,
    )


def judge_nulls(
    labelled: Split,
    n_genes: int,
    *,
    but: str,
    n_bootstrap: int,
    random_state: int | None,
    label_frequency: float,
) -> dict[str, Verdict]:
    """Fit and judge every null model except ``but``, the method itself."""
    task = LinkTask(n_genes, labelled.train, labelled.validation)
    verdicts = {}
    for null in null_models():
        if null != but:
            links = (
                get_method(null)
                .fit(task, rng=np.random.default_rng(random_state), device=None)
                .links
            )
            verdicts[null] = judge(
                links,
                labelled,
                n_bootstrap=n_bootstrap,
                random_state=random_state,
                label_frequency=label_frequency,
            )
    return verdicts


def frames(
    verdicts: dict[str, Verdict], labelled: Split, genes: pd.Index
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The figures of all models, and the labelled pairs with their probabilities; the method comes first, null models follow."""
    figures = [(model, *row) for model, verdict in verdicts.items() for row in verdict.figures]
    pairs = pairs_frame(labelled, genes)
    for position, (model, verdict) in enumerate(verdicts.items()):
        pairs["probability" if position == 0 else f"probability_{model}"] = verdict.probabilities
        if position == 0 and verdict.deviations is not None:
            pairs["probability_sd"] = verdict.deviations
    return pd.DataFrame(figures, columns=METRIC_COLUMNS), pairs
