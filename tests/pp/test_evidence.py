from __future__ import annotations

import logging

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import scregnet as sr

# GATA1 has two experiments; SPI1 is not in the data; SPARE is not in the library.
SETS = {
    "GATA1_K562": ["HBB", "KLF1", "AHSP"],
    "GATA1_LIVER": ["HBB", "MYC"],
    "KLF1_K562": ["HBB", "ALAS2"],
    "SPI1_HL60": ["MYC", "CD14", "HBB"],
}
GENES = ["GATA1", "KLF1", "HBB", "MYC", "SPARE"]
LONG = pd.DataFrame(
    [
        (name.split("_")[0], gene, name.split("_")[1])
        for name, genes in SETS.items()
        for gene in genes
    ],
    columns=["source", "target", "cell"],
)


@pytest.fixture
def adata():
    return ad.AnnData(np.ones((3, 5), np.float32), var=pd.DataFrame(index=GENES))


def test_slots(adata):
    assert sr.pp.evidence(adata, SETS, key="chip") is None
    profile = adata.varm["chip"]
    assert profile.dtype == np.float32
    assert profile.shape == (5, 4)
    assert adata.var["chip_covered"].tolist() == [False, True, True, True, False]
    assert profile.any(axis=1).tolist() == [False, True, True, True, False]
    np.testing.assert_allclose(
        adata.var["chip_popularity"], [np.nan, 0.5 / 3, 1, 1.5 / 3, np.nan], rtol=1e-6
    )
    assert adata.var["chip_n_experiments"].tolist() == [2, 1, 0, 0, 0]
    track = adata.varp["chip"]
    assert isinstance(track, sp.csr_matrix)
    assert track.dtype == np.float32
    expected = np.zeros((5, 5))
    expected[0, 1:4] = 0.5, 1, 0.5
    expected[1, 2] = 1
    np.testing.assert_array_equal(track.toarray(), expected)


def test_known_absence_is_told_from_what_is_unknown(adata):
    sr.pp.evidence(adata, SETS, key="chip")
    known = np.outer(adata.var["chip_n_experiments"] > 0, adata.var["chip_covered"])
    # KLF1 has an experiment without MYC; that it has none of SPARE tells nothing.
    assert (known[1, 3], adata.varp["chip"][1, 3]) == (True, 0)
    assert not known[1, 4]
    assert not known[3].any()
    assert adata.varp["chip"].toarray()[~known].sum() == 0


def test_experiments_may_count_equally_in_the_profile(adata):
    balanced = sr.pp.evidence(adata, SETS, key="chip", balance=True, copy=True)
    sr.pp.evidence(adata, SETS, key="chip")
    genes = sorted(set(LONG["target"]))
    table = np.array([[gene in members for gene in genes] for members in SETS.values()], float)
    # HBB is in all sets. Nothing but the scale sqrt(4 experiments) is left to do.
    z = (table - table.mean(axis=1, keepdims=True)) / table.std(axis=1, keepdims=True)
    here = [genes.index(name) for name in ("HBB", "MYC")]
    found = adata.varm["chip"][2:4]
    np.testing.assert_allclose(found @ found.T, (z.T @ z / 4)[np.ix_(here, here)], rtol=1e-5)
    pd.testing.assert_frame_equal(adata.var, balanced.var)
    assert not np.allclose(adata.varm["chip"], balanced.varm["chip"])
    assert adata.uns["chip"]["balance"] is False


def test_report(adata):
    sr.pp.evidence(adata, SETS, key="chip", exclude=["liver", "^HL"], n_components=2)
    report = adata.uns["chip"]
    expected = {
        "kind": "evidence",
        "form": "gene sets",
        "n_experiments_given": 4,
        "n_experiments": 2,
        "n_tfs": 2,
        "n_tfs_matched": 2,
        "n_genes": 4,
        "n_genes_matched": 2,
        "n_components": 2,
        "random_state": 0,
    }
    assert {name: report[name] for name in expected} == expected
    assert report["contexts_left_out"].tolist() == ["HL60", "LIVER"]
    assert report["exclude"].tolist() == ["liver", "^HL"]
    assert report["explained_variance"].sum() == pytest.approx(1)


def test_what_is_left_out_leaves_no_trace(adata):
    other = adata.copy()
    sr.pp.evidence(adata, SETS, key="chip", exclude="LIVER|HL60")
    sr.pp.evidence(other, {n: SETS[n] for n in ("GATA1_K562", "KLF1_K562")}, key="chip")
    np.testing.assert_array_equal(adata.varm["chip"], other.varm["chip"])
    np.testing.assert_array_equal(adata.varp["chip"].toarray(), other.varp["chip"].toarray())
    pd.testing.assert_frame_equal(adata.var, other.var)


