"""Small networks of Hugging Face with random weights, in folders as transformers writes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoConfig, AutoModelForMaskedLM

SPECIAL = {"roberta": ["<s>", "<pad>", "</s>", "<mask>"], "bert": ["[PAD]", "[MASK]"]}


def config(kind: str, n_tokens: int) -> dict[str, Any]:
    """Return a configuration of an architecture."""
    sizes = {
        "vocab_size": n_tokens,
        "hidden_size": 12,
        "num_hidden_layers": 3,
        "num_attention_heads": 2 if kind == "roformer" else 3,
        "intermediate_size": 20,
        "max_position_embeddings": 64,
        "pad_token_id": 1 if kind in ("roberta", "xlm-roberta", "camembert") else 0,
        "initializer_range": 0.5,
    }
    if kind in ("electra", "roformer"):
        sizes["embedding_size"] = 8
    if kind == "modernbert":
        # Windows of eight tokens in every other layer.
        sizes |= {"global_attn_every_n_layers": 2, "local_attention": 8}
        sizes |= {f"{name}_token_id": None for name in ("bos", "eos", "cls", "sep")}
    return sizes


def write_kind(folder: Path, genes: list[str], kind: str, *, medians: bool = True) -> Path:
    """Write a network of a kind with its head, and dictionaries."""
    special = SPECIAL.get(kind, SPECIAL["bert"])
    if kind in ("xlm-roberta", "camembert"):
        special = SPECIAL["roberta"]
    tokens = {name: number for number, name in enumerate([*special, *genes])}
    state = torch.get_rng_state()
    torch.manual_seed(5)
    network = AutoModelForMaskedLM.from_config(
        AutoConfig.for_model(kind, **config(kind, len(tokens)))
    )
    torch.set_rng_state(state)
    network.save_pretrained(folder)
    (folder / "token_dictionary.json").write_text(json.dumps(tokens))
    if medians:
        rng = np.random.default_rng(6)
        content = {gene: float(rng.uniform(0.3, 5)) for gene in genes}
        (folder / "gene_median_dictionary.json").write_text(json.dumps(content))
    return folder


def write(folder: Path, genes: list[str]) -> Path:
    """Write a network; it knows these genes."""
    return write_kind(folder, genes, "roberta")
