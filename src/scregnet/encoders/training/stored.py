"""The tokens of all cells, kept out of memory where they are many."""

from __future__ import annotations

import tempfile
import weakref
from collections.abc import Iterator
from pathlib import Path

import numpy as np

MOST_IN_MEMORY = 1 << 26
"""Bytes of tokens that stay in memory; more go to a file."""

# Values of one piece when all are gone through.
_PIECE = 1 << 20


class StoredTokens:
    """Tokens of one cell after the other, of which those of any cell can be read.

    Many are in a file without a name, so that nothing is left of it however the process ends.

    Parameters
    ----------
    kind
        Type of the tokens.
    folder
        Where the file is made; ``None`` takes the system's folder for such files.
    """

    def __init__(self, kind: type[np.integer], folder: Path | None = None) -> None:
        self._kind = np.dtype(kind)
        self._folder = folder
        where = None if folder is None else str(folder)
        self._file = tempfile.SpooledTemporaryFile(max_size=MOST_IN_MEMORY, dir=where)  # noqa: SIM115
        weakref.finalize(self, self._file.close)
        self._lengths: list[np.ndarray] = []
        self.lengths = self._starts = np.zeros(0, dtype=np.int64)

    def append(self, tokens: np.ndarray, lengths: np.ndarray) -> None:
        """Add cells; ``lengths`` says how many tokens each has, and those with none are left out.

        Raise ``OSError`` if the disk is full.
        """
        try:
            self._file.write(tokens.astype(self._kind).tobytes())
        except OSError as error:
            where = tempfile.gettempdir() if self._folder is None else self._folder
            msg = (
                f"the tokens of the cells could not be written to a file in {where} ({error}). "
                "Make room, or name another folder."
            )
            raise OSError(msg) from error
        self._lengths.append(lengths[lengths > 0])

    def close(self) -> None:
        """Say that all cells are there."""
        self.lengths = np.concatenate([self.lengths, *self._lengths])
        self._starts = np.concatenate([[0], np.cumsum(self.lengths)])
        self._lengths = []

    def of(self, cells: np.ndarray) -> np.ndarray:
        """Return the tokens of some cells, one cell after the other."""
        size, parts = self._kind.itemsize, []
        for cell in cells.tolist():
            self._file.seek(int(self._starts[cell]) * size)
            parts.append(self._file.read(int(self.lengths[cell]) * size))
        return np.frombuffer(b"".join(parts), dtype=self._kind)

    def pieces(self) -> Iterator[np.ndarray]:
        """Yield the tokens of all cells, some at a time."""
        size, total = self._kind.itemsize, int(self._starts[-1])
        for start in range(0, total, _PIECE):
            self._file.seek(start * size)
            n_bytes = (min(start + _PIECE, total) - start) * size
            yield np.frombuffer(self._file.read(n_bytes), dtype=self._kind)


def some_at_a_time(cells: np.ndarray, size: int = 4096) -> Iterator[np.ndarray]:
    """Yield so many of the cells at a time."""
    return (cells[start : start + size] for start in range(0, len(cells), size))
