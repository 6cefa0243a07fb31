"""sr.get.calibration."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import scregnet as sr


def _with_pairs(adata, probability, label, split="test"):
    adata.uns["grn"]["pairs"] = pd.DataFrame(
        {"label": label, "split": split, "probability": probability}
    )
    return adata


def test_bins_by_hand(fitted_adata):
    probability = np.array([0.1, 0.2, 0.4, 0.9, 1.0, 0.9], dtype=np.float32)
    split = ["test"] * 5 + ["train"]
    adata = _with_pairs(fitted_adata, probability, [0, 0, 1, 1, 1, 0], split)
    bins = sr.get.calibration(adata, n_bins=2)
    names = ["left", "right", "n_pairs", "probability", "frequency", "low", "high"]
    assert list(bins.columns) == names
    assert bins[["left", "right"]].to_numpy().tolist() == [[0, 0.5], [0.5, 1]]
    assert bins["n_pairs"].tolist() == [3, 2]
    assert bins["probability"].tolist() == pytest.approx([0.7 / 3, 0.95])
    assert bins["frequency"].tolist() == pytest.approx([1 / 3, 1.0])
    # Wilson's interval of 1 of 3 and of 2 of 2.
    assert bins["low"].tolist() == pytest.approx([0.0615, 0.3424], abs=1e-4)
    assert bins["high"].tolist() == pytest.approx([0.7923, 1.0], abs=1e-4)
    assert sr.get.calibration(adata, split="train", n_bins=2)["n_pairs"].tolist() == [0, 1]


def test_an_empty_bin_has_no_figures(fitted_adata):
    bins = sr.get.calibration(_with_pairs(fitted_adata, [0.1, 0.9], [0, 1]), n_bins=3)
    assert bins["n_pairs"].tolist() == [1, 0, 1]
    assert bins.loc[1, ["probability", "frequency", "low", "high"]].isna().all()
    assert bins.drop(index=1).notna().all(axis=None)


def test_calibrated_probabilities_lie_on_the_diagonal(fitted_adata):
    rng = np.random.default_rng(0)
    probability = rng.random(20_000)
    adata = _with_pairs(fitted_adata, probability, rng.random(20_000) < probability)
    bins = sr.get.calibration(adata)
    assert np.abs(bins["frequency"] - bins["probability"]).max() < 0.03
    inside = (bins["low"] < bins["probability"]) & (bins["probability"] < bins["high"])
    assert inside.mean() >= 0.8


def test_label_frequency_gives_the_probability_of_being_listed(fitted_adata):
    adata = _with_pairs(fitted_adata, [0.2, 0.8, 0.9], [0, 0, 1])
    adata.uns["grn"]["params"]["label_frequency"] = 0.5
    bins = sr.get.calibration(adata, n_bins=2)
    assert bins["n_pairs"].tolist() == [3, 0]
    assert bins["probability"].iloc[0] == pytest.approx(0.5 * 1.9 / 3)


def test_folds_are_all_labelled_pairs_out_of_fold(adata, net):
    sr.tl.fit_grn(adata, net, "degree", n_folds=2, n_bootstrap=0, show_progress_bar=False)
    pairs = adata.uns["grn"]["pairs"]
    bins = sr.get.calibration(adata, split="folds", n_bins=5)
    wanted = sr.get.calibration(
        _with_pairs(adata.copy(), pairs["out_of_fold"], pairs["label"]), n_bins=5
    )
    pd.testing.assert_frame_equal(bins, wanted)
    assert bins["n_pairs"].sum() == len(pairs)
    # Their weighted gap is the calibration error of the metrics, of as many bins.
    fine = sr.get.calibration(adata, split="folds", n_bins=15)
    gaps = (fine["n_pairs"] * (fine["probability"] - fine["frequency"]).abs()).sum()
    table = sr.get.metrics(adata, split="folds", wide=True)
    assert gaps / len(pairs) == pytest.approx(table.loc["degree", "ece"], abs=1e-6)


def test_a_fit_without_folds_has_none(fitted_adata):
    with pytest.raises(ValueError, match="split='folds': the network was fitted without folds"):
        sr.get.calibration(fitted_adata, split="folds")


def test_what_is_wrong_is_said(fitted_adata):
    with pytest.raises(ValueError, match="split='tset' is not known.*Did you mean 'test'"):
        sr.get.calibration(fitted_adata, split="tset")
    with pytest.raises(ValueError, match="n_bins must be at least 2, got 1"):
        sr.get.calibration(fitted_adata, n_bins=1)
    pairs = fitted_adata.uns["grn"]["pairs"]
    fitted_adata.uns["grn"]["pairs"] = pairs[pairs["split"] != "test"]
    with pytest.raises(ValueError, match="split='test' has no labelled pairs"):
        sr.get.calibration(fitted_adata)


def test_pairs_that_stand_for_others_count_for_them(fitted_adata):
    pairs = pd.DataFrame(
        {
            "label": [1, 0, 0, 1],
            "split": "test",
            "probability": np.array([0.2, 0.2, 0.4, 0.9], np.float32),
            "stands_for": np.array([1, 9, 9, 1], np.float32),
        }
    )
    fitted_adata.uns["grn"]["pairs"] = pairs
    bins = sr.get.calibration(fitted_adata, n_bins=2)
    assert bins["n_pairs"].tolist() == [3, 1]
    assert bins["frequency"].tolist() == pytest.approx([1 / 19, 1])
    assert bins["probability"].tolist() == pytest.approx([(0.2 * 10 + 0.4 * 9) / 19, 0.9])
    # Three pairs, of which two count for nearly all, are as sure as 2.2 of equal weight.
    assert bins.loc[0, "high"] > 0.5
