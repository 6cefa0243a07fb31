"""A BERT-like network of transformers, from its configuration and weights.

Both files are data: a configuration names one of the architectures here, whose code is that of the
installed transformers, and sizes are checked before memory is taken for them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from scregnet._device import own_randomness
from scregnet._validate import listed
from scregnet.encoders.layers import packed
from scregnet.encoders.weights.reading import check_state, read_state
from scregnet.encoders.weights.sizes import MOST_LAYERS, MOST_TOKENS, MOST_WIDTH, check_sizes

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel


@dataclass(frozen=True)
class Architecture:
    """Where a network has its layers, and what follows the last.

    ``watched`` says whether all its attention runs through transformers' interface and reaches the
    whole cell, as :func:`scregnet.tl.attention_links` needs. ``pools`` says whether its class can
    be built without a pooler. ``counts`` says whether positions are counted by the token of
    padding.
    """

    layers: str = "encoder.layer"
    norm: str = ""
    watched: bool = True
    pools: bool = True
    counts: bool = False


ARCHITECTURES = {
    "bert": Architecture(),
    "roberta": Architecture(counts=True),
    "xlm-roberta": Architecture(counts=True),
    "camembert": Architecture(counts=True),
    "ernie": Architecture(),
    "electra": Architecture(pools=False),
    "distilbert": Architecture("transformer.layer", pools=False),
    "roformer": Architecture(watched=False, pools=False),
    # Most of its layers attend within a window.
    "modernbert": Architecture("layers", "final_norm", watched=False, pools=False),
}
"""By the ``model_type`` of a configuration."""

_MOST = {
    "vocab_size": MOST_TOKENS,
    "hidden_size": MOST_WIDTH,
    "num_hidden_layers": MOST_LAYERS,
    "num_attention_heads": MOST_WIDTH,
    "intermediate_size": MOST_WIDTH,
    "max_position_embeddings": MOST_TOKENS,
}
# What a configuration may ask of transformers beside a network: other code, or another type.
_LEFT_OUT = (
    *("auto_map", "dtype", "torch_dtype", "attn_implementation", "_attn_implementation"),
    *("experts_implementation", "_name_or_path", "architectures", "transformers_version"),
    *("num_labels", "id2label", "label2id"),
)
# What transformers and torch raise for values that they cannot use.
_ERRORS = (
    *(ArithmeticError, AssertionError, AttributeError, ImportError, LookupError, RuntimeError),
    *(TypeError, ValueError),
)


def read_network(config_file: Path, weights_file: Path, hidden_layer: int) -> PreTrainedModel:
    """Read a network, cut after the layer that is wanted.

    Parameters
    ----------
    config_file
        ``config.json``.
    weights_file
        ``model.safetensors``, or another form that :func:`read_state` reads.
    hidden_layer
        ``0`` is the last layer, ``-1`` the one before, ``-n_layers`` the input embedding.

    Raises
    ------
    ValueError
        If the files are damaged, do not belong together, or are of another architecture.
    """
    config = read_config(config_file)
    n_layers = config.num_hidden_layers
    if type(hidden_layer) is not int or not -n_layers <= hidden_layer <= 0:
        msg = (
            f"hidden_layer={hidden_layer!r} must be an integer from {-n_layers} (input embedding) "
            "to 0 (last layer)."
        )
        raise ValueError(msg)
    kind = ARCHITECTURES[config.model_type]
    if kind.watched:
        packed.register_packed_attention()
    config._attn_implementation = packed.NAME if kind.watched else None
    # Shapes first, without memory: a configuration can ask for more than there is.
    with torch.device("meta"):
        shapes = _made(config_file, config, kind)
    expected = shapes.state_dict()
    state = _of_network(read_state(weights_file), shapes.base_model_prefix, expected)
    check_state(weights_file, state, expected)
    # Initial values are drawn from torch's global generator, whose state is the user's.
    with own_randomness():
        network = _made(config_file, config, kind)
    network.load_state_dict({name: value.float() for name, value in state.items()})
    _cut(network, kind, n_layers + hidden_layer)
    return network


def most_tokens(network: PreTrainedModel) -> int:
    """Return how many tokens of a cell a network can read."""
    most = int(network.config.max_position_embeddings)
    for name, module in network.named_modules():
        if name.endswith("position_embeddings") and isinstance(module, torch.nn.Embedding):
            # RoBERTa counts positions from after the token of padding.
            first = 0 if module.padding_idx is None else module.padding_idx + 1
            most = min(most, module.num_embeddings - first)
    return most


def read_config(path: Path) -> PreTrainedConfig:
    """Return a configuration as transformers has it, after checking it."""
    from huggingface_hub.errors import StrictDataclassError
    from transformers import AutoConfig

    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        msg = f"{path} is not JSON: {error}."
        raise ValueError(msg) from error
    kind = raw.get("model_type") if isinstance(raw, dict) else None
    if not isinstance(kind, str) or kind not in ARCHITECTURES:
        msg = (
            f"{path} has model_type {kind!r}; model='huggingface' reads {listed(ARCHITECTURES, 20)}"
            ". Code that comes with weights is not run."
        )
        raise ValueError(msg)
    _check_numbers(path, raw)
    kept = {key: value for key, value in raw.items() if key not in (*_LEFT_OUT, "model_type")}
    try:
        config = AutoConfig.for_model(kind, **kept)
        sizes = {key: getattr(config, key, 1) for key in _MOST}
    except (StrictDataclassError, *_ERRORS) as error:
        raise ValueError(_unusable(path, error)) from error
    check_sizes(str(path), sizes, _MOST)
    if getattr(config, "is_decoder", False) or getattr(config, "add_cross_attention", False):
        msg = f"{path} is the configuration of a decoder; an encoder is needed."
        raise ValueError(msg)
    if "quantization_config" in raw:
        msg = f"{path} is of quantised weights: give those of whole numbers of bits (float32)."
        raise ValueError(msg)
    return config


def _check_numbers(path: Path, raw: dict[str, Any]) -> None:
    """Raise for a number that no model has: transformers may make lists of that length."""
    for key, value in raw.items():
        most = MOST_LAYERS if "layer" in key and "every" not in key else MOST_WIDTH
        if isinstance(value, int) and abs(value) > most:
            msg = f"{path} has {key} {value!r}; no model has more than {most:,}."
            raise ValueError(msg)


def _made(path: Path, config: PreTrainedConfig, kind: Architecture) -> PreTrainedModel:
    from transformers import AutoModel

    options = {"add_pooling_layer": False} if kind.pools else {}
    try:
        return AutoModel.from_config(config, trust_remote_code=False, **options).eval()
    except _ERRORS as error:
        raise ValueError(_unusable(path, error)) from error


def _of_network(
    state: dict[str, torch.Tensor], prefix: str, expected: dict[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    """Return the tensors of the network itself, under its own names."""
    state = {name.removeprefix("module."): value for name, value in state.items()}
    start = f"{prefix}."
    # With a head beside it, a network's tensors have its name in front.
    if any(name.startswith(start) for name in state):
        state = {k.removeprefix(start): v for k, v in state.items() if k.startswith(start)}
    # Neither is needed: the one belongs to a head, the other is counted, not learned.
    beside = ("pooler.", "embeddings.position_ids", "embeddings.token_type_ids")
    return {k: v for k, v in state.items() if k in expected or not k.startswith(beside)}


def _cut(network: PreTrainedModel, kind: Architecture, n_layers: int) -> None:
    """Remove the layers above the one that is wanted: they would be computed in vain."""
    where, _, name = kind.layers.rpartition(".")
    parent: Any = attrgetter(where)(network) if where else network
    layers = getattr(parent, name)
    if n_layers < len(layers):
        setattr(parent, name, layers[:n_layers])
        if kind.norm:
            setattr(network, kind.norm, torch.nn.Identity())


def _unusable(path: Path, error: Exception) -> str:
    lines = " ".join(str(error).split())[:300]
    return f"{path} is no usable configuration: {type(error).__name__}: {lines}."
