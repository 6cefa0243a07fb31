from __future__ import annotations

import re
import warnings
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from scregnet._anndata.uns import check_key, to_uns


def _round_trip(value: object, folder: Path, suffix: str) -> object:
    adata = ad.AnnData(np.ones((2, 2), dtype=np.float32))
    adata.uns["kept"] = to_uns(value)
    path = folder / f"file.{suffix}"
    if suffix == "h5ad":
        adata.write_h5ad(path)
        return ad.read_h5ad(path).uns["kept"]
    with warnings.catch_warnings():
        # anndata and zarr warn of the future of their formats on every write.
        warnings.simplefilter("ignore")
        adata.write_zarr(path)
    return ad.read_zarr(path).uns["kept"]


@pytest.mark.parametrize("suffix", ["h5ad", "zarr"])
@pytest.mark.parametrize(
    "value, expected",
    [
        (None, None),
        (True, True),
        (3, 3),
        (np.int64(3), 3),
        (2.5, 2.5),
        ("é", "é"),
        ("", ""),
        (Path("a") / "b", str(Path("a") / "b")),
        ({"a": {"b": None, "c": {}}, 1: "x"}, {"a": {"b": None, "c": {}}, "1": "x"}),
    ],
)
def test_plain_values_come_back(value, expected, suffix, tmp_path):
    assert _round_trip(value, tmp_path, suffix) == expected


@pytest.mark.parametrize("suffix", ["h5ad", "zarr"])
@pytest.mark.parametrize(
    "value, expected",
    [
        (["x", Path("y")], ["x", "y"]),
        (("x",), ["x"]),
        ({"b", "a"}, ["a", "b"]),
        ([1, 2.5], [1.0, 2.5]),
        ([True, np.bool_(False)], [True, False]),
        ([], []),
        (np.array(["a", "bb"]), ["a", "bb"]),
        (np.array(["a", "bb"], dtype=object), ["a", "bb"]),
        (np.arange(3, dtype=np.int8), [0, 1, 2]),
    ],
)
def test_sequences_come_back_as_arrays(value, expected, suffix, tmp_path):
    back = _round_trip(value, tmp_path, suffix)
    assert isinstance(back, np.ndarray)
    assert back.tolist() == expected


@pytest.mark.parametrize("suffix", ["h5ad", "zarr"])
def test_frames_come_back(suffix, tmp_path):
    frame = pd.DataFrame(
        {
            "source": ["a", "b"],
            "weight": np.array([1, 2], dtype=np.float32),
            "split": pd.Categorical(["test", "train"], categories=["train", "validation", "test"]),
            "label": np.array([0, 1], dtype=np.int8),
            "kept": [True, False],
        }
    )
    back = _round_trip(frame, tmp_path, suffix)
    pd.testing.assert_frame_equal(
        back, frame, check_index_type=False, check_column_type=False, check_dtype=False
    )


@pytest.mark.parametrize("suffix", ["h5ad", "zarr"])
def test_text_of_pandas_own_type_comes_back(suffix, tmp_path):
    frame = pd.DataFrame(
        {"gene": pd.array(["a", "b"], dtype="string")}, index=pd.Index(["x", "y"], dtype="string")
    )
    back = _round_trip(frame, tmp_path, suffix)
    assert back["gene"].tolist() == ["a", "b"]
    assert back.index.tolist() == ["x", "y"]
    assert isinstance(frame["gene"].dtype, pd.StringDtype), "the caller's frame was changed"


@pytest.mark.parametrize("suffix", ["h5ad", "zarr"])
def test_empty_frame_keeps_its_columns(suffix, tmp_path):
    frame = pd.DataFrame(
        {"epoch": np.array([], dtype=int), "train_loss": np.array([], dtype=float)}
    )
    back = _round_trip(frame, tmp_path, suffix)
    assert list(back.columns) == ["epoch", "train_loss"]
    assert len(back) == 0


@pytest.mark.parametrize("suffix", ["h5ad", "zarr"])
@pytest.mark.parametrize("form", ["csr", "csc", "coo", "lil"])
def test_sparse_comes_back(form, suffix, tmp_path):
    value = sp.random(4, 3, density=0.5, format=form, random_state=0)
    assert (_round_trip(value, tmp_path, suffix) != value.tocsr()).nnz == 0


@pytest.mark.parametrize(
    "value",
    [
        ["x", None],
        ["x", 1],
        [{"a": 1}],
        object(),
        1j,
        2**70,
        np.array(["a", 1], dtype=object),
        np.array(["2020"], dtype="M8[D]"),
        np.datetime64("2020"),
        {"a/b": 1},
        {"": 1},
        {".": 1},
        {1: "x", "1": "y"},
        {"deep": {"deeper": object()}},
        pd.DataFrame({"a": ["x", 1]}),
        pd.DataFrame({"a": np.array(["x", None], dtype=object)}, dtype=object),
        pd.DataFrame({0: [1]}),
        pd.DataFrame({"a/b": [1]}),
        pd.DataFrame({"_index": [1]}),
        pd.DataFrame([[1, 2]], columns=["a", "a"]),
        pd.DataFrame({"a": [1, 2]}, index=pd.Index(["x", "y"], name="a")),
        pd.DataFrame({"a": [1]}, index=pd.MultiIndex.from_tuples([("x", "y")])),
        pd.DataFrame({"a": pd.to_datetime(["2020-01-01"])}),
    ],
    # Without addresses: workers of a parallel run must collect equal names.
    ids=lambda value: re.sub(r" at 0x\w+", "", repr(value)),
)
def test_what_files_cannot_hold_is_refused(value):
    with pytest.raises(TypeError, match="uns"):
        to_uns(value)


@pytest.mark.parametrize("key", ["org/model", "", ".", "..", 3, None])
def test_bad_keys(key):
    with pytest.raises(ValueError, match="cannot be stored"):
        check_key(key)
    check_key("grn_CD4 T")
