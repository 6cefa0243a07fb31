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
        return _digest(value.to_csv().encode())
    if isinstance(value, np.ndarray):
        if value.dtype == object:
            return _digest("\n".join(map(repr, value.ravel())).encode())
        return _digest(np.ascontiguousarray(value).tobytes())
    return repr(value)


def _digest(values: bytes) -> str:
    return hashlib.blake2b(values, digest_size=16).hexdigest()
