from __future__ import annotations

import logging

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import scregnet as sr

N_GENES = 120


def cells_of(seed):
    """Return cells whose network is that of the experiments in part, with a layer ``"chip"``."""
    adata = sr.datasets.simulated(n_obs=150, n_vars=N_GENES, random_state=seed)
    rng = np.random.default_rng(seed)
    net = adata.uns["network"][["source", "target"]]
    names = adata.var_names
    experiments = []
    for number in range(3):
        kept = net[rng.random(len(net)) < 0.7]
        noise = pd.DataFrame(
            {
                "source": rng.choice(net["source"].unique(), 60),
                "target": rng.choice(names, 60),
            }
        )
        experiments.append(
            pd.concat([kept, noise]).drop_duplicates().assign(experiment=f"e{number}")
        )
    sr.pp.evidence(adata, pd.concat(experiments), key="chip", context="experiment")
    return adata


@pytest.fixture(scope="module")
def world():
    sets = {f"set {seed}": cells_of(seed) for seed in (1, 2)}
    for adata in sets.values():
        sr.pp.prior(adata, adata.uns["network"])
    return cells_of(0), sets


def per_tf(adata, key="grn"):
    known = adata.uns["network"]
    names = adata.var_names
    labels = np.zeros((N_GENES, N_GENES), bool)
    labels[names.get_indexer(known["source"]), names.get_indexer(known["target"])] = True
    tfs = np.flatnonzero(labels.any(axis=1))
    sources, targets = np.repeat(tfs, N_GENES), np.tile(np.arange(N_GENES), len(tfs))
    there = sources != targets
    sources, targets = sources[there], targets[there]
    scores = np.asarray(adata.varp[key][sources, targets]).ravel()
    return sr.metrics.evaluate(labels[sources, targets], scores, sources, scores)


@pytest.mark.parametrize("method", ["zsum", "fitted"])
def test_links_are_found_without_a_label(world, method):
    new, sets = world
    found = sr.tl.transfer_grn(new, evidence="chip", networks=sets, method=method, copy=True)
    figures, null = per_tf(found), per_tf(found, "grn_null")
    assert figures["per_tf_auroc"] > 0.8
    assert figures["per_tf_auroc"] > null["per_tf_auroc"] + 0.1
    assert figures["ece"] < 0.05
    assert "grn" not in new.uns
    weights = found.uns["grn"]["weights"].set_index("column")["weight"]
    if method == "zsum":
        assert weights[weights != 0].to_dict() == {"popularity": 1.0, "track": 1.0}
    else:
        assert weights["track"] > 0.2


def test_the_metrics_are_those_of_data_sets_that_were_left_out(world):
    new, sets = world
    found = sr.tl.transfer_grn(
        new, evidence="chip", networks=sets, method="fitted", n_bootstrap=20, copy=True
    )
    table = sr.get.metrics(found)
    assert list(table["split"].unique()) == ["set 1", "set 2"]
    assert list(table["model"].unique()) == ["fitted", "popularity", "detection", "coverage"]
    row = table.query("model == 'fitted' and split == 'set 1' and metric == 'per_tf_auroc'")
    one, other = sets["set 1"], sets["set 2"]
    alone = sr.tl.transfer_grn(
        one, evidence="chip", networks={"other": other}, method="fitted", copy=True
    )
    assert row["value"].item() == pytest.approx(per_tf(alone)["per_tf_auroc"], abs=1e-6)
    assert row["best_null"].item() == "popularity"
    assert row["difference_low"].item() > 0


def test_a_single_data_set_cannot_judge_what_was_learned_on_it(world):
    new, sets = world
    one = {"one": sets["set 1"]}
    learned = sr.tl.transfer_grn(new, evidence="chip", networks=one, method="fitted", copy=True)
    assert len(sr.get.metrics(learned)) == 0
    added = sr.tl.transfer_grn(new, evidence="chip", networks=one, n_bootstrap=0, copy=True)
    assert sr.get.metrics(added, split="one", wide=True).loc["zsum", "per_tf_auroc"] > 0.8


def test_without_networks_a_warning_says_what_a_probability_is(world, caplog):
    with caplog.at_level(logging.WARNING, logger="scregnet"):
        found = sr.tl.transfer_grn(world[0], evidence=["chip"], copy=True)
    assert "one more experiment of the layers" in caplog.text
    assert per_tf(found)["per_tf_auroc"] > 0.8
    assert len(sr.get.metrics(found)) == 0


