"""Networks in files, as pairs and as mappings."""

from __future__ import annotations

import gzip
import logging
import pickle
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import scregnet as sr
from scregnet import _text
from scregnet._genes import forms
from scregnet._genes.network import read_network

GENES = ["GATA1", "KLF1", "HBB", "SPI1", "NAN", "MYC"]
NET = pd.DataFrame(
    {
        "source": ["GATA1", "GATA1", "KLF1", "SPI1"],
        "target": ["KLF1", "HBB", "HBB", "NAN"],
        "weight": [2.0, -1.0, 0.5, 1.0],
    }
)
EDGES = [(0, 1, 2.0), (0, 2, -1.0), (1, 2, 0.5), (3, 4, 1.0)]
ONES = [(source, target, 1.0) for source, target, _ in EDGES]


@pytest.fixture
def adata() -> ad.AnnData:
    return ad.AnnData(np.ones((3, 6), dtype=np.float32), var=pd.DataFrame(index=GENES))


def _edges(network) -> list[tuple[int, int, float]]:
    columns = (network.sources.tolist(), network.targets.tolist(), network.weights.tolist())
    return list(zip(*columns, strict=True))


def _comma(**how) -> str:
    return NET.to_csv(**{"index": False, **how})


FILES = {
    "plain.csv": _comma(),
    "with_index.csv": _comma(index=True),
    "semicolons.csv": _comma(sep=";"),
    "tabs.csv": _comma(sep="\t"),
    "tabs.tsv": _comma(sep="\t"),
    "tabs.txt": _comma(sep="\t"),
    "spaces.txt": _comma(sep=" "),
    "commas.txt": _comma(),
    "UPPER.CSV": _comma(),
    "zipped.csv.gz": _comma(),
    "zipped.tsv.gz": _comma(sep="\t"),
    "aliases.csv": _comma(header=["TF", "target", "importance"]),
    "beeline.csv": _comma(header=["Gene1", "Gene2", "EdgeWeight"]),
    "mark.csv": "\ufeff" + _comma(),
    "spaces_after.csv": _comma().replace(",", ", "),
    "blank_lines.csv": "\n\n" + _comma() + "\n",
    "windows.csv": _comma().replace("\n", "\r\n"),
    "quotes.csv": _comma(quoting=1),
    # As R writes tables: the header has no name for the column of row names.
    "from_r.tsv": _comma(sep="\t", index=True)[1:],
    "no_header.tsv": _comma(sep="\t", header=False),
    "unknown_header.tsv": _comma(sep="\t", header=["from", "to", "score"]),
}


def _write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    data = text.encode()
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return path


@pytest.mark.parametrize("name", FILES)
def test_every_file_gives_the_same_edges(name, adata, tmp_path):
    path = _write(tmp_path, name, FILES[name])
    for given in (path, str(path)):
        network = read_network(given, adata)
        assert _edges(network) == EDGES
        assert network.report["form"] == "file"
        assert network.report["n_edges_given"] == 4


def test_files_without_weights_have_ones(adata, tmp_path):
    pairs = NET[["source", "target"]]
    path = tmp_path / "net.csv"
    pairs.to_csv(path, index=False)
    assert _edges(read_network(path, adata)) == ONES
    pairs.to_csv(path, index=False, header=False)
    assert _edges(read_network(path, adata)) == ONES
    # A third column of names is no weight.
    pairs.assign(source_of="ChIP").to_csv(path, index=False, header=False)
    assert _edges(read_network(path, adata)) == ONES


def test_what_is_read_without_a_header_is_logged(adata, tmp_path, caplog):
    path = _write(tmp_path, "no_header.tsv", FILES["no_header.tsv"])
    with caplog.at_level(logging.INFO, "scregnet"):
        read_network(path, adata)
    assert caplog.messages == [
        f"prior={str(path)!r} has no header with source and target; its first columns are read "
        "as source, target, weight, from row 0 on: 'GATA1', 'KLF1', '2.0'",
        f"prior: 4 rows read from {str(path)!r}",
        "prior: 4 of 4 edges, 3 of 3 TFs, 3 of 3 targets are in adata.var_names",
    ]


@pytest.mark.parametrize("header", ["", "TF\ttarget\tmode\tPMID\n", "A\tB\tMode\tC\n"])
def test_modes_of_trrust_are_handed_on(header, tmp_path):
    rows = "AATF\tBAX\tRepression\t22909821\nAATF\tMYC\tActivation\t20549547\n"
    path = _write(tmp_path, "trrust.tsv", header + rows)
    frame = forms.read_file(path, lambda names: "TF" in names)
    assert frame["mode"].tolist() == ["Repression", "Activation"]
    assert frame.iloc[:, 1].tolist() == ["BAX", "MYC"]
    assert frame.index.tolist() == [0, 1]


