"""sr.get.metrics."""

from __future__ import annotations

import pandas as pd
import pytest

import scregnet as sr
from scregnet.tl._fit.verdict import METRIC_COLUMNS


def test_tidy_copy(fitted_adata):
    table = sr.get.metrics(fitted_adata)
    assert list(table.columns) == METRIC_COLUMNS
    pd.testing.assert_frame_equal(table, fitted_adata.uns["grn"]["metrics"])
    assert set(table["model"]) == {"scregnet", "degree"}
    table["value"] = 0.0
    assert (fitted_adata.uns["grn"]["metrics"]["value"] > 0).all()


def test_one_split(fitted_adata):
    table = sr.get.metrics(fitted_adata)
    test = sr.get.metrics(fitted_adata, split="test")
    pd.testing.assert_frame_equal(test, table[table["split"] == "test"].reset_index(drop=True))
    with pytest.raises(ValueError, match="split='tset' is not known.*Did you mean 'test'"):
        sr.get.metrics(fitted_adata, split="tset")
    with pytest.raises(ValueError, match="split='folds' is not known.*'validation', 'test'"):
        sr.get.metrics(fitted_adata, split="folds")


def test_one_row_a_model(fitted_adata):
    wide = sr.get.metrics(fitted_adata, split="test", wide=True)
    assert list(wide.index) == ["scregnet", "degree"]
    assert list(wide.columns) == ["auroc", "auprc", "prevalence"]
    values = sr.get.metrics(fitted_adata, split="test").set_index(["model", "metric"])["value"]
    for model, row in wide.iterrows():
        for metric, value in row.items():
            assert value == values[model, metric]
    # No names of the axes: they would be printed above the models.
    assert wide.to_string().splitlines()[0].split() == ["auroc", "auprc", "prevalence"]


def test_splits_and_groups_are_levels_of_the_wide_index(fitted_adata, grouped_adata):
    wide = sr.get.metrics(fitted_adata, wide=True)
    assert list(wide.index) == [
        (split, model) for split in ("validation", "test") for model in ("scregnet", "degree")
    ]
    wide = sr.get.metrics(grouped_adata, split="test", wide=True)
    assert list(wide.index.names) == ["group", "model"]
    assert list(wide.index) == [
        (group, model) for group in ("B", "CD4+/T") for model in ("scregnet", "degree")
    ]
    one = sr.get.metrics(grouped_adata, group="CD4+/T", split="test", wide=True)
    pd.testing.assert_frame_equal(wide.loc["CD4+/T"], one, check_names=False)
