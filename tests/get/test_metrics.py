"""sr.get.metrics."""

from __future__ import annotations

import pandas as pd

import scregnet as sr


def test_tidy_copy(fitted_adata):
    table = sr.get.metrics(fitted_adata)
    assert list(table.columns) == ["model", "split", "metric", "value", "low", "high"]
    pd.testing.assert_frame_equal(table, fitted_adata.uns["grn"]["metrics"])
    assert set(table["model"]) == {"scregnet", "degree"}
    table["value"] = 0.0
    assert (fitted_adata.uns["grn"]["metrics"]["value"] > 0).all()
