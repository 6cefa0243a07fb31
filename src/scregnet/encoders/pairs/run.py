"""Going through the cells of a run that may be stopped and continued."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np

from scregnet.encoders.partial import PartialSums, Place

if TYPE_CHECKING:
    from pathlib import Path

    from scregnet.encoders.protocol import CellBlock, CellStream, GeneMatch
    from scregnet.encoders.token_encoder import TokenEncoder


class Arrays:
    """Sums by name, which a stopped run takes up again."""

    def __init__(self, **sums: np.ndarray) -> None:
        self.sums = sums

    def __getitem__(self, name: str) -> np.ndarray:
        return self.sums[name]

    def state(self) -> dict[str, np.ndarray]:
        """Return the sums so far."""
        return self.sums

    def load_state(self, state: Mapping[str, np.ndarray]) -> bool:
        """Continue from them; ``False`` if they are of another run."""
        if state.keys() != self.sums.keys() or any(
            (state[name].shape, state[name].dtype) != (own.shape, own.dtype)
            for name, own in self.sums.items()
        ):
            return False
        self.sums = {name: np.array(value) for name, value in state.items()}
        return True


def run_key(encoder: TokenEncoder, match: GeneMatch, **more: Any) -> dict[str, Any]:
    """Return what sums depend on, except the cells."""
    versions = {name: version(name) for name in ("scregnet", "numpy", "torch")}
    return {"model": encoder.digest(match), "versions": versions, **more}


def each_cell(
    cells: CellStream, sums: Arrays, folder: Path | None, key: dict[str, Any]
) -> Iterator[tuple[int, CellBlock, int]]:
    """Yield the number of each cell in the run, its block and its row there.

    Those that an earlier run has in the sums are left out. What is done with a cell must be done
    before the next one is asked for.
    """
    partial = PartialSums(folder, key)
    blocks, place = partial.resume(cells, sums)
    # Blocks before the last one that was begun are in the sums.
    before = place.cells - place.batches
    for number, block in enumerate(blocks, start=max(place.blocks, 1)):
        done = place.batches if number == place.blocks else 0
        n_rows = block.matrix.shape[0]
        for row in range(done, n_rows):
            yield before + row, block, row
            partial.save(sums, Place(number, row + 1, before + row + 1))
        before += n_rows
    partial.done()
