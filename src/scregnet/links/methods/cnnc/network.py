"""The torch module of CNNC."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from scregnet.links.methods.images.saved import image_arrays, read_image_arrays
from scregnet.links.methods.images.tower import ImageTower, in_blocks, read_images
from scregnet.links.neural.weights import load_weights

if TYPE_CHECKING:
    import numpy as np

    from scregnet.links.forms.saved import State


class CnncModule(nn.Module):
    """The joint histogram of a pair to its logit.

    Parameters
    ----------
    bins
        The bin of each gene in each cell, uint8 (n_genes, n_cells).
    n_bins
        Bins of a gene.
    conv_dims
        Channels of each block of convolutions.
    dense_dim
        Width of the dense layer.
    conv_dropout, dropout
        Dropout after each block, and after the dense layer.
    precision
        Of the tower while training, as in :class:`ImageTower`.
    """

    def __init__(
        self,
        bins: np.ndarray,
        n_bins: int,
        *,
        conv_dims: tuple[int, ...],
        dense_dim: int,
        conv_dropout: float = 0.0,
        dropout: float = 0.0,
        precision: str = "float32",
    ) -> None:
        super().__init__()
        self.bins, self.n_bins = bins, n_bins
        self.tower = ImageTower(
            n_bins, conv_dims, dense_dim, conv_dropout=conv_dropout, precision=precision
        )
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(dense_dim, 1))

    @property
    def n_genes(self) -> int:
        """Number of genes that pairs are made of."""
        return len(self.bins)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return what a saved network needs beside its weights."""
        return image_arrays(self.bins, self.n_bins, self.tower)

    def forward(self, sources: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return the logit of each pair."""
        if self.training:
            return self._logits(sources, targets)
        return in_blocks(self._logits, sources, targets)

    def _logits(self, sources: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        read = read_images(self.tower, self.bins, self.n_bins, sources, targets)
        return self.head(read).squeeze(1)


def read_network(state: State) -> CnncModule:
    """Return the network that was saved as ``state``."""
    bins, n_bins, widths = read_image_arrays(state)
    return load_weights(lambda: CnncModule(bins, n_bins, **widths), state)
