"""sr.pl.calibration."""

from __future__ import annotations

import numpy as np
import pytest

import scregnet as sr


def test_picture(fitted_adata):
    ax = sr.pl.calibration(fitted_adata, n_bins=5, palette="red", show=False)
    assert len(ax.patches) == 5
    assert sum(bar.get_height() for bar in ax.patches) == pytest.approx(1)
    assert ax.containers[1].lines[0].get_color() == "red"
    texts = {text.get_text() for text in ax.get_legend().get_texts()}
    assert texts == {"perfect", "share of pairs", "share that is true"}
    n_test = (fitted_adata.uns["grn"]["pairs"]["split"] == "test").sum()
    assert f"{n_test:,} pairs" in ax.get_title()


def test_points_are_those_of_the_frame(fitted_adata):
    bins = sr.get.calibration(fitted_adata, split="train", n_bins=40)
    assert (bins["n_pairs"] == 0).any()
    bins = bins[bins["n_pairs"] > 0]
    ax = sr.pl.calibration(fitted_adata, split="train", n_bins=40, show=False)
    (points,) = ax.containers[1:]
    np.testing.assert_array_equal(points.lines[0].get_xydata(), bins[["probability", "frequency"]])
    spans = np.array([segment[:, 1] for segment in points.lines[2][0].get_segments()])
    np.testing.assert_allclose(spans, bins[["low", "high"]])


def test_folds(adata, net):
    sr.tl.fit_grn(adata, net, "degree", n_folds=2, n_bootstrap=0, show_progress_bar=False)
    ax = sr.pl.calibration(adata, split="folds", show=False)
    n = len(adata.uns["grn"]["pairs"])
    assert ax.get_title() == f"Calibration out of fold ({n:,} pairs)"
    bins = sr.get.calibration(adata, split="folds").query("n_pairs > 0")
    points = ax.containers[1].lines[0].get_xydata()
    np.testing.assert_array_equal(points, bins[["probability", "frequency"]])


def test_no_pairs(fitted_adata):
    pairs = fitted_adata.uns["grn"]["pairs"]
    fitted_adata.uns["grn"]["pairs"] = pairs[pairs["split"] != "test"]
    with pytest.raises(ValueError, match="split='test' has no labelled pairs"):
        sr.pl.calibration(fitted_adata)
