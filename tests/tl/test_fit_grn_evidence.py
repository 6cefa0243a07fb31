"""Evidence layers in a fit: what they give, what is written, and what is refused."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import scregnet as sr

SMALL = {"n_trees": 10, "n_bags": 1, "n_forest_trees": 10, "show_progress_bar": False}


@pytest.fixture(scope="module")
def _layered():
    """Simulated cells with a layer that knows much of the network, and the split of its targets."""
    data = sr.datasets.simulated(n_obs=100, n_vars=100, random_state=3)
    rng = np.random.default_rng(0)
    net = data.uns["network"]
    wrong = net.assign(target=rng.permutation(net["target"]))
    library = pd.concat(
        [net.sample(frac=0.7, random_state=0), wrong.sample(frac=0.3, random_state=0)]
    )
    contexts = rng.choice(["liver", "blood"], len(library))
    frame = library[["source", "target"]].astype(str).assign(cell=contexts)
    sr.pp.evidence(data, frame.drop_duplicates(), key="chip", context="cell")
    sr.pp.split(data, net, kind="targets")
    return data


@pytest.fixture
def layered(_layered):
    return _layered.copy()


def fit(data, **how):
    how = {"n_folds": 1, "n_bootstrap": 20, **SMALL, **how}
    return sr.tl.fit_grn(data, split="split", copy=True, **how)


def per_tf(data):
    return sr.get.metrics(data, split="test", wide=True)["per_tf_auroc"]


def test_it_helps_unseen_targets_and_a_shuffled_layer_does_not(layered):
    without, with_it = per_tf(fit(layered)), per_tf(fit(layered, evidence="chip"))
    shuffled = per_tf(fit(layered, evidence="chip", random_evidence=True))
    assert with_it["joint"] > without["joint"] + 0.1
    assert shuffled["joint"] < without["joint"] + 0.05
    # The layer alone is among the null models; a shuffled one knows nothing of a TF's targets.
    assert with_it["evidence:chip"] > 0.6 > shuffled["evidence:chip"]


def test_what_is_written(layered):
    fitted = fit(layered, evidence=["chip"])
    entry = fitted.uns["grn"]
    assert list(entry["params"]["evidence"]) == ["chip"]
    assert entry["params"]["n_genes_covered"] == {"chip": layered.uns["chip"]["n_genes_matched"]}
    table = sr.get.metrics(fitted)
    own = table[(table["model"] == "joint") & (table["split"] == "test")]
    assert "evidence:chip" in set(own["best_null"].dropna())
    # Lift is over popularity: the null of the links is one of the null models of every fit.
    assert entry["params"]["null"] in ("degree", "label_factors")
    assert entry["pairs"]["probability_evidence:chip"].between(0, 1).all()


@pytest.mark.parametrize("n_folds", [1, 4])
def test_links_are_scored_again_after_a_file(layered, n_folds, tmp_path):
    fitted = fit(layered, evidence="chip", n_folds=n_folds)
    fitted.write_h5ad(tmp_path / "a.h5ad")
    again = ad.read_h5ad(tmp_path / "a.h5ad")
    links = sr.get.grn(fitted)[::37][["source", "target", "weight"]]
    scored = sr.get.score_links(again, links[["source", "target"]])
    np.testing.assert_allclose(scored["probability"], links["weight"], atol=1e-6)
    assert not sr.get.calibration(again, split="test").empty


def test_a_label_changes_no_bit_of_its_own_pair(layered):
    frame = layered.uns["split"]["pairs"].astype({"source": str, "target": str})
    row = int(np.flatnonzero(frame["label"] == 1)[3])
    place = tuple(layered.var_names.get_indexer(frame.loc[row, ["source", "target"]]))
    wrong = frame.copy()
    wrong.loc[row, "label"] = 0
    how = {"evidence": "chip", "n_folds": 4, "n_bootstrap": 0, "copy": True, **SMALL}
    fits = [sr.tl.fit_grn(layered, split=labels, **how) for labels in (frame, wrong)]
    one, other = (fitted.varp["grn"].toarray() for fitted in fits)
    assert one[place] == other[place]
    assert (one[place[0]] != other[place[0]]).mean() > 0.3
    # So it is for the layer alone, which is judged on the same folds.
    alone = [fitted.uns["grn"]["pairs"]["out_of_fold_evidence:chip"] for fitted in fits]
    assert alone[0][row] == alone[1][row]
    assert (alone[0] != alone[1]).mean() > 0.3


def test_the_layer_alone_is_a_rival_out_of_fold(layered):
    fitted = fit(layered, evidence="chip", n_folds=4)
    table = sr.get.metrics(fitted, split="folds")
    alone = table[table["model"] == "evidence:chip"].set_index("metric")["value"]
    assert alone["per_tf_auroc"] > 0.65
    assert alone["ece"] < 0.05
    own = table[(table["model"] == "joint") & (table["metric"] == "per_tf_auroc")].iloc[0]
    rivals = table[(table["model"] != "joint") & (table["metric"] == "per_tf_auroc")]
    assert own["difference"] == pytest.approx(own["value"] - rivals["value"].max())
    assert own["best_null"] == "evidence:chip"


def test_methods_without_evidence_take_the_profile_as_embedding(layered):
    network = {
        "method": "scregnet",
        "gnn_dims": (8,),
        "mlp_dims": (8,),
        "max_epochs": 3,
        "n_folds": 1,
        "n_bootstrap": 0,
        "show_progress_bar": False,
        "copy": True,
    }
    sr.tl.embed(layered, model="svd", n_components=8, show_progress_bar=False)
    plain = sr.tl.fit_grn(layered, split="split", **network)
    with_it = sr.tl.fit_grn(layered, split="split", evidence="chip", **network)
    assert (plain.varp["grn"] != with_it.varp["grn"]).nnz > 0
    with pytest.raises(ValueError, match="evidence= needs a method that reads evidence"):
        sr.tl.fit_grn(layered, split="split", method="degree", evidence="chip")


def test_a_network_does_not_overwrite_a_layer(layered):
    with pytest.raises(ValueError, match="key_added='chip' is the name of an evidence layer"):
        fit(layered, key_added="chip")
    assert layered.uns["chip"]["kind"] == "evidence"


def test_a_search_hands_its_layers_to_the_fit(layered):
    pytest.importorskip("optuna")
    space = {"profile": [0.5, 1.0]}
    sr.tl.tune_grn(layered, split="split", evidence="chip", space=space, n_trials=1, **SMALL)
    assert list(sr.get.tuned(layered)["evidence"]) == ["chip"]


def test_controls_and_ablation_have_versions_without_and_with_shuffled_layers(layered):
    how = {**SMALL, "n_forest_trees": 0, "split": "split", "evidence": "chip"}
    table = sr.bm.controls(layered, n_folds=1, n_bootstrap=0, **how)
    assert {"no evidence", "random evidence"} <= set(table.index)
    assert table.loc["no evidence", "difference"] > 0.05
    assert table.loc["random evidence", "difference"] > 0.05
    versions = sr.bm.ablation_study(layered, n_seeds=1, **how)
    assert {"no evidence", "random evidence"} <= set(versions["variant"])
