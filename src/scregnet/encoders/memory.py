"""Batches that a device has too little memory for: encoded in halves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from scregnet._logging import logger

if TYPE_CHECKING:
    import numpy as np

    from scregnet.encoders.protocol import Encoded, TokenBatch


class Halving:
    """Encodes batches, and halves those that the device has too little memory for.

    A size that fitted only after halving is kept for the batches that follow.

    Parameters
    ----------
    encode
        Runs the model on a batch.
    """

    def __init__(self, encode: Callable[[TokenBatch], Encoded]) -> None:
        self._encode = encode
        self._most_cells: int | None = None

    def __call__(self, batch: TokenBatch) -> Iterator[tuple[Encoded, np.ndarray]]:
        """Yield the model's answers and the cells that they are of.

        Raise ``MemoryError`` if a single cell does not fit.
        """
        start = 0
        while start < len(batch.cells):
            rows = slice(start, start + (self._most_cells or len(batch.cells)))
            part = _rows(batch, rows)
            encoded = self._try(part)
            if encoded is None:
                # Not where the error is caught: there its traceback still holds the tensors.
                self._halve(len(part.cells))
                continue
            yield encoded, part.cells
            start += len(part.cells)

    def _try(self, batch: TokenBatch) -> Encoded | None:
        try:
            return self._encode(batch)
        except torch.OutOfMemoryError as error:
            if len(batch.cells) == 1:
                msg = (
                    f"A single cell of {batch.ids.shape[1]} tokens does not fit the memory of the "
                    f"device ({str(error).splitlines()[0]}): free memory there, or give "
                    "device='cpu'."
                )
                raise MemoryError(msg) from error
            return None

    def _halve(self, n_cells: int) -> None:
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        self._most_cells = n_cells // 2
        logger.warning(
            "the device has too little memory for %d cells at once; continuing with %d",
            n_cells,
            self._most_cells,
        )


def _rows(batch: TokenBatch, rows: slice) -> TokenBatch:
    return replace(
        batch,
        cells=batch.cells[rows],
        ids=batch.ids[rows],
        slots=batch.slots[rows],
        mask=batch.mask[rows],
        values=None if batch.values is None else batch.values[rows],
    )
