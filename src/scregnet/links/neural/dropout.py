"""Dropout whose masks cost little: on a processor drawing them takes longer than the products around them."""

from __future__ import annotations

import torch
from torch import nn


class Dropout(nn.Module):
    """What :class:`torch.nn.Dropout` does; on a processor four masks come from one random number, so that ``p`` is exact to 1 / 65,536.

    Draws from torch's global generators, as all of torch's layers do.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``x`` with a random share ``p`` of its numbers set to 0 and the others divided by ``1 - p``; in evaluation mode ``x``."""
        if x.device.type != "cpu" or not self.training or self.p == 0:
            return nn.functional.dropout(x, self.p, self.training)
        least = torch.iinfo(torch.int16).min
        drawn = torch.empty(-(-x.numel() // 4), dtype=torch.int64).random_(
            torch.iinfo(torch.int64).min, None
        )
        kept = drawn.view(torch.int16)[: x.numel()].view(x.shape) >= least + round(self.p * 2**16)
        return x * (kept.to(x.dtype) / (1 - self.p))

    def extra_repr(self) -> str:
        """The share, for ``print``."""
        return f"p={self.p}"
