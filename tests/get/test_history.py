"""sr.get.history."""

from __future__ import annotations

import logging

import numpy as np
import pandas as pd

import scregnet as sr


def test_epochs_and_the_kept_one(fitted_adata):
    table = sr.get.history(fitted_adata)
    stored = fitted_adata.uns["grn"]["history"]
    pd.testing.assert_frame_equal(table.drop(columns="kept"), stored)
    assert table.loc[table["kept"], "epoch"].tolist() == [23]
    table["train_loss"] = 0.0
    assert (stored["train_loss"] > 0).all()


def test_no_epoch_may_be_kept(fitted_adata):
    fitted_adata.uns["grn"]["params"]["best_epoch"] = -1
    assert not sr.get.history(fitted_adata)["kept"].any()


def test_every_member_of_an_ensemble_has_its_own(fitted_adata):
    results = fitted_adata.uns["grn"]
    one = results["history"]
    results["history"] = pd.concat([one.assign(model=number) for number in (0, 1)])
    results["params"]["best_epoch"] = np.array([3, 30])
    table = sr.get.history(fitted_adata)
    assert table.loc[table["kept"], ["model", "epoch"]].to_numpy().tolist() == [[0, 3], [1, 30]]
    assert table.index.tolist() == list(range(2 * len(one)))


def test_a_method_without_epochs_has_an_empty_frame(fitted_adata, caplog):
    caplog.set_level(logging.INFO, "scregnet")
    results = fitted_adata.uns["grn"]
    results["history"] = results["history"].iloc[:0]
    results["params"]["best_epoch"] = -1
    table = sr.get.history(fitted_adata)
    method = results["params"]["method"]
    assert caplog.messages == [f"Method {method!r} is not trained in epochs: there is no history."]
    assert table.empty
    assert table.columns[-1] == "kept"
    # An ensemble of such fits.
    results["history"] = results["history"].assign(model=np.zeros(0, int))
    results["params"]["best_epoch"] = np.array([-1, -1])
    assert sr.get.history(fitted_adata).empty
