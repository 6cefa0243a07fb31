"""The torch module of scRegNet."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from scregnet.links.neural.dropout import Dropout

if TYPE_CHECKING:
    from scregnet.links.neural.fusion import Concatenation, CrossAttentionFusion
    from scregnet.links.neural.gnns import GraphNetwork


class ScRegNetModule(nn.Module):
    """Genes to representations to the two terms of a pair's logit.

    Parameters
    ----------
    embedding
        Frozen embedding, (n_genes, width); width 0 for none.
    graph
        Graph network; ``None`` for none.
    fusion
        Joins embedding and graph network; not used without a graph network.
    mlp_dims
        Width of each layer of the perceptron.
    dropout
        Dropout between the layers of the perceptron.
    """

    embedding: torch.Tensor

    def __init__(
        self,
        embedding: torch.Tensor,
        graph: GraphNetwork | None,
        fusion: Concatenation | CrossAttentionFusion | None,
        *,
        mlp_dims: tuple[int, ...],
        dropout: float,
    ) -> None:
        super().__init__()
        # The task has it: it is no part of a saved state.
        self.register_buffer("embedding", embedding, persistent=False)
        self.graph = graph
        self.fusion = fusion
        in_dim = embedding.shape[1] if fusion is None else fusion.out_dim
        layers: list[nn.Module] = []
        dims = (in_dim, *mlp_dims)
        for a, b in zip(dims, dims[1:], strict=False):
            layers += [nn.Linear(a, b), nn.LeakyReLU(), Dropout(dropout)]
        self.mlp = nn.Sequential(*layers)
        self.head = nn.Linear(2 * dims[-1], 2)

    def represent(self, genes: torch.Tensor) -> torch.Tensor:
        """Return the representations z of the given genes, (len(genes), mlp_dims[-1])."""
        joint = self.embedding.index_select(0, genes)  # e, several times faster than indexing
        if self.graph is not None and self.fusion is not None:
            joint = self.fusion(joint, self.graph(genes))  # equation 5: [e | h]
        return self.mlp(joint)

    def terms(self, genes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return what each gene adds to a logit as source and as target, the bias in the latter.

        Equation 6 is softmax(W [z_s | z_t] + b) over two logits. Its second component is the
        logistic function of their difference, w · [z_s | z_t] + c with w = W_1 - W_0 and
        c = b_1 - b_0: a term w_s · z_s of the source, and a term w_t · z_t + c of the target.
        """
        z = self.represent(genes)
        weight = self.head.weight[1] - self.head.weight[0]
        bias = self.head.bias[1] - self.head.bias[0]
        as_source, as_target = weight.chunk(2)
        return z @ as_source, z @ as_target + bias

    def parts(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the terms of all genes."""
        return self.terms(torch.arange(len(self.embedding), device=self.embedding.device))

    def forward(self, sources: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return the logit of each pair."""
        # Every gene of the batch is represented once, however many pairs it has.
        genes, position = torch.unique(torch.cat([sources, targets]), return_inverse=True)
        source_term, target_term = self.terms(genes)
        return source_term[position[: len(sources)]] + target_term[position[len(sources) :]]
