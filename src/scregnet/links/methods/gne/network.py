"""The torch module of GNE."""

from __future__ import annotations

import torch
from torch import nn


class GneModule(nn.Module):
    """A vector of a gene's own and one of its expression, joined by a perceptron.

    Parameters
    ----------
    expression
        Attributes of the genes, (n_genes, n_features).
    known
        Which genes have training pairs, bool (n_genes,). Others have no vector of their own.
    identity_dim
        Width of the vector of a gene's own.
    attribute_dim
        Width of the vector of its expression.
    attribute_weight
        What the latter is multiplied with.
    mlp_dims
        Width of each layer of the perceptron.
    """

    expression: torch.Tensor
    known: torch.Tensor

    def __init__(
        self,
        expression: torch.Tensor,
        known: torch.Tensor,
        *,
        identity_dim: int,
        attribute_dim: int,
        attribute_weight: float,
        mlp_dims: tuple[int, ...],
    ) -> None:
        super().__init__()
        # The task has both: they are no part of a saved state.
        self.register_buffer("expression", expression, persistent=False)
        self.register_buffer("known", known, persistent=False)
        self.attribute_weight = attribute_weight
        self.identity = nn.Embedding(len(expression), identity_dim)
        # As many rows as there are genes: at unit variance they would drown the attributes.
        nn.init.xavier_uniform_(self.identity.weight)
        self.attribute = nn.Linear(expression.shape[1], attribute_dim)
        layers: list[nn.Module] = []
        dims = (identity_dim + attribute_dim, *mlp_dims)
        for a, b in zip(dims, dims[1:], strict=False):
            layers += [nn.Linear(a, b), nn.ELU()]
        self.mlp = nn.Sequential(*layers)
        self.out = nn.Linear(dims[-1], dims[-1])
        self.bias = nn.Parameter(torch.zeros(1))

    def represent(self, genes: torch.Tensor) -> torch.Tensor:
        """Return the joint representation of the given genes, (len(genes), mlp_dims[-1])."""
        identity = self.identity(genes) * self.known[genes, None]
        attribute = self.attribute(self.expression.index_select(0, genes))
        return self.mlp(torch.cat([identity, self.attribute_weight * attribute], dim=1))

    def vectors(self, genes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the vectors of genes as source and as target; their product is the logit.

        The last column holds the constant: 1 for sources, the bias for targets.
        """
        joint = self.represent(genes)
        ones = joint.new_ones(len(joint), 1)
        return torch.cat([joint, ones], 1), torch.cat([self.out(joint), self.bias * ones], 1)

    def parts(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the vectors of all genes as source and as target."""
        return self.vectors(torch.arange(len(self.expression), device=self.expression.device))

    def forward(self, sources: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return the logit of each pair."""
        # Every gene of the batch is represented once, however many pairs it has.
        genes, position = torch.unique(torch.cat([sources, targets]), return_inverse=True)
        as_source, as_target = self.vectors(genes)
        n = len(sources)
        return (as_source[position[:n]] * as_target[position[n:]]).sum(1)
