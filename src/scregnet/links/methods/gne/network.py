"""The torch module of GNE."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import nn

from scregnet.links.neural.dropout import Dropout

if TYPE_CHECKING:
    import numpy as np

    from scregnet.links.forms.bilinear import BilinearLinks

NEVER = -1e9
"""Logit of a gene that was drawn to be told apart from itself."""


class GneModule(nn.Module):
    """A vector of a gene's own and one of its expression, joined to find its neighbours.

    In training it gives the log odds of a neighbour against genes drawn at random, whose
    cross-entropy is the loss of a softmax over them; else what the links of its vectors say.

    Parameters
    ----------
    expression
        Attributes of the genes, (n_genes, n_features).
    links_of
        Makes links of the vectors of all genes, float32 (n_genes, mlp_dims[-1]).
    identity_dim
        Width of the vector of a gene's own.
    attribute_dim
        Width of the vector of its expression.
    attribute_weight
        What the latter is multiplied with.
    mlp_dims
        Width of each layer that joins the two.
    dropout
        Dropout of the joined vectors.
    n_sampled
        Other genes among which a neighbour is to be found, drawn at random once a step.
    """

    expression: torch.Tensor

    def __init__(
        self,
        expression: torch.Tensor,
        links_of: Callable[[np.ndarray], BilinearLinks],
        *,
        identity_dim: int,
        attribute_dim: int,
        attribute_weight: float,
        mlp_dims: tuple[int, ...],
        dropout: float,
        n_sampled: int,
    ) -> None:
        super().__init__()
        # The task has it: it is no part of a saved state.
        self.register_buffer("expression", expression, persistent=False)
        self.links_of = links_of
        self.attribute_weight, self.n_sampled = attribute_weight, n_sampled
        n_genes, n_features = expression.shape
        self.identity = nn.Parameter(2 * torch.rand(n_genes, identity_dim) - 1)
        self.attribute = nn.Parameter(torch.randn(n_features, attribute_dim))
        self.dropout = Dropout(dropout)
        dims = (identity_dim + attribute_dim, *mlp_dims)
        self.joining = nn.ParameterList(
            torch.randn(a, b) for a, b in zip(dims, dims[1:], strict=False)
        )
        # What a gene is as neighbour of others.
        self.context = nn.Parameter(torch.randn(n_genes, dims[-1]))
        self.bias = nn.Parameter(torch.zeros(n_genes))

    def represent(self, genes: torch.Tensor) -> torch.Tensor:
        """Return the joint vectors of the given genes, (len(genes), mlp_dims[-1])."""
        # The expression of a gene is read once, however many pairs it has; dropout is of a pair.
        read, place = torch.unique(genes, return_inverse=True)
        attribute = nn.functional.elu(self.expression.index_select(0, read) @ self.attribute)
        parts = (
            nn.functional.normalize(self.identity.index_select(0, read), dim=1),
            self.attribute_weight * nn.functional.normalize(attribute, dim=1),
        )
        joint = self.dropout(torch.cat(parts, dim=1).index_select(0, place))
        for weight in self.joining:
            joint = torch.tanh(joint @ weight)
        return joint

    def links(self) -> BilinearLinks:
        """Return the links of the vectors of all genes: of what each is itself and to others."""
        genes = torch.arange(len(self.context), device=self.context.device)
        vectors = self.represent(genes) + self.context
        return self.links_of(vectors.detach().cpu().numpy())

    def forward(self, sources: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return the log odds of each target in training, else the logit of each pair."""
        if self.training:
            return self._log_odds(sources, targets)
        scores = self.links().score(sources.cpu().numpy(), targets.cpu().numpy())
        return torch.from_numpy(scores).to(sources.device)

    def _log_odds(self, genes: torch.Tensor, neighbours: torch.Tensor) -> torch.Tensor:
        joint = self.represent(genes)
        # Drawn on the CPU, so that the genes do not depend on the device.
        drawn = torch.randperm(len(self.context))[: self.n_sampled].to(genes.device)
        own = (joint * self.context[neighbours]).sum(1) + self.bias[neighbours]
        others = joint @ self.context[drawn].T + self.bias[drawn]
        others = others.masked_fill(drawn == neighbours[:, None], NEVER)
        return own - others.logsumexp(1)
