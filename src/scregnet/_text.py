"""Files that the user names: read a text (plain or gzip, UTF-8 or UTF-16), write a whole one."""

from __future__ import annotations

import codecs
import gzip
import zlib
from os import PathLike
from pathlib import Path

from scregnet._validate import shortened

LARGEST = 2**30
"""Bytes of text that are read at most: a small gzip file may unpack to any size."""


def checked_file(argument: str, path: object) -> Path:
    """Return the path of a file to write, ``~`` expanded; raise if none can be written there.

    What takes long to make should be asked for here first.
    """
    if not isinstance(path, (str, PathLike)) or not str(path):
        msg = f"{argument} must be the path of a file, or None; got {shortened(path)}."
        raise TypeError(msg)
    file = Path(path).expanduser()
    if file.is_dir():
        msg = f"{argument}={shortened(str(file))} is a folder: name a file in it."
        raise ValueError(msg)
    if not file.parent.is_dir():
        msg = f"{argument}={shortened(str(file))}: the folder {str(file.parent)!r} does not exist."
        raise FileNotFoundError(msg)
    return file


def write_whole(argument: str, path: object, text: str) -> None:
    """Write a text to a file; what is there stays until all is written."""
    file = checked_file(argument, path)
    part = file.with_name(f".{file.name}.part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)


_GZIP = b"\x1f\x8b"


def read_text(path: Path, name: str) -> str:
    """Return the text of a file, without a byte-order mark.

    A gzip file is known by its first bytes, UTF-16 by its mark. All else is read as UTF-8: in
    another encoding, names would be other ones.

    Parameters
    ----------
    path
        The file.
    name
        What messages call it.

    Raises
    ------
    ValueError
        If it is no text, is damaged, or is larger than :data:`LARGEST`.
    """
    try:
        with path.open("rb") as plain:
            zipped = plain.read(2) == _GZIP
        with gzip.open(path, "rb") if zipped else path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        msg = f"{name} is not a whole gzip file: {error}."
        raise ValueError(msg) from error
    if len(content) > LARGEST:
        msg = (
            f"{name} holds more than {LARGEST:,} bytes of text. "
            "Read what you need of it, and pass that."
        )
        raise ValueError(msg)
    wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = content.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        msg = (
            f"{name} is not text in UTF-8: line {line} has the byte 0x{content[error.start]:02x}. "
            "Save it as UTF-8."
        )
        raise ValueError(msg) from error
    # A text has no byte 0; a spreadsheet or a pickle that was renamed has.
    if "\0" in text[:100_000]:
        msg = f"{name} is not a text file, whatever its name says."
        raise ValueError(msg)
    return text
