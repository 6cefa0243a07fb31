"""The original transformer layer (post-LayerNorm), which scGPT and scFoundation share."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.functional import relu

from scregnet.encoders.layers.packed import packed_attention

# Rows whose inner vectors are in memory at once.
_ROWS = 4096

_PUBLISHED = {
    "attention.weight": "self_attn.in_proj_weight",
    "attention.bias": "self_attn.in_proj_bias",
    "output.weight": "self_attn.out_proj.weight",
    "output.bias": "self_attn.out_proj.bias",
}


def published_layer_name(name: str) -> str:
    """Return the name of a tensor of :class:`PostNormLayer` in torch's own transformer layer.

    Examples
    --------
    >>> from scregnet.encoders.layers.post_norm import published_layer_name
    >>> published_layer_name("attention.weight")
    'self_attn.in_proj_weight'
    """
    return _PUBLISHED.get(name, name)


class PostNormLayer(nn.Module):
    """Softmax attention, then two dense layers with ReLU, both with residual and post-LayerNorm.

    Parameters
    ----------
    width
        Width of the vectors.
    n_heads
        Number of attention heads.
    inner_width
        Width between the dense layers.
    """

    def __init__(self, width: int, n_heads: int, inner_width: int) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.attention = nn.Linear(width, 3 * width)
        self.output = nn.Linear(width, width)
        self.norm1 = nn.LayerNorm(width)
        self.linear1 = nn.Linear(width, inner_width)
        self.linear2 = nn.Linear(inner_width, width)
        self.norm2 = nn.LayerNorm(width)

    def forward(
        self,
        x: torch.Tensor,
        attended: torch.Tensor | None = None,
        *,
        lengths: tuple[int, ...] | None = None,
    ) -> torch.Tensor:
        """Run on padded cells (cells × positions × width) or on packed ones (1 × tokens × width).

        Parameters
        ----------
        x
            The vectors.
        attended
            For padded cells, cells × 1 × 1 × positions: ``True`` at real positions. ``None`` if all
            positions are real.
        lengths
            For packed cells: the number of tokens of each.
        """
        # One projection gives all three; each becomes cells × heads × positions × head width.
        queries, keys, values = (
            self.attention(x).unflatten(-1, (3, self.n_heads, -1)).permute(2, 0, 3, 1, 4)
        )
        mixed, _ = packed_attention(self, queries, keys, values, attended, lengths=lengths)
        x = self.norm1(x + self.output(mixed.flatten(2)))
        inner = torch.cat(
            [self.linear2(relu(self.linear1(rows))) for rows in x.flatten(0, 1).split(_ROWS)]
        )
        return self.norm2(x + inner.view(x.shape))