def test_a_key_and_a_file_of_one_name(adata, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    adata.varp["net.csv"] = sp.csr_matrix(([3.0], ([0], [2])), shape=(6, 6))
    assert _edges(read_network("net.csv", adata)) == [(0, 2, 3.0)]
    _write(tmp_path, "net.csv", _comma())
    with pytest.raises(ValueError, match=r"prior='net.csv' is a key of adata.varp and a file\."):
        read_network("net.csv", adata)
    assert _edges(read_network(Path("net.csv"), adata)) == EDGES
    # No file without a suffix can be read, so the key is meant.
    adata.varp["prior"] = adata.varp["net.csv"]
    _write(tmp_path, "prior", _comma())
    assert _edges(read_network("prior", adata)) == [(0, 2, 3.0)]


def test_a_path_of_home(adata, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    _write(tmp_path, "net.csv", _comma())
    assert _edges(read_network("~/net.csv", adata)) == EDGES


@pytest.mark.parametrize("given", ["absent.csv", Path("absent.csv"), Path("absent")])
def test_a_missing_file_says_both_readings(given, adata):
    adata.varp["known"] = sp.csr_matrix((6, 6))
    message = r"is not a file: '.*absent.*' does not exist\. It is not a key .*, which has 'known'"
    with pytest.raises(FileNotFoundError, match=message):
        read_network(given, adata)


def test_a_folder_is_called_one(adata, tmp_path):
    with pytest.raises(FileNotFoundError, match="is not a file: .* is a folder"):
        read_network(tmp_path, adata)


@pytest.mark.parametrize(
    "head, named",
    [
        ("# of a data base\n# 2024\nsource,target,weight\n", True),
        ("# of a data base\n#source,target,weight\n", True),
        ("# one, two\n", False),
    ],
)
def test_comments_at_the_head_are_left_out(head, named, tmp_path):
    path = tmp_path / "network.csv"
    path.write_text(head + "A,B,0.5\nB,C,2\n")
    frame = forms.read_file(path, lambda columns: {"source", "target"} <= set(columns))
    assert frame.iloc[:, 0].tolist() == ["A", "B"]
    assert frame.iloc[:, 2].astype(float).tolist() == [0.5, 2]
    assert (list(frame.columns)[:2] == ["source", "target"]) or not named


def test_the_text_of_a_file_is_no_name_of_one(adata):
    with pytest.raises(KeyError, match="is not in adata.varp; it has none"):
        read_network(_comma() * 100, adata)


BAD = {
    "other.parquet": (b"PAR1", "cannot be read as parquet"),
    "net.pkl": (pickle.dumps(NET), "is a file of another kind"),
    "renamed.csv": (b"PK\x03\x04\0\0", "is not a text file"),
    "unpacked.csv.gz": (b"source,target\n", "prior has no edges"),
    "cut.csv.gz": (gzip.compress(_comma().encode())[:-9], "is not a whole gzip file"),
    "empty.csv": (b" \n", "is an empty file: it has no edges"),
    "list.txt": (b"GATA1\nKLF1\n", "has one column, but needs .* Its first line is 'GATA1'"),
    "latin.csv": ("source,target\nGATA1,Äß\n".encode("latin-1"), "line 2 has the byte 0xc4"),
    "ragged.csv": (b"source,target\nA,B\nA,B,C,D\n", r"cannot be read .*line 3"),
    "wide.csv": (b",HBB,KLF1\nGATA1,0,1\nSPI1,1,0\n", "numbers in its second column, such as '1'"),
    "header_only.csv": (b"source,target\n", "prior has no edges"),
    "hole.csv": (b"source,target\nGATA1,HBB\nGATA1,\n", r"1 missing target names .*row 1"),
    "weights.csv": (b"source,target,weight\nGATA1,HBB,x\n", "such as 'x' in row 0"),
    "typo.tsv": (b"GATA1\tHBB\t1\nGATA1\tKLF1\t1\nKLF1\tHBB\tx\nKLF1\tMYC\t1\n", "'x' in row 2"),
    "two.csv": (b"TF,regulator,target\nA,B,C\n", "several columns for the source: 'TF'"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files(name, adata, tmp_path):
    content, message = BAD[name]
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_network(str(path), adata)


@pytest.mark.parametrize("name", ["net.csv", "net.csv.gz"])
def test_no_more_than_a_bound_is_read(name, adata, tmp_path, monkeypatch):
    path = _write(tmp_path, name, _comma())
    monkeypatch.setattr(_text, "LARGEST", len(_comma()))
    assert _edges(read_network(path, adata)) == EDGES
    monkeypatch.setattr(_text, "LARGEST", len(_comma()) - 1)
    with pytest.raises(ValueError, match="holds more than 76 bytes of text"):
        read_network(path, adata)


@pytest.mark.parametrize(
    "prior, message",
    [
        (["GATA1"], r"prior: row 0 is 'GATA1'; give \(source, target\) or"),
        (["AB"], "prior: row 0 is 'AB'"),
        ([("GATA1", "HBB"), ("GATA1",)], r"prior: row 1 is \"\('GATA1',\)\""),
        ([("GATA1", "HBB", 1, 2)], "prior: row 0 is"),
        ([("GATA1", "HBB"), ("GATA1", None)], "prior: row 1 has the target None, which is not"),
        ([(0, 2)], "prior: row 0 has the source 0, which is not the name of a gene"),
        ([("GATA1", "HBB", {"weight": 1})], "prior: row 0 has the weight {'weight': 1}"),
        ([("GATA1", "HBB", "strong")], "such as 'strong' in row 0"),
        ([("GATA1", "HBB"), ("GATA1", "HBB")], "1 duplicated edges"),
        ({"GATA1": "HBB"}, r"prior\['GATA1'\] is 'HBB'; give its targets as a list, or as {"),
        ({"B cells": NET}, r"prior\['B cells'\] is DataFrame; give"),
        ({"varp_key": 3}, r"prior\['varp_key'\] is int"),
        ({"GATA1": [3]}, r"prior\['GATA1'\] has the target 3"),
        ({3: ["GATA1"]}, r"prior\[3\] has the source 3"),
        ({"GATA1": {"HBB": None}}, r"prior\['GATA1'\] has the weight None"),
        ({"GATA1": ["HBB", "HBB"]}, "1 duplicated edges"),
    ],
)
def test_bad_pairs_and_mappings(prior, message, adata):
    with pytest.raises(ValueError, match=message):
        read_network(prior, adata)


def test_every_function_that_takes_a_prior_takes_every_form(tmp_path):
    data = sr.datasets.simulated(n_obs=30, n_vars=40)
    frame = data.uns["network"]
    path = tmp_path / "net.csv.gz"
    frame.to_csv(path, index=False)
    pairs = list(frame[["source", "target"]].itertuples(index=False, name=None))
    mapping = {source: list(part["target"]) for source, part in frame.groupby("source")}
    quiet = {"method": "degree", "n_bootstrap": 0}
    sr.pp.split(data, frame, key_added="expected")
    expected = sr.tl.fit_grn(data, frame, copy=True, **quiet).varp["grn"].toarray()
    for form in (path, str(path), pairs, iter(pairs), mapping):
        sr.pp.split(data, form, key_added="other")
        pd.testing.assert_frame_equal(data.uns["other"]["pairs"], data.uns["expected"]["pairs"])
    for form in (path, pairs, mapping):
        fit = sr.tl.fit_grn(data, form, copy=True, **quiet)
        np.testing.assert_array_equal(fit.varp["grn"].toarray(), expected)
    report = sr.bm.audit_split(data, data.uns["expected"]["pairs"], frame, null_models=False)
    found = sr.bm.audit_split(data, data.uns["expected"]["pairs"], path, null_models=False)
    pd.testing.assert_frame_equal(found, report)
    studies = [
        sr.bm.robustness_study(data, form, "degree", noise=(0.1,), n_priors=1)
        for form in (frame, mapping)
    ]
    pd.testing.assert_frame_equal(*studies)


@pytest.mark.shared
def test_collectri_from_its_file(shared, adata):
    path = shared / "data/priors/collectri.csv"
    frame = pd.read_csv(path, keep_default_na=False)
    assert _edges(read_network(str(path), adata)) == _edges(read_network(frame, adata))
    assert read_network(path, adata).report["n_edges_given"] == 43178


@pytest.mark.shared
def test_trrust_from_its_file_has_signs(shared):
    path = shared / "data/priors/trrust_rawdata.human.tsv"
    columns = ["source", "target", "mode", "pmid"]
    frame = pd.read_csv(path, sep="\t", header=None, names=columns, keep_default_na=False)
    genes = pd.Index([*frame["source"], *frame["target"]]).unique()
    adata = ad.AnnData(np.ones((2, len(genes)), np.float32), var=pd.DataFrame(index=genes))
    found, expected = read_network(path, adata), read_network(frame, adata)
    assert _edges(found) == _edges(expected)
    assert found.report["n_edges_given"] == len(frame.drop_duplicates(["source", "target"]))
    # Edges that only repress, or are of unknown sign as well; not those that also activate.
    modes = frame.groupby(["source", "target"])["mode"].agg(set)
    represses = modes.map(lambda one: "Repression" in one and "Activation" not in one)
    loops = modes.index.get_level_values(0) == modes.index.get_level_values(1)
    assert (found.weights < 0).sum() == (represses & ~loops).sum() > 1000
