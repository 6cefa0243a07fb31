"""The graph attention of GENELink, which scRegNet has too."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import nn

from scregnet.links.neural.dropout import Dropout

if TYPE_CHECKING:
    from scregnet.links.neural.sparse_graph import SparseGraph

GAIN = 1.414
"""Of first weights, as published: wider than Glorot's."""


class GraphAttention(nn.Module):
    """Heads of attention over the known neighbours of a gene, the gene itself not among them.

    Of each head: ``alpha_ij = softmax_j(LeakyReLU(a_1 · W h_i + a_2 · W h_j))`` over the neighbours
    ``j`` of gene ``i``. A gene without any attends to all genes alike. ``sum_j alpha_ij W h_j``
    passes a leaky ReLU and gets length 1; then a constant is added.
    """

    def __init__(
        self, in_dim: int, dim: int, *, heads: int, negative_slope: float, dropout: float
    ) -> None:
        super().__init__()
        self.negative_slope = negative_slope
        self.dropout = Dropout(dropout)
        self.weight = nn.Parameter(torch.empty(heads, in_dim, dim))  # W
        self.receiver = nn.Parameter(torch.empty(heads, dim))  # a_1
        self.sender = nn.Parameter(torch.empty(heads, dim))  # a_2
        self.bias = nn.Parameter(torch.zeros(heads, dim))
        # Each head by itself. Both vectors of attention are parts of one column there.
        for head in self.weight:
            nn.init.xavier_uniform_(head, gain=GAIN)
        bound = GAIN * math.sqrt(6 / (2 * dim + 1))
        for part in (self.receiver, self.sender):
            nn.init.uniform_(part, -bound, bound)

    def forward(self, h: torch.Tensor, graph: SparseGraph) -> torch.Tensor:
        """Map all genes, (n_genes, in_dim) to (heads, n_genes, dim)."""
        alone = (graph.n_neighbours == 0).to(h.dtype)[:, None]
        heads = zip(self.weight, self.receiver, self.sender, self.bias, strict=True)
        return torch.stack([self._head(h, graph, alone, *own) for own in heads])

    def _head(
        self,
        h: torch.Tensor,
        graph: SparseGraph,
        alone: torch.Tensor,
        weight: torch.Tensor,
        as_receiver: torch.Tensor,
        as_sender: torch.Tensor,
        bias: torch.Tensor,
    ) -> torch.Tensor:
        vectors = h @ weight
        scores = (vectors @ as_receiver)[graph.receiver] + (vectors @ as_sender)[graph.sender]
        scores = nn.functional.leaky_relu(scores, self.negative_slope)
        alpha = self.dropout(graph.softmax(scores))
        received = graph.gather(alpha, vectors) + alone * vectors.mean(0)
        received = nn.functional.leaky_relu(received, self.negative_slope)
        return nn.functional.normalize(received, dim=1) + bias
