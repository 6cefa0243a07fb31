"""Groups of cells with planted rewiring: shrinkage, and differences next to a noise floor."""

from __future__ import annotations

import logging

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import scregnet as sr
from scregnet._anndata.groups import CellGroup
from scregnet.links import Pairs
from scregnet.tl._fit.differences import NewLinks, draw_halves
from scregnet.tl._fit.shared import SharedCells, own_share

N_TFS, N_GENES = 12, 120
QUICK = {
    "n_folds": 1,
    "n_bootstrap": 0,
    "n_trees": 0,
    "n_forest_trees": 0,
    "show_progress_bar": False,
}
PLAIN = {"layer": None, "n_pcs": None, "max_cells": None, "random_state": 0}


def cells_of(n: int, seed: int = 1) -> tuple[ad.AnnData, pd.DataFrame]:
    """Return two types of n cells in which targets follow different TFs, and a part of the edges.

    Means are the same, so that only co-expression tells the types apart.
    """
    rng = np.random.default_rng(seed)
    n_targets = N_GENES - N_TFS
    edges, others = (np.eye(N_TFS)[:, rng.integers(N_TFS, size=n_targets)] for _ in "ab")
    counts = []
    for network in (edges, others):
        tfs = rng.standard_normal((n, N_TFS))
        targets = tfs @ network + 0.5 * rng.standard_normal((n, n_targets))
        counts.append(rng.poisson(2 * np.exp(0.6 * np.hstack([tfs, targets]))))
    names = [f"TF{i}" for i in range(N_TFS)] + [f"G{i}" for i in range(n_targets)]
    data = ad.AnnData(
        sp.csr_matrix(np.vstack(counts).astype(np.float32)),
        obs=pd.DataFrame(
            {"type": pd.Categorical(np.repeat(["a", "b"], n))},
            index=[f"cell{i}" for i in range(2 * n)],
        ),
        var=pd.DataFrame(index=names),
    )
    known = np.argwhere(edges)[rng.random(n_targets) < 0.7]
    frame = {"source": [names[t] for t, _ in known], "target": [names[N_TFS + g] for _, g in known]}
    return data, pd.DataFrame(frame)


@pytest.fixture(scope="module")
def rewired():
    data, net = cells_of(300)
    sr.tl.fit_grn(data, net, groupby="type", **QUICK)
    return data


@pytest.fixture(scope="module")
def shuffled():
    data, net = cells_of(300)
    data.obs["type"] = np.random.default_rng(1).permutation(data.obs["type"])
    sr.tl.fit_grn(data, net, groupby="type", **QUICK)
    return data


def test_planted_rewiring_is_above_the_floor(rewired):
    frame = sr.get.group_differences(rewired)
    assert frame["statistic"].tolist() == ["new_links", "ranks"]
    assert frame["n_cells"].tolist() == [150, 150]
    ranks = frame.iloc[1]
    assert ranks["above"]
    assert ranks["value"] > 1.2 * ranks["floor"]
    assert 0 < ranks["low"] < ranks["value"] - ranks["floor"] < ranks["high"]
    for group in "ab":
        assert 0.2 < rewired.uns[f"grn_{group}"]["params"]["own_share"] < 1


def test_random_labels_are_not_above_the_floor(rewired, shuffled):
    frame = sr.get.group_differences(shuffled)
    assert not frame["above"].any()
    real = sr.get.group_differences(rewired)
    assert (frame["value"] < real["value"]).all()
    for group in "ab":
        assert shuffled.uns[f"grn_{group}"]["params"]["own_share"] < 0.05


def test_groups_that_differ_by_chance_get_the_network_of_all_cells(shuffled):
    whole = sr.tl.fit_grn(cells_of(300)[0], cells_of(300)[1], copy=True, **QUICK)
    expected = whole.varp["grn"].toarray()
    for group in "ab":
        found = shuffled.varp[f"grn_{group}"].toarray()
        assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.98


