"""The torch module of GRN-Transformer: it fills in values of a matrix of cells × genes."""

from __future__ import annotations

import torch
from torch import nn

from scregnet.links.methods.grn_transformer.attention import CellAttention, GeneAttention


class AxialLayer(nn.Module):
    """Attention of genes, attention of cells, and a perceptron, each added to its input."""

    def __init__(self, dim: int, heads: int, perceptron_dim: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(dim) for _ in range(3))
        self.genes, self.cells = GeneAttention(dim, heads), CellAttention(dim, heads)
        self.perceptron = nn.Sequential(
            nn.Linear(dim, perceptron_dim), nn.GELU(), nn.Linear(perceptron_dim, dim)
        )

    def forward(self, x: torch.Tensor, networks: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return tokens of the same shape, and the attention of genes to genes by head."""
        of_genes, of_cells, of_tokens = self.norms
        found, shares = self.genes(of_genes(x), networks)
        x = x + found
        x = x + self.cells(of_cells(x))
        return x + self.perceptron(of_tokens(x)), shares


class GrnTransformerModule(nn.Module):
    """Tokens of a value and of whether it is 0, through axial layers, to the value.

    Parameters
    ----------
    networks
        What other methods say of two genes, float32 (n_networks, n_genes, n_genes).
    dim
        Width of a token, even, and a multiple of ``heads``.
    heads, n_layers
        Attention heads, and axial layers.
    perceptron_dim
        Width inside of the perceptron of a layer.
    """

    networks: torch.Tensor

    def __init__(
        self, networks: torch.Tensor, *, dim: int, heads: int, n_layers: int, perceptron_dim: int
    ) -> None:
        super().__init__()
        self.register_buffer("networks", networks, persistent=False)
        self.of_value = nn.Sequential(nn.Linear(1, dim), nn.ReLU(), nn.Linear(dim, dim // 2))
        self.of_zero = nn.Linear(1, dim // 2)
        self.first = nn.LayerNorm(dim)
        self.layers = nn.ModuleList(AxialLayer(dim, heads, perceptron_dim) for _ in range(n_layers))
        self.last = nn.LayerNorm(dim)
        self.head = nn.Sequential(
            nn.Linear(dim, dim), nn.GELU(), nn.LayerNorm(dim), nn.Linear(dim, 1)
        )

    def forward(self, values: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Return the value of each entry of (n_cells, n_genes), and the attention of each layer."""
        zero = (values == 0).to(values.dtype)
        tokens = [self.of_value(values[..., None]), self.of_zero(zero[..., None])]
        x, shares = self.first(torch.cat(tokens, dim=-1)), []
        for layer in self.layers:
            x, of_layer = layer(x, self.networks)
            shares.append(of_layer)
        return self.head(self.last(x))[..., 0], shares
