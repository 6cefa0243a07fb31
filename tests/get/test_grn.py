"""sr.get.grn."""

from __future__ import annotations

import inspect

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import scregnet as sr

COLUMNS = ["source", "target", "weight", "q", "in_prior", "split"]


def test_frame_holds_the_matrix_and_the_labels(fitted_adata):
    net = sr.get.grn(fitted_adata)
    matrix = fitted_adata.varp["grn"]
    pairs = fitted_adata.uns["grn"]["pairs"].set_index(["source", "target"])

    assert list(net.columns) == COLUMNS
    assert len(net) == matrix.nnz
    assert not net.duplicated(["source", "target"]).any()
    position = fitted_adata.var_names.get_indexer
    np.testing.assert_array_equal(
        net["weight"], np.asarray(matrix[position(net["source"]), position(net["target"])]).ravel()
    )
    for row in net.itertuples():
        if (row.source, row.target) in pairs.index:
            label = pairs.loc[(row.source, row.target)]
            assert row.split == label["split"]
            assert row.in_prior == (label["label"] == 1)
        else:
            assert row.split == "none"
            assert not row.in_prior


def test_rows_are_sources_and_columns_targets():
    adata = _tiny([("A", "B", 0.9), ("A", "C", 0.2), ("B", "A", 0.4)])
    net = sr.get.grn(adata)
    assert list(zip(net["source"], net["target"], strict=True)) == [
        ("A", "B"),
        ("B", "A"),
        ("A", "C"),
    ]
    assert net["weight"].tolist() == pytest.approx([0.9, 0.4, 0.2])
    assert net["in_prior"].tolist() == [True, False, False]
    assert net["split"].tolist() == ["test", "none", "train"]


def test_ties_are_broken_by_names():
    links = [("C", "B", 0.5), ("C", "A", 0.5), ("A", "C", 0.5), ("A", "B", 0.5), ("B", "C", 0.7)]
    expected = [("B", "C"), ("A", "B"), ("A", "C"), ("C", "A"), ("C", "B")]
    for names in (["A", "B", "C"], ["C", "A", "B"]):
        adata = _tiny(links, names=names)
        for top_n in (None, 5, 3, 2, 1):
            net = sr.get.grn(adata, top_n=top_n)
            assert list(zip(net["source"], net["target"], strict=True)) == expected[:top_n]


