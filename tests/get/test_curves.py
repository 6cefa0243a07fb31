"""sr.get.curves."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import scregnet as sr


def test_curves_by_hand(fitted_adata):
    fitted_adata.uns["grn"]["pairs"] = pd.DataFrame(
        {
            "label": [1, 0, 1, 0, 1],
            "split": ["test"] * 4 + ["train"],
            "probability": [0.9, 0.8, 0.4, 0.1, 0.0],
        }
    )
    table = sr.get.curves(fitted_adata)
    assert list(table.columns) == ["model", "curve", "x", "y", "threshold", "area"]
    assert table["model"].unique().tolist() == ["scregnet"]
    roc = table[table["curve"] == "roc"]
    assert roc["x"].tolist() == [0, 0, 0.5, 0.5, 1]
    assert roc["y"].tolist() == [0, 0.5, 0.5, 1, 1]
    assert roc["threshold"].tolist() == [np.inf, 0.9, 0.8, 0.4, 0.1]
    assert set(roc["area"]) == {0.75}
    precision_recall = table[table["curve"] == "precision_recall"]
    assert precision_recall["x"].tolist() == [0, 0.5, 0.5, 1, 1]
    assert precision_recall["y"].tolist() == pytest.approx([1, 1, 1 / 2, 2 / 3, 1 / 2])
    assert precision_recall["threshold"].tolist() == [np.inf, 0.9, 0.8, 0.4, 0.1]
    # Steps of 0.5 in recall, at precision 1 and 2/3.
    assert precision_recall["area"].unique().tolist() == pytest.approx([0.5 * 1 + 0.5 * 2 / 3])


@pytest.mark.parametrize("split", ["validation", "test"])
def test_areas_are_those_of_the_metrics(fitted_adata, split):
    figures = sr.get.metrics(fitted_adata).query("split == @split")
    figures = figures.set_index(["model", "metric"])["value"]
    areas = sr.get.curves(fitted_adata, split=split).groupby(["model", "curve"])["area"].first()
    for model in ("scregnet", "degree"):
        assert areas[model, "roc"] == pytest.approx(figures[model, "auroc"])
        assert areas[model, "precision_recall"] == pytest.approx(figures[model, "auprc"])


def test_a_threshold_gives_its_point(fitted_adata):
    part = fitted_adata.uns["grn"]["pairs"].query("split == 'test'")
    curves = sr.get.curves(fitted_adata).query("model == 'degree'")
    for name in ("roc", "precision_recall"):
        point = curves[curves["curve"] == name].iloc[20]
        chosen = part["probability_degree"] >= point["threshold"]
        recall = part.loc[chosen, "label"].sum() / part["label"].sum()
        assert point["x" if name == "precision_recall" else "y"] == pytest.approx(recall)
        if name == "precision_recall":
            assert point["y"] == pytest.approx(part.loc[chosen, "label"].mean())


def test_what_is_wrong_is_said(fitted_adata):
    with pytest.raises(ValueError, match="split='tset' is not known.*Did you mean 'test'"):
        sr.get.curves(fitted_adata, split="tset")
    pairs = fitted_adata.uns["grn"]["pairs"]
    pairs.loc[pairs["split"] == "test", "label"] = 1
    with pytest.raises(ValueError, match="split='test' has .* positive and 0 negative pairs"):
        sr.get.curves(fitted_adata)
