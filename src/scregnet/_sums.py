"""Sums over cells as files: what one process added up, another reads, checks and adds on."""

from __future__ import annotations

import os
import zipfile
from dataclasses import fields
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self, TypeVar

import numpy as np

# Numbers of a kind, as NumPy's codes of types.
_KINDS = {"integer": "iu", "number": "f", "flag": "b"}


class Sums(Protocol):
    """A frozen dataclass of sums over cells; those of disjoint cells add up."""

    __dataclass_fields__: ClassVar[dict[str, Any]]
    FORMS: ClassVar[dict[str, tuple[str, tuple[str, ...]]]]
    """Kind and shape of each field; lengths of one name are equal."""

    def __add__(self, other: Self, /) -> Self:
        """Return the sums over the cells of both."""
        ...


T = TypeVar("T", bound=Sums)


def save_sums(path: str | Path, sums: Sums) -> None:
    """Write sums into an ``.npz`` file; one that is cut off half-way leaves no file."""
    path = Path(path)
    arrays = {field.name: np.asarray(getattr(sums, field.name)) for field in fields(sums)}
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            np.savez(file, allow_pickle=False, of=np.array(type(sums).__name__), **arrays)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def load_sums(path: str | Path, kind: type[T]) -> T:
    """Read the sums of a file; ``ValueError`` unless it holds such sums, whole and finite."""
    path = Path(path)
    try:
        with path.open("rb") as file:
            _check_sizes(file)
            file.seek(0)
            with np.load(file, allow_pickle=False) as opened:
                arrays = dict(opened.items())
        return kind(**_checked(arrays, kind))
    except (ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        msg = f"{str(path)!r} does not hold {kind.__name__}: {error}. Write it again."
        raise ValueError(msg) from error


def _check_sizes(file: Any) -> None:
    """Raise unless the arrays are as large as they say, before memory is taken for them."""
    with zipfile.ZipFile(file) as archive:
        for member in archive.infolist():
            if member.compress_type != zipfile.ZIP_STORED:
                msg = f"{member.filename!r} is compressed"
                raise ValueError(msg)
            with archive.open(member) as opened:
                if np.lib.format.read_magic(opened) != (1, 0):
                    msg = f"{member.filename!r} is of another form"
                    raise ValueError(msg)
                shape, _, dtype = np.lib.format.read_array_header_1_0(opened)
                # Python's integers: a product of NumPy's could overflow.
                size = dtype.itemsize
                for length in shape:
                    size *= length
                if size != member.file_size - opened.tell():
                    msg = f"{member.filename!r} is not of the size that it states"
                    raise ValueError(msg)


def _checked(arrays: dict[str, np.ndarray], kind: type[Sums]) -> dict[str, Any]:
    """Return the fields, single numbers as Python's."""
    of = arrays.pop("of", np.array(""))
    if str(of) != kind.__name__:
        msg = f"it holds {str(of)[:80]!r}"
        raise ValueError(msg)
    if arrays.keys() != kind.FORMS.keys():
        msg = f"it has {sorted(arrays)} instead of {sorted(kind.FORMS)}"
        raise ValueError(msg)
    lengths: dict[str, int] = {}
    for name, (sort, shape) in kind.FORMS.items():
        array = arrays[name]
        if array.dtype.kind not in _KINDS[sort] or array.ndim != len(shape):
            msg = f"{name} has the type {array.dtype} and {array.ndim} dimensions"
            raise ValueError(msg)
        for side, length in zip(shape, array.shape, strict=True):
            if lengths.setdefault(side, length) != length:
                msg = f"{name} has {length:,} {side} instead of {lengths[side]:,}"
                raise ValueError(msg)
        if not np.isfinite(array).all():
            msg = f"{name} holds NaN or infinite values"
            raise ValueError(msg)
    return {name: array.item() if array.ndim == 0 else array for name, array in arrays.items()}
