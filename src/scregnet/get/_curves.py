"""ROC and precision-recall curves of a fitted network and its null models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from scregnet._anndata.access import resolve
from scregnet._anndata.slots import labelled, nulls, read_groups, stands_for
from scregnet._docs import doc
from scregnet._genes.frames import PARTS
from scregnet._validate import check_choice
from scregnet.metrics import auprc, auroc

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData


@doc
def curves(
    adata: AnnData | MuData,
    *,
    key: str = "grn",
    group: str | None = None,
    split: Literal["train", "validation", "test"] = "test",
    mod: str = "rna",
) -> pd.DataFrame:
    """Return the ROC and the precision-recall curve of a fitted network and of its null models.

    Parameters
    ----------
    %(adata)s
    %(key)s
    %(groups)s
    %(split)s
    %(mod)s

    Returns
    -------
    Tidy frame with one row per point of a curve, along each curve from high to low thresholds:

    - ``model``: the method of the fit first, then the null models;
    - ``curve``: ``"roc"`` or ``"precision_recall"``;
    - ``x``: false positive rate of ``"roc"``, recall of ``"precision_recall"``;
    - ``y``: true positive rate of ``"roc"``, precision of ``"precision_recall"``;
    - ``threshold``: lowest probability of the pairs counted as edges, infinite for no pairs;
    - ``area``: AUROC or AUPRC (average precision), the same in all rows of a curve.

    Raises
    ------
    KeyError
        There is no fitted network named ``key``, or no such ``group``.
    ValueError
        The split has no labelled pairs, or pairs of one label only.

    Examples
    --------
    >>> import scregnet as sr
    >>> adata = sr.datasets.simulated(n_obs=200, n_vars=100)
    >>> sr.tl.fit_grn(adata, adata.uns["network"], method="degree")
    >>> table = sr.get.curves(adata)
    >>> precise = table.query("curve == 'precision_recall' and model == 'degree' and y >= 0.5")
    """
    check_choice("split", split, PARTS)
    data = resolve(adata, mod)
    return read_groups(data, key, group, lambda member: _curves(labelled(data, member), split))


def _curves(results: Mapping[str, Any], split: str) -> pd.DataFrame:
    pairs, method = results["pairs"], str(results["params"]["method"])
    part = pairs[pairs["split"] == split]
    label = part["label"].to_numpy() == 1
    if not 0 < label.sum() < len(label):
        msg = (
            f"split={split!r} has {label.sum()} positive and {(~label).sum()} negative pairs; "
            f"ROC and precision-recall curves need both."
        )
        raise ValueError(msg)
    # A null model that is the method itself has no column of its own.
    columns = {method: "probability"} | {name: f"probability_{name}" for name in nulls(pairs)}
    weights = stands_for(part)
    frames = [
        curve
        for model, column in columns.items()
        for curve in _curves_of(model, label, part[column].to_numpy(), weights)
    ]
    return pd.concat(frames, ignore_index=True)


def _curves_of(
    model: str, label: np.ndarray, score: np.ndarray, weights: np.ndarray | None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    from sklearn.metrics import precision_recall_curve, roc_curve

    false_positive_rate, true_positive_rate, thresholds = roc_curve(
        label, score, sample_weight=weights
    )
    roc = pd.DataFrame(
        {
            "model": model,
            "curve": "roc",
            "x": false_positive_rate,
            "y": true_positive_rate,
            "threshold": thresholds,
            "area": auroc(label, score, weights),
        }
    )
    # Reversed, from recall 0 upwards: the area under the steps is then the average precision.
    # scikit-learn gives the point at recall 0 no threshold.
    precision, recall, thresholds = precision_recall_curve(label, score, sample_weight=weights)
    precision_recall = pd.DataFrame(
        {
            "model": model,
            "curve": "precision_recall",
            "x": recall[::-1],
            "y": precision[::-1],
            "threshold": np.append(thresholds, np.inf)[::-1],
            "area": auprc(label, score, weights),
        }
    )
    return roc, precision_recall
