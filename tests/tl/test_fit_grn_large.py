"""What a fit does where there are too many pairs and links to keep all."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import scregnet as sr
from scregnet._genes import split, world
from scregnet.tl._fit import task


@pytest.fixture(scope="module")
def wide():
    """40 TFs and 600 genes, of which some are popular; 2 % of the pairs are edges."""
    rng = np.random.default_rng(0)
    names = [f"G{number}" for number in range(600)]
    adata = ad.AnnData(rng.poisson(1, (20, 600)).astype(np.float32))
    adata.var_names = names
    chance = 0.02 * rng.gamma(1, 1, 40)[:, None] * rng.gamma(1, 1, 600)
    chance[np.arange(40), np.arange(40)] = 0
    rows, columns = np.nonzero(rng.random((40, 600)) < chance)
    net = pd.DataFrame({"source": np.take(names, rows), "target": np.take(names, columns)})
    return adata, net


@pytest.mark.parametrize("n_folds", [1, 3])
def test_probabilities_mean_the_same_as_with_all_non_edges(wide, n_folds):
    adata, net = wide
    found = {}
    for name, max_pairs in (("all", None), ("drawn", len(net) * 6)):
        data = adata.copy()
        sr.pp.split(data, net, max_pairs=max_pairs)
        sr.tl.fit_grn(data, method="degree", n_folds=n_folds, n_bootstrap=0)
        figures = sr.get.metrics(data).query("model == 'degree' and split == 'test'")
        found[name] = data.varp["grn"].data, figures.set_index("metric")["value"]
    whole, drawn = found["all"], found["drawn"]
    assert drawn[0].mean() == pytest.approx(whole[0].mean(), rel=0.1)
    assert drawn[1]["prevalence"] == pytest.approx(whole[1]["prevalence"], rel=0.05)
    assert drawn[1]["auroc"] == pytest.approx(whole[1]["auroc"], abs=0.03)
    assert drawn[1]["ece"] < 0.01
    assert np.isnan(drawn[1]["per_tf_auprc"])


def test_a_fit_without_correction_would_be_far_too_sure(wide):
    adata, net = wide
    data = adata.copy()
    sr.pp.split(data, net, max_pairs=len(net) * 6)
    pairs = data.uns["split"]["pairs"]
    sr.tl.fit_grn(data, split=pairs, method="degree", n_folds=1, n_bootstrap=0)
    corrected = data.varp["grn"].data.mean()
    plain = pairs.drop(columns="stands_for")
    sr.tl.fit_grn(data, split=plain, method="degree", n_folds=1, n_bootstrap=0)
    assert data.varp["grn"].data.mean() > 4 * corrected


def test_only_the_first_targets_and_known_edges_of_a_large_network_are_written(
    wide, monkeypatch, caplog
):
    adata, net = wide
    monkeypatch.setattr(task, "ALL_LINKS", 100)
    monkeypatch.setattr(task, "MANY_TARGETS", 5)
    data = adata.copy()
    with caplog.at_level("INFO", logger="scregnet"):
        sr.tl.fit_grn(data, net, method="degree", n_folds=1, n_bootstrap=0)
    assert "the 5 most probable and all known edges are written" in caplog.text
    links = sr.get.grn(data)
    new = links[~links["in_prior"]]
    assert len(links) - len(new) == len(net)
    assert new.groupby("source", observed=True).size().max() <= 5
    written = data.varp["grn"].copy()
    sr.tl.fit_grn(data, net, method="degree", n_folds=1, n_bootstrap=0, top_n_targets=None)
    assert data.varp["grn"].nnz == net["source"].nunique() * (data.n_vars - 1)
    # What is written is as it would have been among all.
    rows, columns = written.nonzero()
    found = np.asarray(data.varp["grn"][rows, columns]).ravel()
    np.testing.assert_array_equal(found, np.asarray(written[rows, columns]).ravel())


def test_a_large_fit_is_read_back_from_a_file(wide, tmp_path, same_frames):
    adata, net = wide
    data = adata.copy()
    sr.pp.split(data, net, max_pairs=len(net) * 6)
    sr.tl.fit_grn(data, method="degree", n_bootstrap=0)
    data.write_h5ad(tmp_path / "large.h5ad")
    read = ad.read_h5ad(tmp_path / "large.h5ad")
    for what in (sr.get.metrics, sr.get.calibration, sr.get.curves, sr.get.grn):
        same_frames(what(data), what(read))
    area = sr.get.curves(read).query("model == 'degree' and curve == 'precision_recall'")["area"]
    value = sr.get.metrics(read).query("model == 'degree' and split == 'test'")
    assert area.iloc[0] == pytest.approx(value.set_index("metric").loc["auprc", "value"])


def test_a_large_closed_world_is_kept_as_bits(wide, monkeypatch, tmp_path):
    adata, net = wide
    quiet = {"method": "degree", "n_folds": 3, "n_bootstrap": 0}
    plain = adata.copy()
    sr.pp.split(plain, net, max_pairs=None)
    sr.tl.fit_grn(plain, **quiet)
    monkeypatch.setattr(split, "MANY_PAIRS", 10_000)
    monkeypatch.setattr(world, "KEPT_OTHERS", 500)
    data = adata.copy()
    sr.pp.split(data, net, max_pairs=None)
    assert {"pairs", "world"} <= data.uns["split"].keys()
    few = data.uns["split"]["pairs"]
    n_others = len(plain.uns["split"]["pairs"]) - len(net)
    assert few["label"].sum() == len(net)
    assert few.loc[few["label"] == 0, "stands_for"].sum() == pytest.approx(n_others)
    assert len(few) < len(net) + 1.5 * max(500, len(net))
    data.write_h5ad(tmp_path / "split.h5ad")
    data = ad.read_h5ad(tmp_path / "split.h5ad")
    sr.tl.fit_grn(data, **quiet)
    # Nothing but the form of the pairs is another one.
    np.testing.assert_array_equal(data.varp["grn"].data, plain.varp["grn"].data)
    pd.testing.assert_frame_equal(sr.get.metrics(data), sr.get.metrics(plain))
    columns = ["probability", "out_of_fold", "out_of_fold_label_factors"]
    pairs = plain.uns["grn"]["pairs"].merge(data.uns["grn"]["pairs"], on=["source", "target"])
    assert len(pairs) == len(data.uns["grn"]["pairs"])
    for column in ("label", "split", *columns):
        assert pairs[f"{column}_x"].tolist() == pairs[f"{column}_y"].tolist()
    # Read back from a file, with genes gone and in another order.
    data.write_h5ad(tmp_path / "fitted.h5ad")
    data = ad.read_h5ad(tmp_path / "fitted.h5ad")
    order = np.random.default_rng(0).permutation(600)[:500]
    data, plain = data[:, order].copy(), plain[:, order].copy()
    links = sr.get.grn(plain)
    pd.testing.assert_frame_equal(sr.get.grn(data), links)
    pd.testing.assert_frame_equal(
        sr.get.grn(data, new_only=True, top_n=50), sr.get.grn(plain, new_only=True, top_n=50)
    )
    asked = links[["source", "target"]].sample(500, random_state=0)
    scored = sr.get.score_links(data, asked)
    pd.testing.assert_frame_equal(scored, sr.get.score_links(plain, asked))
    assert scored["is_out_of_fold"].all()
    bins = sr.get.calibration(data, split="folds")
    assert bins["n_pairs"].sum() == len(data.uns["grn"]["pairs"])


def test_a_split_kept_as_bits_is_checked_and_found_among_other_genes(wide, monkeypatch):
    adata, net = wide
    monkeypatch.setattr(split, "MANY_PAIRS", 10_000)
    data = adata.copy()
    sr.pp.split(data, net, max_pairs=None)
    turned = data[:, ::-1].copy()
    turned.uns["split"] = data.uns["split"]
    found = split.labelled_pairs(turned, None, "split", random_state=0).parts
    before = split.labelled_pairs(data, None, "split", random_state=0).parts
    for one, other in zip(before.all, found.all, strict=True):
        names = (adata.var_names[one.sources] + adata.var_names[one.targets])[one.labels]
        there = (turned.var_names[other.sources] + turned.var_names[other.targets])[other.labels]
        assert set(names) == set(there)
        assert len(one) == len(other)
    with pytest.raises(ValueError, match=r"1 of its genes are not in .*Call sr.pp.split again"):
        split.labelled_pairs(data[:, 1:].copy(), None, "split", random_state=0)
    bits = data.uns["split"]["world"]
    for name, value, message in (
        ("parts", bits["parts"][::-1], "have changed"),
        ("tfs", bits["tfs"] + 1000, "'tfs'"),
        ("genes", bits["genes"][:5], "'n_genes'"),
        ("genes", np.repeat(bits["genes"][:300], 2), "not unique"),
    ):
        data.uns["split"]["world"] = {**bits, name: value}
        with pytest.raises(ValueError, match=message):
            sr.tl.fit_grn(data, method="degree", n_folds=1, n_bootstrap=0)
