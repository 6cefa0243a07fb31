from __future__ import annotations

import logging

import anndata as ad
import networkx as nx
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import scregnet as sr

GENES = ["GATA1", "KLF1", "HBB", "SPI1", "MYC"]
NET = pd.DataFrame(
    {
        "source": ["KLF1", "GATA1", "GATA1", "TAL1"],
        "target": ["HBB", "KLF1", "HBB", "HBB"],
        "weight": [0.5, 2, -1, 1],
    }
)
DENSE = np.zeros((5, 5))
DENSE[0, 1], DENSE[0, 2], DENSE[1, 2] = 2, -1, 0.5


@pytest.fixture
def adata() -> ad.AnnData:
    return ad.AnnData(np.ones((3, 5), dtype=np.float32), var=pd.DataFrame(index=GENES))


def test_slots(adata):
    assert sr.pp.prior(adata, NET) is None
    prior = adata.varp["prior"]
    assert isinstance(prior, sp.csr_matrix)
    assert prior.dtype == np.float32
    np.testing.assert_array_equal(prior.toarray(), DENSE)
    assert adata.var["is_tf"].dtype == bool
    assert adata.var["is_tf"].tolist() == [True, True, False, False, False]
    report = adata.uns["prior"]
    assert report["varp_key"] == "prior"
    assert [report[f"n_{what}_given"] for what in ("edges", "tfs", "targets")] == [4, 3, 2]
    assert [report[f"n_{what}_matched"] for what in ("edges", "tfs", "targets")] == [3, 2, 2]
    assert report["tfs_added"].tolist() == ["GATA1", "KLF1"]


def test_key_added(adata):
    sr.pp.prior(adata, NET, key_added="chip")
    assert list(adata.varp) == ["chip"]
    assert adata.uns["chip"]["varp_key"] == "chip"
    assert "prior" not in adata.uns
    with pytest.raises(ValueError, match="'org/net' cannot be stored"):
        sr.pp.prior(adata, NET, key_added="org/net")


def test_copy_leaves_the_original_alone(adata, snapshot):
    before = snapshot(adata)
    changed = sr.pp.prior(adata, NET, copy=True)
    assert snapshot(adata) == before
    np.testing.assert_array_equal(changed.varp["prior"].toarray(), DENSE)


def test_a_stored_prior_can_be_given_by_its_key(adata):
    sr.pp.prior(adata, NET, key_added="chip")
    sr.pp.prior(adata, "chip")
    np.testing.assert_array_equal(adata.varp["prior"].toarray(), DENSE)


@pytest.mark.parametrize(
    "net",
    [
        NET,
        nx.from_pandas_edgelist(NET, edge_attr="weight", create_using=nx.DiGraph),
        pd.DataFrame(DENSE, index=GENES, columns=GENES),
    ],
    ids=["frame", "graph", "wide frame"],
)
def test_gene_symbols(net, adata):
    adata.var["symbol"] = GENES
    adata.var_names = [f"ENSG{i}" for i in range(5)]
    sr.pp.prior(adata, net, gene_symbols="symbol")
    np.testing.assert_array_equal(adata.varp["prior"].toarray(), DENSE)
    assert adata.uns["prior"]["gene_symbols"] == "symbol"
    assert adata.uns["prior"]["tfs_added"].tolist() == ["ENSG0", "ENSG1"]


def test_a_column_of_symbols_that_does_not_exist_changes_nothing(adata, snapshot):
    before = snapshot(adata)
    with pytest.raises(KeyError, match="gene_symbols='symbol' is not a column of adata.var"):
        sr.pp.prior(adata, NET, gene_symbols="symbol")
    assert snapshot(adata) == before


def test_users_candidates_stay_and_another_prior_replaces_only_its_own(adata):
    adata.var["is_tf"] = [False, True, False, False, True]
    sr.pp.prior(adata, NET)
    assert adata.var["is_tf"].tolist() == [True, True, False, False, True]
    sr.pp.prior(adata, pd.DataFrame({"source": ["SPI1"], "target": ["MYC"]}))
    assert adata.var["is_tf"].tolist() == [False, True, False, True, True]
    sr.pp.prior(adata, NET, key_added="second")
    assert adata.var["is_tf"].tolist() == [True, True, False, True, True]


def test_tfs_named_after_a_prior_stay_with_the_next(adata):
    sr.pp.prior(adata, NET)
    sr.pp.tfs(adata, ["GATA1", "MYC"])
    assert adata.var["is_tf"].tolist() == [True, False, False, False, True]
    sr.pp.prior(adata, pd.DataFrame({"source": ["SPI1"], "target": ["MYC"]}))
    assert adata.var["is_tf"].tolist() == [True, False, False, True, True]


