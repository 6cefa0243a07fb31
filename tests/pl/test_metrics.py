"""sr.pl.metrics."""

from __future__ import annotations

import numpy as np
import pytest

import scregnet as sr
from fitted_by_hand import build_fitted


def _texts(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


@pytest.mark.parametrize("split", ["validation", "test"])
def test_legends_agree_with_the_metrics(fitted_adata, split):
    table = sr.get.metrics(fitted_adata)
    value = table[table["split"] == split].set_index(["model", "metric"])["value"]
    roc, precision_recall = sr.pl.metrics(fitted_adata, split=split, show=False)
    assert _texts(roc) == [
        f"scregnet, AUROC {value['scregnet', 'auroc']:.3f}",
        f"degree, AUROC {value['degree', 'auroc']:.3f}",
        "chance, AUROC 0.500",
    ]
    assert _texts(precision_recall) == [
        f"scregnet, AUPRC {value['scregnet', 'auprc']:.3f}",
        f"degree, AUPRC {value['degree', 'auprc']:.3f}",
        f"prevalence {value['scregnet', 'prevalence']:.3f}",
    ]


def test_areas_under_the_drawn_curves(fitted_adata):
    roc, precision_recall = sr.pl.metrics(fitted_adata, show=False)
    lines = {line.get_label(): line.get_xydata() for line in roc.lines}
    for label, points in lines.items():
        assert np.trapezoid(points[:, 1], points[:, 0]) == pytest.approx(
            float(label.split()[-1]), abs=6e-4
        )
    for line in precision_recall.lines:
        points = line.get_xydata()
        if line.get_drawstyle() == "steps-post":
            # Average precision takes the height of the right end of each step.
            area = (np.diff(points[:, 0]) * points[1:, 1]).sum()
            assert area == pytest.approx(float(line.get_label().split()[-1]), abs=6e-4)
        else:
            part = fitted_adata.uns["grn"]["pairs"].query("split == 'test'")
            np.testing.assert_allclose(points[:, 1], part["label"].mean())


def test_a_null_model_alone():
    roc, _ = sr.pl.metrics(build_fitted(method="degree"), show=False)
    assert [text.split(",")[0] for text in _texts(roc)] == ["degree", "chance"]


def test_colours(fitted_adata):
    roc, _ = sr.pl.metrics(fitted_adata, palette=["black", "red"], show=False)
    assert {line.get_label().split(",")[0]: line.get_color() for line in roc.lines} == {
        "scregnet": "black",
        "degree": "red",
        "chance": "0.5",
    }
    with pytest.raises(
        ValueError, match="palette has 1 colours, but there are 2 models: scregnet, degree"
    ):
        sr.pl.metrics(fitted_adata, palette=["black"])


def test_wrong_split(fitted_adata):
    with pytest.raises(ValueError, match="split='tset' is not known.*Did you mean 'test'"):
        sr.pl.metrics(fitted_adata, split="tset")
    pairs = fitted_adata.uns["grn"]["pairs"]
    pairs.loc[pairs["split"] == "test", "label"] = 1
    with pytest.raises(ValueError, match="split='test' has .* positive and 0 negative pairs"):
        sr.pl.metrics(fitted_adata)
