from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from scregnet._genes.evidence.read import read_experiments

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
