from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import scregnet as sr

GENES = ["GATA1", "KLF1", "HBB", "SPI1", "MYC"]


def _adata(genes=GENES, **var) -> ad.AnnData:
    return ad.AnnData(
        np.ones((3, len(genes)), dtype=np.float32), var=pd.DataFrame(var, index=list(genes))
    )


@pytest.mark.parametrize(
    "form", [list, tuple, set, np.array, pd.Index, pd.Series, iter], ids=lambda form: form.__name__
)
def test_every_form_of_list(form):
    adata = _adata()
    assert sr.pp.tfs(adata, form(["SPI1", "GATA1", "TAL1"])) is None
    assert adata.var["is_tf"].dtype == bool
    assert adata.var["is_tf"].tolist() == [True, False, False, True, False]
    report = adata.uns["is_tf"]
    assert (
        report["from"],
        report["n_given"],
        report["n_matched"],
        report["n_matched_by_case"],
    ) == ("list", 3, 2, 0)
    assert report["given"].tolist() == ["GATA1", "SPI1"]


def test_file(tmp_path):
    path = tmp_path / "tfs.txt"
    path.write_text("GATA1\r\n\nNA\n  SPI1 \n")
    adata = _adata([*GENES, "NA"])
    sr.pp.tfs(adata, path)
    assert adata.var_names[adata.var["is_tf"]].tolist() == ["GATA1", "SPI1", "NA"]
    sr.pp.tfs(adata, str(path), key_added="listed")
    assert adata.var["listed"].equals(adata.var["is_tf"].rename("listed"))
    with pytest.raises(FileNotFoundError, match="tfs='GATA1' is not a file"):
        sr.pp.tfs(adata, "GATA1")


def test_from_the_prior():
    adata = _adata()
    with pytest.raises(KeyError, match="Call sr.pp.prior"):
        sr.pp.tfs(adata)
    sr.pp.prior(adata, pd.DataFrame({"source": ["KLF1"], "target": ["HBB"]}), key_added="net")
    adata.var["is_tf"] = True
    sr.pp.tfs(adata, prior="net")
    assert adata.var["is_tf"].tolist() == [False, True, False, False, False]
    assert adata.uns["is_tf"]["from"] == "varp['net']"


def test_marks_are_replaced_and_copy_is_a_copy(snapshot):
    adata = _adata()
    sr.pp.tfs(adata, ["GATA1"])
    before = snapshot(adata)
    changed = sr.pp.tfs(adata, ["MYC"], copy=True)
    assert changed.var_names[changed.var["is_tf"]].tolist() == ["MYC"]
    assert snapshot(adata) == before


def test_letter_case_needs_the_organism(caplog):
    adata = _adata()
    with pytest.raises(
        ValueError,
        match=(
            "none of the 2 TFs is in adata.var_names. "
            "Likely cause: letter case.*mix-up of organisms"
        ),
    ):
        sr.pp.tfs(adata, ["Gata1", "Myc"])
    sr.pp.tfs(adata, ["Gata1", "Myc", "SPI1"], organism="human")
    assert adata.var_names[adata.var["is_tf"]].tolist() == ["GATA1", "SPI1", "MYC"]
    assert adata.uns["is_tf"]["n_matched_by_case"] == 2
    assert adata.uns["is_tf"]["organism"] == "human"
    assert "2 of 3 TFs match only without regard to letter case, such as 'Gata1'" in caplog.text


def test_mouse_data_in_upper_case_take_a_mouse_list():
    adata = _adata()
    sr.pp.tfs(adata, ["Gata1", "Myc"], organism="mouse")
    assert adata.var["is_tf"].sum() == 2


def test_exact_matches_come_before_letter_case():
    adata = _adata(["Gata1", "GATA1", "Myc", "Klf1"])
    sr.pp.tfs(adata, ["GATA1", "MYC"], organism="mouse")
    assert adata.var["is_tf"].tolist() == [False, True, True, False]


def test_letter_case_that_fits_two_genes_is_left_out(caplog):
    adata = _adata(["Gata1", "gata1", "Myc", "Klf1"])
    sr.pp.tfs(adata, ["GATA1", "MYC"], organism="mouse")
    assert adata.var["is_tf"].tolist() == [False, False, True, False]
    assert adata.uns["is_tf"]["n_ambiguous"] == 1
    assert "1 TFs left out because several genes" in caplog.text


@pytest.mark.parametrize(
    "genes, organism, message",
    [
        (
            [g.capitalize() for g in GENES],
            "human",
            "organism='human', but the genes of adata are symbols of mouse, such as 'Gata1'",
        ),
        ([f"ENSMUSG{i}" for i in range(5)], "human", "are Ensembl ids of mouse"),
        ([f"ENSG{i}" for i in range(5)], "mouse", "are Ensembl ids of human"),
        (
            [f"ENSRNOG{i}.1" for i in range(5)],
            "mouse",
            "are Ensembl ids of the organism of ENSRNOG ids",
        ),
        (GENES, "rat", "organism='rat' is not known; valid values: 'human', 'mouse'"),
    ],
)
def test_genes_of_another_organism(genes, organism, message, snapshot):
    adata = _adata(genes)
    before = snapshot(adata)
    with pytest.raises(ValueError, match=message):
        sr.pp.tfs(adata, genes[:2], organism=organism)
    assert snapshot(adata) == before


