"""One vector per cell: from those of its tokens, and where they are kept during a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from scregnet.encoders.protocol import CellVectors

if TYPE_CHECKING:
    from scregnet.encoders.pooling import StreamingPooler
    from scregnet.encoders.protocol import Encoded, TokenBatch


def mean_of(hidden: torch.Tensor, taken: torch.Tensor) -> torch.Tensor:
    """Return the mean of each cell's vectors at the positions ``taken``; zeros where there is none.

    ``hidden`` is cells × positions × width. Sums are float64, except on MPS, which has none.
    """
    exact = torch.float32 if hidden.device.type == "mps" else torch.float64
    total = hidden.masked_fill(~taken[..., None], 0).sum(1, dtype=exact)
    return total / taken.sum(1, keepdim=True).clamp(min=1)


def of_cells(batch: TokenBatch, hidden: torch.Tensor, slots: torch.Tensor) -> torch.Tensor | None:
    """Return the vectors of cells that a batch asks for, of the vectors of its tokens.

    ``"mean"`` is over the genes of a cell, without special tokens. ``"cls"`` is the first token,
    and ``"cls_unit"`` that at length 1.
    """
    if not batch.with_cells:
        return None
    if batch.cell_pooling == "mean":
        return mean_of(hidden, slots >= 0)
    first = hidden[:, 0]
    if batch.cell_pooling == "cls_unit":
        return torch.nn.functional.normalize(first.float(), dim=-1)
    return first


class Collected:
    """What a run gathers: sums per gene, vectors of cells, or both.

    It has the members of a :class:`~scregnet.encoders.pooling.StreamingPooler` that
    :class:`~scregnet.encoders.partial.PartialSums` needs.

    Parameters
    ----------
    pooler
        Adds up vectors of genes; ``None`` without.
    n_cells, width
        Number of cells of the run, and the width of their vectors; 0 without.
    """

    def __init__(self, pooler: StreamingPooler | None, n_cells: int, width: int) -> None:
        self.pooler = pooler
        rows = n_cells if width else 0
        self._vectors = np.zeros((rows, width), np.float32)
        self._covered = np.zeros(rows, bool)

    def add(self, encoded: Encoded, groups: np.ndarray, positions: np.ndarray) -> None:
        """Add a batch: the group of each cell, and its position in the run."""
        if self.pooler is not None:
            self.pooler.add(encoded, groups)
        if len(self._covered):
            if encoded.cells is None:
                msg = "vectors of cells were asked for, but the model gave none."
                raise ValueError(msg)
            self._vectors[positions] = encoded.cells.float().cpu().numpy()
            self._covered[positions] = True

    def state(self) -> dict[str, np.ndarray]:
        """Return all so far."""
        sums = {} if self.pooler is None else self.pooler.state()
        return {**sums, "cell_vectors": self._vectors, "cells_covered": self._covered}

    def load_state(self, state: Mapping[str, np.ndarray]) -> bool:
        """Continue from :meth:`state`; ``False``, and no change, if it is that of another run."""
        sums = dict(state)
        vectors, covered = (sums.pop(name, None) for name in ("cell_vectors", "cells_covered"))
        for own, found in ((self._vectors, vectors), (self._covered, covered)):
            if found is None or (own.shape, own.dtype) != (found.shape, found.dtype):
                return False
        if self.pooler is not None and not self.pooler.load_state(sums):
            return False
        self._vectors, self._covered = np.array(vectors), np.array(covered)
        return True

    def parts(self) -> tuple[Any, ...]:
        """Return the sums, if any, then the vectors of cells; each adds up with other cells'."""
        sums = () if self.pooler is None else (self.pooler.pooled(),)
        return (*sums, CellVectors(self._vectors, self._covered))
