from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from scregnet._genes.evidence.read import read_experiments
from scregnet.datasets import perturbation

LONG = pd.DataFrame(
    {
        "source": ["A", "A", "B", "A", "B"],
        "target": ["x", "y", "y", "y", "z"],
        "weight": [1, -2, 3, 4, 0],
        "cell": ["k", "k", "k", "l", "k"],
    }
)
TABLE = np.array([[1, 2], [0, 4], [0, 3]])


def parts(experiments):
    """Content in one order, whatever the form."""
    order = sorted(
        range(len(experiments.tfs)), key=lambda i: (experiments.tfs[i], experiments.contexts[i])
    )
    return (
        experiments.tfs[order].tolist(),
        experiments.contexts[order].tolist(),
        experiments.genes.tolist(),
        experiments.table.toarray()[order].tolist(),
    )


EXPECTED = (["A", "A", "B"], ["k", "l", "k"], ["x", "y"], TABLE.tolist())


def test_long_frame_has_an_experiment_for_each_tf_and_context():
    found = read_experiments(LONG, "cell")
    # The edge B → z has weight 0, so no experiment has an entry for z.
    assert parts(found) == EXPECTED
    assert found.table.dtype == np.float32
    assert found.form == "frame"


@pytest.mark.parametrize("name", ["library.csv", "library.tsv", "LIBRARY.CSV.gz"])
def test_file_is_read_as_its_frame(tmp_path, name):
    path = tmp_path / name
    sep = "\t" if "tsv" in name else ","
    LONG.rename(columns={"source": "TF", "target": "Gene"}).to_csv(path, sep=sep, index=False)
    found = read_experiments(path if "tsv" in name else str(path), "cell")
    assert parts(found) == EXPECTED
    assert found.form == "file"


def test_file_without_a_header_has_source_target_and_weight(tmp_path):
    (tmp_path / "pairs.csv").write_text("A,x,1\nA,y,-2\nB,y,3\n")
    found = read_experiments(tmp_path / "pairs.csv", None)
    assert parts(found) == (["A", "B"], ["", ""], ["x", "y"], [[1, 2], [0, 3]])


@pytest.mark.parametrize(
    "name, content, context, error, message",
    [
        ("a.csv", "TF,gene\nA,x\nA,x\n", None, ValueError, "has 1 rows twice, such as A → x"),
        ("b.csv", "TF,gene\nA,x\n,y\n", None, ValueError, r"has 1 rows without a TF .*row 1"),
        ("c.tsv", "TF\tgene\tweight\nA\tx\thigh\n", None, ValueError, "that are not numbers"),
        ("d.csv", "TF,gene\nA,x\n", "cell", KeyError, "it has 'TF', 'gene'"),
        ("e.csv", "TF,gene,weight\nA,x,0\n", None, ValueError, "has no entry that is not 0"),
        ("f.csv", "genes\nx\n", None, ValueError, "has one column"),
        ("g.csv", None, None, FileNotFoundError, "does not exist"),
        (
            "h.xlsx",
            "",
            None,
            ValueError,
            r"is not a \.gmt, \.csv or \.tsv file \(plain or \.gz\)\.",
        ),
        ("i.txt", "", None, ValueError, r"Enrichr's gene sets .* rename it to \.gmt"),
    ],
)
def test_message_about_a_file_names_it(tmp_path, name, content, context, error, message):
    path = tmp_path / name
    if content is not None:
        path.write_text(content)
    with pytest.raises(error, match=message) as caught:
        read_experiments(path, context)
    assert f"net={str(path)!r}" in caught.value.args[0]


def test_long_frame_of_other_column_names_and_without_weights():
    frame = LONG.iloc[:3].rename(columns={"source": "TF", "target": "Gene"})[["TF", "Gene"]]
    found = read_experiments(frame, None)
    assert parts(found) == (["A", "B"], ["", ""], ["x", "y"], [[1, 1], [0, 1]])