def test_few_covered_genes_are_a_warning(world, caplog):
    new = world[0].copy()
    few = {f"{tf}_liver": new.var_names[:20] for tf in new.uns["network"]["source"].unique()[:2]}
    sr.pp.evidence(new, few, key="few")
    with caplog.at_level(logging.WARNING, logger="scregnet"):
        sr.tl.transfer_grn(new, evidence="few")
    assert "layer 'few' covers 17 % of the genes" in caplog.text


def test_what_reads_a_fitted_network_reads_this_one(world, tmp_path):
    new, sets = world
    found = sr.tl.transfer_grn(new, evidence="chip", networks=sets, method="fitted", copy=True)
    found.write_h5ad(tmp_path / "found.h5ad")
    found = ad.read_h5ad(tmp_path / "found.h5ad")
    net = sr.get.grn(found, by="lift", top_n_targets=5)
    assert (~net["in_prior"]).all()
    assert (net["split"] == "none").all()
    assert (np.diff(net["lift"]) <= 1e-6).all()
    again = sr.get.score_links(found, net[["source", "target"]])
    np.testing.assert_allclose(again["probability"], net["weight"], atol=1e-7)
    sr.tl.tf_activity(found, new_tfs=True, top_n_targets=20, tmin=2)
    assert found.obsm["grn_ulm"].shape[0] == new.n_obs
    assert len(sr.get.history(found)) == 0
    for function in (sr.get.curves, sr.get.calibration, sr.pl.metrics):
        with pytest.raises(ValueError, match="without labels"):
            function(found)


def test_only_links_that_are_asked_for_are_written(world):
    found = sr.tl.transfer_grn(
        world[0], evidence="chip", top_n_targets=7, key_added="mine", copy=True
    )
    assert set(np.diff(found.varp["mine"].indptr)) == {0, 7}
    assert not found.varp["mine"].diagonal().any()


def test_slots_of_an_earlier_fit_of_the_same_name_go(world):
    new = world[0].copy()
    sr.tl.fit_grn(new, new.uns["network"], method="degree", n_models=2, n_folds=1, n_bootstrap=0)
    new.varp["grn_sd"] = new.varp["grn"].copy()
    sr.tl.transfer_grn(new, evidence="chip")
    assert set(new.varp) == {"network", "chip", "grn", "grn_null"}


@pytest.fixture(scope="module")
def halves(world):
    one, other = world[0][:75].copy(), world[0][75:].copy()
    settings = {"n_folds": 3, "n_bootstrap": 0, "n_trees": 30, "label_frequency": 0.9}
    sr.tl.fit_grn(one, one.uns["network"], evidence="chip", **settings)
    return one, other


