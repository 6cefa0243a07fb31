from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy.stats import false_discovery_control, ttest_ind

import scregnet as sr


@pytest.fixture(scope="module")
def _cells():
    adata = sr.datasets.simulated(
        400, 250, n_tfs=25, mean_regulators=1.5, depth=3.0, dropout_percentile=40.0,
        knockouts=[f"TF00{i}" for i in range(1, 7)], n_knockout_obs=150,
    )  # fmt: skip
    adata.obs["donor"] = np.random.default_rng(0).choice(list("abcd"), adata.n_obs)
    return adata


@pytest.fixture
def adata(_cells):
    return _cells.copy()


def beside_the_truth(adata, found):
    pair = ["source", "target"]
    truth = adata.uns["effects"].astype({"source": str, "target": str}).set_index(pair)
    truth = truth.rename(columns={name: f"{name}_true" for name in set(truth) & set(found)})
    return found.astype({"source": str, "target": str}).set_index(pair).join(truth)


@pytest.mark.parametrize(
    ("how", "power"), [({}, 0.85), ({"test": "wilcoxon"}, 0.85), ({"replicate": "donor"}, 0.6)]
)
def test_true_targets_are_found_and_few_others(adata, how, power):
    both = beside_the_truth(adata, sr.bm.effects_from_perturbseq(adata, **how))
    hits = both[both["affected"]]
    assert (hits["effect_true"].abs() < 1e-9).mean() < 0.1
    strong = both[both["direct"] & (both["effect_true"].abs() > 1)]
    assert len(strong) > 15
    assert strong["affected"].mean() > power
    found = strong[strong["affected"]]
    assert (found["sign"] == found["sign_true"]).mean() > 0.95
    unchanged = both[both["effect_true"].abs() < 1e-9]
    assert (unchanged["p"] < 0.05).mean() < 0.08


def test_effects_have_the_size_of_the_true_ones(adata):
    both = beside_the_truth(adata, sr.bm.effects_from_perturbseq(adata))
    found = both[both["affected"] & (both["effect_true"].abs() > 0.5)]
    assert np.corrcoef(found["effect"], found["effect_true"])[0, 1] > 0.7


def test_it_is_welchs_test_with_bh(adata):
    found = sr.bm.effects_from_perturbseq(adata, centre=False, min_cells=1)
    counts = adata.X.toarray()
    values = np.log1p(counts / counts.sum(axis=1, keepdims=True) * 1e4)
    groups = adata.obs["perturbation"].to_numpy(str)
    mine = found[found["source"] == "TF002"]
    at = adata.var_names.get_indexer(mine["target"].astype(str))
    p = ttest_ind(values[groups == "TF002"], values[groups == "control"], equal_var=False).pvalue
    np.testing.assert_allclose(mine["p"], p[at], rtol=1e-3, atol=1e-12)
    np.testing.assert_allclose(mine["q"], false_discovery_control(mine["p"]))
    assert (mine["affected"] == (mine["q"] <= 0.05)).all()
    normalised = np.expm1(values)
    means = [normalised[groups == g].mean(axis=0)[at] + 0.1 for g in ("TF002", "control")]
    np.testing.assert_allclose(mine["effect"], np.log2(means[0] / means[1]), rtol=1e-4, atol=1e-4)


def test_what_was_not_tested_is_not_there(adata):
    adata.obs["perturbation"] = adata.obs["perturbation"].cat.remove_categories(["TF001"])
    counts = adata.X.toarray()
    counts[:, 30:40] = 0
    adata.X = counts
    found = sr.bm.effects_from_perturbseq(adata, min_cells=20)
    assert "TF001" not in set(found["source"])
    assert not set(adata.var_names[30:40]) & set(found["target"])
    assert (found["source"].astype(str) != found["target"].astype(str)).all()


def test_more_of_a_tf_turns_the_signs_and_limits_hold(adata):
    loss, gain = (sr.bm.effects_from_perturbseq(adata, kind=kind) for kind in ("loss", "gain"))
    assert (loss["sign"] == -gain["sign"]).all()
    assert (loss["sign"] != 0).sum() == loss["affected"].sum()
    strict = sr.bm.effects_from_perturbseq(adata, min_effect=1.0, max_q=0.01)
    expected = (loss["effect"].abs() >= 1) & (loss["q"] <= 0.01)
    assert (strict["affected"] == expected).all()


def test_names_of_a_column_and_no_change(adata):
    adata.var["symbol"] = adata.var_names.str.lower()
    before = adata.X.copy()
    found = sr.bm.effects_from_perturbseq(adata, gene_symbols="symbol")
    assert set(found["target"]) <= set(adata.var["symbol"])
    assert (before != adata.X).nnz == 0
    assert "rank_genes_groups" not in adata.uns


def test_validate_takes_it(adata):
    found = sr.bm.effects_from_perturbseq(adata)
    sr.tl.fit_grn(adata, adata.uns["network"], method="degree", n_folds=2, n_bootstrap=0)
    table = sr.bm.validate(adata, found, n_permutations=50, min_affected=3)
    assert table.loc["known edges", "auroc"] > 0.6


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"perturbation_key": "guide"}, KeyError, "perturbation_key='guide' is not a column"),
        ({"replicate": "batch"}, KeyError, "replicate='batch' is not a column of adata.obs"),
        ({"control": "NT"}, ValueError, "control='NT': .* must hold it and one perturbed TF"),
        ({"test": "deseq"}, ValueError, "test='deseq' is not known"),
        ({"kind": "both"}, ValueError, "kind='both' is not known"),
        ({"max_q": 2}, ValueError, "max_q must lie in"),
        ({"min_cells": 0}, ValueError, "min_cells must be at least 1"),
        ({"replicate": "one"}, ValueError, "perturbation × one: a test needs two or more of each"),
    ],
)
def test_wrong_arguments(adata, arguments, error, message):
    adata.obs["one"] = "a"
    with pytest.raises(error, match=message):
        sr.bm.effects_from_perturbseq(adata, **arguments)


def test_single_cells_are_refused():
    adata = ad.AnnData(
        np.ones((3, 2), np.float32), obs=pd.DataFrame({"perturbation": ["control", "control", "A"]},
        index=list("xyz")),
    )  # fmt: skip
    with pytest.raises(ValueError, match="perturbation: a test needs two or more .* 'A' has 1"):
        sr.bm.effects_from_perturbseq(adata)


@pytest.mark.parametrize("counts", [[3, 0, 5, 2, 4, 1, 2], [0, 0, 0, 2, 4, 1, 2]])
def test_one_gene_or_none_in_the_control_is_centred_without_a_warning(counts):
    names = ["control"] * 3 + ["TF001"] * 4
    obs = pd.DataFrame({"perturbation": names}, index=[f"c{i}" for i in range(7)])
    cells = ad.AnnData(np.array(counts, np.float32)[:, None], obs, pd.DataFrame(index=["G0001"]))
    found = sr.bm.effects_from_perturbseq(cells, min_cells=1)
    assert np.isfinite(found["effect"]).all()