def test_the_log_has_one_line_about_the_floor(caplog):
    data, net = cells_of(60)
    data.obs["type"] = np.random.default_rng(0).permutation(data.obs["type"])
    caplog.set_level(logging.INFO, logger="scregnet")
    sr.tl.fit_grn(data, net, groupby="type", **QUICK)
    assert (
        "grn: networks of 0 of 1 pairs of groups differ by more than halves of one group; no more "
        "than that: a and b" in caplog.text
    )


def test_small_categories_are_named_and_left_out(caplog):
    data, net = cells_of(40)
    data.obs["kind"] = ["few"] * 9 + ["some"] * 31 + ["many"] * 40
    caplog.set_level(logging.INFO, logger="scregnet")
    sr.tl.fit_grn(data, net, "degree", groupby="kind", min_cells=31, n_folds=1, n_bootstrap=0)
    assert "1 categories with fewer than min_cells=31 cells are left out: 'few' (9)" in caplog.text
    entry = data.uns["grn"]
    assert list(entry["groups"]) == ["many", "some"]
    assert "grn_few" not in data.varp
    assert list(entry["params"]["groups_left_out"]) == ["few"]
    assert list(entry["params"]["n_cells_left_out"]) == [9]
    # A null model reads no cells, so that networks cannot differ.
    with pytest.raises(KeyError, match="no differences of groups"):
        sr.get.group_differences(data)


def test_no_category_is_large_enough():
    data, net = cells_of(40)
    with pytest.raises(ValueError, match=r"min_cells=50 cells: 'a' \(40\), 'b' \(40\)"):
        sr.tl.fit_grn(data, net, groupby="type")
    with pytest.raises(ValueError, match="min_cells must be at least 1"):
        sr.tl.fit_grn(data, net, groupby="type", min_cells=0)
    assert not data.uns


@pytest.mark.parametrize(
    ("names", "clash"),
    [(["null", "b"], "'grn_null'"), (["A", "A_sd"], "'grn_A_sd'"), (["A", "sign"], "'grn_sign'")],
)
def test_a_category_cannot_take_the_slot_of_another_network(names, clash):
    data, net = cells_of(60)
    data.obs["type"] = np.repeat(names, 60)
    with pytest.raises(ValueError, match=f"{clash} .a slot of .*Rename these categories"):
        sr.tl.fit_grn(data, net, groupby="type")
    assert not data.uns


def test_without_the_floor_networks_are_the_same(rewired):
    data, net = cells_of(300)
    sr.tl.fit_grn(data, net, groupby="type", noise_floor=False, **QUICK)
    assert "differences" not in data.uns["grn"]
    for group in "ab":
        key = f"grn_{group}"
        np.testing.assert_array_equal(data.varp[key].data, rewired.varp[key].data)


def test_embeddings_of_groups_have_no_floor(caplog):
    data, net = cells_of(60)
    sr.tl.embed(data, "svd", n_components=4, groupby="type", show_progress_bar=False)
    caplog.set_level(logging.INFO, logger="scregnet")
    sr.tl.fit_grn(data, net, groupby="type", **QUICK)
    assert "noise_floor: not computed, since the embedding was made group by group" in caplog.text
    assert "differences" not in data.uns["grn"]


def test_differences_survive_a_file(rewired, tmp_path, same_frames):
    rewired.write_h5ad(tmp_path / "cells.h5ad")
    read = ad.read_h5ad(tmp_path / "cells.h5ad")
    same_frames(
        sr.get.group_differences(read),
        sr.get.group_differences(rewired),
        check_column_type=False,
    )


def test_the_share_of_a_group_is_one_minus_noise_over_what_is_observed():
    rng = np.random.default_rng(0)
    truth, shared = 2 * rng.standard_normal(20_000), np.zeros(20_000)
    first, second = (truth + np.sqrt(2) * rng.standard_normal(20_000) for _ in range(2))
    own = (first + second) / 2
    # The variance of the truth is 4, that of the error of ``own`` 1.
    assert own_share((first, second), own, shared, common=0.0) == pytest.approx(0.8, abs=0.01)
    noise = own - truth
    assert own_share((first - truth, second - truth), noise, shared, common=0.0) < 0.03
    assert own_share((own, own), own, own, common=0.0) == 0


