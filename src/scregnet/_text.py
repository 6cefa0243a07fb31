"""Read a text that the user names: plain or gzip, UTF-8 or UTF-16, and not without end."""

from __future__ import annotations

import codecs
import gzip
import zlib
from pathlib import Path

LARGEST = 2**30
"""Bytes of text that are read at most: a small gzip file may unpack to any size."""

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
