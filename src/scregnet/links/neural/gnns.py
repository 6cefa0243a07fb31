"""Graph networks over a fixed graph with fixed node features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from scregnet.links.neural.dropout import Dropout
from scregnet.links.neural.sparse_graph import SparseGraph


class GraphNetwork(nn.Module):
    """Representations of genes from messages along known edges; layers of torch-geometric, ReLU and dropout between them.

    The graph is made symmetric. Neither it nor the node features ever change, so what does not depend on weights is computed once: the first layer's
    messages of a GCN, A(XW) = (AX)W, and those of GraphSAGE, whose mean over neighbours is as linear. Such a layer then costs a product with the genes asked for,
    and with a single layer nothing else is computed. All other messages, and the attention of a GAT, are products along the edges (:class:`SparseGraph`): the
    parameters are those of torch-geometric's layers and the results theirs, but no vector per edge is ever held, and nothing for all pairs of genes.

    Parameters
    ----------
    kind
        ``"gcn"`` (Kipf and Welling 2017), ``"graphsage"`` (Hamilton et al. 2017, mean of all neighbours beside the gene's own) or ``"gat"`` (Veličković et al.
        2018). GCN and GAT add a self-loop to every gene.
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
        Whether the heads of ``"gat"`` are concatenated (``"concat"``: the layer is heads × width wide) or averaged (``"mean"``).
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
        from torch_geometric.nn import GATConv, GCNConv, SAGEConv

        super().__init__()
        self.kind = kind
        self.dropout = Dropout(dropout)
        x = torch.from_numpy(np.ascontiguousarray(features, np.float32))
        width = x.shape[1]
        layers: list[Any] = []
        for dim, n_heads in zip(dims, heads or (1,) * len(dims), strict=True):
            if kind == "gat":
                side_by_side = reduction == "concat"
                layers.append(
                    GATConv(
                        width,
                        dim,
                        heads=n_heads,
                        concat=side_by_side,
                        negative_slope=negative_slope,
                    )
                )
                width = dim * n_heads if side_by_side else dim
            else:
                layers.append(
                    GCNConv(width, dim) if kind == "gcn" else SAGEConv(width, dim, aggr="mean")
                )
                width = dim
        self.convolutions = nn.ModuleList(layers)
        self.out_dim = width

        self.graph = SparseGraph(edges, len(x), self_loops=kind != "graphsage")
        degree = self.graph.n_neighbours.float()
        if kind == "gcn":
            weights = (degree[self.graph.sender] * degree[self.graph.receiver]).rsqrt()
        else:
            weights = 1 / degree[self.graph.receiver]
        # Made again from the task, never part of a saved state.
        self.register_buffer("weights", weights, persistent=False)
        if kind != "gcn":
            self.register_buffer("features", x, persistent=False)
        if kind != "gat":
            self.register_buffer("propagated", self.graph.sums(weights, x), persistent=False)

    def forward(self, genes: torch.Tensor) -> torch.Tensor:
        """Representations of the given genes, (len(genes), out_dim)."""
        first, *others = self.convolutions
        # Deeper layers need their neighbours' representations; a single one needs the given genes only.
        alone = not others and self.kind != "gat"
        h = self._first(first, genes if alone else None)
        for layer in others:
            h = self._pass(layer, self.dropout(torch.relu(h)))
        return h if alone else h[genes]

    def _first(self, layer: Any, genes: torch.Tensor | None) -> torch.Tensor:
        if self.kind == "gcn":
            return nn.functional.linear(_rows(self.propagated, genes), layer.lin.weight, layer.bias)
        if self.kind == "graphsage":
            return layer.lin_l(_rows(self.propagated, genes)) + layer.lin_r(
                _rows(self.features, genes)
            )
        return self._attend(layer, self.features)

    def _pass(self, layer: Any, h: torch.Tensor) -> torch.Tensor:
        if self.kind == "gcn":
            return self.graph.gather(self.weights, layer.lin(h)) + layer.bias
        if self.kind == "graphsage":
            # The mean is linear, so it may follow the map, which mostly makes vectors shorter.
            return (
                self.graph.gather(self.weights, h @ layer.lin_l.weight.T)
                + layer.lin_l.bias
                + layer.lin_r(h)
            )
        return self._attend(layer, h)

    def _attend(self, layer: Any, h: torch.Tensor) -> torch.Tensor:
        vectors = layer.lin(h).view(len(h), layer.heads, layer.out_channels)
        as_sender, as_receiver = ((vectors * by).sum(-1) for by in (layer.att_src, layer.att_dst))
        scores = as_sender[self.graph.sender] + as_receiver[self.graph.receiver]
        alpha = self.graph.softmax(nn.functional.leaky_relu(scores, layer.negative_slope))
        pairs = zip(alpha.unbind(1), vectors.unbind(1), strict=True)
        received = torch.stack(
            [self.graph.gather(weights, of_head) for weights, of_head in pairs], dim=1
        )
        return (received.flatten(1) if layer.concat else received.mean(1)) + layer.bias


def _rows(values: torch.Tensor, genes: torch.Tensor | None) -> torch.Tensor:
    # Several times faster than indexing.
    return values if genes is None else values.index_select(0, genes)
