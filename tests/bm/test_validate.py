from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

import scregnet as sr
from scregnet._genes import split, world
from scregnet.bm._effects.permuted import areas, by_permuted_targets, by_permuted_tfs, p_value
from scregnet.bm._effects.tested import placed_tests


@pytest.fixture(scope="module")
def simulated():
    adata = sr.datasets.simulated(
        100, 120, n_tfs=10, mean_regulators=4, knockouts=[f"TF00{i}" for i in range(1, 8)],
        n_knockout_obs=5,
    )  # fmt: skip
    sr.tl.fit_grn(adata, adata.uns["network"], method="label_factors", n_folds=2, n_bootstrap=0)
    return adata


@pytest.fixture
def adata(simulated):
    return simulated.copy()


@pytest.fixture
def effects(adata):
    return adata.uns["effects"]


def own_pairs(effects, tf):
    return effects[effects["source"] == tf].set_index("target")["affected"]


def test_figures_are_those_of_the_links(adata, effects):
    rows = sr.bm.validate(adata, effects, per_tf=True)
    links = sr.get.grn(adata)
    mine = rows[rows["model"] == "label_factors"].set_index("tf")
    assert len(mine) >= 4
    for tf, row in mine.iterrows():
        labels = own_pairs(effects, tf)
        scores = links[links["source"] == tf].set_index("target")["weight"].reindex(labels.index)
        assert row["auroc"] == pytest.approx(roc_auc_score(labels, scores))
        assert row["auprc"] == pytest.approx(average_precision_score(labels, scores))
        assert (row["n_tested"], row["n_affected"]) == (119, labels.sum())
        assert row["prevalence"] == pytest.approx(labels.mean())


def test_popularity_leaves_the_tf_out(adata, effects):
    rows = sr.bm.validate(adata, effects, per_tf=True).set_index(["model", "tf"])
    tf = "TF001"
    others = effects[effects["source"] != tf].groupby("target", observed=False)["affected"].mean()
    labels = own_pairs(effects, tf)
    expected = roc_auc_score(labels, others.loc[labels.index])
    assert rows.loc[("popularity", tf), "auroc"] == pytest.approx(expected)


def test_plain_models(adata, effects):
    rows = sr.bm.validate(adata, effects, per_tf=True).set_index(["model", "tf"])["auroc"]
    tf = "TF001"
    labels = own_pairs(effects, tf)
    counts = adata.X.toarray()
    depth = counts.sum(axis=1, keepdims=True)
    values = pd.DataFrame(np.log1p(counts / depth * 1e4), columns=adata.var_names)
    assert rows["expression", tf] == pytest.approx(
        roc_auc_score(labels, values.mean()[labels.index])
    )
    varies = values.loc[:, values.std() > 0]
    together = varies.corrwith(varies[tf]).abs().reindex(labels.index).fillna(0)
    assert rows["coexpression", tf] == pytest.approx(roc_auc_score(labels, together.round(12)))
    edges = adata.uns["network"]
    known = labels.index.isin(edges.loc[edges["source"] == tf, "target"])
    assert rows["known edges", tf] == pytest.approx(roc_auc_score(labels, known))


def test_summary_is_the_mean_over_tfs(adata, effects):
    rows = sr.bm.validate(adata, effects, per_tf=True)
    table = sr.bm.validate(adata, effects, n_permutations=200)
    assert list(table.index) == rows["model"].unique().tolist()
    assert {"label_factors", "degree", "known edges", "popularity"} <= set(table.index)
    means = rows.groupby("model", sort=False)["auroc"].mean()
    np.testing.assert_allclose(table["auroc"], means)
    assert (table["auroc_low"] <= table["auroc"]).all()
    assert (table["auroc"] <= table["auroc_high"]).all()
    np.testing.assert_allclose(table["difference"], means - means["popularity"])
    # Edges of the truth say what changes; a gene's level does not.
    assert table.loc["known edges", "p_targets"] < 0.01
    assert table.loc["known edges", "p_tfs"] < 0.01
    assert table.loc["expression", "p_targets"] > 0.05
    assert table.loc[["popularity", "expression", "degree"], "p_tfs"].isna().all()
    pd.testing.assert_frame_equal(table, sr.bm.validate(adata, effects, n_permutations=200))


def test_permuted_targets_have_no_effect_on_average(adata, effects):
    tested = placed_tests(effects, adata, np.arange(adata.n_vars) < 10, None)
    tested = tested.take(tested.affected.sum(axis=1) >= 5)
    rng = np.random.default_rng(0)
    values = rng.random(tested.affected.shape)
    by_chance = by_permuted_targets(tested, values, 500, rng)
    assert by_chance.mean() == pytest.approx(0.5, abs=0.01)
    assert 0 < by_chance.std() < 0.1
    perfect = tested.affected.astype(float)
    assert p_value(np.diag(areas(tested, perfect)).mean(), by_chance) == 1 / 501


