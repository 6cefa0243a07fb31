"""Attention for packed cells: the tokens of all cells in one row, without padding and mask.

A mask keeps PyTorch's fused attention from its fastest kernels, and work at padding is wasted. With
packed cells, linear layers see the tokens of all cells as one long sequence, and attention runs
over cells of equal length at a time.
"""

from __future__ import annotations

from itertools import groupby
from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention

from scregnet.encoders.layers.watching import show

NAME = "scregnet_packed"


def register_packed_attention() -> None:
    """Make :func:`packed_attention` known to transformers under ``NAME``."""
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import sdpa_mask

    AttentionInterface.register(NAME, packed_attention)
    AttentionMaskInterface.register(NAME, sdpa_mask)


def packed_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    lengths: tuple[int, ...] | None = None,
    scaling: float | None = None,
    dropout: float = 0.0,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """Attend within cells only; the signature is that of transformers' attention functions.

    Parameters
    ----------
    module
        The layer; ignored.
    query, key, value
        (1, heads, tokens of all cells, width).
    attention_mask
        Mask of padded cells, used if ``lengths`` is ``None``.
    lengths
        Number of tokens of each cell, in order. ``None``: cells are padded, not packed.
    scaling
        Factor of the products of queries and keys.
    dropout
        Share of attention weights to drop; on a CPU those of a token for all queries of a head.

    Returns
    -------
    (1, tokens, heads, width), and ``None`` instead of attention weights.
    """
    show(query, key, scaling=scaling)
    value, dropout = with_dropout(value, dropout)
    if lengths is None:
        out = scaled_dot_product_attention(
            query, key, value, attn_mask=attention_mask, dropout_p=dropout, scale=scaling
        )
        return out.transpose(1, 2), None
    # Neighbouring cells of one length make a rectangle, which needs no mask.
    groups = [(len(list(cells)), length) for length, cells in groupby(lengths)]
    # Split at once: the gradient of a slice of its own would be as long as all tokens.
    sizes = [n_cells * length for n_cells, length in groups]
    split = (tensor[0].split(sizes, dim=1) for tensor in (query, key, value))
    parts = []
    for (n_cells, length), *own in zip(groups, *split, strict=True):
        # (heads, tokens, width) to (cells, heads, length, width).
        q, k, v = (part.unflatten(1, (n_cells, length)).transpose(0, 1) for part in own)
        out = scaled_dot_product_attention(q, k, v, dropout_p=dropout, scale=scaling)
        parts.append(out.transpose(1, 2).flatten(0, 1))
    return torch.cat(parts)[None], None


def with_dropout(value: torch.Tensor, dropout: float) -> tuple[torch.Tensor, float]:
    """Return values after dropout, and the share of attention weights that is left to drop.

    The fused kernel of a CPU drops none, and the plain form takes ten times as long and length ×
    length numbers. So on a CPU a head drops a token for all queries at once: each weight is dropped
    as often, and the mean is the same.
    """
    if not dropout or value.device.type != "cpu":
        return value, dropout
    return value * torch.nn.functional.dropout(torch.ones_like(value[..., :1]), dropout), 0.0
