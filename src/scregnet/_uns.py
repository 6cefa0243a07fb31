"""Values as ``uns`` can keep them: what h5ad and zarr write and give back."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp


def to_uns(value: Any) -> Any:
    """Return ``value`` in a form that survives h5ad and zarr, or raise ``TypeError`` for what cannot.

    Mappings get string keys, paths become strings, tuples, sets and lists become arrays; ``None`` inside a list is refused
    because h5ad has no form for it.
    """
    if (
        value is None
        or isinstance(value, (bool, int, float, str, np.ndarray, np.generic, pd.DataFrame))
        or sp.issparse(value)
    ):
        return value
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        clash = [key for key in value if "/" in str(key)]
        if clash:
            msg = f"uns keys must not contain '/': {clash!r}."
            raise TypeError(msg)
        return {str(key): to_uns(item) for key, item in value.items()}
    if isinstance(value, (set, frozenset)):
        value = sorted(value)
    if isinstance(value, (list, tuple)):
        kinds = {
            str
            if isinstance(item, (str, Path))
            else float
            if isinstance(item, (bool, int, float, np.number))
            else type(item)
            for item in value
        }
        if kinds <= {str}:
            return np.array([str(item) for item in value], dtype=object)
        if kinds <= {float}:
            return np.asarray(value)
        msg = f"a list of {', '.join(sorted(kind.__name__ for kind in kinds))} cannot be kept in uns: {value!r}."
        raise TypeError(msg)
    msg = f"{type(value).__name__} cannot be kept in uns: {value!r}."
    raise TypeError(msg)
