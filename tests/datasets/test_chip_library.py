"""sr.datasets.chip_library."""

from __future__ import annotations

import bz2
import logging
import re
import sys
from collections.abc import Callable
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import scregnet as sr
from scregnet.datasets import _chip_library_files as files
from scregnet.datasets import chip_library
from scregnet.datasets._chip_library import _parts
from scregnet.datasets._fetch import SHA256

ENCODE = {
    "GATA1_K562_HG19": ["HBB", "KLF1", "AHSP"],
    "GATA1_LIVER_MM9": ["HBB", "MYC"],
    "SPI1_HL60_HG19": ["MYC", "CD14", "HBB"],
}
CHEA = {
    "GATA1_19941826_CHIPSEQ_K562_HUMAN": ["HBB", "KLF1"],
    "FOXM1_26100407__CHIPSEQ_HEK293FLPIN": ["MYC"],
}


def write_rda(path: Path, objects: dict, compression: str = "bzip2") -> Path:
    rdata = pytest.importorskip("rdata")
    as_vectors = {
        name: {key: np.array(genes) for key, genes in sets.items()}
        for name, sets in objects.items()
    }
    rdata.write_rda(path, as_vectors, compression=compression)
    return path


@pytest.fixture
def published(tmp_path, monkeypatch, serve: Callable[[Path], str]):
    """Two small published libraries on a local server, and an empty cache."""
    site = tmp_path / "site"
    site.mkdir()
    address = serve(site)
    made = {}
    for source, name, sets in (("encode", "ENCODE", ENCODE), ("chea", "chea", CHEA)):
        path = write_rda(site / f"{name}.rda", {name: sets})
        members = [gene for genes in sets.values() for gene in genes]
        made[source] = files.PUBLISHED[source]._replace(
            url=f"{address}/{name}.rda",
            sha256=SHA256.of(path),
            n_experiments=len(sets),
            n_genes=len(set(members)),
            n_entries=len(members),
        )
    monkeypatch.setattr(files, "PUBLISHED", made)
    monkeypatch.setattr("scregnet.datasets._chip_library.PUBLISHED", made)
    with sr.settings.override(cache_dir=tmp_path / "cache"):
        yield site


def cached(name: str) -> Path:
    return sr.settings.cache_dir / "chip_library" / name


def sets_of(library: ad.AnnData) -> dict[str, set[str]]:
    return {
        name: set(library.var_names[library.X[row].indices])
        for row, name in enumerate(library.obs_names)
    }


def test_experiments_and_genes(published):
    library = chip_library("encode")
    assert sets_of(library) == {name: set(genes) for name, genes in ENCODE.items()}
    assert isinstance(library.X, sp.csr_matrix)
    assert library.X.dtype == np.float32
    assert set(library.X.data) == {1}
    assert library.var_names.tolist() == sorted({gene for s in ENCODE.values() for gene in s})
    expected = pd.DataFrame(
        {
            "tf": ["GATA1", "GATA1", "SPI1"],
            "context": ["K562", "LIVER", "HL60"],
            "organism": ["human", "mouse", "human"],
            "source": "ENCODE",
            "name": list(ENCODE),
            "n_genes": [3, 2, 3],
        },
        index=list(ENCODE),
    )
    pd.testing.assert_frame_equal(library.obs, expected, check_dtype=False)
    about = library.uns["chip_library"]
    assert (about["source"], about["origin"]) == ("encode", files.PUBLISHED["encode"].url)


def test_it_goes_straight_into_evidence(published, tmp_path):
    adata = ad.AnnData(np.ones((3, 3)), var=pd.DataFrame(index=["HBB", "MYC", "GATA1"]))
    library = chip_library("encode")
    sr.pp.evidence(adata, library, key="chip", context="context", exclude="liver")
    assert adata.uns["chip"]["contexts_left_out"].tolist() == ["LIVER"]
    np.testing.assert_array_equal(adata.varp["chip"].toarray()[2], [1, 0, 0])
    # A file of both, and of both together.
    library.write_h5ad(tmp_path / "library.h5ad")
    both = ad.concat([ad.read_h5ad(tmp_path / "library.h5ad"), chip_library("chea")], join="outer")
    sr.pp.evidence(adata, both, key="chip", context="context")
    assert adata.uns["chip"]["n_experiments"] == 5


