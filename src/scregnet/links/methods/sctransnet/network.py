"""The torch module of scTransNet."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from scregnet.links.neural.fusion import Concatenation, CrossAttentionFusion
    from scregnet.links.neural.knowledge_attention import KnowledgeAttention


class ScTransNetModule(nn.Module):
    """Genes to representations to one vector as a TF and one as a target.

    Parameters
    ----------
    embedding
        Frozen embedding, (n_genes, width); width 0 for none.
    graph
        Graph network; ``None`` for none.
    fusion
        Joins embedding and graph network; not used without a graph network.
    channel_dims
        Width of each layer of either channel.
    dropout
        Dropout between the layers of a channel.
    """

    embedding: torch.Tensor

    def __init__(
        self,
        embedding: torch.Tensor,
        graph: KnowledgeAttention | None,
        fusion: Concatenation | CrossAttentionFusion | None,
        *,
        channel_dims: tuple[int, ...],
        dropout: float,
    ) -> None:
        super().__init__()
        # The task has it: it is no part of a saved state.
        self.register_buffer("embedding", embedding, persistent=False)
        self.graph = graph
        self.fusion = fusion
        in_dim = embedding.shape[1] if fusion is None else fusion.out_dim
        self.as_source = _channel((in_dim, *channel_dims), dropout)
        self.as_target = _channel((in_dim, *channel_dims), dropout)
        self.bias = nn.Parameter(torch.zeros(1))

    def represent(self) -> torch.Tensor:
        """Return the joint representation of all genes."""
        if self.graph is None or self.fusion is None:
            return self.embedding
        return self.fusion(self.embedding, self.graph())

    def parts(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the vectors of all genes as source and as target; their product is the logit.

        The last column holds the constant: 1 for sources, the bias for targets.
        """
        joint = self.represent()
        ones = joint.new_ones(len(joint), 1)
        source_vectors = torch.cat([self.as_source(joint), ones], dim=1)
        target_vectors = torch.cat([self.as_target(joint), self.bias * ones], dim=1)
        return source_vectors, target_vectors

    def forward(self, sources: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return the logit of each pair."""
        joint = self.represent()
        # Every gene of the batch passes a channel once, however many pairs it has.
        tfs, row = torch.unique(sources, return_inverse=True)
        genes, column = torch.unique(targets, return_inverse=True)
        left, right = self.as_source(joint[tfs]), self.as_target(joint[genes])
        # One product of all these TFs and genes takes less time than two vectors a pair, on a CPU
        # even where only 1 in 16 entries is needed; at 1 in 4 it still holds few of them.
        if len(tfs) * len(genes) <= 4 * len(sources):
            return (left @ right.T)[row, column] + self.bias
        return (left[row] * right[column]).sum(1) + self.bias


def _channel(dims: tuple[int, ...], dropout: float) -> nn.Sequential:
    layers: list[nn.Module] = []
    for a, b in zip(dims, dims[1:], strict=False):
        layers += [nn.Linear(a, b), nn.LeakyReLU(), nn.Dropout(dropout)]
    # Neither activation nor dropout at the end: the logit is a product of vectors of either sign.
    return nn.Sequential(*layers[:-2])
