"""Signs of a fitted network: known ones as they are, others where they can be told."""

import logging

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import scregnet as sr
from scregnet.links.signs.predict import LEAST_EVIDENCE

QUICK = {"n_folds": 1, "n_bootstrap": 0, "show_progress_bar": False}
JOINT = {**QUICK, "n_trees": 0, "n_forest_trees": 0}


@pytest.fixture(scope="module")
def cells():
    return sr.datasets.simulated(n_obs=400, n_vars=150, random_state=1)


@pytest.fixture(scope="module")
def fit(cells):
    return sr.tl.fit_grn(cells, cells.uns["network"], copy=True, **JOINT)


def signs_of(data, frame, key="grn"):
    rows, columns = (data.var_names.get_indexer(frame[role]) for role in ("source", "target"))
    return np.asarray(data.varp[f"{key}_sign"][rows, columns]).ravel()


def test_signs_lie_where_the_links_lie(fit):
    network, signs = fit.varp["grn"], fit.varp["grn_sign"]
    assert isinstance(signs, sp.csr_matrix)
    assert signs.dtype == np.float32
    np.testing.assert_array_equal(signs.indices, network.indices)
    np.testing.assert_array_equal(signs.indptr, network.indptr)
    assert not np.shares_memory(signs.indices, network.indices)


def test_known_signs_are_as_the_prior_has_them(cells, fit):
    net = cells.uns["network"]
    np.testing.assert_array_equal(signs_of(fit, net), np.sign(net["weight"]))
    assert int((np.abs(fit.varp["grn_sign"].data) == 1).sum()) == len(net)


def test_signs_of_hidden_edges_are_found(cells):
    net = cells.uns["network"]
    hidden = np.arange(len(net)) % 3 == 0
    part = sr.tl.fit_grn(cells, net[~hidden], "joint", copy=True, **JOINT)
    found = signs_of(part, net[hidden])
    told = np.isfinite(found)
    represses = net["weight"].to_numpy()[hidden] < 0
    assert told.mean() > 0.6
    assert found[told & ~represses].mean() - found[told & represses].mean() > 0.6
    record = part.uns["grn"]["signs"]
    assert record["params"]["model"] == "expression"
    assert record["params"]["n_edges"] == (~hidden).sum()
    table = record["metrics"].set_index(["held_out", "model", "metric"])["value"]
    assert table["edges", "expression", "auroc"] > 0.75 > table["edges", "usual_sign", "auroc"]
    assert table["edges", "expression", "log_loss_gain_low"] > 0
    assert table["edges", "base", "auroc"] == 0.5


def test_the_record_says_what_was_known_and_what_predicts(cells, fit):
    net = cells.uns["network"]
    record = fit.uns["grn"]["signs"]
    n_told = int(np.isfinite(fit.varp["grn_sign"].data).sum())
    assert record["params"] == {
        "model": "expression",
        "model_other_tfs": "expression",
        "n_edges": len(net),
        "n_repressing": int((net["weight"] < 0).sum()),
        "n_outside": 0,
        "n_tfs": net["source"].nunique(),
        "n_links": n_told,
    }
    assert set(record["metrics"]["model"]) == {"expression", "labels", "usual_sign", "base"}
    pairs = record["pairs"]
    assert list(pairs) == ["source", "target", "sign", "expression", "labels", "usual_sign"]
    merged = pairs.astype({"source": str, "target": str}).merge(net, on=["source", "target"])
    assert len(merged) == len(net)
    np.testing.assert_array_equal(merged["sign"], np.sign(merged["weight"]))
    # The metrics are those of the pairs.
    p = np.where(pairs["sign"] > 0, pairs["expression"], 1 - pairs["expression"]).astype(float)
    table = record["metrics"].set_index(["held_out", "model", "metric"])["value"]
    assert table["edges", "expression", "log_loss"] == pytest.approx(-np.log(p).mean(), rel=1e-4)


def test_predicted_signs_are_probabilities_of_activating(fit):
    values = fit.varp["grn_sign"].data
    predicted = values[np.isfinite(values) & (np.abs(values) < 1)].astype(float)
    share = 1 - fit.uns["grn"]["signs"]["params"]["n_repressing"] / len(
        fit.uns["grn"]["signs"]["pairs"]
    )
    evidence = np.log((1 + predicted) / (1 - predicted)) - np.log(share / (1 - share))
    assert np.abs(evidence).min() >= LEAST_EVIDENCE - 1e-3
    assert (predicted < 0).any()
    assert (predicted > 0).any()


@pytest.mark.parametrize("n_folds", [1, 3])
def test_signs_change_no_probability(cells, n_folds):
    net = cells.uns["network"]
    signed = sr.tl.fit_grn(cells, net, "degree", copy=True, **(QUICK | {"n_folds": n_folds}))
    plain = sr.tl.fit_grn(
        cells, net.assign(weight=1), "degree", copy=True, **(QUICK | {"n_folds": n_folds})
    )
    np.testing.assert_array_equal(signed.varp["grn"].data, plain.varp["grn"].data)
    pd.testing.assert_frame_equal(signed.uns["grn"]["pairs"], plain.uns["grn"]["pairs"])
    assert "grn_sign" in signed.varp
    assert "grn_sign" not in plain.varp
    assert "signs" not in plain.uns["grn"]


