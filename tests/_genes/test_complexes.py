"""Complexes are named, and expanded to their members if asked."""

from __future__ import annotations

import logging

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import scregnet as sr

GENES = ["FOS", "JUN", "JUNB", "RELA", "IL2", "IL6"]
AP1 = "FOS, FOSB, FOSL1, FOSL2, JUN, JUNB, JUND"
NET = pd.DataFrame(
    [
        ("AP1", "IL2", -1.0),
        ("AP1", "IL6", 1.0),
        ("JUN", "IL2", 2.0),
        ("NFKB", "IL6", 1.0),
        ("COMPLEX:JUN_FOS", "IL6", -3.0),
        ("RELA", "JUN", 1.0),
    ],
    columns=["source", "target", "weight"],
)


@pytest.fixture
def adata() -> ad.AnnData:
    return ad.AnnData(np.ones((3, 6), dtype=np.float32), var=pd.DataFrame(index=GENES))


def _edges(data: ad.AnnData) -> set[tuple[str, str, float]]:
    matrix = data.varp["prior"].tocoo()
    names = data.var_names.to_numpy()
    return set(zip(names[matrix.row], names[matrix.col], matrix.data.tolist(), strict=True))


def test_complexes_are_named_and_left_out(adata, caplog):
    with caplog.at_level(logging.INFO, "scregnet"):
        sr.pp.prior(adata, NET)
    assert _edges(adata) == {("JUN", "IL2", 2.0), ("RELA", "JUN", 1.0)}
    table = adata.uns["prior"]["complexes"].set_index("complex")
    assert table["members"].to_dict() == {
        "AP1": AP1,
        "COMPLEX:JUN_FOS": "JUN, FOS",
        "NFKB": "NFKB1, NFKB2, REL, RELA, RELB",
    }
    assert table["n_edges"].to_dict() == {"AP1": 2, "COMPLEX:JUN_FOS": 1, "NFKB": 1}
    assert not table["expanded"].any()
    assert adata.uns["prior"]["n_edges_given"] == 6
    assert caplog.messages[0] == (
        "prior: 4 edges are of complexes, which are not genes, and are left out: "
        f"'AP1' ({AP1}), 'COMPLEX:JUN_FOS' (JUN, FOS), 'NFKB' (NFKB1, NFKB2, REL, RELA, RELB). "
        "sr.pp.prior(adata, network, complexes='expand') gives them to the members."
    )


def test_complexes_are_expanded_and_repeated_edges_merged(adata, caplog):
    with caplog.at_level(logging.INFO, "scregnet"):
        sr.pp.prior(adata, NET, complexes="expand")
    assert _edges(adata) == {
        # The network's own edge of JUN stays; the complex gives the others.
        ("JUN", "IL2", 2.0),
        ("FOS", "IL2", -1.0),
        ("JUNB", "IL2", -1.0),
        # Of two complexes, the first one counts.
        ("JUN", "IL6", 1.0),
        ("FOS", "IL6", 1.0),
        ("JUNB", "IL6", 1.0),
        ("RELA", "IL6", 1.0),
        ("RELA", "JUN", 1.0),
    }
    assert adata.var["is_tf"].tolist() == [True, True, True, True, False, False]
    report = adata.uns["prior"]
    assert report["complexes"]["expanded"].all()
    assert report["complexes"]["n_edges"].tolist() == [2, 1, 1]
    # Two edges of genes, 7 + 7 of AP1 less the one that JUN has, and 5 of NFKB.
    assert report["n_edges_given"] == 2 + 13 + 5
    assert caplog.messages[0].startswith(
        "prior: the 4 edges of complexes are given to the members, which makes 18 new edges: 'AP1'"
    )


def test_a_network_of_genes_has_no_such_entry(adata):
    sr.pp.prior(adata, NET[NET["source"].isin(GENES)], complexes="expand")
    assert "complexes" not in adata.uns["prior"]


def test_a_gene_of_the_data_is_no_complex(adata):
    adata.var_names = ["FOS", "JUN", "AP1", "RELA", "IL2", "IL6"]
    sr.pp.prior(adata, NET[NET["source"].isin(["AP1", "JUN"])], complexes="expand")
    assert "complexes" not in adata.uns["prior"]
    assert ("AP1", "IL6", 1.0) in _edges(adata)


@pytest.mark.parametrize("name", ["AP-1", "Ap1", "ap1"])
def test_spellings(name, adata):
    sr.pp.prior(adata, [(name, "IL2"), ("RELA", "JUN")])
    assert adata.uns["prior"]["complexes"]["members"].tolist() == [AP1]


def test_members_are_spelled_as_the_genes_are(adata):
    adata.var_names = adata.var_names.str.capitalize()
    sr.pp.prior(adata, [("AP1", "Il2"), ("Rela", "Jun")], complexes="expand")
    assert ("Fos", "Il2", 1.0) in _edges(adata)
    assert adata.uns["prior"]["complexes"]["members"].str.startswith("Fos, Fosb").all()


def test_complexes_as_targets(adata):
    sr.pp.prior(adata, [("RELA", "COMPLEX:JUN_FOS"), ("RELA", "JUN", -1.0)], complexes="expand")
    assert _edges(adata) == {("RELA", "JUN", -1.0), ("RELA", "FOS", 1.0)}


def test_symbols_in_a_column(adata):
    adata.var["symbol"] = GENES
    adata.var_names = [f"ENSG{i}" for i in range(6)]
    sr.pp.prior(adata, NET, gene_symbols="symbol", complexes="expand")
    assert adata.varp["prior"].nnz == 8


def test_an_unknown_choice(adata):
    with pytest.raises(ValueError, match="complexes='expnd' is not known.*Did you mean 'expand'"):
        sr.pp.prior(adata, NET, complexes="expnd")


def test_the_report_survives_a_file(adata, tmp_path, same_frames):
    sr.pp.prior(adata, NET)
    adata.write_h5ad(tmp_path / "a.h5ad")
    back = ad.read_h5ad(tmp_path / "a.h5ad").uns["prior"]["complexes"]
    same_frames(
        back.reset_index(drop=True),
        adata.uns["prior"]["complexes"],
        check_column_type=False,
    )


@pytest.mark.shared
def test_collectri_on_pbmc(shared):
    import scanpy as sc

    adata = sc.datasets.pbmc68k_reduced()
    path = shared / "data/priors/collectri.csv"
    sr.pp.prior(adata, path)
    table = adata.uns["prior"]["complexes"].set_index("complex")
    assert table["n_edges"].to_dict() == {"AP1": 596, "NFKB": 799}
    n, before = adata.varp["prior"].nnz, adata.varp["prior"].toarray()
    sr.pp.prior(adata, path, complexes="expand")
    after = adata.varp["prior"].toarray()
    assert (n, adata.varp["prior"].nnz) == (218, 286)
    np.testing.assert_array_equal(after[before != 0], before[before != 0])
    net = pd.read_csv(path)
    assert set(", ".join(table["members"]).split(", ")) <= set(net["source"])
