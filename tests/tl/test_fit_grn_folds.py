"""With folds, no delivered probability comes from a fit that saw that pair's label."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import scregnet as sr
from scregnet.tl._fit import folds, task

QUIET = {"n_bootstrap": 0, "show_progress_bar": False}


def small(method):
    return {} if method == "degree" else {"n_trees": 10, "n_bags": 1, "n_forest_trees": 10}


@pytest.fixture(scope="module")
def split():
    data = sr.datasets.simulated(n_obs=60, n_vars=60, random_state=3)
    sr.pp.split(data, data.uns["network"])
    return data, data.uns["split"]["pairs"].astype({"source": str, "target": str})


def delivered(data, frame, method, **how):
    how = {"n_folds": 1, **how}
    fit = sr.tl.fit_grn(data, split=frame, method=method, copy=True, **QUIET, **how)
    return fit, fit.varp["grn"].toarray()


# With 3 folds "joint" is fitted fold by fold, with 4 by its own fit_folds.
@pytest.mark.parametrize(("method", "n_folds"), [("degree", 3), ("joint", 3), ("joint", 4)])
@pytest.mark.parametrize("part", ["train", "validation", "test"])
def test_a_label_changes_no_bit_of_its_own_pair(split, method, n_folds, part, monkeypatch):
    monkeypatch.setattr(folds, "MOST_REPEATS", 2)
    data, frame = split
    row = int(np.flatnonzero((frame["split"] == part) & (frame["label"] == 1))[3])
    wrong = frame.copy()
    wrong.loc[row, "label"] = 0
    place = tuple(data.var_names.get_indexer(frame.loc[row, ["source", "target"]]))
    _, honest = delivered(data, frame, method, n_folds=n_folds, **small(method))
    _, changed = delivered(data, wrong, method, n_folds=n_folds, **small(method))
    assert honest[place] == changed[place]
    assert 0 < honest[place] < 1
    # The label does reach the other pairs of the TF.
    assert (honest[place[0]] != changed[place[0]]).mean() > 0.3
    # Without folds the label of a training pair reaches the pair itself.
    if part == "train":
        _, honest = delivered(data, frame, method, **small(method))
        _, changed = delivered(data, wrong, method, **small(method))
        assert honest[place] != changed[place]


def test_the_evaluation_is_the_same_with_folds(split):
    data, frame = split
    plain, _ = delivered(data, frame, "degree")
    folded, _ = delivered(data, frame, "degree", n_folds=4)
    table = sr.get.metrics(folded)
    assert set(table["split"]) == {"validation", "test", "folds"}
    pd.testing.assert_frame_equal(
        table[table["split"] != "folds"].reset_index(drop=True), sr.get.metrics(plain)
    )
    pairs = folded.uns["grn"]["pairs"]
    columns = list(plain.uns["grn"]["pairs"])
    pd.testing.assert_frame_equal(pairs[columns], plain.uns["grn"]["pairs"])
    assert set(pairs["fold_1"]) == {0, 1, 2, 3}
    found = table[(table["split"] == "folds") & (table["model"] == "label_factors")]
    expected = sr.metrics.evaluate(
        pairs["label"],
        pairs["out_of_fold_label_factors"],
        pairs["source"].astype(str),
        pairs["out_of_fold_label_factors"],
    )
    for metric, value in found.set_index("metric")["value"].items():
        assert value == pytest.approx(expected[metric], abs=1e-6), metric


def test_probabilities_out_of_fold_are_calibrated():
    data = sr.datasets.simulated(n_obs=10, n_vars=300)
    sr.tl.fit_grn(data, data.uns["network"], "degree", n_folds=5, **QUIET)
    figures = sr.get.metrics(data).query("metric == 'ece'").set_index(["model", "split"])["value"]
    assert figures["degree", "folds"] < figures["degree", "test"] + 0.003
    pairs = data.uns["grn"]["pairs"]
    assert pairs["out_of_fold"].mean() == pytest.approx(pairs["label"].mean(), abs=0.005)


@pytest.mark.parametrize("n_models", [1, 2])
def test_score_links_gives_what_was_written_after_a_file(split, n_models, tmp_path):
    data, frame = split
    # A third of the pairs has no label.
    some = frame.sample(frac=0.67, random_state=0)
    fit, matrix = delivered(data, some, "joint", n_folds=3, n_models=n_models, **small("joint"))
    fit.write_h5ad(tmp_path / "a.h5ad")
    again = ad.read_h5ad(tmp_path / "a.h5ad")
    links = sr.get.grn(again)
    assert (links["split"] == "none").mean() > 0.2
    scored = sr.get.score_links(again, links)
    np.testing.assert_allclose(scored["probability"], links["weight"], rtol=1e-6, atol=1e-7)
    assert ("probability_sd" in scored) == (n_models > 1) == ("grn_sd" in again.varp)
    labelled = fit.uns["grn"]["pairs"]
    rows, columns = (
        data.var_names.get_indexer(labelled[role].astype(str)) for role in ("source", "target")
    )
    np.testing.assert_allclose(matrix[rows, columns], labelled["out_of_fold"], rtol=1e-6)


def test_a_stored_model_whose_folds_do_not_fit_is_refused(split):
    data, frame = split
    fit, _ = delivered(data, frame, "degree", n_folds=3)
    pairs = [("TF001", "G0001")]
    # Without the digest, as whoever changes arrays on purpose would leave it.
    del fit.uns["grn"]["model"]["digest"]
    state = fit.uns["grn"]["model"]["state"]
    state["member_folds"], good = np.zeros(7), state["member_folds"]
    with pytest.raises(ValueError, match="'member_folds' .* must hold integers"):
        sr.get.score_links(fit, pairs)
    state["member_folds"] = good + np.array([9, 0], np.int16)
    with pytest.raises(ValueError, match="'member_folds' .* names a repeat beyond the 1"):
        sr.get.score_links(fit, pairs)
    fit, _ = delivered(data, frame, "degree", n_folds=3)
    del fit.uns["grn"]["model"]["digest"]
    fit.uns["grn"]["model"]["state"]["slopes"] = np.array([1.0, np.nan, 1.0])
    with pytest.raises(ValueError, match="'slopes' .* not finite"):
        sr.get.score_links(fit, pairs)


def test_groups_share_the_folds(split):
    data, frame = split
    fit = sr.tl.fit_grn(
        data,
        split=frame,
        method="degree",
        groupby="cell_type",
        min_cells=1,
        n_folds=3,
        copy=True,
        **QUIET,
    )
    first, second, *_ = fit.uns["grn"]["keys"]
    columns = ["fold_1", "out_of_fold_label_factors"]
    pd.testing.assert_frame_equal(
        fit.uns[first]["pairs"][columns], fit.uns[second]["pairs"][columns]
    )


def test_too_few_edges_for_the_folds_are_said(split):
    data, _ = split
    few = data.uns["network"].groupby("source").head(2).head(12)
    with pytest.raises(ValueError, match="n_folds: fold .* needs edges and non-edges.*n_folds=1"):
        sr.tl.fit_grn(data, few, "degree", n_folds=12, copy=True, **QUIET)
    with pytest.raises(ValueError, match="n_folds must be at least 1"):
        sr.tl.fit_grn(data, few, "degree", n_folds=0)


def test_many_pairs_have_fewer_folds_by_default(split, monkeypatch):
    data, _ = split
    net = data.uns["network"]
    few = sr.tl.fit_grn(data, net, "degree", copy=True, **QUIET)
    monkeypatch.setattr(task, "MANY_PAIRS", 100)
    many = sr.tl.fit_grn(data, net, "degree", copy=True, **QUIET)
    five = sr.tl.fit_grn(data, net, "degree", n_folds=5, copy=True, **QUIET)
    for fit, number in ((few, 5), (many, 4), (five, 5)):
        assert fit.uns["grn"]["params"]["n_folds"] == number
        assert fit.uns["grn"]["model"]["n_folds"] == number
        assert fit.uns["grn"]["pairs"]["fold_1"].nunique() == number
    with pytest.raises(TypeError, match="n_folds"):
        sr.tl.fit_grn(data, net, "degree", n_folds="many")


@pytest.mark.parametrize("n_folds", [1, 4])
def test_the_null_model_of_each_link_is_written(split, n_folds):
    data, frame = split
    fit, matrix = delivered(data, frame, "joint", n_folds=n_folds, threshold=0.1, **small("joint"))
    null = fit.varp["grn_null"]
    assert null.dtype == np.float32
    np.testing.assert_array_equal(null.indices, fit.varp["grn"].indices)
    np.testing.assert_array_equal(null.indptr, fit.varp["grn"].indptr)
    name = fit.uns["grn"]["params"]["null"]
    assert name in ("degree", "label_factors")
    pairs = fit.uns["grn"]["pairs"]
    rows, columns = (
        data.var_names.get_indexer(pairs[role].astype(str)) for role in ("source", "target")
    )
    kept = matrix[rows, columns] > 0
    column = f"probability_{name}" if n_folds == 1 else f"out_of_fold_{name}"
    np.testing.assert_allclose(
        null.toarray()[rows, columns][kept], pairs[column].to_numpy()[kept], rtol=1e-6
    )


def test_a_null_model_has_none_to_compare_with_and_removes_that_of_an_earlier_fit(split):
    data, frame = split
    fit, _ = delivered(data, frame, "joint", **small("joint"))
    assert "grn_null" in fit.varp
    sr.tl.fit_grn(fit, split=frame, method="degree", n_folds=1, **QUIET)
    assert "grn_null" not in fit.varp
    assert fit.uns["grn"]["params"]["null"] is None
