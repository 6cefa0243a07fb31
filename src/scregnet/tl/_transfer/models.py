"""The model that is transferred and what it is read against, judged on data sets with labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from scregnet._progress import stage
from scregnet.links.transfer.columns import COVERAGE, TransferColumns
from scregnet.links.transfer.elsewhere import calibrate_elsewhere
from scregnet.links.transfer.links import TransferLinks
from scregnet.links.transfer.weights import calibrate, learned_weights, scores_of, unit_weights
from scregnet.tl._fit.network import Calibrated
from scregnet.tl._fit.verdict import METRIC_COLUMNS, Verdict, figures_of, metric_rows
from scregnet.tl._transfer.labelled import LabelledSet

if TYPE_CHECKING:
    from scregnet.links import PlattCalibration
    from scregnet.tl._fit.task import FitOptions

ZSUM = ("popularity", "track")
NULL = "popularity"
BASELINES = {NULL: (NULL,), "detection": ("detection",), COVERAGE: (COVERAGE,)}
"""Columns that are added, with weight 1, by what the method is read against."""


class Model(NamedTuple):
    """Weights of the columns, and what makes probabilities of the scores."""

    weights: np.ndarray
    calibration: PlattCalibration

    def links(self, columns: TransferColumns) -> TransferLinks:
        """Return what scores the pairs of a data set."""
        return TransferLinks(columns, self.weights)


Learn = Callable[[Sequence[LabelledSet]], Model]
"""Makes a model of some data sets with labels."""


@dataclass(frozen=True, eq=False)
class Transferred:
    """The model of a new cell type, and the figures on the data sets with labels."""

    method: str
    columns: TransferColumns
    model: Model
    null: Model
    metrics: pd.DataFrame

    def calibrated(self) -> tuple[Calibrated, Calibrated]:
        """Return what scores the pairs of the new cell type: the model, and popularity alone."""
        model, null = (
            Calibrated(one.links(self.columns), one.calibration) for one in (self.model, self.null)
        )
        return model, null

    def weights(self, keys: Sequence[str]) -> pd.DataFrame:
        """Return the weight of each column."""
        places = self.columns.places
        return pd.DataFrame(
            {
                "layer": ["" if place.layer is None else keys[place.layer] for place in places],
                "column": [place.name for place in places],
                "weight": self.model.weights.astype(np.float64),
            }
        )


def transferred(
    method: str,
    columns: TransferColumns,
    n_experiments: list[np.ndarray],
    labelled: Sequence[LabelledSet],
    options: FitOptions,
) -> Transferred:
    """Weigh the columns, calibrate, and judge on each data set with labels."""

    def adding(names: Sequence[str]) -> Learn:
        weights = unit_weights(len(columns.layers), names)

        def learn(sets: Sequence[LabelledSet]) -> Model:
            if sets:
                return Model(weights, _calibrated(weights, sets))
            # Without labels, the layers themselves tell how far they are to be believed.
            return Model(weights, calibrate_elsewhere(columns, weights, n_experiments))

        return learn

    learn = _learned if method == "fitted" else adding(ZSUM)
    baselines = {name: adding(names) for name, names in BASELINES.items()}
    with stage("weights and calibration"):
        model, null = learn(labelled), baselines[NULL](labelled)
    rows = []
    if labelled and not (method == "fitted" and len(labelled) == 1):
        with stage("judging on data sets with labels"):
            verdicts = {
                name: _verdict(one, labelled, options)
                for name, one in {method: learn, **baselines}.items()
            }
        rows = metric_rows(verdicts, method)
    metrics = pd.DataFrame(rows, columns=METRIC_COLUMNS)
    # Missing names need a categorical: h5ad has no other form for them.
    names = pd.Categorical(metrics["best_null"], categories=list(BASELINES))
    return Transferred(method, columns, model, null, metrics.assign(best_null=names))


def _calibrated(weights: np.ndarray, sets: Sequence[LabelledSet]) -> PlattCalibration:
    scores = [scores_of(weights, one.data) for one in sets]
    return calibrate(scores, [one.pairs for one in sets])


def _learned(sets: Sequence[LabelledSet]) -> Model:
    """Learn weights. Scores of a data set by weights of the others calibrate them."""
    weights = learned_weights([one.data for one in sets])
    scores = []
    for held_out in sets:
        others = [one.data for one in sets if one is not held_out]
        own = learned_weights(others) if others else weights
        scores.append(scores_of(own, held_out.data))
    return Model(weights, calibrate(scores, [one.pairs for one in sets]))


def _verdict(learn: Learn, sets: Sequence[LabelledSet], options: FitOptions) -> Verdict:
    """Return the figures on each data set, of a model that was made without it."""
    figures, probabilities = [], []
    for held_out in sets:
        model = learn([one for one in sets if one is not held_out])
        scores = scores_of(model.weights, held_out.data)
        probabilities.append(model.calibration(scores))
        figures += figures_of(held_out.name, held_out.pairs, scores, probabilities[-1], options)
    links = model.links(sets[-1].columns)
    return Verdict(links, model.calibration, np.concatenate(probabilities), None, figures)
