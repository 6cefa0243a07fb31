"""sr.pl.calibration."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import scregnet as sr
from scregnet.pl._calibration import _bins


def test_bins_by_hand():
    pairs = pd.DataFrame(
        {
            "label": [0, 0, 1, 1, 1, 0],
            "split": ["test"] * 5 + ["train"],
            "probability": np.array([0.1, 0.2, 0.4, 0.9, 1.0, 0.9], dtype=np.float32),
        }
    )
    bins = _bins(pairs, "test", 2)
    assert bins["n"].tolist() == [3, 2]
    assert bins["mean"].tolist() == pytest.approx([0.7 / 3, 0.95])
    assert bins["true"].tolist() == pytest.approx([1 / 3, 1.0])
    # Wilson's interval of 1 of 3 and of 2 of 2.
    assert bins["lower"].tolist() == pytest.approx([0.0615, 0.3424], abs=1e-4)
    assert bins["upper"].tolist() == pytest.approx([0.7923, 1.0], abs=1e-4)


def test_calibrated_probabilities_lie_on_the_diagonal():
    rng = np.random.default_rng(0)
    probability = rng.random(20_000)
    pairs = pd.DataFrame(
        {"label": rng.random(20_000) < probability, "split": "test", "probability": probability}
    )
    bins = _bins(pairs, "test", 10)
    assert np.abs(bins["true"] - bins["mean"]).max() < 0.03
    assert ((bins["lower"] < bins["mean"]) & (bins["mean"] < bins["upper"])).mean() >= 0.8


def test_picture(fitted_adata):
    ax = sr.pl.calibration(fitted_adata, n_bins=5, color="red", show=False)
    assert len(ax.patches) == 5
    assert sum(bar.get_height() for bar in ax.patches) == pytest.approx(1)
    texts = {text.get_text() for text in ax.get_legend().get_texts()}
    assert texts == {"perfect", "share of pairs", "share that is true"}
    n_test = (fitted_adata.uns["grn"]["pairs"]["split"] == "test").sum()
    assert f"{n_test:,} pairs" in ax.get_title()


def test_no_pairs(fitted_adata):
    pairs = fitted_adata.uns["grn"]["pairs"]
    fitted_adata.uns["grn"]["pairs"] = pairs[pairs["split"] != "test"]
    with pytest.raises(ValueError, match="split='test' has no labelled pairs"):
        sr.pl.calibration(fitted_adata)
