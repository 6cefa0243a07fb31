"""The network of scGPT, and how its published files are read."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn
from torch.nn.functional import relu

from scregnet._validate import listed
from scregnet.encoders.layers.post_norm import PostNormLayer, published_layer_name
from scregnet.encoders.weights.reading import check_state, read_state
from scregnet.encoders.weights.sizes import MOST_LAYERS, MOST_WIDTH, check_sizes

# The published code clamps values at this too.
_HIGHEST = 512.0
_MOST = {
    "embsize": MOST_WIDTH,
    "nheads": MOST_WIDTH,
    "d_hid": MOST_WIDTH,
    "nlayers": MOST_LAYERS,
    # A cell's values are sorted into them.
    "n_bins": 10_000,
}
# Width, inner width and number of layers of all released models.
_PUBLISHED_SHAPE, _PUBLISHED_HEADS = (512, 512, 12), 8
# Parts of the published model that are needed: its heads are not.
_STACKS = ("encoder.", "value_encoder.", "transformer_encoder.")
_PUBLISHED = {
    "genes.weight": "encoder.embedding.weight",
    "gene_norm": "encoder.enc_norm",
    "value1": "value_encoder.linear1",
    "value2": "value_encoder.linear2",
    "value_norm": "value_encoder.norm",
}


@dataclass(frozen=True)
class Sizes:
    """The sizes of the model, as ``args.json`` has them."""

    width: int
    n_heads: int
    inner_width: int
    n_layers: int
    n_bins: int = 51
    pad_value: float = -2.0


class ScGptNetwork(nn.Module):
    """The published model without its heads.

    Tensors have plain names here; :func:`published` translates them.
    """

    def __init__(self, n_tokens: int, sizes: Sizes) -> None:
        super().__init__()
        self.genes = nn.Embedding(n_tokens, sizes.width)
        self.gene_norm = nn.LayerNorm(sizes.width)
        self.value1 = nn.Linear(1, sizes.width)
        self.value2 = nn.Linear(sizes.width, sizes.width)
        self.value_norm = nn.LayerNorm(sizes.width)
        self.layers = nn.ModuleList(
            PostNormLayer(sizes.width, sizes.n_heads, sizes.inner_width)
            for _ in range(sizes.n_layers)
        )

    def gene_vectors(self, ids: torch.Tensor) -> torch.Tensor:
        """Return the vectors of tokens without a cell, ids' shape × width."""
        return self.gene_norm(self.genes(ids))

    def inputs(self, ids: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
        """Return the input of the first layer, ids' shape × width."""
        hidden = relu(self.value1(values.clamp(max=_HIGHEST)[..., None]))
        return self.gene_vectors(ids) + self.value_norm(self.value2(hidden))

    def forward(
        self, ids: torch.Tensor, values: torch.Tensor, lengths: tuple[int, ...]
    ) -> torch.Tensor:
        """Return the last layer's vectors, tokens × width, of packed cells of these ``lengths``."""
        x = self.inputs(ids, values)[None]
        for layer in self.layers:
            x = layer(x, lengths=lengths)
        return x[0]


def published(name: str) -> str:
    """Return the name of a tensor of :class:`ScGptNetwork` in the output of :func:`plain_names`.

    Examples
    --------
    >>> from scregnet.encoders.scgpt.network import published
    >>> published("layers.0.attention.weight")
    'transformer_encoder.layers.0.self_attn.in_proj_weight'
    """
    if name.startswith("layers."):
        _, index, own = name.split(".", 2)
        return f"transformer_encoder.layers.{index}.{published_layer_name(own)}"
    if name in _PUBLISHED:
        return _PUBLISHED[name]
    own, _, kind = name.rpartition(".")
    return f"{_PUBLISHED[own]}.{kind}"


def plain_names(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the tensors of the model under torch's names, without heads and other extras.

    Released files were trained with flash attention, whose ``Wqkv`` is torch's ``in_proj``.

    Examples
    --------
    >>> from scregnet.encoders.scgpt.network import plain_names
    >>> layer = "transformer_encoder.layers.0.self_attn"
    >>> list(plain_names({f"module.{layer}.Wqkv.bias": 0, "flag_encoder.weight": 1}))
    ['transformer_encoder.layers.0.self_attn.in_proj_bias']
    """
    names = {
        key: key.removeprefix("module.")
        .replace("self_attn._impl.", "self_attn.")
        .replace(".Wqkv.", ".in_proj_")
        for key in state
    }
    return {name: state[key] for key, name in names.items() if name.startswith(_STACKS)}


def read_sizes(path: Path) -> Sizes:
    """Return the sizes; raise unless the configuration is of a model that this file implements."""
    try:
        args = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        msg = f"{path} is not JSON: {error}."
        raise ValueError(msg) from error
    needed = ("embsize", "nheads", "d_hid", "nlayers")
    if missing := [key for key in needed if not isinstance(args, dict) or key not in args]:
        msg = f"{path} is not the configuration of an scGPT: it lacks {listed(missing)}."
        raise ValueError(msg)
    width, n_heads, inner, n_layers = (args[key] for key in needed)
    n_bins, pad_value = args.get("n_bins", 51), args.get("pad_value", -2)
    check_sizes(str(path), {**args, "n_bins": n_bins}, _MOST)
    if width % n_heads:
        msg = f"{path} has embsize {width}, which is not a multiple of nheads {n_heads}."
        raise ValueError(msg)
    sound = type(pad_value) in (int, float) and math.isfinite(pad_value)
    if n_bins < 3 or not sound:
        msg = f"{path} holds values that cannot be: n_bins {n_bins!r}, pad_value {pad_value!r}."
        raise ValueError(msg)
    for key, known in (("input_style", "binned"), ("input_emb_style", "continuous")):
        if args.get(key, known) != known:
            msg = (
                f"{path} has {key} {args[key]!r}; "
                f"only {known!r}, which all released models have, is implemented."
            )
            raise ValueError(msg)
    if args.get("pre_norm"):
        msg = (
            f"{path} has pre_norm {args['pre_norm']!r}; only models with LayerNorm after each "
            "part, which all released ones are, are implemented."
        )
        raise ValueError(msg)
    # No tensor tells the number of heads.
    if (width, inner, n_layers) == _PUBLISHED_SHAPE and n_heads != _PUBLISHED_HEADS:
        msg = (
            f"{path} has nheads {n_heads}; the published scGPT of these sizes has "
            f"{_PUBLISHED_HEADS}, and the weights do not tell."
        )
        raise ValueError(msg)
    return Sizes(width, n_heads, inner, n_layers, n_bins, float(pad_value))


def read_network(
    files: Mapping[str, Path], sizes: Sizes, tokens: Mapping[str, int]
) -> ScGptNetwork:
    """Return the model with the weights of a file."""
    state = plain_names(read_state(files["weights"], containers=("model_state_dict", "state_dict")))
    n_tokens = max(tokens.values()) + 1
    table = state.get("encoder.embedding.weight")
    if table is not None and len(table) != n_tokens:
        msg = (
            f"{files['weights']} has vectors for {len(table)} tokens, but {files['tokens']} has "
            f"{n_tokens} with its special ones: weights and vocabulary belong to different models. "
            "Use the vocab.json that came with the weights."
        )
        raise ValueError(msg)
    # The meta device has no storage: no initial values are drawn from the user's generator.
    with torch.device("meta"):
        network = ScGptNetwork(n_tokens, sizes)
    own = network.state_dict()
    check_state(files["weights"], state, {published(name): tensor for name, tensor in own.items()})
    network.load_state_dict({name: state[published(name)].float() for name in own}, assign=True)
    return network
