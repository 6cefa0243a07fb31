from __future__ import annotations

import gzip

import numpy as np
import pytest

from scregnet._genes.evidence.gene_sets import read_gmt, sets_experiments

LINES = (
    "STAT1_HELAS3_HG19\tna\tIRF1\tMYC\n\nGATA1 19941826 ChIP-Seq K562 Human\t\tHBB,1.0\tKLF1,2\n"
)


@pytest.mark.parametrize("name", ["library.gmt", "library.GMT.gz"])
def test_gmt_is_read_plain_or_gzip_without_weights(tmp_path, name):
    path = tmp_path / name
    content = LINES.encode("utf-8-sig")
    path.write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    assert read_gmt(path) == {
        "STAT1_HELAS3_HG19": ["IRF1", "MYC"],
        "GATA1 19941826 ChIP-Seq K562 Human": ["HBB", "KLF1"],
    }


@pytest.mark.parametrize(
    "content, message",
    [
        ("one column only\n", "line 1 is 'one column only', but a GMT file has a name"),
        ("A_x\tna\tG1\nA_x\tna\tG2\n", "the set 'A_x' occurs twice, again in line 2"),
    ],
)
def test_what_is_no_gmt_names_the_line(tmp_path, content, message):
    path = tmp_path / "library.gmt"
    path.write_text(content)
    with pytest.raises(ValueError, match=message):
        read_gmt(path)


def test_a_broken_file_is_refused(tmp_path):
    whole = gzip.compress(b"A_x\tna\tG1\n" * 100)
    (tmp_path / "broken.gmt.gz").write_bytes(whole[:-9])
    with pytest.raises(ValueError, match=r"net='.*broken.gmt.gz' is not a whole gzip file"):
        read_gmt(tmp_path / "broken.gmt.gz")


def test_name_of_a_set_is_tf_then_context():
    found = sets_experiments(
        {"STAT1_HELAS3_HG19": ["MYC", "IRF1", "MYC"], "GATA1 K562": ["MYC"], "KLF1": []}, "sets"
    )
    assert found.tfs.tolist() == ["STAT1", "GATA1", "KLF1"]
    assert found.contexts.tolist() == ["HELAS3_HG19", "K562", ""]
    assert found.genes.tolist() == ["IRF1", "MYC"]
    np.testing.assert_array_equal(found.table.toarray(), [[1, 1], [0, 1], [0, 0]])


@pytest.mark.parametrize(
    "sets, message",
    [
        ({}, "no gene sets"),
        ({"A_x": []}, "all empty"),
        ({"A_x": "GATA1"}, r"net\['A_x'\] is str; give its genes as a list"),
        ({"A_x": ["G1", None]}, "holds None, which is not a name"),
        ({1: ["G1"]}, "holds 1, which is not a name"),
    ],
)
def test_sets_that_cannot_be_read(sets, message):
    with pytest.raises(ValueError, match=message):
        sets_experiments(sets, "sets")
