"""Read gene dictionaries, pickled or JSON, without running code that a file may carry."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

# numpy 2 renamed its modules; files have either name.
_SCALAR = {
    ("numpy.core.multiarray", "scalar"),
    ("numpy._core.multiarray", "scalar"),
}
_DTYPE = {("numpy", "dtype")}


class _Dtype:
    """Replaces ``numpy.dtype`` while a file is read; accepts plain numbers only."""

    def __init__(self, code: str, *_: bool) -> None:
        self.dtype = np.dtype(code)
        if self.dtype.kind not in "iuf":
            msg = f"a number of type {code!r}"
            raise pickle.UnpicklingError(msg)

    def __setstate__(self, state: tuple) -> None:
        self.dtype = self.dtype.newbyteorder(state[1])


def _number(dtype: _Dtype, data: bytes) -> int | float:
    return np.frombuffer(data, dtype=dtype.dtype, count=1)[0].item()


class _Restricted(pickle.Unpickler):
    """Replaces two names, numpy's scalar and dtype, by its own classes, and refuses all others."""

    def find_class(self, module: str, name: str) -> Callable[..., Any]:
        if (module, name) in _SCALAR:
            # A new function each time: whatever a file does to the object that it gets, ours stays
            # as it is.
            return lambda dtype, data: _number(dtype, data)
        if (module, name) in _DTYPE:
            return _Dtype
        msg = f"the name {module}.{name}"
        raise pickle.UnpicklingError(msg)


def read_dictionary(path: Path) -> dict[str, Any]:
    """Return a dictionary of gene ids from a pickle or JSON file.

    Only a flat dictionary from strings to strings or numbers is read. A pickle may use two names of
    Python, those of numpy's scalars and their type: Geneformer's first dictionaries hold their
    numbers so. Any other name could run code, so the file is refused before it is used.

    Parameters
    ----------
    path
        File; ``.json`` is read as JSON, anything else as a pickle.

    Raises
    ------
    ValueError
        If the file is damaged, holds something else, or uses another name.
    """
    try:
        if path.suffix == ".json":
            content = json.loads(path.read_text(encoding="utf-8"))
        else:
            with path.open("rb") as file:
                content = _Restricted(file).load()
    except (
        pickle.UnpicklingError,
        json.JSONDecodeError,
        AttributeError,
        EOFError,
        ImportError,
        IndexError,
        KeyError,
        MemoryError,
        OverflowError,
        TypeError,
        UnicodeDecodeError,
        ValueError,
    ) as error:
        msg = (
            f"{path} was not read: it holds {error}, which a gene dictionary does not need, or it "
            "is damaged. Get it again from its source."
        )
        raise ValueError(msg) from error
    if type(content) is not dict or not all(
        type(key) is str and type(value) in (str, int, float) for key, value in content.items()
    ):
        msg = f"{path} is not a flat dictionary from gene ids to ids or numbers."
        raise ValueError(msg)
    return content
