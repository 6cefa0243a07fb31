"""Graph networks over a fixed graph with fixed node features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn
from torch_geometric.nn import Linear

from scregnet.links.neural.dropout import Dropout
from scregnet.links.neural.graph_attention import GraphAttention
from scregnet.links.neural.sparse_graph import SparseGraph

ATTENTION_DROPOUT = 0.5
"""Dropout of attention weights of ``"gat"``: the published layer has no other."""

# The layers below have the parameters of GCNConv and SAGEConv of torch-geometric, under the same
# names, and the same results. Three things differ:
# - Products run on a sparse graph, where those layers hold one vector per edge.
# - Sums over neighbours in the first layer are computed once, as the node features never change.
# - A network of one layer computes the genes that are asked for, no others.
# An epoch of scRegNet takes 0.3 to 0.4 of the time with one layer and 0.7 with two (processor time,
# hESC with 500 genes, one thread).
#
# Layers of torch-geometric draw their weights twice, in the linear maps and then once more. So do
# these: a seed gives the same weights.


class GraphConvolution(nn.Module):
    """Layer of Kipf and Welling (2017), equation 2: ``A H W + b``.

    ``A = D^-1/2 (G + I) D^-1/2`` with the symmetric graph ``G`` and the degrees ``D`` of ``G + I``.
    """

    def __init__(self, in_dim: int, dim: int) -> None:
        super().__init__()
        self.lin = Linear(in_dim, dim, bias=False, weight_initializer="glorot")  # W
        self.bias = nn.Parameter(torch.zeros(dim))
        self.lin.reset_parameters()

    @staticmethod
    def edge_weights(graph: SparseGraph) -> torch.Tensor:
        """Return the entries of A: 1 / sqrt(degree of sender * degree of receiver)."""
        degree = graph.n_neighbours.float()
        return (degree[graph.sender] * degree[graph.receiver]).rsqrt()

    def forward(self, h: torch.Tensor, graph: SparseGraph, weights: torch.Tensor) -> torch.Tensor:
        """Map all genes, (n_genes, in_dim) to (n_genes, dim)."""
        # W first: it mostly makes vectors shorter.
        return graph.gather(weights, self.lin(h)) + self.bias

    def of_sums(self, sums: torch.Tensor) -> torch.Tensor:
        """Map rows of A H."""
        return nn.functional.linear(sums, self.lin.weight, self.bias)


class MeanConvolution(nn.Module):
    """Layer of GraphSAGE (Hamilton et al. 2017) with the mean aggregator: ``M H W_l + b + H W_r``.

    ``M`` averages over the neighbours of a gene, all of them and without the gene itself.
    """

    def __init__(self, in_dim: int, dim: int) -> None:
        super().__init__()
        self.lin_l = Linear(in_dim, dim)  # W_l and b
        self.lin_r = Linear(in_dim, dim, bias=False)  # W_r
        self.lin_l.reset_parameters()
        self.lin_r.reset_parameters()

    @staticmethod
    def edge_weights(graph: SparseGraph) -> torch.Tensor:
        """Return the entries of M: 1 / degree of receiver."""
        return 1 / graph.n_neighbours.float()[graph.receiver]

    def forward(self, h: torch.Tensor, graph: SparseGraph, weights: torch.Tensor) -> torch.Tensor:
        """Map all genes, (n_genes, in_dim) to (n_genes, dim)."""
        means = graph.gather(weights, h @ self.lin_l.weight.T)
        return means + self.lin_l.bias + self.lin_r(h)

    def of_sums(self, sums: torch.Tensor, h: torch.Tensor) -> torch.Tensor:
        """Map rows of M H and the same rows of H."""
        return self.lin_l(sums) + self.lin_r(h)


CONVOLUTIONS: dict[str, type[nn.Module]] = {"gcn": GraphConvolution, "graphsage": MeanConvolution}


class GraphNetwork(nn.Module):
    """Representations of genes from messages along known edges.

    The graph is made symmetric. For ``"gcn"`` every gene is its own neighbour. Between layers is a
    ReLU and dropout; for ``"gat"`` an ELU, and the heads of the last layer are averaged.

    Parameters
    ----------
    kind
        ``"gcn"`` (:class:`GraphConvolution`), ``"graphsage"`` (:class:`MeanConvolution`) or
        ``"gat"`` (:class:`~scregnet.links.neural.graph_attention.GraphAttention`).
    features
        Node features, float32 of shape (n_genes, n_features).
    edges
        Edges, integers of shape (2, n_edges).
    dims
        Width of each layer; for ``"gat"`` of each head.
    dropout
        Dropout between layers, not of ``"gat"``.
    heads
        Heads of each layer of ``"gat"``.
    reduction
        Concatenate the heads of ``"gat"`` (``"concat"``) or average them (``"mean"``), in all
        layers but the last.
    negative_slope
        Slope of the leaky ReLUs of ``"gat"``.
    """

    features: torch.Tensor
    propagated: torch.Tensor
    weights: torch.Tensor

    def __init__(
        self,
        kind: str,
        features: np.ndarray,
        edges: np.ndarray,
        dims: Sequence[int],
        *,
        dropout: float = 0.0,
        heads: Sequence[int] | None = None,
        reduction: str = "concat",
        negative_slope: float = 0.2,
    ) -> None:
        super().__init__()
        self.kind, self.reduction = kind, reduction
        self.dropout = Dropout(dropout)
        x = torch.from_numpy(np.ascontiguousarray(features, np.float32))
        width = x.shape[1]
        layers: list[Any] = []
        for dim, n_heads in zip(dims, heads or (1,) * len(dims), strict=True):
            if kind == "gat":
                how = {"negative_slope": negative_slope, "dropout": ATTENTION_DROPOUT}
                layers.append(GraphAttention(width, dim, heads=n_heads, **how))
                width = n_heads * dim if reduction == "concat" else dim
            else:
                layers.append(CONVOLUTIONS[kind](width, dim))
                width = dim
        self.convolutions = nn.ModuleList(layers)
        self.out_dim = dims[-1]
        self._keep_constants(x, edges)

    def _keep_constants(self, x: torch.Tensor, edges: np.ndarray) -> None:
        """Keep what no weight changes; it is made from the task and no part of a saved state."""
        self.graph = SparseGraph(edges, len(x), self_loops=self.kind == "gcn")
        if self.kind != "gcn":
            self.register_buffer("features", x, persistent=False)
        if self.kind != "gat":
            layer: Any = self.convolutions[0]
            weights = layer.edge_weights(self.graph)
            self.register_buffer("weights", weights, persistent=False)
            # A (X W) = (A X) W, and the same with M: A X and M X stay as they are.
            self.register_buffer("propagated", self.graph.sums(weights, x), persistent=False)

    def forward(self, genes: torch.Tensor) -> torch.Tensor:
        """Return representations of the given genes, (len(genes), out_dim)."""
        if self.kind == "gat":
            return self._attend()[genes]
        first, *others = self.convolutions
        # Deeper layers need their neighbours' representations; a single one needs the given genes.
        h = self._first(first, None if others else genes)
        for layer in others:
            h = layer(self.dropout(torch.relu(h)), self.graph, self.weights)
        return h[genes] if others else h

    def _attend(self) -> torch.Tensor:
        """Return representations of all genes from layers of attention."""
        *others, last = self.convolutions
        h = self.features
        for layer in others:
            found = layer(h, self.graph)
            joined = found.mean(0) if self.reduction == "mean" else torch.cat(tuple(found), dim=1)
            h = nn.functional.elu(joined)
        return last(h, self.graph).mean(0)

    def _first(self, layer: Any, genes: torch.Tensor | None) -> torch.Tensor:
        """Pass the node features through the first layer; ``None``: those of all genes."""
        sums = _rows(self.propagated, genes)
        if self.kind == "gcn":
            return layer.of_sums(sums)
        return layer.of_sums(sums, _rows(self.features, genes))


def _rows(values: torch.Tensor, genes: torch.Tensor | None) -> torch.Tensor:
    # index_select copies whole rows: several times faster than indexing with a tensor.
    return values if genes is None else values.index_select(0, genes)
