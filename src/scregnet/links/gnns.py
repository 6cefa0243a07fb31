"""Graph networks over a fixed graph with fixed node features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

GNNS = ("gcn", "graphsage", "gat")
REDUCTIONS = ("concat", "mean")


class GraphNetwork(nn.Module):
    """Representations of genes from messages along known edges; layers of torch-geometric, ReLU and dropout between them.

    The graph is made symmetric. Neither it nor the node features ever change, so what does not depend on weights is computed once: the first layer's
    messages of a GCN, A(XW) = (AX)W, and those of GraphSAGE, whose mean over neighbours is as linear. Such a layer then costs a product with the genes asked for,
    and with a single layer nothing else is computed. The weights of a GAT's messages are learned; they are computed along the edges, never for all pairs of genes.

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
    edges: torch.Tensor
    weights: torch.Tensor | None

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
        from torch_geometric.nn.conv.gcn_conv import gcn_norm
        from torch_geometric.utils import add_remaining_self_loops, to_undirected

        super().__init__()
        self.kind = kind
        self.dropout = nn.Dropout(dropout)
        x = torch.from_numpy(np.ascontiguousarray(features, np.float32))
        graph = to_undirected(torch.from_numpy(np.asarray(edges, np.int64)), num_nodes=len(x))
        weights = None
        width = x.shape[1]
        layers: list[Any] = []
        for position, dim in enumerate(dims):
            if kind == "gcn":
                layers.append(GCNConv(width, dim, normalize=False))
                width = dim
            elif kind == "graphsage":
                layers.append(SAGEConv(width, dim, aggr="mean"))
                width = dim
            else:
                n_heads = 1 if heads is None else heads[position]
                layers.append(
                    GATConv(
                        width,
                        dim,
                        heads=n_heads,
                        concat=reduction == "concat",
                        negative_slope=negative_slope,
                        add_self_loops=False,
                    )
                )
                width = dim * n_heads if reduction == "concat" else dim
        self.convolutions = nn.ModuleList(layers)
        self.out_dim = width
        if kind == "gcn":
            graph, weights = gcn_norm(graph, num_nodes=len(x))
            self._keep(propagated=layers[0].propagate(graph, x=x, edge_weight=weights))
        elif kind == "graphsage":
            self._keep(features=x, propagated=layers[0].propagate(graph, x=(x, x)))
        else:
            graph, _ = add_remaining_self_loops(graph, num_nodes=len(x))
            self._keep(features=x)
        self._keep(edges=graph, weights=weights)

    def _keep(self, **tensors: torch.Tensor | None) -> None:
        # Made again from the task, never saved with the weights; deep copies of the weights each epoch stay small.
        for name, tensor in tensors.items():
            self.register_buffer(name, tensor, persistent=False)

    def forward(self, genes: torch.Tensor) -> torch.Tensor:
        """Representations of the given genes, (len(genes), out_dim)."""
        layers: list[Any] = list(self.convolutions)
        # Deeper layers need their neighbours' representations; a single one needs the given genes only.
        alone = len(layers) == 1 and self.kind != "gat"
        h = self._first(layers[0], genes if alone else slice(None))
        for layer in layers[1:]:
            h = self._pass(layer, self.dropout(torch.relu(h)))
        return h if alone else h[genes]

    def _first(self, layer: Any, genes: torch.Tensor | slice) -> torch.Tensor:
        if self.kind == "gcn":
            return layer.lin(self.propagated[genes]) + layer.bias
        if self.kind == "graphsage":
            return layer.lin_l(self.propagated[genes]) + layer.lin_r(self.features[genes])
        return self._pass(layer, self.features)

    def _pass(self, layer: Any, h: torch.Tensor) -> torch.Tensor:
        return layer(h, self.edges) if self.weights is None else layer(h, self.edges, self.weights)