class TestSource:
    def test_labels_and_settings_are_those_of_the_source(self, halves, tmp_path):
        one, other = halves
        one.write_h5ad(tmp_path / "source.h5ad")
        fitted = ad.read_h5ad(tmp_path / "source.h5ad")
        found = sr.tl.transfer_grn(other, source=fitted, copy=True)
        params = found.uns["grn"]["params"]
        for name in ("method", "n_folds", "label_frequency", "n_bootstrap"):
            assert params[name] == one.uns["grn"]["params"][name], name
        assert params["method_params"]["n_trees"] == 30
        assert list(params["evidence"]) == ["chip"]
        columns = ["source", "target", "label", "split"]
        mine, theirs = (
            x.uns["grn"]["pairs"][columns].astype(str).sort_values(columns).to_numpy()
            for x in (found, one)
        )
        np.testing.assert_array_equal(mine, theirs)

    def test_the_expression_is_that_of_the_new_cells(self, halves):
        one, other = halves
        found = sr.tl.transfer_grn(other, source=one, copy=True)
        assert abs(found.varp["grn"] - one.varp["grn"]).max() > 0.01
        same = sr.tl.transfer_grn(one, source=one, key_added="again", copy=True)
        expected = sr.tl.fit_grn(
            one,
            split=one.uns["grn"]["pairs"],
            n_folds=3,
            n_bootstrap=0,
            n_trees=30,
            evidence="chip",
            label_frequency=0.9,
            key_added="again",
            copy=True,
        )
        np.testing.assert_array_equal(
            same.varp["again"].toarray(), expected.varp["again"].toarray()
        )

    def test_what_is_written_may_be_cut_anew(self, halves):
        one, other = halves
        found = sr.tl.transfer_grn(other, source=one, top_n_targets=5, copy=True)
        assert set(np.diff(found.varp["grn"].indptr)) == {0, 5}
        assert found.uns["grn"]["params"]["top_n_targets"] == 5

    def test_genes_that_are_gone_are_named(self, halves, caplog):
        one, other = halves
        with caplog.at_level(logging.WARNING, logger="scregnet"):
            found = sr.tl.transfer_grn(other[:, 5:].copy(), source=one, copy=True)
        assert "have a gene that adata lacks" in caplog.text
        assert found.varp["grn"].shape == (N_GENES - 5, N_GENES - 5)
        renamed = other.copy()
        renamed.var_names = [f"x{name}" for name in renamed.var_names]
        with pytest.raises(ValueError, match="none of the .* labelled pairs of 'grn'"):
            sr.tl.transfer_grn(renamed, source=one)

    def test_arguments_that_exclude_each_other(self, halves):
        one, other = halves
        for more in ({"evidence": "chip"}, {"networks": {"a": one}}):
            with pytest.raises(ValueError, match="exclude each other"):
                sr.tl.transfer_grn(other, source=one, **more)
        with pytest.raises(ValueError, match="n_bootstrap must be at least 0, got -1"):
            sr.tl.transfer_grn(other, source=one, n_bootstrap=-1)
        moved = sr.tl.transfer_grn(other, evidence="chip", copy=True)
        with pytest.raises(ValueError, match="without labels"):
            sr.tl.transfer_grn(one, source=moved)
        with pytest.raises(KeyError, match=r"^\"source: adata.uns\['x'\] is not there"):
            sr.tl.transfer_grn(other, source=one, source_key="x")


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({}, ValueError, "names no layer"),
        ({"evidence": "none"}, KeyError, "not an evidence layer"),
        ({"evidence": "chip", "method": "fitted"}, ValueError, "pass some with networks="),
        ({"evidence": "chip", "method": "boost"}, ValueError, "method='boost' is not known"),
        ({"evidence": "chip", "networks": [1]}, TypeError, "networks must be a dict"),
        ({"evidence": "chip", "networks": {"a": 3}}, TypeError, r"networks\['a'\]: adata must"),
        ({"evidence": "chip", "threshold": 2}, ValueError, "threshold"),
        ({"evidence": "chip", "source_key": 3}, TypeError, "source_key must be a name, got 3"),
        ({"evidence": "chip", "n_bootstrap": "9"}, TypeError, "n_bootstrap must be an integer"),
        ({"evidence": "chip", "key_added": "chip"}, ValueError, "name of an evidence layer"),
    ],
)
def test_wrong_arguments_are_named_before_anything_is_written(world, arguments, error, message):
    new = world[0].copy()
    with pytest.raises(error, match=message):
        sr.tl.transfer_grn(new, **arguments)
    assert set(new.varp) == set(world[0].varp)
    assert set(new.uns) == set(world[0].uns)


def test_a_data_set_without_layer_or_network_is_named(world):
    new, sets = world
    bare = sets["set 1"].copy()
    del bare.varp["prior"]
    with pytest.raises(KeyError, match=r"networks\['bare'\]: prior is None"):
        sr.tl.transfer_grn(new, evidence="chip", networks={"bare": bare})
    bare = sets["set 1"].copy()
    del bare.uns["chip"]
    with pytest.raises(KeyError, match=r"networks\['bare'\]: evidence='chip'"):
        sr.tl.transfer_grn(new, evidence="chip", networks={"bare": bare})


def test_experiments_that_find_everything_are_an_error(world):
    new = world[0].copy()
    sr.pp.evidence(new, {f"{new.uns['network']['source'][0]}_liver": new.var_names}, key="all")
    with pytest.raises(ValueError, match="tell no link from another"):
        sr.tl.transfer_grn(new, evidence="all")


def test_no_tf_is_an_error(world):
    new = world[0].copy()
    new.var = new.var.drop(columns=[c for c in ("is_tf",) if c in new.var])
    sr.pp.evidence(new, {"OTHER_liver": new.var_names[:80]}, key="other")
    with pytest.raises(ValueError, match="no gene of adata is known as a TF"):
        sr.tl.transfer_grn(new, evidence="other")
