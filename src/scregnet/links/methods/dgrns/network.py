"""The torch module of DGRNS."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from scregnet.links.forms.saved import read_floats, read_integers, refuse
from scregnet.links.methods.images.saved import WIDEST
from scregnet.links.methods.images.sides import MOST_BINS, last_side
from scregnet.links.methods.images.tower import ImageTower, in_blocks
from scregnet.links.neural.weights import load_weights

if TYPE_CHECKING:
    from scregnet.links.forms.saved import State


SAME = 1e-5
"""A window whose deviations are shorter than this does not vary."""


class DgrnsModule(nn.Module):
    """Correlations of two genes' windows, read by a recurrent network and by convolutions.

    Parameters
    ----------
    values
        Expression of the genes in cells in their order, float32 (n_genes, n_cells).
    cells
        The cells of each window, (n_windows, width).
    recurrent_dim
        Width of the recurrent network.
    conv_dims
        Channels of each block of convolutions.
    dense_dim
        Width of the dense layers.
    conv_dropout, dropout
        Dropout after each block, and before the last layer.
    """

    values: torch.Tensor
    cells: torch.Tensor

    def __init__(
        self,
        values: torch.Tensor,
        cells: torch.Tensor,
        *,
        recurrent_dim: int,
        conv_dims: tuple[int, ...],
        dense_dim: int,
        conv_dropout: float = 0.0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        # They are in arrays(), beside the weights.
        self.register_buffer("values", values, persistent=False)
        self.register_buffer("cells", cells, persistent=False)
        n_windows = len(cells)
        self.recurrent = nn.GRU(n_windows, recurrent_dim, batch_first=True)
        self.tower = ImageTower(n_windows, conv_dims, dense_dim, conv_dropout=conv_dropout)
        self.joined = nn.Linear(recurrent_dim + dense_dim, dense_dim)
        self.head = nn.Sequential(nn.ReLU(), nn.Dropout(dropout), nn.Linear(dense_dim, 1))

    @property
    def n_genes(self) -> int:
        """Number of genes that pairs are made of."""
        return len(self.values)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return what a saved network needs beside its weights."""
        return {
            "values": self.values.numpy(),
            "cells": self.cells.numpy(),
            "recurrent_dim": np.array(self.recurrent.hidden_size),
            "conv_dims": np.array(self.tower.conv_dims),
            "dense_dim": np.array(self.tower.dense.out_features),
        }

    def windows(self, genes: torch.Tensor) -> torch.Tensor:
        """Return the windows of genes, of mean 0 and length 1: (len(genes), n_windows, width)."""
        found = self.values[genes][:, self.cells]
        found = found - found.mean(2, keepdim=True)
        # A window without variation stays 0, also where rounding leaves a trace of it.
        lengths = found.norm(dim=2, keepdim=True)
        return found * (lengths > SAME) / lengths.clamp(min=SAME)

    def correlations(self, sources: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return the correlation of each window of the source with each one of the target."""
        return self.windows(sources) @ self.windows(targets).transpose(1, 2)

    def forward(self, sources: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return the logit of each pair."""
        if self.training:
            return self._logits(sources, targets)
        return in_blocks(self._logits, sources, targets)

    def _logits(self, sources: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        image = self.correlations(sources, targets)
        # A step is a window of the source, in the order of cells.
        _, last = self.recurrent(image)
        read = torch.cat([last[0], self.tower(image)], dim=1)
        return self.head(self.joined(read)).squeeze(1)


def read_network(state: State) -> DgrnsModule:
    """Return the network that was saved as ``state``."""
    values = read_floats(state, "values", (None, None))
    if values.size == 0:
        refuse("values", "holds no cells")
    cells = read_integers(state, "cells", (None, None), high=values.shape[1] - 1, dtype=np.int64)
    if not 4 <= len(cells) <= MOST_BINS or cells.shape[1] == 0:
        refuse("cells", f"must hold 4 to {MOST_BINS} windows, found the shape {cells.shape}")
    conv_dims = read_integers(state, "conv_dims", (None,), low=1, high=WIDEST)
    if len(conv_dims) == 0 or last_side(len(cells), len(conv_dims)) == 0:
        refuse("conv_dims", f"does not fit {len(cells)} windows")
    dense_dim, recurrent_dim = (
        int(read_integers(state, name, (), low=1, high=WIDEST))
        for name in ("dense_dim", "recurrent_dim")
    )
    kept = torch.from_numpy(np.array(values)), torch.from_numpy(np.array(cells))
    return load_weights(
        lambda: DgrnsModule(
            *kept,
            recurrent_dim=recurrent_dim,
            conv_dims=tuple(map(int, conv_dims)),
            dense_dim=dense_dim,
        ),
        state,
    )
