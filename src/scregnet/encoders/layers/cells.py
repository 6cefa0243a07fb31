"""The vector of a cell from those of its tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from scregnet.encoders.protocol import TokenBatch


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