def test_correlations_of_a_group_are_a_mixture():
    data, _ = cells_of(100)
    groups = [CellGroup(name, name, np.flatnonzero(data.obs["type"] == name)) for name in "ab"]
    shared = SharedCells.of(data, groups, **PLAIN)
    values, summary, record = shared.features(groups[0].cells)
    assert summary.shape == (N_GENES, 3)
    w = record["own_share"]
    assert 0 < w < 1
    logs = np.log1p(data.X.toarray() / data.X.sum(axis=1) * 1e4)
    z = (logs - logs.mean(0)) / logs.std(0)
    parts = [z[group.cells] for group in groups]
    between = sum(np.outer(part.mean(0), part.mean(0)) / 2 for part in parts)
    within = z.T @ z / len(z) - between
    inside = np.sqrt(np.diag(within))
    own = np.corrcoef(parts[0].T) * inside * inside[:, None]
    expected = between + (1 - w) * within + w * own
    np.testing.assert_allclose(values @ values.T / len(z), expected, atol=1e-4)
    # A gene's row is as long as without groups.
    np.testing.assert_allclose(np.diag(expected), 1, atol=1e-4)


def test_without_a_share_of_its_own_a_group_has_the_features_of_all_cells(monkeypatch):
    data, _ = cells_of(30)
    groups = [CellGroup(name, name, np.flatnonzero(data.obs["type"] == name)) for name in "ab"]
    shared = SharedCells.of(data, groups, **PLAIN)
    monkeypatch.setattr("scregnet.tl._fit.shared.own_share", lambda *_, **__: 0.0)
    values, summary, _ = shared.features(groups[1].cells)
    from scregnet._anndata.features import expression_features

    whole = expression_features(data, None, n_pcs=None, rows=None, random_state=0)
    np.testing.assert_allclose(values, whole[0], atol=1e-5)
    np.testing.assert_allclose(summary, whole[1], atol=1e-5)
    axes = SharedCells.of(data, groups, **PLAIN | {"n_pcs": 5}).features(groups[1].cells)[0]
    assert axes.shape == (N_GENES, 5)
    expected = expression_features(data, None, n_pcs=5, rows=None, random_state=0)[0]
    np.testing.assert_allclose(axes, expected, atol=1e-3)


def test_halves_are_disjoint_and_of_one_size_for_a_pair():
    sizes = {"a": 240, "b": 130, "c": 54, "d": 12}
    ends = np.cumsum([0, *sizes.values()])
    groups = [
        CellGroup(name, name, np.arange(start, stop))
        for name, start, stop in zip(sizes, ends[:-1], ends[1:], strict=True)
    ]
    steps, halves = draw_halves(groups, 0)
    # d has halves of 6 cells, which are too few.
    assert steps == {(0, 1): 54, (0, 2): 27, (1, 2): 27}
    assert sorted(halves[0]) == [27, 54]
    assert sorted(halves[2]) == [27]
    for number, parts in halves.items():
        for size, (one, two) in parts.items():
            assert len(one) == len(two) == size
            assert len(np.union1d(one, two)) == 2 * size
            assert np.isin(np.union1d(one, two), groups[number].cells).all()


def test_links_that_are_compared_taught_no_fit():
    class Labelled:
        """Two TFs among five genes."""

        left_out = (np.array([1]), np.array([4]))
        empty = Pairs(np.array([], int), np.array([], int), np.array([], bool))

        class parts:
            train = Pairs(np.array([0, 0]), np.array([2, 3]), np.array([True, False]))
            validation = Pairs(np.array([1, 1]), np.array([2, 3]), np.array([True, False]))
            test = Pairs(np.array([0]), np.array([4]), np.array([True]))

    links = NewLinks.of(Labelled, np.array([0, 1]), 5, np.random.default_rng(0))
    assert list(zip(*(part.tolist() for part in links.pairs()), strict=True)) == [
        (0, 1),
        (1, 0),
        (1, 3),
    ]
