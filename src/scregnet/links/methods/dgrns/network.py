"""The torch module of DGRNS."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from scregnet.links.forms.saved import read_floats, read_integers, refuse
from scregnet.links.methods.dgrns.windows import Windows
from scregnet.links.methods.images.saved import WIDEST
from scregnet.links.methods.images.sides import MOST_BINS, last_side
from scregnet.links.methods.images.tower import ImageTower, in_blocks
from scregnet.links.neural.dropout import Dropout
from scregnet.links.neural.weights import load_weights

if TYPE_CHECKING:
    from scregnet.links.forms.saved import State

MOST_VALUES = 2**25
"""Values of windows that are in memory at a time: 128 MiB."""

SCORE_BLOCK = 64
"""Pairs that are scored at a time; the first convolution makes 1 MiB of each."""


class DgrnsModule(nn.Module):
    """Correlations of two genes' windows, read by a recurrent network, then by convolutions.

    Parameters
    ----------
    values
        Expression of the genes in cells in their order, float32 (n_genes, n_cells).
    windows
        The windows over these cells.
    recurrent_dim
        Width of the recurrent network.
    conv_dims
        Channels of each block of convolutions.
    dense_dims
        Widths of the two dense layers.
    recurrent_dropout, conv_dropout, dropout
        Dropout of lags, after each block, and after the first dense layer.
    precision
        Of convolutions and the first dense layer while training, as in :class:`ImageTower`.
    """

    values: torch.Tensor

    step_block = 256
    """Pairs of a step that are in memory at a time while training."""

    def __init__(
        self,
        values: torch.Tensor,
        windows: Windows,
        *,
        recurrent_dim: int,
        conv_dims: tuple[int, ...],
        dense_dims: tuple[int, ...],
        recurrent_dropout: float = 0.0,
        conv_dropout: float = 0.0,
        dropout: float = 0.0,
        precision: str = "float32",
    ) -> None:
        super().__init__()
        # It is in arrays(), beside the weights.
        self.register_buffer("values", values, persistent=False)
        self.windows, self.dense_dims = windows, tuple(dense_dims)
        self.lag_dropout = Dropout(recurrent_dropout)
        self.recurrent = nn.GRU(windows.n_lags, recurrent_dim, batch_first=True)
        first, second = dense_dims
        self.tower = ImageTower(
            (windows.n_lags, recurrent_dim),
            conv_dims,
            first,
            conv_dropout=conv_dropout,
            precision=precision,
        )
        # As published, nothing bends between the last two.
        self.head = nn.Sequential(Dropout(dropout), nn.Linear(first, second), nn.Linear(second, 1))

    @property
    def n_genes(self) -> int:
        """Number of genes that pairs are made of."""
        return len(self.values)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return what a saved network needs beside its weights."""
        return {
            "values": self.values.numpy(),
            "windows": np.array(self.windows),
            "recurrent_dim": np.array(self.recurrent.hidden_size),
            "conv_dims": np.array(self.tower.conv_dims),
            "dense_dims": np.array(self.dense_dims),
        }

    def standardised(self, genes: torch.Tensor, n_windows: int) -> torch.Tensor:
        """Return the first windows of genes, of mean 0 and length 1: (genes, windows, width)."""
        gap, _, width = self.windows
        found = self.values[genes].unfold(1, width, gap)[:, :n_windows]
        # A window without variation becomes 0 to the last bit, whatever the mean is rounded to.
        found = found - found[..., :1]
        found -= found.mean(2, keepdim=True)
        lengths = found.norm(dim=2, keepdim=True)
        return found.div_(torch.where(lengths > 0, lengths, 1))

    def correlations(self, sources: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return the matrix of each pair: row = window of the source, column = lag of the target.

        float32 of shape (n_pairs, n_lags, n_lags); 0 where a window does not vary.
        """
        each = self.windows.width * (self.windows.n_lags + self.windows.n_windows)
        return in_blocks(self._correlated, sources, targets, block=max(1, MOST_VALUES // each))

    def _correlated(self, sources: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        n_lags = self.windows.n_lags
        one, two = (
            self._of_each(genes, n_windows)
            for genes, n_windows in ((sources, n_lags), (targets, self.windows.n_windows))
        )
        # Windows i and k: lag k - i. The band of 0 <= k - i < n_lags is moved into columns.
        every = torch.bmm(one, two.transpose(1, 2)).contiguous()
        n, rows, columns = every.shape
        return every.as_strided((n, rows, n_lags), (rows * columns, columns + 1, 1)).contiguous()

    def _of_each(self, genes: torch.Tensor, n_windows: int) -> torch.Tensor:
        """Return the windows of each gene of a list, each gene standardised once."""
        once, place = torch.unique(genes, return_inverse=True)
        return self.standardised(once, n_windows)[place]

    def forward(self, sources: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return the logit of each pair."""
        if self.training:
            return self._logits(sources, targets)
        return in_blocks(self._logits, sources, targets, block=SCORE_BLOCK)

    def _logits(self, sources: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        matrix = self.correlations(sources, targets)
        # The same lags are dropped at all windows of the source.
        matrix = matrix * self.lag_dropout(torch.ones_like(matrix[:, :1]))
        read, _ = self.recurrent(matrix)
        return self.head(self.tower(read)).squeeze(1)


def read_network(state: State) -> DgrnsModule:
    """Return the network that was saved as ``state``."""
    values = read_floats(state, "values", (None, None))
    if values.size == 0:
        refuse("values", "holds no cells")
    n_cells = values.shape[1]
    windows = Windows(*map(int, read_integers(state, "windows", (3,), low=1, high=n_cells)))
    if windows.n_cells > n_cells:
        refuse("windows", f"reach over {windows.n_cells:,} cells, found {n_cells:,}")
    conv_dims = read_integers(state, "conv_dims", (None,), low=1, high=WIDEST)
    recurrent_dim = int(read_integers(state, "recurrent_dim", (), low=1, high=MOST_BINS))
    dense_dims = read_integers(state, "dense_dims", (2,), low=1, high=WIDEST)
    if windows.n_lags > MOST_BINS:
        refuse("windows", f"must have at most {MOST_BINS} lags, found {windows.n_lags}")
    least = min(windows.n_lags, recurrent_dim)
    if len(conv_dims) == 0 or last_side(least, len(conv_dims)) == 0:
        refuse("conv_dims", f"does not fit {windows.n_lags} lags × {recurrent_dim} units")
    kept = torch.from_numpy(np.array(values))
    return load_weights(
        lambda: DgrnsModule(
            kept,
            windows,
            recurrent_dim=recurrent_dim,
            conv_dims=tuple(map(int, conv_dims)),
            dense_dims=tuple(map(int, dense_dims)),
        ),
        state,
    )
