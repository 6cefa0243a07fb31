"""Other names of genes: HGNC's layout and plain pairs, and when a name is replaced."""

from __future__ import annotations

import gzip

import numpy as np
import pandas as pd
import pytest

from scregnet.encoders.aliases import AliasTable, renamed
from scregnet.encoders.gene_ids import GeneIds

HGNC = (
    "hgnc_id\tsymbol\tname\tstatus\talias_symbol\tprev_symbol\n"
    'HGNC:1\tSEPTIN7\tseptin 7\tApproved\t"CDC10|CDC3"\tSEPT7\n'
    'HGNC:2\tH1-10\tlinker histone\tApproved\t\t"H1FX|H1X"\n'
    "HGNC:3\tATP5IF1\tinhibitor\tApproved\tIP\tATPIF1\n"
    "HGNC:4\tPTGIR\treceptor\tApproved\tIP\t\n"
    "HGNC:5\tTWIN1\ta\tApproved\t\tTWIN\n"
    "HGNC:6\tTWIN2\tb\tApproved\t\tTWIN\n"
)
PAGE = pd.DataFrame(
    {
        "Approved symbol": ["SEPTIN7", "H1-10"],
        "Previous symbols": ["SEPT7", "H1FX, H1X"],
        "Alias symbols": ["CDC10, CDC3", None],
    }
)
NEW = {name: i for i, name in enumerate(["SEPTIN7", "H1-10", "ATP5IF1", "PTGIR", "TWIN1", "TWIN2"])}
OLD = {name: i for i, name in enumerate(["SEPT7", "H1FX", "GATA1"])}


def table(tmp_path, kind):
    if kind == "page":
        return PAGE
    if kind == "dict":
        return {"SEPT7": "SEPTIN7", "H1FX": "H1-10", "CDC10": ["SEPTIN7"]}
    if kind == "two columns":
        return pd.DataFrame(
            {"old": ["SEPT7", "H1FX", "CDC10"], "new": ["SEPTIN7", "H1-10", "SEPTIN7"]}
        )
    path = tmp_path / "hgnc_complete_set.txt"
    if kind == "gzip":
        path = path.with_suffix(".gz")
        path.write_bytes(gzip.compress(HGNC.encode()))
    else:
        path.write_text(HGNC)
    return path


@pytest.mark.parametrize("kind", ["file", "gzip", "page", "dict", "two columns"])
def test_every_form_gives_the_same_names(tmp_path, kind):
    read = AliasTable.read(table(tmp_path, kind))
    genes = np.array(["SEPT7", "H1FX", "unknown", "CDC10"])
    # The data have SEPTIN7 three times then; they are summed as genes of one symbol are.
    names, record = renamed(GeneIds("M", NEW, kind="symbol").match, genes, read)
    assert names.tolist() == ["SEPTIN7", "H1-10", "unknown", "SEPTIN7"]
    assert record == {"n_renamed": 3, "n_alias_ambiguous": 0, "n_alias_taken": 0}


def test_models_older_than_the_data(tmp_path):
    read = AliasTable.read(table(tmp_path, "file"))
    match = GeneIds("M", OLD, kind="symbol").match
    names, record = renamed(match, np.array(["SEPTIN7", "H1-10", "GATA1"]), read)
    assert names.tolist() == ["SEPT7", "H1FX", "GATA1"]
    assert record["n_renamed"] == 2
    # Also if no gene was known before.
    assert renamed(match, np.array(["SEPTIN7", "x"]), read)[0].tolist() == ["SEPT7", "x"]


def test_what_is_not_replaced(tmp_path):
    read = AliasTable.read(table(tmp_path, "file"))
    match = GeneIds("M", NEW, kind="symbol").match
    # TWIN and IP would each do for two genes; SEPTIN7 is there under its own name.
    names, record = renamed(match, np.array(["TWIN", "IP", "SEPT7", "SEPTIN7", "other"]), read)
    assert names.tolist() == ["TWIN", "IP", "SEPT7", "SEPTIN7", "other"]
    assert record == {"n_renamed": 0, "n_alias_ambiguous": 2, "n_alias_taken": 1}
    # A previous symbol goes before an alias, and a name that the model knows is left alone.
    both = AliasTable.read(
        pd.DataFrame({"symbol": ["A", "B"], "prev_symbol": ["X", ""], "alias_symbol": ["", "X|A"]})
    )
    known = GeneIds("M", {"A": 0, "B": 1}, kind="symbol").match
    assert renamed(known, np.array(["X"]), both)[0].tolist() == ["A"]
    assert renamed(known, np.array(["A"]), both)[0].tolist() == ["A"]


def test_tables_that_cannot_be(tmp_path):
    with pytest.raises(TypeError, match="a frame, a mapping, or the path of HGNC's table, got int"):
        AliasTable.read(3)
    with pytest.raises(FileNotFoundError, match=r"aliases='.*absent.txt' is not a file"):
        AliasTable.read(tmp_path / "absent.txt")
    with pytest.raises(ValueError, match=r"HGNC's columns .*it has 'a', 'b', 'c'"):
        AliasTable.read(pd.DataFrame({"a": [1], "b": [2], "c": [3]}))
    for nothing in ({}, PAGE[:0], {"A": None}):
        with pytest.raises(ValueError, match="holds no name"):
            AliasTable.read(nothing)
    (tmp_path / "bad.txt").write_bytes(b"\x00\x01\x02\xff")
    with pytest.raises(ValueError, match=r"bad\.txt"):
        AliasTable.read(tmp_path / "bad.txt")
