"""Values as text, so that equal ones are known again in another session."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd


def plain(value: Any) -> str:
    """Return the text of a value, the same in every session; of tables and arrays, a digest."""
    if isinstance(value, Mapping):
        inside = ", ".join(f"{k}: {plain(v)}" for k, v in sorted(value.items()))
        return f"{{{inside}}}"
    if isinstance(value, pd.DataFrame):
        # Vectors of genes may be millions of numbers: as text they would take minutes.
        one = len({*map(str, value.dtypes)}) == 1
        columns = [value] if one else [value.iloc[:, n] for n in range(value.shape[1])]
        arrays = [value.index, value.columns, *columns]
        return _digest("\n".join(plain(array.to_numpy()) for array in arrays).encode())
    if isinstance(value, np.ndarray):
        if value.dtype == object:
            return _digest("\n".join(map(repr, value.ravel())).encode())
        return _digest(f"{value.dtype} {value.shape}".encode(), np.ascontiguousarray(value))
    return repr(value)


def _digest(*values: bytes | np.ndarray) -> str:
    found = hashlib.blake2b(digest_size=16)
    for part in values:
        found.update(part if isinstance(part, bytes) else part.tobytes())
    return found.hexdigest()
