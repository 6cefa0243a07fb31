"""Vectors of genes from a file: every form gives the same, and what is no table is refused."""

from __future__ import annotations

import json
import pickle

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import scregnet as sr

GENES = ["GATA1", "TP53", "C1orf7", "MYC"]


@pytest.fixture
def adata():
    rng = np.random.default_rng(0)
    found = ad.AnnData(rng.poisson(2, (12, 5)).astype(np.float32))
    found.X[3] = 0
    found.var_names = ["TP53", "unknown", "GATA1", "Myc", "C1ORF7"]
    found.obs["half"] = pd.Categorical(["a", "b"] * 6)
    return found


@pytest.fixture
def frame():
    vectors = np.random.default_rng(1).normal(size=(4, 3)).astype(np.float32)
    return pd.DataFrame(vectors, index=GENES, columns=["d0", "d1", "d2"])


FORMS = {
    "a.parquet": lambda frame, path: frame.to_parquet(path),
    "column.parquet": lambda frame, path: (
        frame.rename_axis("symbol").reset_index().to_parquet(path)
    ),
    "lists.parquet": lambda frame, path: pd.DataFrame(
        {"gene": frame.index, "vector": list(frame.to_numpy())}
    ).to_parquet(path),
    "a.csv": lambda frame, path: frame.to_csv(path),
    "a.tsv": lambda frame, path: frame.to_csv(path, sep="\t"),
    "a.csv.gz": lambda frame, path: frame.to_csv(path),
    "lists.csv": lambda frame, path: pd.DataFrame(
        {"gene": frame.index, "vector": [json.dumps(row) for row in frame.to_numpy().tolist()]}
    ).to_csv(path, index=False),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_rows_of_the_table(form, adata, frame, tmp_path):
    FORMS[form](frame, tmp_path / form)
    sr.tl.embed(adata, model="table", weights=tmp_path / form, key_added="genept")
    expected = np.zeros((5, 3), np.float32)
    expected[[0, 2, 4]] = frame.loc[["TP53", "GATA1", "C1orf7"]]
    np.testing.assert_allclose(adata.varm["genept"], expected, atol=1e-6)
    assert adata.var["genept_covered"].tolist() == [True, False, True, False, True]
    params = adata.uns["genept"]["params"]
    assert len(params["weights_sha256"]) == 64
    assert params["weights"] == str(tmp_path / form)
    assert (params["n_table"], params["n_genes_known"], params["dimension"]) == (4, 3, 3)
    assert params["table_ids"] == "symbol"
    # The folder of the file does as well.
    sr.tl.embed(adata, model="table", weights=tmp_path)
    np.testing.assert_array_equal(adata.varm["table"], adata.varm["genept"])


def test_cells_are_weighted_means_and_groups_have_the_same_genes(adata, frame, tmp_path):
    frame.to_parquet(tmp_path / "a.parquet")
    told = {"model": "table", "weights": tmp_path / "a.parquet"}
    sr.tl.embed(adata, **told, of="both", groupby="half", min_cells=1)
    np.testing.assert_array_equal(adata.varm["table_a"], adata.varm["table_b"])
    logged = np.log1p(1e4 * adata.X / np.maximum(adata.X.sum(axis=1, keepdims=True), 1))
    mean = logged[:, [0, 2, 4]] @ frame.loc[["TP53", "GATA1", "C1orf7"]].to_numpy()
    expected = mean / np.maximum(np.linalg.norm(mean, axis=1, keepdims=True), 1e-30)
    np.testing.assert_allclose(adata.obsm["table"], expected, atol=1e-6)
    assert not adata.obsm["table"][3].any()


def test_ensembl_ids_aliases_and_orthologues(adata, frame, tmp_path):
    frame.set_axis(["ENSG00000000001.3", "ENSG00000000002", "ENSG00000000003", "X"]).to_csv(
        tmp_path / "a.csv"
    )
    adata.var["id"] = ["ENSG00000000002.9", "", "ensg00000000001", "X", "ENSG00000000009"]
    sr.tl.embed(adata, "table", weights=tmp_path / "a.csv", gene_ids="id")
    assert adata.var["table_covered"].tolist() == [True, False, True, False, False]
    assert adata.uns["table"]["params"]["table_ids"] == "ensembl"
    frame.to_csv(tmp_path / "b.csv")
    told = {"model": "table", "weights": tmp_path / "b.csv"}
    sr.tl.embed(adata, **told, orthologues="upper", aliases={"UNKNOWN": "NOTHING"})
    assert adata.var["table_covered"].tolist() == [True, False, True, True, True]
    sr.tl.embed(adata, **told, aliases={"unknown": "MYC"})
    assert adata.uns["table"]["params"]["n_renamed"] == 1


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (lambda f: f.assign(d1=np.nan), ValueError, "NaN, infinite .* 'GATA1', 'TP53'"),
        (lambda f: f.astype(float).assign(d1=1e300), ValueError, "too large for float32"),
        (lambda f: f.assign(note="x"), ValueError, r"'note' does not.*gene_column="),
        (lambda f: pd.concat([f, f[:1]]), ValueError, "several rows for some genes: 'GATA1'"),
        (lambda f: f[:0], ValueError, "must name a gene in every row"),
        (lambda f: f[[]], ValueError, "no column does not"),
        (lambda f: f.set_axis(["GATA1", "TP53", "MYC", None]), ValueError, "1 of 4 rows do not"),
    ],
)
@pytest.mark.parametrize("form", ["a.csv", "a.parquet"])
def test_what_is_no_table(change, error, words, form, adata, frame, tmp_path):
    FORMS[form](change(frame), tmp_path / form)
    with pytest.raises(error, match=words):
        sr.tl.embed(adata, "table", weights=tmp_path / form)
    assert not list(adata.varm)


def test_files_that_are_not_read(adata, frame, tmp_path):
    (tmp_path / "a.pickle").write_bytes(pickle.dumps({"GATA1": [0.1]}))
    with pytest.raises(ValueError, match="is a pickle, which can run code"):
        sr.tl.embed(adata, "table", weights=tmp_path / "a.pickle")
    (tmp_path / "a.parquet").write_bytes(b"PAR1nothing")
    with pytest.raises(ValueError, match=r"a\.parquet was not read as a table"):
        sr.tl.embed(adata, "table", weights=tmp_path / "a.parquet")
    frame.to_csv(tmp_path / "a.csv")
    with pytest.raises(ValueError, match="gene_column='id' is not in"):
        sr.tl.embed(adata, "table", weights=tmp_path / "a.csv", gene_column="id")
    with pytest.raises(FileNotFoundError, match="model='table' has no published weights"):
        sr.tl.embed(adata, "table")
    with pytest.raises(ValueError, match="reads no tokens of genes"):
        sr.tl.token_links(adata, "table", ["TP53"], weights=tmp_path / "a.csv")
