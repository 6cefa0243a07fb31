"""Which pairs without an edge are confused with edges."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import scregnet as sr
from scregnet.bm._edge_kinds import kinds_of_pairs


@pytest.fixture(scope="module")
def adata():
    made = sr.datasets.simulated(60, 120, n_tfs=30, mean_regulators=4)
    sr.pp.split(made, made.uns["network"])
    sr.tl.fit_grn(made, method="pearson", split="split", n_folds=2, n_bootstrap=0)
    return made


def test_a_pair_is_of_the_first_kind_that_holds():
    # 0 → 1 → 2 → 3, 0 → 4, and 1 → 4; 5 is alone.
    edges = [(0, 1), (1, 2), (2, 3), (0, 4), (1, 4)]
    truth = sp.csr_matrix((np.ones(5, np.int32), tuple(zip(*edges, strict=True))), shape=(6, 6))
    expected = {
        (0, 4): "edge",  # though two steps lead there as well
        (1, 0): "reversed",
        (0, 2): "indirect",
        (1, 3): "indirect",
        (4, 1): "reversed",  # and both are regulated by 0
        (2, 4): "co-regulated",
        (2, 0): "other",  # two steps back
        (0, 3): "other",  # three steps
        (2, 5): "other",
    }
    source, target = np.array(list(expected)).T
    assert kinds_of_pairs(truth, source, target).tolist() == list(expected.values())


@pytest.mark.parametrize(("split", "prefix"), [("test", "probability"), ("folds", "out_of_fold")])
def test_areas_are_those_of_held_out_pairs(adata, split, prefix):
    table = sr.bm.edge_kinds(adata, split=split)
    assert table["model"].unique().tolist() == ["pearson", "degree", "label_factors"]
    pairs = adata.uns["grn"]["pairs"]
    if split == "test":
        pairs = pairs[pairs["split"] == "test"]
    known = set(adata.uns["network"][["source", "target"]].itertuples(index=False, name=None))
    pair = list(zip(pairs["source"], pairs["target"], strict=True))
    edge = np.array([(a, b) in known for a, b in pair])
    back = np.array([(b, a) in known for a, b in pair]) & ~edge
    to_tf = edge & pairs["target"].str.startswith("TF").to_numpy()
    found = table[table["model"] == "degree"].set_index("against")
    score = pairs[f"{prefix}_degree"].to_numpy()
    row = found.loc["reversed"]
    # Every simulated TF has a target.
    assert (row["n_edges"], row["n_pairs"]) == (to_tf.sum(), back.sum())
    used = to_tf | back
    assert row["auroc"] == pytest.approx(sr.metrics.auroc(to_tf[used], score[used]))
    row = found.loc["all"]
    assert row["auroc"] == pytest.approx(sr.metrics.auroc(edge, score))
    tfs = pairs["source"].to_numpy(str)
    assert row["per_tf_auroc"] == pytest.approx(sr.metrics.per_tf(edge, score, tfs))
    assert found.loc[found.index != "all", "n_pairs"].sum() == row["n_pairs"]


def test_what_is_symmetric_cannot_tell_direction(adata):
    made = adata.copy()
    pairs = made.uns["grn"]["pairs"]
    place = made.var_names.get_indexer(pairs["source"]), made.var_names.get_indexer(pairs["target"])
    pairs["out_of_fold_degree"] = np.add(*place) % 17 / 17
    table = sr.bm.edge_kinds(made, split="folds").set_index(["model", "against"])
    # Both directions of each pair of TFs are labelled.
    assert table.loc[("degree", "reversed"), "auroc"] == 0.5


def test_the_truth_counts_and_not_the_labels(adata):
    whole = sr.bm.edge_kinds(adata).set_index(["model", "against"])
    part = sr.bm.edge_kinds(adata, adata.uns["network"].iloc[::2]).set_index(["model", "against"])
    assert (part["n_edges"] < whole["n_edges"]).all()
    sums = [
        table.xs("all", level="against")[["n_edges", "n_pairs"]].sum(axis=1)
        for table in (whole, part)
    ]
    pd.testing.assert_series_equal(*sums)


def test_no_pairs_have_no_kinds():
    found = kinds_of_pairs(
        sp.csr_matrix((3, 3), dtype=np.int32), np.zeros(0, int), np.zeros(0, int)
    )
    assert found.tolist() == []


def test_kinds_that_do_not_occur_are_nan(adata):
    to_others = adata.uns["network"].query("not target.str.startswith('TF')")
    table = sr.bm.edge_kinds(adata, to_others)
    table = table[table["against"].isin(["reversed", "indirect", "co-regulated"])]
    assert (table["n_pairs"] == 0).all()
    assert table[["auroc", "per_tf_auroc"]].isna().all(axis=None)


def test_what_lacks_truth_folds_or_labels_raises(adata):
    bare = adata.copy()
    del bare.uns["network"]
    with pytest.raises(KeyError, match=r"pass the whole true network"):
        sr.bm.edge_kinds(bare)
    for network, error, said in (
        ([], ValueError, "prior has no edges"),
        ({"TF001": 3}, ValueError, r"prior\['TF001'\] is int"),
        (3, TypeError, "prior must be a frame"),
    ):
        with pytest.raises(error, match="network= is read as a prior is. " + said):
            sr.bm.edge_kinds(adata, network)
    with pytest.raises(ValueError, match="split='train' is not known"):
        sr.bm.edge_kinds(adata, split="train")
    sr.tl.fit_grn(bare, method="degree", split="split", n_folds=1, key_added="once")
    with pytest.raises(ValueError, match="fitted without folds"):
        sr.bm.edge_kinds(bare, adata.uns["network"], key="once", split="folds")
    del bare.uns["split"]
    sr.tl.fit_grn(bare, method="pearson", key_added="alone")
    with pytest.raises(ValueError, match="without a known network"):
        sr.bm.edge_kinds(bare, adata.uns["network"], key="alone")
