"""scFoundation as torch modules: an encoder of expressed genes, and a decoder of all genes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn.functional import leaky_relu

from scregnet.encoders.layers.performer import Performer, published_name
from scregnet.encoders.layers.post_norm import PostNormLayer, published_layer_name
from scregnet.encoders.weights.sizes import MOST_LAYERS, MOST_TOKENS, MOST_WIDTH, check_sizes

_ARCHITECTURE = "mae_autobin"

_PUBLISHED = {
    "values.hidden": "token_emb.mlp",
    "values.scores": "token_emb.mlp2",
    "values.bins": "token_emb.emb",
    "positions": "pos_emb",
    "encoder_norm": "encoder.norm",
    "to_decoder": "decoder_embed",
    "decoder_norm": "decoder.norm",
    "norm": "norm",
}
# Vectors of masked positions (training only) and of padding (nothing attends to it), the head, and
# a counter.
UNUSED = frozenset(
    {
        "token_emb.emb_mask.weight",
        "token_emb.emb_pad.weight",
        "to_final.weight",
        "to_final.bias",
        "decoder.performer.calls_since_last_redraw",
    }
)
"""Published tensors that gene vectors do not need."""


_MOST = {
    "n_positions": MOST_TOKENS,
    "n_bins": MOST_WIDTH,
    "width": MOST_WIDTH,
    "depth": MOST_LAYERS,
    "n_heads": MOST_WIDTH,
    "decoder_width": MOST_WIDTH,
    "decoder_depth": MOST_LAYERS,
    "decoder_heads": MOST_WIDTH,
    "decoder_head_dim": MOST_WIDTH,
}


@dataclass(frozen=True)
class Sizes:
    """The sizes of the model, as a published configuration has them."""

    n_positions: int
    n_bins: int
    bin_alpha: float
    width: int
    depth: int
    n_heads: int
    decoder_width: int
    decoder_depth: int
    decoder_heads: int
    decoder_head_dim: int

    @classmethod
    def read(cls, config: object, where: str) -> Sizes:
        """Read a configuration: as a checkpoint holds it, or merged into one level.

        Raises
        ------
        ValueError
            If an entry is missing, or the configuration is of another kind of model.
        """
        merged = _merged(config)
        if merged.get("model", _ARCHITECTURE) != _ARCHITECTURE:
            msg = (
                f"{where} has a configuration of a {merged['model']!r} model; "
                f"scFoundation's is {_ARCHITECTURE!r}."
            )
            raise ValueError(msg)
        encoder, decoder = (_mapping(merged.get(part)) for part in ("encoder", "decoder"))
        for name, found, wanted in (
            ("encoder module_type", encoder.get("module_type", "transformer"), "transformer"),
            ("decoder module_type", decoder.get("module_type", "performer"), "performer"),
            ("encoder norm_first", bool(encoder.get("norm_first")), False),
            ("mask_gene_name", bool(merged.get("mask_gene_name")), False),
        ):
            if found != wanted:
                msg = (
                    f"{where} has a configuration with {name} {found!r}; "
                    f"only {wanted!r}, as published, is known here."
                )
                raise ValueError(msg)
        sizes = {
            "n_positions": merged.get("seq_len"),
            "n_bins": merged.get("bin_num"),
            "bin_alpha": merged.get("bin_alpha", 1.0),
            "width": encoder.get("hidden_dim"),
            "depth": encoder.get("depth"),
            "n_heads": encoder.get("heads"),
            "decoder_width": decoder.get("hidden_dim"),
            "decoder_depth": decoder.get("depth"),
            "decoder_heads": decoder.get("heads"),
            "decoder_head_dim": decoder.get("dim_head"),
        }
        _check_sizes(sizes, where)
        return cls(**sizes)


def _check_sizes(sizes: Mapping[str, Any], where: str) -> None:
    """Raise unless every size is a number that makes sense."""
    start = f"{where} has a configuration that is not scFoundation's"
    whole = {name: value for name, value in sizes.items() if name != "bin_alpha"}
    # True is an int to isinstance.
    wrong = [
        name
        for name, value in sizes.items()
        if isinstance(value, bool) or not isinstance(value, int if name in whole else (int, float))
    ]
    if wrong:
        msg = f"{start}: it does not state {', '.join(wrong)}."
        raise ValueError(msg)
    check_sizes(f"{start}: it", whole, _MOST)
    if not math.isfinite(sizes["bin_alpha"]):
        msg = f"{start}: bin_alpha must be finite."
        raise ValueError(msg)
    if sizes["width"] % sizes["n_heads"]:
        msg = (
            f"{start}: the encoder's hidden_dim {sizes['width']} is no multiple of its heads "
            f"{sizes['n_heads']}."
        )
        raise ValueError(msg)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _merged(config: object) -> Mapping[str, Any]:
    """The parts for the model and for the data set in one level."""
    found = _mapping(config)
    if "model_config" in found:
        model = _mapping(_mapping(found["model_config"]).get(_ARCHITECTURE))
        data = _mapping(_mapping(found.get("dataset_config")).get("rnaseq"))
        return {"model": found.get("model", _ARCHITECTURE), **model, **data}
    return found


def published(name: str) -> str:
    """Return the published name of a tensor of :class:`ScFoundationNetwork`.

    Examples
    --------
    >>> from scregnet.encoders.scfoundation.network import published
    >>> published("encoder.3.attention.weight")
    'encoder.transformer_encoder.3.self_attn.in_proj_weight'
    """
    part, _, rest = name.partition(".")
    if part == "encoder":
        index, _, own = rest.partition(".")
        return f"encoder.transformer_encoder.{index}.{published_layer_name(own)}"
    if part == "decoder":
        return f"decoder.performer.{published_name(rest)}"
    own, _, kind = name.rpartition(".")
    return f"{_PUBLISHED[own]}.{kind}"


class ValueEmbedding(nn.Module):
    """Embeds a number as a mixture of learnt vectors, one per bin, with learnt shares."""

    def __init__(self, n_bins: int, width: int, *, alpha: float) -> None:
        super().__init__()
        self.alpha = alpha
        self.hidden = nn.Linear(1, n_bins)
        self.scores = nn.Linear(n_bins, n_bins)
        self.bins = nn.Embedding(n_bins, width)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Embed values of any shape; the result has one more dimension."""
        hidden = leaky_relu(self.hidden(values[..., None]), 0.1)
        shares = (self.alpha * hidden + self.scores(hidden)).softmax(-1)
        return shares @ self.bins.weight


