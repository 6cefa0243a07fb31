"""Tied axial attention over a matrix of cells × genes: one map of genes, one map of cells."""

from __future__ import annotations

import torch
from torch import nn

BLOCK = 64
"""Cells, or genes, whose queries and keys are in memory at a time, but for training."""

WEIGHING_DIM = 8
"""Width in which what two genes say to each other is compared with what the networks say."""

NEVER = -1e9
"""Logit of what is never attended to."""


class TiedAttention(nn.Module):
    """What both directions share: linear maps by head, and one map for all sequences.

    Parameters
    ----------
    dim
        Width of a token, a multiple of ``heads``.
    heads
        Attention heads.
    """

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value, self.out = (nn.Linear(dim, dim) for _ in range(4))

    def blocks(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return sequences a block at a time; all of a batch while training."""
        return x.split(len(x) if self.training else BLOCK)

    def by_head(self, x: torch.Tensor) -> torch.Tensor:
        """Map (n_sequences, length, dim) to (heads, length, n_sequences * dim / heads)."""
        return x.unflatten(-1, (self.heads, -1)).permute(2, 1, 0, 3).flatten(2)

    def scaled_queries(self, x: torch.Tensor, n_sequences: int) -> torch.Tensor:
        """Return the queries of some of ``n_sequences`` sequences, by head."""
        scale = (x.shape[-1] // self.heads * n_sequences) ** -0.5
        return self.by_head(self.query(x) * scale)

    def taken(self, x: torch.Tensor, shares: torch.Tensor) -> torch.Tensor:
        """Return what each token takes from its sequence, by shares (heads, length, length)."""
        found = shares.to(x.dtype) @ self.by_head(self.value(x))
        return self.out(found.unflatten(2, (len(x), -1)).permute(2, 1, 0, 3).flatten(2))


class GeneAttention(TiedAttention):
    """Attention of genes to genes, the same in all cells, that leans on networks of the genes.

    The logit of two genes is what their tokens say in all cells, the sum divided by the root of the
    number of cells, plus a multiple of what the networks say of them. How much each network counts
    is chosen pair by pair.
    """

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__(dim, heads)
        self.weigh_tokens = nn.Linear(dim // heads, WEIGHING_DIM)
        # A constant would be the same for all networks, and change no weight.
        self.weigh_network = nn.Linear(1, WEIGHING_DIM, bias=False)
        self.multiple = nn.Parameter(torch.randn(heads, 1, 1))

    def shares(self, x: torch.Tensor, networks: torch.Tensor) -> torch.Tensor:
        """Return the attention of genes to genes, (heads, n_genes, n_genes); none to itself.

        Parameters
        ----------
        x
            Tokens, (n_cells, n_genes, dim).
        networks
            What each network says of two genes, (n_networks, n_genes, n_genes).
        """
        # The weight of network m is the softmax over m of (W a + b) · (w n_m), with n_m what it
        # says of the two genes, and a the products of their tokens, mean over heads. That is
        # n_m times one number of the two genes, c · a + b · w with c = W' w: one product of
        # matrices, in place of one for each entry of a.
        w = self.weigh_network.weight[:, 0]
        weights = w @ self.weigh_tokens.weight / self.heads
        logits, number = torch.zeros((), device=x.device), w @ self.weigh_tokens.bias
        for block in self.blocks(x):
            query, key = self.scaled_queries(block, len(x)), self.by_head(self.key(block))
            logits = logits + (query @ key.transpose(1, 2)).float()
            weighed = query * weights.repeat(len(block)).to(query.dtype)
            number = number + torch.einsum("hik,hjk->ij", weighed, key).float()
        chosen = torch.softmax(networks * number, dim=0)
        logits = logits + self.multiple * (networks * chosen).sum(0)
        same = torch.eye(x.shape[1], dtype=torch.bool, device=x.device)
        return torch.softmax(logits.masked_fill(same, NEVER), dim=-1)

    def forward(self, x: torch.Tensor, networks: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return what the tokens take from other genes, and the shares."""
        shares = self.shares(x, networks)
        return torch.cat([self.taken(block, shares) for block in self.blocks(x)]), shares


class CellAttention(TiedAttention):
    """Attention of cells to cells, the same for all genes."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return what the tokens (n_cells, n_genes, dim) take from other cells."""
        genes = x.transpose(0, 1)
        logits = torch.zeros((), device=x.device)
        for block in self.blocks(genes):
            query = self.scaled_queries(block, len(genes))
            logits = logits + (query @ self.by_head(self.key(block)).transpose(1, 2)).float()
        shares = torch.softmax(logits, dim=-1)
        found = [self.taken(block, shares) for block in self.blocks(genes)]
        return torch.cat(found).transpose(0, 1)
