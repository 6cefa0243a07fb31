"""Texts that users name, in the encodings that their programs write."""

from __future__ import annotations

import codecs
import gzip

import pytest

import scregnet as sr
from scregnet import _text
from scregnet._text import checked_file, read_text, write_whole

NAMES = "GATA1\nSPI1\nNaïve\n"

FORMS = {
    "plain": NAMES.encode(),
    "mark": codecs.BOM_UTF8 + NAMES.encode(),
    "utf-16": NAMES.encode("utf-16"),
    "utf-16-be": codecs.BOM_UTF16_BE + NAMES.encode("utf-16-be"),
    "gzip": gzip.compress(NAMES.encode()),
    "gzip of utf-16": gzip.compress(NAMES.encode("utf-16")),
}


@pytest.mark.parametrize("form", FORMS)
def test_what_programs_write(form, tmp_path):
    # The name says nothing: browsers unpack files and keep their names.
    path = tmp_path / "names.txt.gz"
    path.write_bytes(FORMS[form])
    assert read_text(path, "tfs") == NAMES


BAD = {
    "latin": ("GATA1\nNaïve\n".encode("latin-1"), "tfs is not text in UTF-8: line 2 has .* 0xef"),
    "cut": (gzip.compress(NAMES.encode() * 50)[:-9], "tfs is not a whole gzip file"),
    "odd utf-16": (NAMES.encode("utf-16")[:-1], "tfs is not text in UTF-8"),
    "archive": (b"PK\x03\x04\0\0", "tfs is not a text file"),
}


@pytest.mark.parametrize("form", BAD)
def test_what_is_no_text_is_named(form, tmp_path):
    content, message = BAD[form]
    (tmp_path / "names").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_text(tmp_path / "names", "tfs")


def test_no_more_than_a_bound_is_read(tmp_path, monkeypatch):
    (tmp_path / "names").write_bytes(gzip.compress(b"A" * 1000))
    monkeypatch.setattr(_text, "LARGEST", 999)
    with pytest.raises(ValueError, match="tfs holds more than 999 bytes of text"):
        read_text(tmp_path / "names", "tfs")


def test_the_first_tf_of_a_list_with_a_mark_is_found(tmp_path):
    adata = sr.datasets.simulated(n_obs=20, n_vars=30, n_tfs=5)
    (tmp_path / "tfs.txt").write_bytes(codecs.BOM_UTF8 + b"TF001\nTF002\n")
    sr.pp.tfs(adata, tmp_path / "tfs.txt")
    assert adata.var_names[adata.var["is_tf"]].tolist() == ["TF001", "TF002"]
    (tmp_path / "latin.txt").write_bytes("TF001\nÄ\n".encode("latin-1"))
    with pytest.raises(ValueError, match=r"tfs='.*latin.txt' is not text in UTF-8"):
        sr.pp.tfs(adata, tmp_path / "latin.txt")


def test_a_file_to_write(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert checked_file("path", "~/page.html") == tmp_path / "page.html"
    write_whole("path", "~/page.html", "naïve")
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == "naïve"
    for path, error, message in (
        (3, TypeError, "path must be the path of a file, or None; got 3"),
        ("", TypeError, "path must be the path of a file"),
        (tmp_path, ValueError, "path=.* is a folder: name a file in it"),
        (tmp_path / "absent" / "page.html", FileNotFoundError, "path=.* does not exist"),
    ):
        with pytest.raises(error, match=message):
            write_whole("path", path, "text")


def test_what_is_there_stays_until_all_is_written(tmp_path):
    path = tmp_path / "page.html"
    path.write_text("first")
    with pytest.raises(UnicodeEncodeError):
        write_whole("path", path, "\ud800")
    assert [(one.name, one.read_text()) for one in tmp_path.iterdir()] == [("page.html", "first")]