class ScFoundationNetwork(nn.Module):
    """The published model without its head.

    Tensors have plain names here; :func:`published` translates them.

    Parameters
    ----------
    sizes
        Its sizes. The last two of ``n_positions`` are for the depths T and S, the others for genes.
    """

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.values = ValueEmbedding(sizes.n_bins, sizes.width, alpha=sizes.bin_alpha)
        # One more row for padding, the last.
        self.positions = nn.Embedding(sizes.n_positions + 1, sizes.width)
        self.encoder = nn.ModuleList(
            PostNormLayer(sizes.width, sizes.n_heads, 4 * sizes.width) for _ in range(sizes.depth)
        )
        self.encoder_norm = nn.LayerNorm(sizes.width)
        self.to_decoder = nn.Linear(sizes.width, sizes.decoder_width)
        self.decoder = Performer(
            sizes.decoder_width,
            sizes.decoder_depth,
            sizes.decoder_heads,
            sizes.decoder_head_dim,
            # Number of random features: d · ln d, the published default.
            int(sizes.decoder_head_dim * math.log(sizes.decoder_head_dim)),
            inner_dimension=4 * sizes.decoder_width,
            bias=True,
        )
        self.decoder_norm = nn.LayerNorm(sizes.decoder_width)
        self.norm = nn.LayerNorm(sizes.decoder_width)

    def encode(
        self, values: torch.Tensor, positions: torch.Tensor, mask: torch.Tensor
    ) -> torch.Tensor:
        """Return the vectors that go to the decoder, cells × tokens × width.

        Parameters
        ----------
        values, positions
            Value and position of every token, cells × tokens.
        mask
            ``True`` at tokens, ``False`` at padding. The encoder reads tokens with a value above
            zero. Others (a depth whose logarithm is not positive) go to the decoder as the
            embedding of their value.
        """
        embedded = self.values(values)
        read = mask & (values > 0)
        # No mask if every token is read: PyTorch's fused attention is faster without one.
        attended = None if bool(read.all()) else read[:, None, None, :]
        x = embedded + self.positions(positions)
        for layer in self.encoder:
            x = layer(x, attended)
        x = self.encoder_norm(x)
        return torch.where(read[..., None], x, embedded)

    def unexpressed(self) -> torch.Tensor:
        """Return the decoder's input for genes of value zero, the same for every cell.

        Its shape is positions × decoder width.
        """
        places = self.positions.weight[:-1]
        return self.to_decoder(self.values(places.new_zeros(1)) + places).to(places.dtype)

    def decoder_input(
        self, encoded: torch.Tensor, positions: torch.Tensor, unexpressed: torch.Tensor
    ) -> torch.Tensor:
        """Return the decoder's input for one cell: its tokens, and value zero elsewhere."""
        x = unexpressed.clone()
        x[positions] = self.to_decoder(encoded + self.positions(positions)).to(x.dtype)
        return x

    def decode(self, x: torch.Tensor) -> torch.Tensor:
        """Return the vector of every position of one cell, from :meth:`decoder_input`."""
        decoded, _ = self.decoder(x[None])
        return self.norm(self.decoder_norm(decoded))[0]