def test_filters(fitted_adata):
    net = sr.get.grn(fitted_adata)
    pd.testing.assert_frame_equal(sr.get.grn(fitted_adata, top_n=7), net.head(7))
    pd.testing.assert_frame_equal(sr.get.grn(fitted_adata, top_n=10**6), net)
    pd.testing.assert_frame_equal(
        sr.get.grn(fitted_adata, threshold=0.6), net[net["weight"] >= 0.6]
    )
    for chosen in ("GATA1", ["GATA1"], pd.Index(["GATA1"]), ["GATA1", "GATA1"]):
        part = net[net["source"] == "GATA1"].reset_index(drop=True)
        pd.testing.assert_frame_equal(sr.get.grn(fitted_adata, sources=chosen), part)
    part = net[net["target"].isin(["GENE3", "SPI1"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(sr.get.grn(fitted_adata, targets=["SPI1", "GENE3"]), part)
    part = net[~net["in_prior"]].reset_index(drop=True)
    assert 0 < len(part) < len(net)
    pd.testing.assert_frame_equal(sr.get.grn(fitted_adata, new_only=True), part)
    both = sr.get.grn(fitted_adata, sources="SPI1", new_only=True, threshold=0.2, top_n=4)
    part = part[(part["source"] == "SPI1") & (part["weight"] >= 0.2)].head(4).reset_index(drop=True)
    pd.testing.assert_frame_equal(both, part)


def test_numbers_of_targets_and_of_links():
    links = [("A", "C", 0.5), ("A", "B", 0.5), ("B", "A", 0.9), ("B", "C", 0.8), ("C", "A", 0.1)]
    adata = _tiny(links)

    def names(**filters):
        net = sr.get.grn(adata, **filters)
        return (net["source"] + net["target"]).tolist()

    assert names() == ["BA", "BC", "AB", "AC", "CA"]
    # Ties are broken by name here too.
    assert names(top_n_targets=1) == ["BA", "AB", "CA"]
    assert names(top_n_targets=2) == names(top_n_targets=9) == names()
    # The total is counted among what the other filters leave.
    assert names(top_n_targets=1, top_n=2) == ["BA", "AB"]
    assert names(top_n_targets=1, threshold=0.6) == ["BA"]
    # A -> B is a labelled edge, B -> C was left out of the labelled pairs.
    assert names(top_n_targets=1, new_only=True) == ["BA", "AC", "CA"]


def test_number_of_targets_is_that_of_each_tf(fitted_adata):
    net = sr.get.grn(fitted_adata, threshold=0.2)
    first = net.groupby("source", sort=False).head(3).reset_index(drop=True)
    assert len(first) < len(net)
    pd.testing.assert_frame_equal(sr.get.grn(fitted_adata, threshold=0.2, top_n_targets=3), first)


def test_threshold_counts_a_link_that_just_reaches_it():
    adata = _tiny([("A", "B", 0.9), ("A", "C", 0.8999)])
    assert sr.get.grn(adata, threshold=0.9)["target"].tolist() == ["B"]


def test_nothing_passes_is_an_empty_frame(fitted_adata):
    net = sr.get.grn(fitted_adata, threshold=1.0)
    assert net.empty
    assert list(net.columns) == COLUMNS


def test_result_is_the_users_own(fitted_adata):
    before = fitted_adata.varp["grn"].copy()
    net = sr.get.grn(fitted_adata)
    net["weight"] = 0.0
    net["source"] = "none"
    assert (fitted_adata.varp["grn"] != before).nnz == 0


def test_after_genes_were_dropped_and_reordered(fitted_adata):
    net = sr.get.grn(fitted_adata)
    part = fitted_adata[:, ["GENE5", "SPI1", "GENE1", "GATA1"]]
    kept = {"GENE5", "SPI1", "GENE1", "GATA1"}
    expected = net[net["source"].isin(kept) & net["target"].isin(kept)].reset_index(drop=True)
    assert len(expected) > 3
    found = sr.get.grn(part)
    pd.testing.assert_frame_equal(found.drop(columns="q"), expected.drop(columns="q"))
    # q is that of the links that are there.
    np.testing.assert_array_equal(found["q"], sr.metrics.q_values(expected["weight"]))


def test_same_after_a_round_trip(fitted_adata, tmp_path):
    fitted_adata.write_h5ad(tmp_path / "fitted.h5ad")
    again = ad.read_h5ad(tmp_path / "fitted.h5ad")
    pd.testing.assert_frame_equal(
        sr.get.grn(again), sr.get.grn(fitted_adata), check_column_type=False
    )


@pytest.mark.filterwarnings("ignore:From 0.4:FutureWarning")
def test_mudata_modality(fitted_adata):
    mudata = pytest.importorskip("mudata")
    mdata = mudata.MuData(
        {"rna": fitted_adata, "atac": ad.AnnData(np.ones((fitted_adata.n_obs, 2)))}
    )
    assert len(sr.get.grn(mdata, top_n=5)) == 5
    with pytest.raises(KeyError, match="'rna', 'atac'"):
        sr.get.grn(mdata, mod="gex")


def test_the_same_filters_in_the_same_order_everywhere():
    filters = list(inspect.signature(sr.get.grn).parameters)
    for function in (sr.get.graph, sr.get.regulons):
        assert list(inspect.signature(function).parameters) == filters
    plot = inspect.signature(sr.pl.grn).parameters
    assert [name for name in plot if name in filters] == filters


def test_unknown_names(fitted_adata):
    with pytest.raises(
        KeyError, match=r"sources: 'gata1' not in adata.var_names. Did you mean 'GATA1'"
    ):
        sr.get.grn(fitted_adata, sources=["gata1", "SPI1"])
    with pytest.raises(KeyError, match=r"targets: 'NOPE' not in adata.var_names"):
        sr.get.grn(fitted_adata, targets="NOPE")
    with pytest.raises(ValueError, match=r"sources: 'GENE1' not among the 8 candidate TFs"):
        sr.get.grn(fitted_adata, sources=["GENE1"])
    with pytest.raises(ValueError, match="sources is empty"):
        sr.get.grn(fitted_adata, sources=[])


@pytest.mark.parametrize(
    "bad",
    [
        {"threshold": 1.2},
        {"max_q": -0.1},
        {"min_lift": np.nan},
        {"top_n": 0},
        {"top_n_targets": 0},
        {"by": "lfit"},
    ],
)
def test_arguments_out_of_range(fitted_adata, bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        sr.get.grn(fitted_adata, **bad)


@pytest.mark.parametrize("read", [sr.get.grn, sr.get.metrics, sr.get.graph, sr.get.regulons])
def test_missing_results_name_the_call(fitted_adata, read):
    with pytest.raises(
        KeyError,
        match=r"adata.uns\['grn'\] is not there: call sr.tl.fit_grn\(adata, prior\) first\.",
    ):
        read(ad.AnnData(np.ones((2, 2))))
    with pytest.raises(
        KeyError, match=r"key_added='other'\) first; or name one that is there with key=: 'grn'"
    ):
        read(fitted_adata, key="other")
    fitted_adata.uns["prior"] = {"n_edges": 3}
    with pytest.raises(KeyError, match="is not a fitted network"):
        read(fitted_adata, key="prior")
    with pytest.raises(TypeError, match="AnnData or a MuData, got DataFrame"):
        read(fitted_adata.to_df())


def test_missing_matrix_says_why(fitted_adata):
    del fitted_adata.varp["grn"]
    with pytest.raises(KeyError, match="anndata.concat drops varp"):
        sr.get.grn(fitted_adata)


def test_decoupler_takes_it(fitted_adata):
    import decoupler as dc

    net = sr.get.grn(fitted_adata, threshold=0.2)
    fitted_adata.X = fitted_adata.X.toarray()
    dc.mt.ulm(fitted_adata, net)
    scores = fitted_adata.obsm["score_ulm"]
    assert scores.shape[0] == fitted_adata.n_obs
    assert set(scores.columns) <= set(net["source"])
    assert np.isfinite(scores.to_numpy()).all()
    assert scores.to_numpy().std() > 0


def test_a_large_network_is_read_in_one_go():
    n_genes, n_tfs = 4000, 250
    rng = np.random.default_rng(0)
    genes = [f"G{i}" for i in range(n_genes)]
    block = sp.csr_matrix(rng.random((n_tfs, n_genes), dtype=np.float32))
    adata = _tiny([("G1", "G2", 0.5)], names=genes)
    adata.varp["grn"] = sp.vstack(
        [block, sp.csr_matrix((n_genes - n_tfs, n_genes), dtype=np.float32)]
    ).tocsr()
    net = sr.get.grn(adata)
    assert len(net) == block.nnz
    assert (np.diff(net["weight"]) <= 0).all()


def _tiny(links, names=("A", "B", "C")):
    names = list(names)
    square = sp.lil_matrix((len(names), len(names)), dtype=np.float32)
    for source, target, weight in links:
        square[names.index(source), names.index(target)] = weight
    adata = ad.AnnData(np.ones((2, len(names)), dtype=np.float32), var=pd.DataFrame(index=names))
    adata.varp["grn"] = square.tocsr()
    adata.uns["grn"] = {
        "varp_key": "grn",
        "params": {},
        "metrics": pd.DataFrame(columns=["model", "split", "metric", "value"]),
        "pairs": pd.DataFrame(
            {
                "source": ["A", "A"],
                "target": ["B", "C"],
                "label": np.array([1, 0], dtype=np.int8),
                "split": pd.Categorical(
                    ["test", "train"], categories=["train", "validation", "test"]
                ),
            }
        ),
        "left_out": pd.DataFrame({"source": ["B"], "target": ["C"]}),
        "model": {"genes": names},
    }
    return adata


def test_textual_marks_of_tfs_do_not_make_a_tf_of_every_gene(fitted_adata):
    # An h5ad of another tool may hold "True" and "False": as truth values, both are true.
    fitted_adata.var["is_tf"] = "False"
    with pytest.raises(ValueError, match=r"adata.var\['is_tf'\] must hold True or False"):
        sr.get.grn(fitted_adata, sources=fitted_adata.var_names[-1])


def test_the_first_links_are_those_of_the_whole_frame(fitted_adata):
    # Rounded, so that there are ties to break by name.
    matrix = fitted_adata.varp["grn"]
    matrix.data = matrix.data.round(1)
    # The probabilities that the fit recorded would tell that these are others.
    entry = fitted_adata.uns["grn"]
    recorded = [name for name in entry["pairs"] if "probability" in name or "out_of" in name]
    entry["pairs"] = entry["pairs"].drop(columns=recorded)
    whole = sr.get.grn(fitted_adata)
    for how in ({}, {"threshold": 0.3}, {"new_only": True}):
        wanted = whole
        if "threshold" in how:
            wanted = whole[whole["weight"] >= np.float32(0.3)]
        if "new_only" in how:
            wanted = whole[~whole["in_prior"]]
        for n in (1, 7, len(whole) + 5):
            found = sr.get.grn(fitted_adata, top_n=n, **how)
            pd.testing.assert_frame_equal(found, wanted.head(n).reset_index(drop=True))