def test_wide_frame_has_tfs_in_the_first_level_of_its_index():
    index = pd.MultiIndex.from_tuples([("B", "k"), ("A", "k"), ("A", "l")], names=["tf", "cell"])
    wide = pd.DataFrame([[0, 3, 0], [-1, 2, 0], [0, 4, 0]], index=index, columns=list("xyz"))
    assert parts(read_experiments(wide, "cell")) == EXPECTED
    repeated = wide.droplevel("cell")
    assert parts(read_experiments(repeated, None))[0] == ["A", "A", "B"]


@pytest.mark.parametrize("kind", [np.array, sp.csr_matrix, sp.csc_matrix, sp.csr_array])
def test_anndata_has_tfs_in_obs(kind):
    obs = pd.DataFrame(
        {"tf": pd.Categorical(["A", "A", "B"]), "cell": list("klk"), "source": "ENCODE"},
        index=["1", "2", "3"],
    )
    values = kind(np.array([[1.0, -2, 0], [0, 4, 0], [0, 3, 0]]))
    data = ad.AnnData(values, obs=obs, var=pd.DataFrame(index=list("xyz")))
    assert parts(read_experiments(data, "cell")) == EXPECTED
    # The user's table is only read.
    assert (values != data.X).sum() == 0


def test_file_that_is_open_in_backed_mode_is_read(tmp_path):
    obs = pd.DataFrame({"tf": ["A", "A", "B"], "cell": list("klk")}, index=["1", "2", "3"])
    data = ad.AnnData(sp.csr_matrix(TABLE), obs=obs, var=pd.DataFrame(index=["x", "y"]))
    data.write_h5ad(tmp_path / "library.h5ad")
    backed = ad.read_h5ad(tmp_path / "library.h5ad", backed="r")
    assert parts(read_experiments(backed, "cell")) == EXPECTED
    backed.file.close()


@pytest.mark.parametrize(
    "net, context, error, message",
    [
        (LONG, "study", KeyError, "context='study' is not a column of net; it has 'source'"),
        (LONG, None, ValueError, "1 rows twice, such as A → y.*context="),
        (LONG.assign(cell=None), "cell", ValueError, "5 rows without a context"),
        (LONG.assign(source=[None, *"ABAB"]), "cell", ValueError, "1 rows without a TF"),
        (LONG.assign(weight=np.nan), "cell", ValueError, "5 values that are NaN or infinite"),
        (LONG.assign(weight="high"), "cell", ValueError, "values that are not numbers"),
        (LONG.assign(weight=0), "cell", ValueError, "no entry that is not 0"),
        (LONG.iloc[:0], "cell", ValueError, "no entry"),
        (pd.DataFrame({"a": [1]}), None, ValueError, "needs 'source' and 'target', or TFs in its"),
        (pd.DataFrame([[1, 1]], ["A"], ["x", "x"]), None, ValueError, "genes twice.*'x'"),
        (ad.AnnData(np.ones((1, 1))), None, ValueError, "AnnData without the TF of each exper"),
        (
            ad.AnnData(obs=pd.DataFrame({"tf": ["A"]}, index=["1"])),
            None,
            ValueError,
            "AnnData without X",
        ),
        ({"A_k": ["x"]}, "cell", ValueError, "gene sets have no columns"),
        ("library.gmt", "cell", ValueError, "the sets of a GMT file have no columns"),
        (np.ones((2, 2)), None, TypeError, "net must be a frame.*got ndarray"),
    ],
)
def test_what_cannot_be_read(net, context, error, message):
    with pytest.raises(error, match=message):
        read_experiments(net, context)


def test_tested_pairs_that_did_not_change_are_no_evidence():
    tested = pd.DataFrame({"source": "A", "target": ["b", "c", "d"], "effect": [-1.0, 2.0, 0.0]})
    effects = perturbation(tested)
    with pytest.raises(ValueError, match="net is a frame of effects: .* 2 of 3 are affected"):
        read_experiments(effects, None)
    found = read_experiments(effects[effects["affected"]], None)
    assert found.genes.tolist() == ["b", "c"]
