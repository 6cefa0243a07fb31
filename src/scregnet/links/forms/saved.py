"""Reading of saved arrays: each is checked before anything computes with it.

A fitted network comes from a file that somebody else may have written. Compiled loops do not check
indices, so an index out of range would read foreign memory.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, NoReturn

import numpy as np

State = Mapping[str, np.ndarray]
Shape = tuple[int | None, ...]
"""Wanted lengths; ``None`` for any."""

HINT = "The file is damaged or was not written by this version; fit the network again."


def read_floats(state: State, name: str, shape: Shape, dtype: Any = np.float32) -> np.ndarray:
    """Return an array of finite floats.

    Parameters
    ----------
    state
        The saved arrays.
    name
        Name of the array.
    shape
        Lengths that it must have.
    dtype
        What it is converted to.
    """
    array = _read(state, name, shape, "f", "floats")
    # After the conversion, because a float64 may be too large for a float32.
    with np.errstate(over="ignore"):
        array = array.astype(dtype, copy=False)
    if not np.isfinite(array).all():
        refuse(name, "has values that are not finite")
    return array


def read_integers(
    state: State, name: str, shape: Shape, *, low: int = 0, high: int, dtype: Any = np.int32
) -> np.ndarray:
    """Return an array of integers from ``low`` to ``high``; see :func:`read_floats`."""
    array = _read(state, name, shape, "iu", "integers")
    if array.size and not (low <= array.min() and array.max() <= high):
        refuse(name, f"must lie between {low} and {high}, found {array.min()} to {array.max()}")
    return array.astype(dtype, copy=False)


def read_bools(state: State, name: str, shape: Shape) -> np.ndarray:
    """Return an array of bools; see :func:`read_floats`."""
    return _read(state, name, shape, "b", "bools")


_WIDEST = {"i": "<i8", "u": "<i8", "f": "<f8"}


def state_digest(state: State) -> str:
    """Return a digest of names, kinds of numbers, shapes and values, in which accidents show."""
    digest = hashlib.blake2b(digest_size=16)
    for name in sorted(state):
        array = np.asarray(state[name])
        # In one width and order of bytes: a file may give a single number in another. A damaged
        # float may be a NaN that numpy warns of.
        with np.errstate(invalid="ignore"):
            array = np.ascontiguousarray(array, _WIDEST.get(array.dtype.kind, array.dtype))
        digest.update(f"{name} {array.dtype.str} {np.shape(state[name])};".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def check_digest(state: State, digest: str) -> None:
    """Raise ``ValueError`` unless a saved network is as it was when ``digest`` was taken."""
    if state_digest(state) != digest:
        msg = f"the arrays of the saved network have changed since it was fitted. {HINT}"
        raise ValueError(msg)


def check_ascending(name: str, array: np.ndarray, *, strictly: bool = False) -> None:
    """Raise ``ValueError`` unless the numbers of a saved array ascend."""
    # int64, because differences of unsigned numbers wrap around.
    steps = np.diff(array.astype(np.int64))
    if (steps < (1 if strictly else 0)).any():
        refuse(name, "must ascend")


def _read(state: State, name: str, shape: Shape, kinds: str, what: str) -> np.ndarray:
    """Return an array of the given kinds of numbers and shape."""
    if name not in state:
        msg = f"the saved network has no array {name!r}. {HINT}"
        raise ValueError(msg)
    array = np.asarray(state[name])
    if array.dtype.kind not in kinds:
        refuse(name, f"must hold {what}, found {array.dtype}")
    fits = array.ndim == len(shape) and all(
        wanted in (None, found) for wanted, found in zip(shape, array.shape, strict=True)
    )
    if not fits:
        lengths = ", ".join("any" if wanted is None else str(wanted) for wanted in shape)
        refuse(name, f"must have the shape ({lengths}), found {array.shape}")
    return array


def refuse(name: str, why: str) -> NoReturn:
    """Raise ``ValueError`` that names the array and says what is wrong with it."""
    msg = f"array {name!r} of the saved network {why}. {HINT}"
    raise ValueError(msg)