def test_layer_is_made_before_it_is_cut_to_the_genes(adata):
    few = adata[:, ["HBB", "MYC"]].copy()
    sr.pp.evidence(few, SETS, key="chip")
    sr.pp.evidence(adata, SETS, key="chip")
    np.testing.assert_array_equal(few.varm["chip"], adata.varm["chip"][2:4])


def forms(tmp_path):
    path = tmp_path / "library.gmt"
    path.write_text("".join(f"{name}\tna\t" + "\t".join(g) + "\n" for name, g in SETS.items()))
    LONG.to_csv(tmp_path / "library.tsv.gz", sep="\t", index=False)
    wide = LONG.assign(n=1.0).pivot_table(
        index=["source", "cell"], columns="target", values="n", fill_value=0
    )
    obs = wide.index.to_frame(index=False).rename(columns={"source": "tf"})
    obs.index = obs.index.astype(str)
    table = ad.AnnData(
        sp.csr_matrix(wide.to_numpy()), obs=obs, var=pd.DataFrame(index=list(wide.columns))
    )
    return {
        "gmt": (path, None),
        "tsv": (str(tmp_path / "library.tsv.gz"), "cell"),
        "frame": (LONG, "cell"),
        "wide": (wide, "cell"),
        "table": (table, "cell"),
    }


