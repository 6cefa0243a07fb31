"""Cross-attention between two representations of the same genes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import nn

from scregnet._validate import check_integer, check_interval

if TYPE_CHECKING:
    from scregnet.links.neural.options import Fusion


def make_fusion(
    options: Fusion, left_dim: int, right_dim: int
) -> Concatenation | CrossAttentionFusion:
    """Return the module that joins two representations; its ``out_dim`` is the width it gives."""
    if options.fusion == "concat":
        return Concatenation(left_dim + right_dim)
    return CrossAttentionFusion(
        left_dim,
        right_dim,
        options.fusion_dim,
        n_tokens=options.fusion_tokens,
        heads=options.fusion_heads,
        n_layers=options.fusion_layers,
        dropout=options.dropout,
    )


class Concatenation(nn.Module):
    """Join two representations of the same genes as they are, the left one first."""

    def __init__(self, out_dim: int) -> None:
        super().__init__()
        self.out_dim = out_dim

    def forward(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        """Join row by row."""
        return torch.cat([left, right], dim=1)


class CrossAttentionFusion(nn.Module):
    """Join two representations of a gene by letting each attend to the other.

    Both papers join by concatenation and name cross-attention as future work. The scheme is that
    of Tsai et al. (ACL 2019), within a gene: a linear map divides each representation into
    tokens, the tokens of each side attend to those of the other, and a linear map joins them.
    Genes never see each other.

    A row of zeros means that a representation is missing, as an embedding is for genes that a
    foundation model does not know. That side gets learned tokens, and the other side takes
    nothing from it.

    Parameters
    ----------
    left_dim, right_dim
        Widths of the two representations.
    out_dim
        Width of the result.
    n_tokens
        Tokens per side, two or more: attention to a single one is degenerate.
    heads
        Attention heads.
    n_layers
        Rounds of mutual attention.
    dropout
        Dropout on what a side takes from the other.

    Raises
    ------
    TypeError, ValueError
        An argument is not an integer or out of range.

    Examples
    --------
    >>> import torch
    >>> fusion = CrossAttentionFusion(896, 128, 64)
    >>> fusion(torch.randn(10, 896), torch.randn(10, 128)).shape
    torch.Size([10, 64])
    """

    def __init__(
        self,
        left_dim: int,
        right_dim: int,
        out_dim: int,
        *,
        n_tokens: int = 4,
        heads: int = 2,
        n_layers: int = 1,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        numbers = {
            "left_dim": left_dim,
            "right_dim": right_dim,
            "out_dim": out_dim,
            "n_tokens": n_tokens,
            "heads": heads,
            "n_layers": n_layers,
        }
        for name, value in numbers.items():
            check_integer(name, value, minimum=2 if name == "n_tokens" else 1)
        check_interval("dropout", dropout, 0, 1, closed="left")
        self.out_dim = out_dim
        # All tokens together are as wide as the result, or wider until the heads divide a token.
        width = heads * math.ceil(out_dim / (2 * n_tokens * heads))
        self.left_tokens = _Tokens(left_dim, n_tokens, width)
        self.right_tokens = _Tokens(right_dim, n_tokens, width)
        self.from_right = nn.ModuleList(
            _CrossAttention(width, heads, dropout) for _ in range(n_layers)
        )
        self.from_left = nn.ModuleList(
            _CrossAttention(width, heads, dropout) for _ in range(n_layers)
        )
        self.out = nn.Linear(2 * n_tokens * width, out_dim)

    def forward(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        """Join ``left`` (n, left_dim) and ``right`` (n, right_dim) by rows to (n, out_dim)."""
        left, left_there = self.left_tokens(left)  # (n, n_tokens, width), (n, 1, 1)
        right, right_there = self.right_tokens(right)
        # Both sides read the other as it was before the round: neither goes first.
        for from_right, from_left in zip(self.from_right, self.from_left, strict=True):
            left, right = (
                left + from_right(left, right, right_there),
                right + from_left(right, left, left_there),
            )
        return self.out(torch.cat([left, right], dim=1).flatten(1))


class _Tokens(nn.Module):
    """Divide a vector per gene into tokens; learned ones where the vector is zero."""

    def __init__(self, dim: int, n_tokens: int, width: int) -> None:
        super().__init__()
        self.project = nn.Linear(dim, n_tokens * width)
        # 0.02: the standard deviation that BERT's learned embeddings start with.
        self.absent = nn.Parameter(0.02 * torch.randn(n_tokens, width))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return tokens (n, n_tokens, width), and whether a gene has the vector (n, 1, 1)."""
        there = (x != 0).any(dim=1)[:, None, None]
        return torch.where(there, self.project(x).view(-1, *self.absent.shape), self.absent), there


class _CrossAttention(nn.Module):
    """What the tokens of one side take from the other; zero where that is missing."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.norm, self.other_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, side: torch.Tensor, other: torch.Tensor, other_there: torch.Tensor
    ) -> torch.Tensor:
        """Attend from (n, tokens, width) to (n, tokens, width)."""
        # Layer normalisation before the attention, as in Tsai et al.
        other = self.other_norm(other)
        query = self._by_head(self.query(self.norm(side)))
        key, value = (self._by_head(part) for part in self.key_value(other).chunk(2, dim=-1))
        found = nn.functional.scaled_dot_product_attention(query, key, value)
        found = self.dropout(self.out(found.transpose(1, 2).flatten(2)))
        return found * other_there

    def _by_head(self, x: torch.Tensor) -> torch.Tensor:
        """Map (n, tokens, width) to (n, heads, tokens, width / heads)."""
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)