def test_exchanged_rows_cost_nothing_where_rows_are_the_same(adata, effects):
    tested = placed_tests(effects, adata, np.arange(adata.n_vars) < 10, None)
    tested = tested.take(tested.affected.sum(axis=1) >= 5)
    rng = np.random.default_rng(0)
    alike = np.broadcast_to(rng.random(adata.n_vars), tested.affected.shape)
    found = areas(tested, alike)
    assert p_value(np.diag(found).mean(), by_permuted_tfs(found, 100, rng)) == 1
    own = areas(tested, tested.affected.astype(float))
    assert p_value(np.diag(own).mean(), by_permuted_tfs(own, 100, rng)) < 0.05


def test_a_gene_that_was_not_tested_does_not_count(adata, effects):
    part = effects[~effects["target"].isin(["G0001", "G0002"])]
    rows = sr.bm.validate(adata, part, per_tf=True)
    assert (rows["n_tested"] == 117).all()


def test_models_say_nothing_of_tfs_without_labels(adata, effects):
    net = adata.uns["network"]
    adata.var["is_tf"] = adata.var_names.isin(net["source"])
    some = net[net["source"] != "TF001"]
    sr.tl.fit_grn(adata, some, method="label_factors", n_folds=1, n_bootstrap=0)
    rows = sr.bm.validate(adata, effects, per_tf=True).groupby("model")["tf"].agg(set)
    assert "TF001" in rows["label_factors"]
    assert "TF001" not in rows["known edges"]
    assert "TF002" in rows["known edges"]


def test_other_names_and_groups(adata, effects):
    low = effects.assign(
        source=effects["source"].astype(str).str.lower(),
        target=effects["target"].astype(str).str.lower(),
    )
    with pytest.raises(ValueError, match=r"none of its genes is in adata.*letter case.*upper=True"):
        sr.bm.validate(adata, low)
    adata.var["symbol"] = adata.var_names.str.lower()
    found = sr.bm.validate(adata, low, gene_symbols="symbol", n_permutations=10)
    pd.testing.assert_frame_equal(found, sr.bm.validate(adata, effects, n_permutations=10))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"key": "other"}, KeyError, "other"),
        ({"perturbations": 3}, TypeError, "perturbations must be a frame, got int. Pass what"),
        ({"perturbations": pd.DataFrame({"source": []})}, ValueError, "lacks the columns 'target'"),
        ({"min_affected": 1000}, ValueError, "none of the 7 perturbed TFs of the network has so"),
        ({"min_affected": 0}, ValueError, "min_affected must be at least 1"),
        ({"n_permutations": 0}, ValueError, "n_permutations must be at least 1"),
        ({"random_state": -1}, ValueError, "random_state must be"),
    ],
)
def test_wrong_arguments(adata, effects, arguments, error, message):
    with pytest.raises(error, match=message):
        sr.bm.validate(adata, **{"perturbations": effects, **arguments})


def test_frames_that_say_nothing(adata, effects):
    with pytest.raises(ValueError, match="833 tested pairs, and none is affected"):
        sr.bm.validate(adata, effects.assign(affected=False))
    with pytest.raises(ValueError, match="1 pairs twice"):
        sr.bm.validate(adata, pd.concat([effects, effects[:1]]))
    with pytest.raises(ValueError, match="none of its TFs .* is a TF of the network"):
        sr.bm.validate(adata, effects.assign(source="GATA1").drop_duplicates("target"))


@pytest.mark.shared
def test_chip_labels_of_mesc_do_not_say_what_changes(shared):
    adata = sr.datasets.beeline("mESC", 500, path=shared / "data/beeline")
    effects = sr.datasets.perturbation(shared / "data/gold", "mESC_KDUnion", upper=True)
    sr.tl.fit_grn(adata, adata.uns["network"], method="degree", n_folds=2, n_bootstrap=0)
    table = sr.bm.validate(adata, effects, n_permutations=100)
    assert table.loc["known edges", "n_tfs"] == 21
    assert 0.47 < table.loc["known edges", "auroc"] < 0.53
    assert table.loc["known edges", "p_tfs"] > 0.05
    assert table.loc["popularity", "n_tfs"] == 62
    assert table.loc["popularity", "auroc"] > 0.75


def test_known_edges_of_a_closed_world_are_all_pairs(adata, effects, monkeypatch):
    """The frame that is kept of one lacks most non-edges."""
    expected = sr.bm.validate(adata, effects, per_tf=True).set_index("model").loc["known edges"]
    monkeypatch.setattr(split, "MANY_PAIRS", 500)
    monkeypatch.setattr(world, "KEPT_OTHERS", 50)
    net = adata.uns["network"]
    sr.tl.fit_grn(adata, net, method="degree", n_folds=1, n_bootstrap=0, key_added="bits")
    assert "world" in adata.uns["bits"]
    rows = sr.bm.validate(adata, effects, key="bits", per_tf=True).set_index("model")
    pd.testing.assert_frame_equal(rows.loc["known edges"], expected)