def test_signs_of_an_earlier_fit_are_removed(cells):
    net = cells.uns["network"]
    data = cells.copy()
    data.varp["other_sign"] = data.varp["network"]
    sr.tl.fit_grn(data, net, "degree", **QUICK)
    sr.tl.fit_grn(data, net, "degree", key_added="mine", **QUICK)
    sr.tl.fit_grn(data, net.assign(weight=1), "degree", **QUICK)
    assert set(data.varp) == {"network", "other_sign", "grn", "mine", "mine_sign"}


def test_a_method_without_expression_has_signs_too(cells):
    # TF001 and TF002 repress all their targets.
    net = cells.uns["network"]
    sign = np.where(net["source"].isin(["TF001", "TF002", "TF003"]), -1, 1)
    data = sr.tl.fit_grn(cells, net.assign(weight=sign), "degree", copy=True, **QUICK)
    record = data.uns["grn"]["signs"]
    assert record["params"]["model"] in ("labels", "usual_sign")
    assert record["params"]["model_other_tfs"] == "none"
    assert "expression" not in set(record["metrics"]["model"])
    values = data.varp["grn_sign"]
    assert (values[0].data < 0).mean() > 0.9
    rest = [data.var_names.get_loc(tf) for tf in net["source"].unique()[5:]]
    assert np.nanmin(values[rest].data) > 0


def test_few_signed_edges_give_the_known_signs_only(cells):
    net = cells.uns["network"].copy()
    net["sign"] = 0
    net.loc[net.index[:12], "sign"] = [1, -1] * 6
    data = sr.tl.fit_grn(cells, net, "degree", copy=True, **QUICK)
    values = data.varp["grn_sign"].data
    assert sorted(values[np.isfinite(values)]) == [-1] * 6 + [1] * 6
    record = data.uns["grn"]["signs"]
    assert record["params"]["model"] == record["params"]["model_other_tfs"] == "none"
    assert record["metrics"].empty
    assert list(record["pairs"]) == ["source", "target", "sign"]


def test_edges_of_unknown_sign_are_predicted(cells):
    net = cells.uns["network"]
    unknown = np.arange(len(net)) % 4 == 0
    words = np.where(net["weight"] > 0, "Activation", "Repression")
    rows = net[["source", "target"]].assign(mode=np.where(unknown, "Unknown", words))
    data = cells.copy()
    sr.pp.prior(data, rows)
    sr.tl.fit_grn(data, method="joint", **JOINT)
    found = signs_of(data, net)
    np.testing.assert_array_equal(found[~unknown], np.sign(net["weight"])[~unknown])
    assert not (np.abs(found[unknown]) == 1).any()
    assert np.isfinite(found[unknown]).mean() > 0.6
    # All of them are edges, whatever their sign.
    pairs = data.uns["grn"]["pairs"]
    assert pairs["label"].sum() + len(data.uns["grn"]["left_out"]) == len(net)


def test_only_links_that_are_written_have_a_sign(cells):
    data = sr.tl.fit_grn(cells, cells.uns["network"], "degree", top_n_targets=5, copy=True, **QUICK)
    assert data.varp["grn_sign"].nnz == data.varp["grn"].nnz
    assert np.diff(data.varp["grn_sign"].indptr).max() == 5


def test_groups_have_signs_of_their_own_and_files_keep_them(cells, tmp_path, same_frames):
    data = cells[cells.obs["cell_type"].isin(["type_1", "type_2"])].copy()
    sr.tl.fit_grn(data, data.uns["network"], "joint", groupby="cell_type", **JOINT)
    data.write_h5ad(tmp_path / "cells.h5ad")
    read = ad.read_h5ad(tmp_path / "cells.h5ad")
    one, two = (read.uns[f"grn_{kind}"]["signs"] for kind in ("type_1", "type_2"))
    same_frames(one["metrics"], data.uns["grn_type_1"]["signs"]["metrics"])
    # The same edges and folds; the cells are those of the group. Both types have one network, so
    # that their features are nearly those of all cells.
    np.testing.assert_array_equal(one["pairs"]["labels"], two["pairs"]["labels"])
    assert 0 < np.abs(one["pairs"]["expression"] - two["pairs"]["expression"]).mean() < 0.01
    for kind in ("type_1", "type_2"):
        found = read.varp[f"grn_{kind}_sign"]
        np.testing.assert_array_equal(found.data, data.varp[f"grn_{kind}_sign"].data)
        np.testing.assert_array_equal(found.indices, read.varp[f"grn_{kind}"].indices)


def test_the_log_says_how_many_signs_there_are(cells, caplog):
    caplog.set_level(logging.INFO, logger="scregnet")
    data = sr.tl.fit_grn(cells, cells.uns["network"], "degree", copy=True, **QUICK)
    n = data.uns["grn"]["signs"]["params"]
    assert (
        f"grn, signs: {n['n_edges']} known, {n['n_repressing']} of them repress; no other sign is "
        "predicted" in caplog.text
    )
    caplog.clear()
    sr.tl.fit_grn(cells, cells.uns["network"], "joint", copy=True, **JOINT)
    assert "others predicted by expression (TFs with known signs), expression (other TFs); " in (
        caplog.text
    )
