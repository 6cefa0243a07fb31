"""Values as ``uns`` can keep them: what h5ad and zarr write and give back."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from scregnet._validate import shortened


def to_uns(value: Any) -> Any:
    """Return ``value`` in a form that survives h5ad and zarr, or raise ``TypeError``.

    Mappings get string keys; paths become strings; tuples, sets and lists become arrays; sparse
    matrices become CSR or CSC; text columns of frames become object columns. Missing values in text
    and mixed types are refused: h5ad has no form for them.
    """
    if value is None or isinstance(value, (bool, float, str, np.bool_, np.floating, np.str_)):
        return value
    if isinstance(value, (int, np.integer)):
        if not -(2**63) <= int(value) < 2**63:
            msg = f"an integer beyond 64 bits cannot be kept in uns: {value!r}."
            raise TypeError(msg)
        return value
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return _mapping(value)
    if isinstance(value, pd.DataFrame):
        return _frame(value)
    if sp.issparse(value):
        return value if value.format in ("csr", "csc") else value.tocsr()
    if isinstance(value, np.ndarray):
        return _array(value)
    if isinstance(value, (set, frozenset)):
        value = sorted(value)
    if isinstance(value, (list, tuple)):
        return _list(value)
    msg = f"{type(value).__name__} cannot be kept in uns: {shortened(value)}."
    raise TypeError(msg)


def check_key(name: object) -> None:
    """Raise ``ValueError`` unless ``name`` can name a slot in h5ad and zarr alike."""
    if not isinstance(name, str) or set(name) & {"/", "\0"} or name in ("", ".", ".."):
        msg = (
            f"key {shortened(name)} cannot be stored: AnnData files need a text key without '/'. "
            "Choose another key_added or group name."
        )
        raise ValueError(msg)


def _mapping(value: Mapping[Any, Any]) -> dict[str, Any]:
    keys = [str(key) for key in value]
    bad = [key for key in keys if "/" in key or key in ("", ".", "..")]
    if bad:
        msg = f"uns keys must not contain '/' nor be empty or dots: {bad!r}."
        raise TypeError(msg)
    if len(set(keys)) < len(keys):
        msg = f"uns keys are the same once written as text: {list(value)!r}."
        raise TypeError(msg)
    return {key: to_uns(item) for key, item in zip(keys, value.values(), strict=True)}


def _list(value: list[Any] | tuple[Any, ...]) -> np.ndarray:
    if all(isinstance(item, (str, Path)) for item in value):
        return np.array([str(item) for item in value], dtype=object)
    if all(
        isinstance(item, (bool, int, float, np.bool_, np.integer, np.floating)) for item in value
    ):
        return _array(np.asarray(value))
    kinds = sorted({type(item).__name__ for item in value})
    msg = f"a list of {', '.join(kinds)} cannot be kept in uns: {value!r}."
    raise TypeError(msg)


def _array(value: np.ndarray) -> np.ndarray:
    text = value.dtype.kind == "O" and all(isinstance(item, str) for item in value.flat)
    # Record arrays (kind V, with field names) are scanpy's form for ranked genes.
    if text or value.dtype.kind in "biufSU" or value.dtype.names is not None:
        return value
    msg = f"an array of {value.dtype} that is not text throughout cannot be kept in uns."
    raise TypeError(msg)


def _frame(value: pd.DataFrame) -> pd.DataFrame:
    bad = [
        c
        for c in value.columns
        if not isinstance(c, str) or "/" in c or c in ("", ".", "..", "_index")
    ]
    if bad or not value.columns.is_unique:
        msg = (
            "a frame in uns needs unique text column names without '/', "
            f"got {list(value.columns)!r}."
        )
        raise TypeError(msg)
    if isinstance(value.index, pd.MultiIndex) or value.index.name in value.columns:
        msg = (
            "a frame in uns needs a plain index whose name is not a column's; "
            "call .reset_index() first."
        )
        raise TypeError(msg)
    kept = {str(name): _column(column, f"column {name!r}") for name, column in value.items()}
    index = _column(value.index.to_series(), "the index")
    # Built anew rather than assigned to: the caller's frame stays as it is.
    frame = pd.DataFrame(kept, index=value.index, columns=list(kept))
    return frame.set_axis(
        pd.Index(index.to_numpy(), dtype=index.dtype, name=value.index.name), axis=0
    )


def _column(column: pd.Series, where: str) -> pd.Series:
    if isinstance(column.dtype, pd.CategoricalDtype):
        _column(pd.Series(column.cat.categories), f"the categories of {where}")
        return column
    if pd.api.types.is_bool_dtype(column.dtype) or (
        pd.api.types.is_numeric_dtype(column.dtype)
        and not pd.api.types.is_complex_dtype(column.dtype)
    ):
        return column
    if pd.api.types.infer_dtype(column, skipna=False) in ("string", "empty"):
        return column.astype(object)
    msg = (
        f"a frame in uns holds {column.dtype} in {where} that is neither numbers nor text "
        "throughout (missing values?)."
    )
    raise TypeError(msg)