@pytest.mark.parametrize(
    "name, expected",
    [
        ("STAT1_HELAS3_HG19", ("STAT1", "HELAS3", "human")),
        ("GATA1_MELCELLLINE_MM9", ("GATA1", "MELCELLLINE", "mouse")),
        ("VDR_24763502_CHIPSEQ_THP1_HUMAN", ("VDR", "THP1", "human")),
        ("HNF4A_16962309_CHIPCHIP_HEPATOCYTE_RAT", ("HNF4A", "HEPATOCYTE", "rat")),
        # Published names that are no example of order.
        ("FOXM1_26100407__CHIPSEQ_HEK293FLPIN", ("FOXM1", "HEK293FLPIN", "unknown")),
        ("SOX2_21211035_CHIPSEQ_LN229_GBM", ("SOX2", "LN229_GBM", "unknown")),
        ("A_18804426ESC_CHIPSEQ_MESC_MOUSE", ("A", "ESC_MESC", "mouse")),
        # Enrichr's.
        ("GATA1 19941826 ChIP-Seq K562 Human", ("GATA1", "K562", "human")),
        ("CTCF fibroblast of lung hg19", ("CTCF", "fibroblast of lung", "human")),
        ("KLF1", ("KLF1", "", "unknown")),
    ],
)
def test_names(name, expected):
    assert _parts(name) == expected


def test_a_licence_that_restricts_is_a_warning(published, caplog):
    with caplog.at_level(logging.INFO, "scregnet"):
        chip_library("encode")
        chip_library("chea")
    said = {
        r.getMessage(): r.levelname for r in caplog.records if "chip_library: the" in r.getMessage()
    }
    assert said == {
        "chip_library: the licence of ENCODE: open, also for commercial use": "INFO",
        "chip_library: the licence of ChEA: CC BY-NC-SA, not for commercial use": "WARNING",
    }


def test_the_second_call_needs_neither_network_nor_rdata(published, monkeypatch):
    first = chip_library("encode")
    assert cached("ENCODE.rda").is_file()
    cached("ENCODE.rda").unlink()
    (published / "ENCODE.rda").unlink()
    # What an import of a package that is not installed finds.
    monkeypatch.setitem(sys.modules, "rdata", None)
    again = chip_library("encode")
    assert (again.X != first.X).nnz == 0
    pd.testing.assert_frame_equal(again.obs, first.obs)
    pd.testing.assert_frame_equal(again.var, first.var)
    kept = chip_library("encode", path=cached("ENCODE.npz"))
    assert sets_of(kept) == sets_of(first)
    assert kept.uns["chip_library"]["origin"] == str(cached("ENCODE.npz"))
    assert [path.name for path in cached("").iterdir()] == ["ENCODE.npz"]


def test_a_missing_extra_is_said_before_the_download(published, monkeypatch):
    monkeypatch.setitem(sys.modules, "rdata", None)
    with pytest.raises(ImportError, match=re.escape("pip install scregnet[rdata]")):
        chip_library("encode")
    assert not sr.settings.cache_dir.exists()


def test_another_file_than_the_published_one_is_refused(published):
    (published / "ENCODE.rda").write_bytes(b"<html>")
    with pytest.raises(ValueError, match=r"'ENCODE.rda' as downloaded .* published file \(sha256"):
        chip_library("encode")
    assert not cached("ENCODE.rda").exists()
    assert not cached("ENCODE.npz").exists()


def test_no_network(published, monkeypatch):
    offline = files.PUBLISHED["chea"]._replace(url="http://127.0.0.1:9/chea.rda")
    monkeypatch.setitem(files.PUBLISHED, "chea", offline)
    expected = "could not download 'chea.rda' from http://127.0.0.1:9/chea.rda"
    with pytest.raises(ConnectionError, match=expected + ".*name it with path="):
        chip_library("chea")


def test_the_published_file_of_the_user_is_read_once(published, monkeypatch):
    first = chip_library("chea", path=published / "chea.rda")
    assert not cached("chea.rda").exists()
    monkeypatch.setattr(files, "read_rda", lambda *_: pytest.fail("read again"))
    assert sets_of(chip_library("chea", path=published / "chea.rda")) == sets_of(first)


