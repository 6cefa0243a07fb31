"""The torch module of GRN-Transformer."""

from __future__ import annotations

import torch
from torch import nn

from scregnet.links.methods.grn_transformer.axial import AxialLayer

BLOCK = 2048
"""Genes whose tokens are in memory at a time, beside those of the panel."""


class GrnTransformerModule(nn.Module):
    """Tokens of cells × genes to one vector of a gene as TF and one as target.

    Parameters
    ----------
    expression
        Expression of the genes in the cells that are read, (n_genes, n_cells).
    panel
        Positions of the genes that all genes attend to.
    dim
        Width of a token.
    heads, n_layers
        Attention heads, and layers of axial attention.
    dropout
        Dropout on what each part of a layer adds.
    """

    cells: torch.Tensor
    panel: torch.Tensor

    def __init__(
        self,
        expression: torch.Tensor,
        panel: torch.Tensor,
        *,
        dim: int,
        heads: int,
        n_layers: int,
        dropout: float,
    ) -> None:
        super().__init__()
        # The task has them: they are no part of a saved state.
        self.register_buffer("cells", expression.T.contiguous(), persistent=False)
        self.register_buffer("panel", panel, persistent=False)
        self.token = nn.Linear(1, dim)
        self.layers = nn.ModuleList(AxialLayer(dim, heads, dropout) for _ in range(n_layers))
        self.norm = nn.LayerNorm(dim)
        self.as_source, self.as_target = nn.Linear(dim, dim), nn.Linear(dim, dim)
        self.bias = nn.Parameter(torch.zeros(1))

    def represent(self, genes: torch.Tensor) -> torch.Tensor:
        """Return the representation of the given genes, a mean over cells: (len(genes), dim)."""
        # Genes of the panel attend to the panel alone, so others change nothing for them.
        whole = len(self.panel) == self.cells.shape[1]
        panel = self._tokens(self.panel)
        x = panel if whole else self._tokens(genes)
        for layer in self.layers:
            if whole:
                x = panel = layer(panel, panel)
            else:
                x, panel = layer(x, panel), layer(panel, panel)
        found = self.norm(x.mean(0))
        return found[genes] if whole else found

    def _tokens(self, genes: torch.Tensor) -> torch.Tensor:
        return self.token(self.cells[:, genes, None])

    def vectors(self, genes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the vectors of genes as source and as target; their product is the logit.

        The last column holds the constant: 1 for sources, the bias for targets.
        """
        joint = self.represent(genes)
        ones = joint.new_ones(len(joint), 1)
        return (
            torch.cat([self.as_source(joint), ones], dim=1),
            torch.cat([self.as_target(joint), self.bias * ones], dim=1),
        )

    def parts(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the vectors of all genes as source and as target."""
        genes = torch.arange(self.cells.shape[1], device=self.cells.device)
        # All at once where they are the panel.
        block = len(genes) if len(self.panel) == len(genes) else BLOCK
        sources, targets = zip(*map(self.vectors, genes.split(block)), strict=True)
        return torch.cat(sources), torch.cat(targets)

    def forward(self, sources: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return the logit of each pair."""
        # Every gene of the batch is represented once, however many pairs it has.
        genes, position = torch.unique(torch.cat([sources, targets]), return_inverse=True)
        as_source, as_target = self.vectors(genes)
        n = len(sources)
        return (as_source[position[:n]] * as_target[position[n:]]).sum(1)