@pytest.mark.parametrize("form", ["gmt", "tsv", "frame", "wide", "table"])
def test_all_forms_give_the_same_layer(adata, tmp_path, form):
    other = adata.copy()
    sr.pp.evidence(adata, SETS, key="chip", exclude="LIVER")
    net, context = forms(tmp_path)[form]
    sr.pp.evidence(other, net, key="chip", context=context, exclude="LIVER")
    np.testing.assert_allclose(other.varm["chip"], adata.varm["chip"], rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(other.varp["chip"].toarray(), adata.varp["chip"].toarray())
    pd.testing.assert_frame_equal(other.var, adata.var)


def test_layer_survives_a_file(adata, round_trip):
    sr.pp.evidence(adata, SETS, key="chip", exclude="LIVER")
    again = round_trip(adata)
    np.testing.assert_array_equal(again.varm["chip"], adata.varm["chip"])
    np.testing.assert_array_equal(again.varp["chip"].toarray(), adata.varp["chip"].toarray())
    pd.testing.assert_frame_equal(again.var, adata.var, check_dtype=False)
    assert again.uns["chip"]["contexts_left_out"].tolist() == ["LIVER"]
    assert again.uns["chip"]["kind"] == "evidence"
    # A layer that was read back is still known as one, and replaced.
    sr.pp.evidence(again, SETS, key="chip")
    assert again.uns["chip"]["n_experiments"] == 4


def test_gene_symbols_and_orthologues(adata):
    expected = sr.pp.evidence(adata, SETS, key="chip", copy=True)
    ids = adata.copy()
    ids.var["symbol"] = GENES
    ids.var_names = [f"ENSG{i:011d}" for i in range(5)]
    sr.pp.evidence(ids, SETS, key="chip", gene_symbols="symbol")
    mouse = adata.copy()
    mouse.var_names = [name.capitalize() for name in GENES]
    sr.pp.evidence(mouse, SETS, key="chip", orthologues="upper")
    table = adata.copy()
    table.var_names = [f"g{i}" for i in range(5)]
    sr.pp.evidence(table, SETS, key="chip", orthologues={f"g{i}": GENES[i] for i in range(4)})
    for other in (ids, mouse, table):
        np.testing.assert_array_equal(other.varm["chip"], expected.varm["chip"])
        np.testing.assert_array_equal(other.varp["chip"].toarray(), expected.varp["chip"].toarray())


def test_genes_that_share_a_name_are_left_out(adata, caplog):
    adata.var["symbol"] = ["GATA1", "KLF1", "HBB", "HBB", "MYC"]
    with caplog.at_level(logging.WARNING):
        sr.pp.evidence(adata, SETS, key="chip", gene_symbols="symbol")
    assert adata.var["chip_covered"].tolist() == [False, True, False, False, True]
    assert "1 genes left out because several genes of adata share their name" in caplog.text


def test_no_overlap_names_the_cause_and_writes_nothing(adata, snapshot):
    adata.var_names = [name.capitalize() for name in GENES]
    before = snapshot(adata)
    with pytest.raises(ValueError, match=r"none of the 6 genes.*letter case.*orthologues='upper'"):
        sr.pp.evidence(adata, SETS, key="chip")
    adata.var["symbol"] = GENES
    with pytest.raises(ValueError, match="pass gene_symbols='symbol'"):
        sr.pp.evidence(adata, SETS, key="chip")
    del adata.var["symbol"]
    adata.var_names = [f"ENSG{i:011d}" for i in range(5)]
    with pytest.raises(ValueError, match="Ensembl ids against symbols"):
        sr.pp.evidence(adata, SETS, key="chip")
    adata.var_names = [name.capitalize() for name in GENES]
    assert snapshot(adata) == before


def test_less_than_half_of_the_genes_covered_is_a_warning(adata, caplog):
    with caplog.at_level(logging.WARNING):
        sr.pp.evidence(adata, SETS, key="chip")
    assert caplog.text == ""
    adata.var_names = ["GATA1", "Klf1", "HBB", "Myc", "SPARE"]
    with caplog.at_level(logging.WARNING):
        sr.pp.evidence(adata, SETS, key="chip")
    assert "only 1 of 5 genes of adata are covered by the 6 genes of the layer" in caplog.text
    assert "letter case" in caplog.text


def test_data_without_a_tf_of_the_layer_get_profile_and_popularity(adata):
    few = adata[:, ["HBB", "MYC"]].copy()
    sr.pp.evidence(few, SETS, key="chip")
    assert few.varp["chip"].nnz == 0
    assert few.var["chip_n_experiments"].tolist() == [0, 0]
    assert few.var["chip_covered"].all()


@pytest.mark.parametrize(
    "arguments, error, message",
    [
        ({"key": "a/b"}, ValueError, "cannot be stored"),
        ({"key": "prior"}, ValueError, r"key='prior' is taken: adata.uns\['prior'\]"),
        ({"n_components": 0}, ValueError, "n_components must be at least 1"),
        ({"gene_symbols": "symbol"}, KeyError, "not a column of adata.var"),
        ({"context": "cell"}, ValueError, "gene sets have no columns"),
        ({"exclude": "."}, ValueError, "leaves out all 4"),
        ({"orthologues": "lower"}, ValueError, "orthologues='lower' is not known"),
    ],
)
def test_wrong_arguments_change_nothing(adata, snapshot, arguments, error, message):
    sr.pp.prior(adata, [("GATA1", "HBB")])
    before = snapshot(adata)
    with pytest.raises(error, match=message):
        sr.pp.evidence(adata, SETS, **{"key": "chip", **arguments})
    assert snapshot(adata) == before


def test_copy_and_mudata(adata, snapshot, mudata_of):
    before = snapshot(adata)
    changed = sr.pp.evidence(adata, SETS, key="chip", copy=True)
    assert snapshot(adata) == before
    assert "chip" in changed.varm
    both = mudata_of(rna=adata)
    sr.pp.evidence(both, SETS, key="chip")
    np.testing.assert_array_equal(both["rna"].varm["chip"], changed.varm["chip"])


@pytest.fixture
def layered(_simulated):
    data = _simulated.copy()
    rng = np.random.default_rng(0)
    sets = {f"T{i}_cell": rng.choice(data.var_names, 30, replace=False) for i in range(12)}
    sr.pp.evidence(data, sets, key="chip", n_components=8)
    return data


def test_a_fit_takes_the_layer_as_embedding_only_if_named(layered):
    quick = {"method": "joint", "n_folds": 1, "n_bootstrap": 0, "show_progress_bar": False}
    net = layered.uns["network"]
    sr.tl.fit_grn(layered, net, embedding="chip", key_added="with", **quick)
    params = layered.uns["with"]["params"]
    assert params["embedding"] == "chip"
    assert params["n_genes_embedded"] == layered.var["chip_covered"].sum()
    sr.tl.fit_grn(layered, net, key_added="auto", **quick)
    assert layered.uns["auto"]["params"]["embedding"] == "none"


def test_public_library_is_read_and_reduced(shared):
    path = shared / "data" / "evidence" / "chip_library_encode_chea_859.npz"
    if not path.is_file():
        pytest.skip(f"{path.name} is not there")
    file = np.load(path)
    table = sp.csr_matrix(
        (np.ones(len(file["indices"]), np.float32), file["indices"].astype(int), file["indptr"]),
        shape=(len(file["tf"]), len(file["genes"])),
    )
    obs = pd.DataFrame({"tf": file["tf"], "cell": file["cell"]}).rename(str)
    library = ad.AnnData(table, obs=obs, var=pd.DataFrame(index=file["genes"]))
    data = ad.AnnData(
        np.ones((2, 3000), np.float32), var=pd.DataFrame(index=file["genes"][::7][:3000])
    )
    sr.pp.evidence(
        data, library, key="chip", context="cell", exclude="HEPG2|LIVER|HEPAT|H4IIE|CACO2"
    )
    report = data.uns["chip"]
    assert table.shape == (859, 21_272)
    assert (report["n_experiments_given"], report["n_experiments"]) == (859, 790)
    assert data.varm["chip"].shape == (3000, 60)
    assert report["n_tfs"] == len(
        set(file["tf"][~np.isin(file["cell"], report["contexts_left_out"])])
    )
    assert "HEPG2" in report["contexts_left_out"]
    assert data.var["chip_covered"].mean() > 0.99
    assert data.var["chip_popularity"].between(0, 1).sum() == data.var["chip_covered"].sum()
    assert (np.diff(report["explained_variance"]) <= 0).all()
