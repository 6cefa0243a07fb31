"""Going through the cells of a run that may be stopped and continued."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np

from scregnet._progress import bars_shown
from scregnet.encoders.partial import PartialSums, Place

if TYPE_CHECKING:
    from pathlib import Path

    from scregnet.encoders.protocol import CellBlock, CellStream, GeneMatch
    from scregnet.encoders.token_encoder import TokenEncoder


@dataclass(frozen=True)
class PairOptions:
    """How to run: where, whether with a bar, and where a long run saves its sums (``None``: not).

    With an engine the cells are read by other processes, which show and save nothing.
    """

    device: str | None = None
    folder: Path | None = None
    progress: bool = False


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


@contextmanager
def computing(encoder: TokenEncoder, device: str | None) -> Iterator[None]:
    """Put a model on its device and compute in float32, without gradients."""
    import torch

    from scregnet._device import resolve_device, torch_threads

    encoder.to(resolve_device(device))
    with torch_threads(), torch.inference_mode():
        yield


def each_cell(
    cells: CellStream, sums: Arrays, options: PairOptions, key: dict[str, Any], title: str
) -> Iterator[tuple[int, CellBlock, int]]:
    """Yield the number of each cell in the run, its block and its row there.

    Those that an earlier run has in the sums are left out. What is done with a cell must be done
    before the next one is asked for.
    """
    from tqdm.auto import tqdm

    partial = PartialSums(options.folder, key)
    blocks, place = partial.resume(cells, sums)
    # Blocks before the last one that was begun are in the sums.
    before = place.cells - place.batches
    hidden = not bars_shown(show=options.progress)
    with tqdm(
        total=cells.n_cells, initial=place.cells, desc=title, unit="cell", disable=hidden
    ) as bar:
        for number, block in enumerate(blocks, start=max(place.blocks, 1)):
            done = place.batches if number == place.blocks else 0
            n_rows = block.matrix.shape[0]
            for row in range(done, n_rows):
                yield cells.first + before + row, block, row
                bar.update()
                partial.save(sums, Place(number, row + 1, before + row + 1))
            before += n_rows
    partial.done()
