"""Axial attention over a matrix of cells × genes."""

from __future__ import annotations

import torch
from torch import nn


class Attention(nn.Module):
    """Multi-head attention from one sequence to another, with layer normalisation before it."""

    def __init__(self, dim: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(dim)
        self.query = nn.Linear(dim, dim)
        self.key_value = nn.Linear(dim, 2 * dim)
        self.out = nn.Linear(dim, dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        """Return what ``x`` (n, length, dim) takes from ``other`` (n, any length, dim)."""
        query = self._by_head(self.query(self.norm(x)))
        key, value = (self._by_head(part) for part in self.key_value(self.norm(other)).chunk(2, -1))
        found = nn.functional.scaled_dot_product_attention(query, key, value)
        return self.dropout(self.out(found.transpose(1, 2).flatten(2)))

    def _by_head(self, x: torch.Tensor) -> torch.Tensor:
        """Map (n, length, dim) to (n, heads, length, dim / heads)."""
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)


class AxialLayer(nn.Module):
    """Attention over the genes of a cell, then over the cells of a gene, then a perceptron.

    Parameters
    ----------
    dim
        Width of a token, a multiple of ``heads``.
    heads
        Attention heads.
    dropout
        Dropout on what each of the three adds.
    """

    def __init__(self, dim: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.over_genes = Attention(dim, heads, dropout)
        self.over_cells = Attention(dim, heads, dropout)
        self.perceptron = nn.Sequential(
            nn.LayerNorm(dim),
            nn.Linear(dim, 4 * dim),
            nn.GELU(),
            nn.Linear(4 * dim, dim),
            nn.Dropout(dropout),
        )

    def forward(self, x: torch.Tensor, panel: torch.Tensor) -> torch.Tensor:
        """Map tokens (n_cells, n_genes, dim); their genes attend to those of ``panel``."""
        x = x + self.over_genes(x, panel)
        by_gene = x.transpose(0, 1)
        x = x + self.over_cells(by_gene, by_gene).transpose(0, 1)
        return x + self.perceptron(x)
