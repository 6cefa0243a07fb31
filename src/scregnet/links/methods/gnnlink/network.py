"""The torch module of GNNLink."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from scregnet.links.neural.gnns import GraphNetwork


class GnnLinkModule(nn.Module):
    """A graph network; the score of a pair is the inner product of its genes' vectors."""

    def __init__(self, graph: GraphNetwork, n_genes: int) -> None:
        super().__init__()
        self.graph = graph
        self.n_genes = n_genes

    def represent(self) -> torch.Tensor:
        """Return the vectors of all genes."""
        device = next(self.parameters()).device
        return torch.relu(self.graph(torch.arange(self.n_genes, device=device)))

    def parts(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the vectors of all genes as source and as target: the same."""
        vectors = self.represent()
        return vectors, vectors

    def forward(self, sources: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return the score of each pair."""
        vectors = self.represent()
        return (vectors.index_select(0, sources) * vectors.index_select(0, targets)).sum(1)