def test_gene_symbols():
    adata = _adata([f"ENSG{i}" for i in range(5)], symbol=GENES)
    with pytest.raises(
        ValueError, match=r"match adata.var\['symbol'\]: pass gene_symbols='symbol'"
    ):
        sr.pp.tfs(adata, ["GATA1", "MYC"])
    sr.pp.tfs(adata, ["GATA1", "MYC"], gene_symbols="symbol")
    assert adata.var["is_tf"].tolist() == [True, False, False, False, True]
    assert adata.uns["is_tf"]["given"].tolist() == ["ENSG0", "ENSG4"]
    sr.pp.tfs(adata, ["gata1"], gene_symbols="symbol", organism="human")
    assert adata.var["is_tf"].tolist() == [True, False, False, False, False]


@pytest.mark.parametrize(
    "tfs, error, message",
    [
        ([], ValueError, "tfs names no TF"),
        (["GATA1", np.nan], ValueError, "tfs holds nan, which is not a name.*keep_default_na"),
        (["GATA1", None], ValueError, "tfs holds None"),
        ([0, 1], ValueError, "tfs holds 0"),
        (["TAL1"], ValueError, "none of the 1 TFs"),
        (pd.DataFrame({"TF": ["GATA1"]}), TypeError, "got DataFrame"),
        (7, TypeError, "got int"),
    ],
)
def test_bad_lists(tfs, error, message, snapshot):
    adata = _adata()
    before = snapshot(adata)
    with pytest.raises(error, match=message):
        sr.pp.tfs(adata, tfs)
    assert snapshot(adata) == before


def test_duplicated_var_names():
    with pytest.warns(UserWarning, match="not unique"):
        adata = _adata(["GATA1", "GATA1"])
    with pytest.raises(ValueError, match="not unique: 'GATA1'"):
        sr.pp.tfs(adata, ["GATA1"])


def test_view_mudata_and_round_trip(mudata_of, round_trip):
    adata = _adata()
    view = adata[:, 2:]
    with pytest.warns(ad.ImplicitModificationWarning):
        sr.pp.tfs(view, ["MYC"])
    assert view.var["is_tf"].tolist() == [False, False, True]
    assert "is_tf" not in adata.var

    mdata = mudata_of(rna=adata)
    sr.pp.tfs(mdata, ["MYC"], organism="human")
    back = round_trip(mdata.mod["rna"])
    assert back.var["is_tf"].tolist() == [False, False, False, False, True]
    assert back.uns["is_tf"]["given"].tolist() == ["MYC"]
    assert back.uns["is_tf"]["organism"] == "human"
    assert back.uns["is_tf"]["gene_symbols"] is None


@pytest.mark.shared
def test_lambert_and_mgi_lists(shared):
    import scanpy as sc

    human, mouse = (
        shared / "data/priors" / name for name in ("tfs_human_lambert2018.txt", "tfs_mouse_mgi.txt")
    )
    adata = sc.datasets.pbmc68k_reduced()
    sr.pp.tfs(adata, human, organism="human")
    assert set(adata.var_names[adata.var["is_tf"]]) == set(human.read_text().split()) & set(
        adata.var_names
    )
    assert 20 < adata.uns["is_tf"]["n_matched"] < 200
    with pytest.raises(ValueError, match="human and mouse spelling"):
        sr.pp.tfs(adata, mouse)

    # BEELINE keeps mouse genes in upper case.
    beeline = pd.read_csv(shared / "data/beeline/mESC/TFs+500/Target.csv", keep_default_na=False)[
        "Gene"
    ]
    cells = _adata(beeline)
    sr.pp.tfs(cells, mouse, organism="mouse")
    assert cells.uns["is_tf"]["n_matched"] > 300


def test_genes_by_cells_are_recognised():
    genes = ["GATA1", "KLF1", "HBB"]
    adata = ad.AnnData(np.ones((3, 2), np.float32), obs=pd.DataFrame(index=genes))
    with pytest.raises(ValueError, match="2 of them match adata.obs_names.*Pass adata.T"):
        sr.pp.tfs(adata, ["GATA1", "KLF1"])


@pytest.mark.parametrize("name", ["gene_ids", "chosen", "notes"])
def test_what_others_wrote_is_not_overwritten(name):
    adata = _adata(gene_ids=list("abcde"), chosen=[True] * 5)
    adata.uns["notes"] = {"made": "by hand"}
    with pytest.raises(ValueError, match=f"key_added='{name}' is taken: adata.* is there and"):
        sr.pp.tfs(adata, ["SPI1"], key_added=name)
    assert adata.var["gene_ids"].tolist() == list("abcde")
    assert adata.uns["notes"] == {"made": "by hand"}
    # Its own may be replaced, and so may marks of TFs, whoever made them.
    adata.var["is_tf"] = True
    for key in ("mine", "mine", None):
        sr.pp.tfs(adata, ["SPI1"], key_added=key)
    assert adata.var["mine"].sum() == adata.var["is_tf"].sum() == 1