def test_other_files_of_the_user_are_read_as_they_are(published, tmp_path):
    other = write_rda(tmp_path / "other.RData", {"mine": {"MYB_HL60_HG19": ["MYC", "HBB"]}}, "gzip")
    found = chip_library("encode", path=str(other))
    assert sets_of(found) == {"MYB_HL60_HG19": {"MYC", "HBB"}}
    # A gene that is named twice counts once.
    (tmp_path / "sets.gmt").write_text("MYB HL60 hg19\tna\tMYC\tHBB\tMYC\n")
    found = chip_library("encode", path=tmp_path / "sets.gmt")
    assert sets_of(found) == {"MYB HL60 hg19": {"MYC", "HBB"}}
    assert found.X.max() == 1
    assert found.obs["context"].tolist() == ["HL60"]
    assert not sr.settings.cache_dir.exists()


@pytest.mark.parametrize(
    "content, message",
    [
        (b"<html>", "cannot be read as an R data file"),
        (b"", "cannot be read as an R data file"),
        (lambda whole: whole[:-20], "cannot be read as an R data file"),
        (lambda whole: bz2.compress(bz2.decompress(whole)[:90]), "cannot be read as an R data"),
    ],
)
def test_a_damaged_r_file_is_named(published, tmp_path, content, message):
    path = tmp_path / "library.rda"
    whole = (published / "ENCODE.rda").read_bytes()
    path.write_bytes(content(whole) if callable(content) else content)
    with pytest.raises(ValueError, match=message) as caught:
        chip_library("encode", path=path)
    assert f"path={str(path)!r}" in str(caught.value)


@pytest.mark.parametrize(
    "objects, message",
    [
        ({"a": ENCODE, "b": CHEA}, r"one named list, experiment → genes; it holds a \(dict\), b"),
        ({"a": {"GATA1_K562_HG19": [1, 2]}}, "'GATA1_K562_HG19' is not a vector of gene names"),
        ({"a": {"GATA1_K562_HG19": ["", "MYC"]}}, "a gene without a name"),
    ],
)
def test_what_is_no_library(published, tmp_path, objects, message):
    path = write_rda(tmp_path / "other.rda", objects)
    with pytest.raises(ValueError, match=message):
        chip_library("encode", path=path)


def test_an_unnamed_list_is_no_library(published, tmp_path):
    rdata = pytest.importorskip("rdata")
    rdata.write_rda(tmp_path / "other.rda", {"a": [np.array(["MYC"])]})
    with pytest.raises(ValueError, match=r"experiment → genes; it holds a \(list\)"):
        chip_library("encode", path=tmp_path / "other.rda")


def test_experiments_of_one_name_are_not_merged(published, tmp_path):
    # R's lists may name two entries alike, which a dict cannot.
    path = write_rda(
        tmp_path / "a.rda", {"a": {"GATA1_K562_HG19": ["X"], "GATA1_K563_HG19": ["Y"]}}
    )
    path.write_bytes(bz2.compress(bz2.decompress(path.read_bytes()).replace(b"K563", b"K562")))
    with pytest.raises(ValueError, match="1 experiments whose names occur twice"):
        chip_library("encode", path=path)


@pytest.mark.parametrize(
    "name, error, message",
    [
        ("absent.rda", FileNotFoundError, "does not exist"),
        ("absent.npz", FileNotFoundError, "does not exist"),
        ("table.csv", ValueError, r"is not an \.rda, \.gmt, \.gmt\.gz or \.npz file"),
    ],
)
def test_other_paths(tmp_path, name, error, message):
    with pytest.raises(error, match=message) as caught:
        chip_library("encode", path=tmp_path / name)
    assert name in str(caught.value)


def test_other_sources():
    with pytest.raises(ValueError, match="source='ENCODE' is not known; valid values: 'encode'"):
        chip_library("ENCODE")


def changed(path: Path, **arrays: np.ndarray) -> Path:
    """Write the arrays of a cached file with some of them changed."""
    with np.load(path) as file:
        kept = {**{name: file[name] for name in file.files}, **arrays}
    np.savez(path, **kept)
    return path


