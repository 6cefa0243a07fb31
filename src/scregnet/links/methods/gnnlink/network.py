"""The torch module of GNNLink."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from scregnet.links.neural.dropout import Dropout
from scregnet.links.neural.sparse_graph import SparseGraph

SLOPE = 0.2
"""Of the leaky ReLUs, as TensorFlow's default was."""

LOOPS = 2
"""Weight of a gene's edge to itself: the published code adds it twice."""


class GnnLinkModule(nn.Module):
    """Graph convolutions; the score of a pair is the inner product of its genes' vectors.

    Parameters
    ----------
    features
        Node features, float32 (n_genes, n_features).
    edges
        Known edges, source above target, (2, n_edges). Messages go from targets to sources.
    dims
        Width of each convolution.
    dropout
        Dropout between convolutions.
    """

    weights: torch.Tensor
    propagated: torch.Tensor

    def __init__(
        self, features: np.ndarray, edges: np.ndarray, dims: Sequence[int], *, dropout: float
    ) -> None:
        super().__init__()
        self.n_genes = len(features)
        self.graph = SparseGraph(edges, self.n_genes, self_loops=True)
        self.dropout = Dropout(dropout)
        self.layers = nn.ModuleList()
        width = features.shape[1]
        for dim in dims:
            layer = nn.Linear(width, dim, bias=False)
            nn.init.xavier_uniform_(layer.weight)
            self.layers.append(layer)
            width = dim
        # Made from the task, and no part of a saved state. A (X W) = (A X) W: A X stays as it is.
        weights = torch.from_numpy(self._edge_weights(edges))
        self.register_buffer("weights", weights, persistent=False)
        x = torch.from_numpy(np.ascontiguousarray(features, np.float32))
        self.register_buffer("propagated", self.graph.sums(weights, x), persistent=False)

    def _edge_weights(self, edges: np.ndarray) -> np.ndarray:
        """Return D^-1/2 (A + 2 I) D^-1/2, D the sums of its rows, for each edge of the graph.

        A is directed, rows = sources. The graph holds both directions: the other one has weight 0.
        """
        receiver, sender = self.graph.receiver.numpy(), self.graph.sender.numpy()
        known = np.unique(edges[0] * self.n_genes + edges[1])
        weights = np.isin(receiver * self.n_genes + sender, known).astype(np.float32)
        weights[receiver == sender] += LOOPS
        root = np.sqrt(np.bincount(receiver, weights=weights, minlength=self.n_genes))
        return (weights / (root[receiver] * root[sender])).astype(np.float32)

    def represent(self) -> torch.Tensor:
        """Return the vectors of all genes."""
        first, *others = self.layers
        h = nn.functional.leaky_relu(first(self.propagated), SLOPE)
        for layer in others:
            received = self.graph.gather(self.weights, layer(self.dropout(h)))
            h = nn.functional.leaky_relu(received, SLOPE)
        return h

    def parts(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the vectors of all genes as source and as target: the same."""
        vectors = self.represent()
        return vectors, vectors

    def forward(self, sources: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return the score of each pair."""
        vectors = self.represent()
        scores = (vectors.index_select(0, sources) * vectors.index_select(0, targets)).sum(1)
        # Scores below 0 say as little as 0 while training. Afterwards they keep their order.
        return torch.relu(scores) if self.training else scores
