"""scFoundation's network: an encoder of the genes that a cell expresses, and a decoder of all genes."""

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
# Vectors of masked and padded positions (masked: training only; padded: nothing attends to them), the head and a counter.
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


@dataclass(frozen=True)
class Sizes:
    """The sizes of a network, as a published configuration states them."""

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
        """Read a configuration, as a checkpoint holds it (with its parts for model and data set) or merged into one level.

        Raises
        ------
        ValueError
            If something is missing, or the configuration is of a network of another kind.
        """
        merged = _merged(config)
        if merged.get("model", _ARCHITECTURE) != _ARCHITECTURE:
            msg = f"{where} has a configuration of a {merged['model']!r} model; scFoundation's is {_ARCHITECTURE!r}."
            raise ValueError(msg)
        encoder, decoder = (_mapping(merged.get(part)) for part in ("encoder", "decoder"))
        for name, found, wanted in (
            ("encoder module_type", encoder.get("module_type", "transformer"), "transformer"),
            ("decoder module_type", decoder.get("module_type", "performer"), "performer"),
            ("encoder norm_first", bool(encoder.get("norm_first")), False),
            ("mask_gene_name", bool(merged.get("mask_gene_name")), False),
        ):
            if found != wanted:
                msg = f"{where} has a configuration with {name} {found!r}; only {wanted!r}, as published, is known here."
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
        if wrong := [
            name
            for name, value in sizes.items()
            if isinstance(value, bool)
            or not isinstance(value, (int, float) if name == "bin_alpha" else int)
        ]:
            msg = f"{where} has a configuration that is not scFoundation's: it does not state {', '.join(wrong)}."
            raise ValueError(msg)
        if small := [name for name, value in sizes.items() if name != "bin_alpha" and value < 1]:
            msg = f"{where} has a configuration that is not scFoundation's: {', '.join(small)} must be at least 1."
            raise ValueError(msg)
        if sizes["width"] % sizes["n_heads"]:
            msg = f"{where} has a configuration that is not scFoundation's: the encoder's hidden_dim {sizes['width']} is no multiple of its heads {sizes['n_heads']}."
            raise ValueError(msg)
        return cls(**sizes)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _merged(config: object) -> Mapping[str, Any]:
    found = _mapping(config)
    if "model_config" in found:
        model = _mapping(_mapping(found["model_config"]).get(_ARCHITECTURE))
        data = _mapping(_mapping(found.get("dataset_config")).get("rnaseq"))
        return {"model": found.get("model", _ARCHITECTURE), **model, **data}
    return found


def published(name: str) -> str:
    """Return the name that a tensor of :class:`ScFoundationNetwork` has in published state dicts.

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
    """A number becomes a mixture of learnt vectors, one for each of a hundred bins, with learnt shares."""

    def __init__(self, n_bins: int, width: int, *, alpha: float) -> None:
        super().__init__()
        self.alpha = alpha
        self.hidden = nn.Linear(1, n_bins)
        self.scores = nn.Linear(n_bins, n_bins)
        self.bins = nn.Embedding(n_bins, width)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Embed values of any shape; the result has one dimension more."""
        hidden = leaky_relu(self.hidden(values[..., None]), 0.1)
        shares = (self.alpha * hidden + self.scores(hidden)).softmax(-1)
        return shares @ self.bins.weight


class ScFoundationNetwork(nn.Module):
    """The published network without its head.

    Tensors keep plain names here; :func:`published` translates them.

    Parameters
    ----------
    sizes
        Its sizes. The last two of ``n_positions`` are for the depths, the others for genes.
    """

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.values = ValueEmbedding(sizes.n_bins, sizes.width, alpha=sizes.bin_alpha)
        # The last row is that of padding.
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
            ``True`` at tokens, ``False`` at padding. The encoder reads those with a value above zero; any other (a depth whose
            logarithm is not positive) goes to the decoder as its value's embedding.
        """
        embedded = self.values(values)
        read = mask & (values > 0)
        attended = None if bool(read.all()) else read[:, None, None, :]
        x = embedded + self.positions(positions)
        for layer in self.encoder:
            x = layer(x, attended)
        x = self.encoder_norm(x)
        return torch.where(read[..., None], x, embedded)

    def unexpressed(self) -> torch.Tensor:
        """Return what enters the decoder at positions of value zero, positions × decoder width: the same for every cell."""
        places = self.positions.weight[:-1]
        return self.to_decoder(self.values(places.new_zeros(1)) + places).to(places.dtype)

    def decoder_input(
        self, encoded: torch.Tensor, positions: torch.Tensor, unexpressed: torch.Tensor
    ) -> torch.Tensor:
        """Return what enters the decoder for one cell: the tokens (tokens × width) at their positions, value zero elsewhere."""
        x = unexpressed.clone()
        x[positions] = self.to_decoder(encoded + self.positions(positions)).to(x.dtype)
        return x

    def decode(self, x: torch.Tensor) -> torch.Tensor:
        """Return the vector of every position from :meth:`decoder_input`, one cell."""
        decoded, _ = self.decoder(x[None])
        return self.norm(self.decoder_norm(decoded))[0]