class TestCache:
    BROKEN = {
        "indices out of range": {"indices": np.array([0, 1, 9, 1, 2, 0, 1, 2])},
        "negative": {"indices": np.array([-1, 1, 2, 1, 2, 0, 1, 2])},
        "twice": {"indices": np.array([1, 1, 2, 1, 2, 0, 1, 2])},
        "rows": {"indptr": np.array([0, 3, 8])},
        "ends": {"indptr": np.array([0, 3, 5, 7])},
        "empty row": {"indptr": np.array([0, 3, 3, 8])},
        "falling": {"indptr": np.array([0, 5, 3, 8])},
        "names": {"names": np.array(["A_B_HG19"] * 3)},
        "numbers": {"genes": np.arange(5)},
        "floats": {"indices": np.arange(8.0)},
        "counts": {"indices": np.array([0, 1, 1, 2, 0, 1, 2]), "indptr": np.array([0, 2, 4, 7])},
        "other": {"sha256": np.array("0" * 64)},
    }

    @pytest.mark.parametrize("fault", BROKEN)
    def test_arrays_that_are_no_library_are_an_error_that_names_the_file(self, published, fault):
        chip_library("encode")
        path = changed(cached("ENCODE.npz"), **self.BROKEN[fault])
        message = "is damaged|published ENCODE.rda|has 3 experiments"
        with pytest.raises(ValueError, match=message) as caught:
            chip_library("encode", path=path)
        assert f"path={str(path)!r}" in str(caught.value)

    @pytest.mark.parametrize("content", [b"", b"PK\3\4", b"\x80\4N.", b"\x93NUMPY"])
    def test_a_damaged_file_is_an_error_that_names_it(self, published, tmp_path, content):
        (tmp_path / "ENCODE.npz").write_bytes(content)
        with pytest.raises(ValueError, match=r"ENCODE.npz' is damaged, or no file that"):
            chip_library("encode", path=tmp_path / "ENCODE.npz")

    def test_pickled_objects_are_not_read(self, published):
        chip_library("encode")
        path = cached("ENCODE.npz")
        changed(path, names=np.array([{"a": 1}, None, 2], dtype=object))
        with pytest.raises(ValueError, match="is damaged, .*allow_pickle=False"):
            chip_library("encode", path=path)

    def test_a_damaged_cache_is_made_again(self, published, caplog):
        first = chip_library("encode")
        whole = cached("ENCODE.npz").read_bytes()
        cached("ENCODE.npz").write_bytes(whole[:-40])
        with caplog.at_level(logging.WARNING, "scregnet"):
            again = chip_library("encode")
        assert "ENCODE.npz is damaged" in caplog.text
        assert "It is made again." in caplog.text
        assert sets_of(again) == sets_of(first)
        assert len(cached("ENCODE.npz").read_bytes()) == len(whole)

    def test_one_source_is_not_taken_for_the_other(self, published):
        chip_library("chea")
        expected = r"not made of the published ENCODE.rda, but of \['ChEA'\]"
        with pytest.raises(ValueError, match=expected):
            chip_library("encode", path=cached("chea.npz"))


def test_what_was_read_is_counted(published, monkeypatch):
    wrong = files.PUBLISHED["encode"]._replace(n_genes=7)
    monkeypatch.setitem(files.PUBLISHED, "encode", wrong)
    expected = "has 3 experiments × 5 genes with 8 entries, but ENCODE has 3 experiments × 7 genes"
    with pytest.raises(ValueError, match=expected):
        chip_library("encode")
    assert not cached("ENCODE.npz").exists()


def test_registry():
    for source, published in files.PUBLISHED.items():
        assert re.fullmatch(
            r"https://raw\.githubusercontent\.com/MaayanLab/chea3/[0-9a-f]{40}/data/\w+\.rda",
            published.url,
        )
        assert re.fullmatch("[0-9a-f]{64}", published.sha256), source


@pytest.mark.parametrize("source", ["encode", "chea"])
def test_names_and_counts_agree_with_the_library_as_others_read_it(shared, source):
    path = shared / "data" / "evidence" / "chip_library_encode_chea_859.npz"
    if not path.is_file():
        pytest.skip(f"{path.name} is not there")
    published = files.PUBLISHED[source]
    with np.load(path) as file:
        of_source = file["source"] == published.name
        rows = np.flatnonzero(of_source)
        names, tfs, cells = (file[column][of_source] for column in ("name", "tf", "cell"))
        sizes = np.diff(file["indptr"])[of_source]
        entries = np.repeat(of_source, np.diff(file["indptr"]))
        n_genes = len(np.unique(file["indices"][entries]))
    assert published[-3:] == (len(rows), n_genes, sizes.sum())
    found = [_parts(str(name)) for name in names]
    assert [tf for tf, _, _ in found] == tfs.tolist()
    other = sum(context != cell for cell, (_, context, _) in zip(cells, found, strict=True))
    # Names of ChEA that lack a part, or have one more.
    assert other == {"encode": 0, "chea": 6}[source]
