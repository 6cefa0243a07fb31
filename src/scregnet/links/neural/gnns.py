"""Graph networks over a fixed graph with fixed node features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn
from torch_geometric.nn import Linear
from torch_geometric.nn.inits import glorot

from scregnet.links.neural.dropout import Dropout
from scregnet.links.neural.sparse_graph import SparseGraph

# The layers below have the parameters of GCNConv, SAGEConv and GATConv of torch-geometric, under
# the same names, and the same results. Three things differ:
# - Products run on a sparse graph, where those layers hold one vector per edge.
# - Sums over neighbours in the first layer are computed once, as the node features never change.
# - A network of one layer computes the genes that are asked for, no others.
# An epoch of scRegNet takes 0.3 to 0.4 of the time with one layer and 0.7 with two; with "gat",
# where only the first holds, 0.5 to 0.7 (processor time, hESC with 500 genes, one thread).
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


class GraphAttention(nn.Module):
    """Layer of a graph attention network (Veličković et al. 2018), equations 1 to 6.

    Of each head: ``alpha_ij = softmax_j(LeakyReLU(a_src · W h_j + a_dst · W h_i))`` over the
    neighbours ``j`` of gene ``i`` and the gene itself, and ``sum_j alpha_ij W h_j + b``.
    """

    def __init__(
        self, in_dim: int, dim: int, *, heads: int, concat: bool, negative_slope: float
    ) -> None:
        super().__init__()
        self.heads, self.dim = heads, dim
        self.concat = concat
        self.negative_slope = negative_slope
        self.out_dim = heads * dim if concat else dim
        self.lin = Linear(in_dim, heads * dim, bias=False, weight_initializer="glorot")  # W
        self.att_src = nn.Parameter(torch.empty(1, heads, dim))
        self.att_dst = nn.Parameter(torch.empty(1, heads, dim))
        self.bias = nn.Parameter(torch.zeros(self.out_dim))
        self.lin.reset_parameters()
        glorot(self.att_src)
        glorot(self.att_dst)

    def forward(self, h: torch.Tensor, graph: SparseGraph) -> torch.Tensor:
        """Map all genes, (n_genes, in_dim) to (n_genes, out_dim)."""
        vectors = self.lin(h).view(len(h), self.heads, self.dim)  # W h, by head
        as_sender, as_receiver = ((vectors * a).sum(-1) for a in (self.att_src, self.att_dst))
        scores = as_sender[graph.sender] + as_receiver[graph.receiver]
        alpha = graph.softmax(nn.functional.leaky_relu(scores, self.negative_slope))
        # A sparse product takes one weight per edge: head by head.
        heads = zip(alpha.unbind(1), vectors.unbind(1), strict=True)
        received = torch.stack([graph.gather(weights, own) for weights, own in heads], dim=1)
        return (received.flatten(1) if self.concat else received.mean(1)) + self.bias


LAYERS: dict[str, type[nn.Module]] = {
    "gcn": GraphConvolution,
    "graphsage": MeanConvolution,
    "gat": GraphAttention,
}


class GraphNetwork(nn.Module):
    """Representations of genes from messages along known edges; ReLU and dropout between layers.

    The graph is made symmetric. For ``"gcn"`` and ``"gat"`` every gene is its own neighbour.

    Parameters
    ----------
    kind
        ``"gcn"`` (:class:`GraphConvolution`), ``"graphsage"`` (:class:`MeanConvolution`) or
        ``"gat"`` (:class:`GraphAttention`).
    features
        Node features, float32 of shape (n_genes, n_features).
    edges
        Edges, integers of shape (2, n_edges).
    dims
        Width of each layer; for ``"gat"`` of each head.
    dropout
        Dropout between layers.
    heads
        Heads of each layer of ``"gat"``.
    reduction
        Concatenate the heads of ``"gat"`` (``"concat"``) or average them (``"mean"``).
    negative_slope
        Slope of the leaky ReLU in the attention of ``"gat"``.
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
        self.kind = kind
        self.dropout = Dropout(dropout)
        x = torch.from_numpy(np.ascontiguousarray(features, np.float32))
        width = x.shape[1]
        layers: list[Any] = []
        for dim, n_heads in zip(dims, heads or (1,) * len(dims), strict=True):
            if kind == "gat":
                layer = GraphAttention(
                    width,
                    dim,
                    heads=n_heads,
                    concat=reduction == "concat",
                    negative_slope=negative_slope,
                )
                layers.append(layer)
                width = layer.out_dim
            else:
                layers.append(LAYERS[kind](width, dim))
                width = dim
        self.convolutions = nn.ModuleList(layers)
        self.out_dim = width
        self._keep_constants(x, edges)

    def _keep_constants(self, x: torch.Tensor, edges: np.ndarray) -> None:
        """Keep what no weight changes; it is made from the task and no part of a saved state."""
        self.graph = SparseGraph(edges, len(x), self_loops=self.kind != "graphsage")
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
        first, *others = self.convolutions
        # Deeper layers need their neighbours' representations; a single one needs the given genes.
        alone = not others and self.kind != "gat"
        h = self._first(first, genes if alone else None)
        for layer in others:
            h = self._pass(layer, self.dropout(torch.relu(h)))
        return h if alone else h[genes]

    def _first(self, layer: Any, genes: torch.Tensor | None) -> torch.Tensor:
        """Pass the node features through the first layer; ``None``: those of all genes."""
        if self.kind == "gat":
            return self._pass(layer, self.features)
        sums = _rows(self.propagated, genes)
        if self.kind == "gcn":
            return layer.of_sums(sums)
        return layer.of_sums(sums, _rows(self.features, genes))

    def _pass(self, layer: Any, h: torch.Tensor) -> torch.Tensor:
        """Pass representations of all genes through a layer."""
        return layer(h, self.graph) if self.kind == "gat" else layer(h, self.graph, self.weights)


def _rows(values: torch.Tensor, genes: torch.Tensor | None) -> torch.Tensor:
    # index_select copies whole rows: several times faster than indexing with a tensor.
    return values if genes is None else values.index_select(0, genes)
