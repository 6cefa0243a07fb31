import re
from pathlib import Path

import pytest

import scregnet as sr
from scregnet.links import LINK_METHODS, method_class

REFERENCES = Path(__file__).resolve().parents[2] / "docs" / "references.bib"


@pytest.fixture(scope="module")
def table():
    return sr.get.methods().set_index("method")


def test_every_method_has_a_row(table):
    assert table.index.tolist() == list(LINK_METHODS)
    assert (table["summary"].str.len() > 10).all()


def test_what_methods_need_is_told(table):
    assert table.loc["degree", "needs"] == "prior"
    assert table.loc["scregnet", "needs"] == "prior, expression"
    assert table.loc["scode", "needs"] == "expression, pseudotime"
    assert table.loc["joint", "uses"] == "embedding, evidence"
    assert not table.loc["grnboost2", "supervised"]
    assert table.index[table["null_model"]].tolist() == ["degree", "label_factors"]
    assert {name: method_class(name).uses_torch for name in table.index} == dict(table["gpu"])


def test_every_reference_is_in_the_documentation(table):
    known = set(re.findall(r"^@\w+\{(\S+),$", REFERENCES.read_text("utf-8"), re.MULTILINE))
    cited = set(table["reference"]) - {""}
    assert {"moerman2019grnboost2", "huynhthu2010genie3", "kommu2025scregnet"} <= cited
    assert cited <= known


def test_measured_scales_are_whole(table):
    """A size without its cost says nothing, and a cost without its size neither."""
    measured = table["largest_seconds"].notna()
    assert measured[~table["supervised"]].all()
    assert table.loc[measured, ["largest_genes", "largest_gib"]].notna().all(axis=None)
    assert not table.loc[~measured, ["largest_genes", "largest_gib"]].notna().any(axis=None)