def test_marks_that_are_not_true_or_false(adata, snapshot):
    adata.var["is_tf"] = ["True", "False", "True", "False", "True"]
    before = snapshot(adata)
    with pytest.raises(ValueError, match=r"adata.var\['is_tf'\] must hold True or False"):
        sr.pp.prior(adata, NET)
    assert snapshot(adata) == before


def test_marks_of_a_nullable_column_stay(adata):
    adata.var["is_tf"] = pd.array([True] * 5, dtype="boolean")
    sr.pp.prior(adata, NET)
    assert adata.var["is_tf"].all()


@pytest.mark.parametrize("slot", ["uns", "varp"])
def test_what_is_no_prior_is_not_overwritten(adata, slot):
    mine = np.eye(adata.n_vars)
    getattr(adata, slot)["mine"] = mine
    with pytest.raises(ValueError, match=rf"key_added='mine' is taken: adata.{slot}\['mine'\]"):
        sr.pp.prior(adata, NET, key_added="mine")
    np.testing.assert_array_equal(getattr(adata, slot)["mine"], mine)
    for _ in range(2):
        sr.pp.prior(adata, NET)
    assert adata.uns["prior"]["n_edges_matched"] == adata.varp["prior"].nnz


@pytest.mark.parametrize(
    "net, error",
    [
        (
            NET.assign(
                source=NET["source"].str.capitalize(), target=NET["target"].str.capitalize()
            ),
            ValueError,
        ),
        (NET.iloc[:0], ValueError),
        (pd.concat([NET, NET]), ValueError),
        (NET.assign(weight=np.nan), ValueError),
        ("absent", KeyError),
        (3, TypeError),
    ],
)
def test_errors_leave_the_data_untouched(net, error, adata, snapshot):
    before = snapshot(adata)
    with pytest.raises(error, match="prior"):
        sr.pp.prior(adata, net)
    assert snapshot(adata) == before


def test_duplicated_var_names(adata):
    adata.var_names = ["GATA1", "GATA1", "HBB", "SPI1", "MYC"]
    with pytest.raises(ValueError, match="not unique: 'GATA1'"):
        sr.pp.prior(adata, NET)


def test_view_becomes_a_copy(adata):
    view = adata[:, ["HBB", "KLF1"]]
    with pytest.warns(ad.ImplicitModificationWarning):
        sr.pp.prior(view, NET)
    assert view.varp["prior"].toarray().tolist() == [[0, 0], [0.5, 0]]
    assert not len(adata.varp)


# mudata's own announcement, given by MuData.copy().
@pytest.mark.filterwarnings("ignore:From 0.4:FutureWarning")
def test_mudata(adata, mudata_of):
    mdata = mudata_of(rna=adata, atac=ad.AnnData(np.ones((3, 2), dtype=np.float32)))
    sr.pp.prior(mdata, NET)
    np.testing.assert_array_equal(mdata.mod["rna"].varp["prior"].toarray(), DENSE)
    assert not len(mdata.mod["atac"].varp)
    changed = sr.pp.prior(mdata, NET, key_added="other", copy=True)
    assert "other" in changed.mod["rna"].varp
    assert "other" not in mdata.mod["rna"].varp
    with pytest.raises(KeyError, match="mod='protein'"):
        sr.pp.prior(mdata, NET, mod="protein")


def test_backed(adata, tmp_path):
    adata.write_h5ad(tmp_path / "a.h5ad")
    backed = ad.read_h5ad(tmp_path / "a.h5ad", backed="r")
    sr.pp.prior(backed, NET)
    np.testing.assert_array_equal(backed.varp["prior"].toarray(), DENSE)
    backed.file.close()


def test_round_trip_and_subsetting(adata, round_trip):
    sr.pp.prior(adata, NET)
    back = round_trip(adata)
    np.testing.assert_array_equal(back.varp["prior"].toarray(), DENSE)
    assert back.var["is_tf"].tolist() == adata.var["is_tf"].tolist()
    assert back.uns["prior"]["n_edges_matched"] == 3
    assert back.uns["prior"]["gene_symbols"] is None
    # What the first prior added is taken back after reading, and after genes were reordered, too.
    fewer = back[:, ["MYC", "SPI1", "GATA1"]].copy()
    sr.pp.prior(fewer, pd.DataFrame({"source": ["SPI1"], "target": ["MYC"]}))
    assert fewer.var["is_tf"].tolist() == [False, True, False]


@pytest.mark.shared
def test_collectri_on_pbmc(shared, caplog):
    import scanpy as sc

    adata = sc.datasets.pbmc68k_reduced()
    with caplog.at_level(logging.INFO, "scregnet"):
        sr.pp.prior(adata, pd.read_csv(shared / "data/priors/collectri.csv"))
    assert adata.varp["prior"].nnz == adata.uns["prior"]["n_edges_matched"] > 100
    assert adata.var["is_tf"].sum() == adata.uns["prior"]["n_tfs_matched"]
    assert any("of 43,178 edges" in message for message in caplog.messages)
