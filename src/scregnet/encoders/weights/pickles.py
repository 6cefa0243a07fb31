"""Read gene dictionaries, pickled or JSON, without running code that a file may carry."""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import pickletools
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from scregnet._settings import settings

# numpy 2 renamed its modules; files have either name.
_SCALAR = {
    ("numpy.core.multiarray", "scalar"),
    ("numpy._core.multiarray", "scalar"),
}
_DTYPE = {("numpy", "dtype")}
# What a dictionary of texts and numbers is pickled with, in protocols 0 to 5.
_OPCODES = {
    *("PROTO", "FRAME", "STOP", "MARK", "EMPTY_DICT", "DICT", "SETITEM"),
    *("SETITEMS", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "STRING"),
    *("BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "INT", "BININT"),
    *("BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT", "NONE", "NEWTRUE"),
    *("NEWFALSE", "EMPTY_LIST", "APPEND", "APPENDS", "LIST", "EMPTY_TUPLE", "TUPLE", "TUPLE1"),
    *("TUPLE2", "TUPLE3", "PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE", "GET", "BINGET"),
    *("LONG_BINGET", "GLOBAL", "STACK_GLOBAL", "REDUCE", "BUILD"),
}
_MEMO = {"PUT", "BINPUT", "LONG_BINPUT", "GET", "BINGET", "LONG_BINGET"}
_MEMO_PUTS = {"PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"}
_INTEGERS = {"INT", "LONG", "LONG1", "LONG4"}
_TUPLES = {"TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"}
_CONTAINERS = {"EMPTY_DICT", "DICT", "EMPTY_LIST", "LIST", "EMPTY_TUPLE"}
# A flat dictionary is one container. A few more are read, to be refused for what they are.
_MOST_CONTAINERS = 16
# Smaller pickles are read as fast as the cache, in bytes.
_WORTH_KEEPING = 100_000
# No gene's number has more.
_MOST_DIGITS = 40


class _Dtype:
    """Replaces ``numpy.dtype`` while a file is read; accepts plain numbers only."""

    def __init__(self, code: str, *_: bool) -> None:
        self.dtype = np.dtype(code)
        if self.dtype.kind not in "iufb":
            msg = f"a number of type {code!r}"
            raise pickle.UnpicklingError(msg)

    def __setstate__(self, state: tuple) -> None:
        self.dtype = self.dtype.newbyteorder(state[1])


def _number(dtype: _Dtype, data: bytes) -> int | float:
    return np.frombuffer(data, dtype=dtype.dtype, count=1)[0].item()


NUMBERS: tuple[tuple[Callable[..., Any], str], ...] = (
    *((_number, ".".join(name)) for name in sorted(_SCALAR)),
    *((_Dtype, ".".join(name)) for name in sorted(_DTYPE)),
)
"""What reads single numbers of NumPy, and the names that files have for it."""


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


def _scan(content: bytes) -> None:
    """Raise ``UnpicklingError`` for a pickle that could hurt while it is read.

    Sizes that a file declares are compared with the file, numbers of the memo with how many there
    can be, and containers are counted, so that none lie deep in one another. Python's reader does
    none of it.
    """
    n_containers, after_tuple = 0, False
    argument: Any
    for number, (opcode, argument, _) in enumerate(pickletools.genops(content)):
        name = opcode.name
        found = None
        if name not in _OPCODES:
            found = f"the operation {name}"
        elif name in _MEMO and argument > number:
            # A writer counts from 0 upwards, at most one number for each operation.
            found = f"the memo number {argument}"
        elif name in _INTEGERS and abs(argument) >= 10**_MOST_DIGITS:
            found = f"an integer of more than {_MOST_DIGITS} digits"
        # numpy's numbers are made of tuples, each taken apart at once.
        if name in _CONTAINERS or (after_tuple and name not in ("REDUCE", "BUILD", *_MEMO_PUTS)):
            n_containers += 1
        if name not in _MEMO_PUTS:
            after_tuple = name in _TUPLES
        if n_containers > _MOST_CONTAINERS:
            found = "values nested in one another"
        if found is not None:
            raise pickle.UnpicklingError(found)


def _unpickled(raw: bytes) -> Any:
    """Return what a pickle holds; of a large flat dictionary from the cache, if it is there."""
    kept = settings.cache_dir / "dictionaries" / f"{hashlib.sha256(raw).hexdigest()}.json"
    if len(raw) >= _WORTH_KEEPING and (content := _read_kept(kept)) is not None:
        return content
    _scan(raw)
    content = _Restricted(io.BytesIO(raw)).load()
    if len(raw) >= _WORTH_KEEPING and _is_flat(content):
        _keep(kept, content)
    return content


def _read_kept(path: Path) -> dict[str, Any] | None:
    """Return a dictionary that was kept; ``None`` if there is none, or the file is damaged."""
    try:
        digest, _, text = path.read_bytes().partition(b"\n")
        if hashlib.sha256(text).hexdigest().encode() != digest:
            return None
        content = json.loads(text)
    except (OSError, ValueError, RecursionError):
        return None
    return content if _is_flat(content) else None


def _keep(path: Path, content: dict[str, Any]) -> None:
    """Write a dictionary with its sha256; a folder that cannot be written to changes nothing."""
    text = json.dumps(content).encode()
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            part.write_bytes(hashlib.sha256(text).hexdigest().encode() + b"\n" + text)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)


def _is_flat(content: object) -> bool:
    return type(content) is dict and all(
        type(key) is str and type(value) in (str, int, float) for key, value in content.items()
    )


def read_dictionary(path: Path) -> dict[str, Any]:
    """Return a dictionary of gene ids from a pickle or JSON file.

    Only a flat dictionary from strings to strings or numbers is read. A large pickle is kept in
    ``sr.settings.cache_dir`` as JSON, under the hash of its bytes: the next reading takes
    milliseconds. A pickle may use two names of
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
            content = _unpickled(path.read_bytes())
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
        RecursionError,
        TypeError,
        UnicodeDecodeError,
        ValueError,
    ) as error:
        msg = (
            f"{path} was not read: it holds {error}, which a gene dictionary does not need, or it "
            "is damaged. Get it again from its source."
        )
        raise ValueError(msg) from error
    if not _is_flat(content):
        msg = f"{path} is not a flat dictionary from gene ids to ids or numbers."
        raise ValueError(msg)
    return content
