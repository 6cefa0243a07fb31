from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import scregnet as sr
from scregnet.encoders import Embedding, GeneVectors, register, registry
from scregnet.encoders.gene_ids import GeneIds

HUMAN = {"GATA1": 0, "TP53": 1, "TWIN": 2, "C1orf7": 3}


class HumanSums:
    """Knows four human symbols; the vector of a gene is its sum over cells."""

    poolings = ()

    def describe(self):
        return {}

    def embed(self, cells, genes, options):
        match = GeneIds("HumanSums", HUMAN, kind="symbol").match(genes)
        sums = sum(np.asarray(match.collapse(block.matrix).sum(axis=0)).ravel() for block in cells)
        vectors = np.where(match.known, sums[match.slots], 0)[:, None].astype(np.float32)
        return Embedding(
            (GeneVectors(vectors, match.known, cells.n_cells),), match.known, match.report
        )


@pytest.fixture
def mouse(monkeypatch):
    monkeypatch.setattr(registry, "_ENTRIES", dict(registry._ENTRIES))
    register("sums", HumanSums)
    adata = ad.AnnData(np.arange(1, 11, dtype=np.float32).reshape(2, 5))
    adata.var_names = ["Gata1", "Trp53", "Twin1", "Twin2", "C1orf7"]
    adata.var["ensembl"] = [f"ENSMUSG0000000000{i}.2" for i in range(5)]
    return adata


def test_mouse_is_not_taken_for_human_by_itself(mouse):
    sr.tl.embed(mouse, "sums")
    assert mouse.var["sums_covered"].tolist() == [False, False, False, False, True]
    assert mouse.uns["sums"]["params"]["orthologues"] is None


def test_a_table(mouse, caplog):
    table = pd.DataFrame(
        {"mouse": ["Gata1", "Trp53", "Twin1", "Twin2"], "human": ["GATA1", "TP53", "TWIN", "TWIN"]}
    )
    with caplog.at_level("INFO", logger="scregnet"):
        sr.tl.embed(mouse, "sums", orthologues=table)
    assert mouse.varm["sums"][:, 0].tolist() == [7, 9, 24, 24, 0]
    assert mouse.var["sums_covered"].tolist() == [True, True, True, True, False]
    assert mouse.var_names[0] == "Gata1"
    params = mouse.uns["sums"]["params"]
    assert params["orthologues"] == "table"
    assert params["n_orthologues"] == 4
    assert params["n_ambiguous"] == 0
    assert params["n_genes_known"] == 4
    assert params["share_known"] == pytest.approx((55 - 15) / 55)
    assert "orthologues: 4 of 5 genes have a human one; 0 are left out" in caplog.text
    assert "sums: 4 of 5 genes (80 %), 73 % of the counts" in caplog.text


def test_a_table_of_the_ids_in_a_column(mouse):
    table = {"ENSMUSG00000000001": "TP53", "ENSMUSG00000000004.7": "GATA1"}
    sr.tl.embed(mouse, "sums", gene_ids="ensembl", orthologues=table)
    assert mouse.varm["sums"][:, 0].tolist() == [0, 9, 0, 0, 15]
    assert mouse.uns["sums"]["params"]["gene_ids"] == "ensembl"


def test_upper_case(mouse, caplog):
    with caplog.at_level("INFO", logger="scregnet"):
        sr.tl.embed(mouse, "sums", orthologues="upper")
    assert mouse.var["sums_covered"].tolist() == [True, False, False, False, True]
    assert mouse.uns["sums"]["params"]["orthologues"] == "upper"
    assert mouse.uns["sums"]["params"]["n_orthologues"] == 5
    assert "symbols in upper case are taken for human ones; 5 of 5 genes changed" in caplog.text


def test_the_record_survives_writing(mouse, tmp_path):
    sr.tl.embed(mouse, "sums", orthologues="upper")
    mouse.write_h5ad(tmp_path / "mouse.h5ad")
    params = ad.read_h5ad(tmp_path / "mouse.h5ad").uns["sums"]["params"]
    assert (params["orthologues"], params["n_orthologues"]) == ("upper", 5)


@pytest.mark.parametrize(
    ("orthologues", "error", "message"),
    [
        (
            "Upper",
            ValueError,
            "orthologues='Upper' is not known; valid values: 'upper'. Did you mean 'upper'",
        ),
        (["GATA1"], TypeError, "a frame, a mapping or 'upper', got list"),
        ({"GATA1": "Gata1"}, ValueError, "has none of the 5 genes"),
    ],
)
def test_wrong_orthologues_leave_the_data_alone(mouse, orthologues, error, message):
    with pytest.raises(error, match=message):
        sr.tl.embed(mouse, "sums", orthologues=orthologues)
    assert not mouse.varm
    assert not mouse.uns


def test_aliases(mouse, caplog, monkeypatch):
    mouse.var_names = ["GATA1", "P53", "Twin1", "TWIN", "unknown"]

    class Matching(HumanSums):
        def match(self, genes):
            return GeneIds("Matching", HUMAN, kind="symbol").match(genes)

    register("matching", Matching)
    with caplog.at_level("INFO", logger="scregnet"):
        sr.tl.embed(mouse, "matching", aliases={"P53": "TP53", "Twin1": "TWIN"})
    assert mouse.var["matching_covered"].tolist() == [True, True, False, True, False]
    params = mouse.uns["matching"]["params"]
    assert params["aliases"] == "table"
    assert (params["n_renamed"], params["n_alias_taken"]) == (1, 1)
    assert "1 genes found under another name" in caplog.text
    assert mouse.var_names[1] == "P53"
    sr.tl.embed(mouse, "matching")
    assert mouse.uns["matching"]["params"]["aliases"] is None
    with pytest.raises(ValueError, match="model='svd' has no vocabulary, so aliases="):
        sr.tl.embed(mouse, "svd", aliases={"P53": "TP53"})
    with pytest.raises(TypeError, match="aliases= must be a frame"):
        sr.tl.embed(mouse, "matching", aliases=3)
