"""Calibrate and evaluate a fitted method beside the null models."""

from __future__ import annotations

import numpy as np
import pandas as pd

from scregnet._split import PARTS, pairs_frame
from scregnet.links import NULL_MODELS, FittedLinks, LinkTask, PlattCalibration, Split, get_method
from scregnet.metrics import evaluate


def evaluate_links(
    name: str, links: FittedLinks, task: LinkTask, labelled: Split, genes: pd.Index
) -> tuple[pd.DataFrame, pd.DataFrame, PlattCalibration]:
    """Calibrate the method and the null models on validation pairs and evaluate them on validation and test pairs.

    Returns
    -------
    The frame of figures, the frame of labelled pairs with every model's probabilities, and the method's calibration.
    """
    models: dict[str, FittedLinks] = {name: links}
    for null in NULL_MODELS:
        if null != name:
            models[null] = get_method(null).fit(task, rng=np.random.default_rng(0), device=None).links
    pairs = pairs_frame(labelled, genes)
    calibrations, rows = {}, []
    for model, fitted in models.items():
        check = labelled.validation
        calibration = PlattCalibration.fit(fitted.score(check.sources, check.targets), check.labels)
        calibrations[model] = calibration
        column = "probability" if model == name else f"probability_{model}"
        pairs[column] = np.concatenate(
            [calibration(fitted.score(part.sources, part.targets)) for part in (getattr(labelled, p) for p in PARTS)]
        )
        for part in ("validation", "test"):
            chosen = getattr(labelled, part)
            figures = evaluate(chosen.labels, fitted.score(chosen.sources, chosen.targets), chosen.sources)
            rows += [(model, part, metric, value) for metric, value in figures.items()]
    return pd.DataFrame(rows, columns=["model", "split", "metric", "value"]), pairs, calibrations[name]
