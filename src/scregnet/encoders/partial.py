"""Partial sums of a long run, on disk: a run that was stopped continues to the same numbers."""

from __future__ import annotations

import hashlib
import json
import os
import time
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from scregnet._logging import logger

if TYPE_CHECKING:
    from scregnet.encoders.protocol import CellBlock, CellStream

INTERVAL = 60.0
"""Least seconds between two savings."""
# Saving takes at most one in so many parts of the time.
_SHARE = 20
# The layout of the file and the meaning of its numbers. It is part of the name of the file, so a
# file of another form is never read.
_FORM = 1


@dataclass(frozen=True)
class Place:
    """A point of a run.

    ``blocks`` blocks of cells were begun, and ``batches`` batches of the last of them are in the
    sums. ``cells`` are done, those before the last block included.
    """

    blocks: int = 0
    batches: int = 0
    cells: int = 0


class Kept(Protocol):
    """What is saved: sums of a run, as arrays."""

    def state(self) -> dict[str, np.ndarray]:
        """Return the arrays so far."""
        ...

    def load_state(self, state: Mapping[str, np.ndarray], /) -> bool:
        """Continue from them; ``False`` if they are of another run."""
        ...


class PartialSums:
    """Saves the sums of a run now and then, and continues a run that was stopped.

    The file is named after everything that the sums depend on, except the cells. The cells are
    hashed as they are read, values and order. A run that continues reads the cells before its
    point again, compares the hash, and does not compute them again.

    Parameters
    ----------
    folder
        Where files are; ``None`` neither saves nor continues anything.
    key
        What the sums depend on, as plain values.
    """

    def __init__(self, folder: Path | None, key: dict[str, Any]) -> None:
        text = json.dumps([_FORM, key], sort_keys=True, default=str)
        name = hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
        self._path = None if folder is None else folder / f"{name}.npz"
        self._hash = hashlib.blake2b(digest_size=16)
        self._next = time.monotonic() + INTERVAL

    def resume(self, cells: CellStream, kept: Kept) -> tuple[Iterator[CellBlock], Place]:
        """Return the blocks to read, and the point where to continue; fill ``kept``.

        The first block is the last one that was begun.
        """
        saved = self._load()
        if saved is not None:
            place = Place(*(int(number) for number in saved.pop("place")))
            digest = saved.pop("digest").tobytes()
            blocks = iter(cells)
            last = None
            for _ in range(place.blocks):
                last = next(blocks, None)
                if last is None:
                    break
                self._read(last)
            if last is not None and self._hash.digest() == digest and kept.load_state(saved):
                logger.info("continuing from cell %d of %d", place.cells, cells.n_cells)
                return self._again(last, blocks), place
            logger.warning(
                "partial sums of an earlier run do not belong to these cells; "
                "starting from the first cell"
            )
            self._hash = hashlib.blake2b(digest_size=16)
        return self._reading(iter(cells)), Place()

    def _again(self, last: CellBlock, blocks: Iterator[CellBlock]) -> Iterator[CellBlock]:
        yield last
        yield from self._reading(blocks)

    def _reading(self, blocks: Iterable[CellBlock]) -> Iterator[CellBlock]:
        for block in blocks:
            self._read(block)
            yield block

    def _read(self, block: CellBlock) -> None:
        if self._path is None:
            return
        for array in (block.matrix.indptr, block.matrix.indices, block.matrix.data, block.groups):
            self._hash.update(array.tobytes())

    def save(self, kept: Kept, place: Place) -> None:
        """Save the sums if it is time to; a disk that cannot be written to gives one warning."""
        if self._path is None or time.monotonic() < self._next:
            return
        begun = time.monotonic()
        arrays = {
            "place": np.array([place.blocks, place.batches, place.cells]),
            "digest": np.frombuffer(self._hash.digest(), dtype=np.uint8),
            **kept.state(),
        }
        # Written under another name first: a run that is killed now leaves the former file whole.
        part = self._path.with_name(f"{self._path.stem}.{os.getpid()}.part")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with part.open("wb") as file:
                np.savez(file, allow_pickle=False, **arrays)
            part.replace(self._path)
        except OSError as error:
            logger.warning(
                "this run cannot be continued if it is stopped: %s was not written (%s)",
                self._path,
                error,
            )
            self._path = None
            with suppress(OSError):
                part.unlink()
        self._next = time.monotonic() + max(INTERVAL, _SHARE * (time.monotonic() - begun))

    def done(self) -> None:
        """Remove the file."""
        if self._path is not None:
            # There is none after a short run.
            with suppress(OSError):
                self._path.unlink()

    def _load(self) -> dict[str, np.ndarray] | None:
        if self._path is None or not self._path.is_file():
            return None
        try:
            with self._path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
                saved = dict(file.items())
            if missing := {"place", "digest"} - saved.keys():
                msg = f"it lacks {sorted(missing)}"
                raise ValueError(msg)
            if saved["place"].shape != (3,) or saved["place"].dtype.kind not in "iu":
                msg = "its place is not three integers"
                raise ValueError(msg)
            return saved
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            logger.warning("%s is damaged (%s); starting from the first cell", self._path, error)
            return None
