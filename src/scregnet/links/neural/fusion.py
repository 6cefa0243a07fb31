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

    Both papers join by concatenation and name this as future work; the scheme is that of Tsai et al. (ACL 2019), within a gene. Attention to a
    single vector would be degenerate (a softmax over one key is 1), so each representation is first divided into ``n_tokens`` tokens of a common width by a
    linear map. In every layer each side's tokens query the other side's tokens as they were before that layer, and what they find is added to them; layer normalisation comes
    before the attention. At the end the tokens of both sides, concatenated, pass a linear map to ``out_dim``.

    A row of zeros means that a representation is absent, as an embedding is for genes that a foundation model does not know. Such a side has learned tokens in
    place of projected ones, and tells the other side nothing. Genes never see each other here: a row of the result depends on its own two rows only.

    Parameters
    ----------
    left_dim, right_dim
        Widths of the two representations, for instance of the foundation model's and of the graph network's.
    out_dim
        Width of the result.
    n_tokens
        Tokens per side, two or more.
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
        # All tokens together are as wide as the result, rounded up so that the heads divide a token.
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
        """Join ``left`` (n, left_dim) and ``right`` (n, right_dim), row by row, to (n, out_dim)."""
        left, left_there = self.left_tokens(left)
        right, right_there = self.right_tokens(right)
        for from_right, from_left in zip(self.from_right, self.from_left, strict=True):
            left, right = (
                left + from_right(left, right, right_there),
                right + from_left(right, left, left_there),
            )
        return self.out(torch.cat([left, right], dim=1).flatten(1))


class _Tokens(nn.Module):
    """A vector per gene to tokens per gene; learned ones where the vector is zero."""

    def __init__(self, dim: int, n_tokens: int, width: int) -> None:
        super().__init__()
        self.project = nn.Linear(dim, n_tokens * width)
        self.absent = nn.Parameter(0.02 * torch.randn(n_tokens, width))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Tokens (n, n_tokens, width), and whether a gene has the vector, bool (n, 1, 1)."""
        there = (x != 0).any(dim=1)[:, None, None]
        return torch.where(there, self.project(x).view(-1, *self.absent.shape), self.absent), there


class _CrossAttention(nn.Module):
    """What one side's tokens take from the other side's; nothing where the other side is absent."""

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
        other = self.other_norm(other)
        query = self._by_head(self.query(self.norm(side)))
        key, value = (self._by_head(part) for part in self.key_value(other).chunk(2, dim=-1))
        found = nn.functional.scaled_dot_product_attention(query, key, value)
        found = self.dropout(self.out(found.transpose(1, 2).flatten(2)))
        return found * other_there

    def _by_head(self, x: torch.Tensor) -> torch.Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)
