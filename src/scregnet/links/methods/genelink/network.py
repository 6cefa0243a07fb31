"""The torch module of GENELink."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from scregnet.links.neural.dropout import Dropout
from scregnet.links.neural.graph_attention import GAIN, GraphAttention

if TYPE_CHECKING:
    from scregnet.links.neural.sparse_graph import SparseGraph


class GeneLinkModule(nn.Module):
    """Attention over known neighbours, then one perceptron for TFs and one for targets.

    Parameters
    ----------
    expression
        Node features, (n_genes, n_features).
    graph
        The known edges, without an edge of a gene to itself.
    attention_dims
        Width of a head in the first and in the second layer.
    heads
        Heads of either layer.
    channel_dims
        Width of each layer of either perceptron.
    negative_slope
        Slope of every leaky ReLU of the attention.
    attention_dropout
        Dropout of attention weights.
    dropout
        Dropout between the layers of a perceptron.
    """

    expression: torch.Tensor

    def __init__(
        self,
        expression: torch.Tensor,
        graph: SparseGraph,
        *,
        attention_dims: tuple[int, int],
        heads: tuple[int, int],
        channel_dims: tuple[int, ...],
        negative_slope: float,
        attention_dropout: float,
        dropout: float,
    ) -> None:
        super().__init__()
        # The task has it: it is no part of a saved state.
        self.register_buffer("expression", expression, persistent=False)
        self.graph = graph
        self.first, self.second = (
            GraphAttention(
                wide, dim, heads=n, negative_slope=negative_slope, dropout=attention_dropout
            )
            for wide, dim, n in (
                (expression.shape[1], attention_dims[0], heads[0]),
                (heads[0] * attention_dims[0], attention_dims[1], heads[1]),
            )
        )
        dims = (attention_dims[1], *channel_dims)
        self.as_source, self.as_target = _channel(dims, dropout), _channel(dims, dropout)

    def represent(self) -> torch.Tensor:
        """Return the representation of all genes, (n_genes, attention_dims[1])."""
        joined = torch.cat(tuple(self.first(self.expression, self.graph)), dim=1)
        return self.second(nn.functional.elu(joined), self.graph).mean(0)

    def parts(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the vectors of all genes as source and as target; their product is the logit."""
        joint = self.represent()
        return self.as_source(joint), self.as_target(joint)

    def forward(self, sources: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return the logit of each pair."""
        as_source, as_target = self.parts()
        # index_select copies whole rows: several times faster than indexing with a tensor.
        return (as_source.index_select(0, sources) * as_target.index_select(0, targets)).sum(1)


def _channel(dims: tuple[int, ...], dropout: float) -> nn.Sequential:
    layers: list[nn.Module] = []
    for a, b in zip(dims, dims[1:], strict=False):
        linear = nn.Linear(a, b)
        nn.init.xavier_uniform_(linear.weight, gain=GAIN)
        layers += [linear, nn.LeakyReLU(), Dropout(dropout)]
    return nn.Sequential(*layers[:-1])
