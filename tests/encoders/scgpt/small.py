"""A small scGPT with random weights in the published layout."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch

ARGS = {
    "embsize": 12,
    "nheads": 3,
    "d_hid": 8,
    "nlayers": 2,
    "n_layers_cls": 3,
    "dropout": 0.2,
    "pad_token": "<pad>",
    "pad_value": -2,
    "n_bins": 51,
    "input_style": "binned",
    "input_emb_style": "continuous",
}


def random_state(n_tokens: int = 46, seed: int = 0) -> dict[str, torch.Tensor]:
    """Return tensors of a small scGPT under the released names, with some of the extras."""
    generator = torch.Generator().manual_seed(seed)
    state: dict[str, torch.Tensor] = {}

    def linear(name: str, out: int, into: int) -> None:
        state[f"{name}.weight"] = torch.randn(out, into, generator=generator) / into**0.5
        state[f"{name}.bias"] = 0.2 * torch.randn(out, generator=generator)

    def norm(name: str) -> None:
        state[f"{name}.weight"] = 1 + 0.2 * torch.randn(12, generator=generator)
        state[f"{name}.bias"] = 0.2 * torch.randn(12, generator=generator)

    state["encoder.embedding.weight"] = torch.randn(n_tokens, 12, generator=generator)
    norm("encoder.enc_norm")
    linear("value_encoder.linear1", 12, 1)
    linear("value_encoder.linear2", 12, 12)
    norm("value_encoder.norm")
    for layer in (f"transformer_encoder.layers.{i}" for i in range(2)):
        linear(f"{layer}.self_attn.Wqkv", 36, 12)
        linear(f"{layer}.self_attn.out_proj", 12, 12)
        linear(f"{layer}.linear1", 8, 12)
        linear(f"{layer}.linear2", 12, 8)
        norm(f"{layer}.norm1")
        norm(f"{layer}.norm2")
    linear("decoder.fc.0", 12, 12)
    linear("mvc_decoder.gene2query", 12, 12)
    state["flag_encoder.weight"] = torch.randn(2, 12, generator=generator)
    state["bn.running_mean"] = torch.zeros(12)
    return state


def write(folder: Path, genes: list[str]) -> Path:
    """Write the model's files; it knows these genes and three others, in an order of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    order = np.random.default_rng(6).permutation([*genes, "absent1", "absent2", "absent3"])
    tokens = {str(gene): i for i, gene in enumerate(order)} | {
        "<pad>": 43,
        "<cls>": 44,
        "<eoc>": 45,
    }
    (folder / "vocab.json").write_text(json.dumps(tokens))
    (folder / "args.json").write_text(json.dumps(ARGS))
    torch.save(random_state(), folder / "best_model.pt")
    return folder
