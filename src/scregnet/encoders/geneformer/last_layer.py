"""The last layer of a BERT in training, computed at the hidden positions only."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers.models.bert.modeling_bert import BertLayer

from scregnet.encoders.layers.packed import with_dropout


class LastLayer(BertLayer):
    """A BERT layer over packed cells, whose answer has the positions that are asked for.

    All positions give keys and values; queries, and all that follows attention, are of those asked
    for. So they get the vectors that they would get among all, and the others none.
    """

    @classmethod
    def of(cls, layer: torch.nn.Module, config: Any) -> LastLayer:
        """Return the layer in this form, with the same tensors."""
        with torch.device("meta"):
            own = cls(config)
        own.load_state_dict(layer.state_dict(), assign=True)
        return own.train(layer.training)

    def forward(  # type: ignore[override]
        self,
        hidden: torch.Tensor,
        *_: Any,
        lengths: tuple[int, ...],
        asked: torch.Tensor,
        n_asked: tuple[int, ...],
        **__: Any,
    ) -> torch.Tensor:
        """Return the vectors of the positions ``asked``, of which each cell has ``n_asked``."""
        attention = self.attention.self
        own = hidden.index_select(1, asked)
        queries, keys, values = (
            part(rows)[0].unflatten(-1, (attention.num_attention_heads, -1)).transpose(0, 1)
            for part, rows in (
                (attention.query, own),
                (attention.key, hidden),
                (attention.value, hidden),
            )
        )
        share = attention.dropout.p if self.training else 0.0
        values, share = with_dropout(values, share)
        split = (queries.split(n_asked, 1), keys.split(lengths, 1), values.split(lengths, 1))
        mixed = [
            scaled_dot_product_attention(
                q[None], k[None], v[None], dropout_p=share, scale=attention.scaling
            )[0]
            for q, k, v in zip(*split, strict=True)
        ]
        flat = torch.cat(mixed, dim=1).transpose(0, 1).flatten(1)[None]
        return self.feed_forward_chunk(self.attention.output(flat, own))
