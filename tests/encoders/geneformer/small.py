"""A small Geneformer with random weights in the published layout."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

WIDTH, N_LAYERS, FFN, POSITIONS = 12, 3, 20, 64
VARIANTS = ("V1", "V2")


def dictionaries(genes: list[str], family: str) -> dict[str, dict]:
    """Return its dictionaries; the mapping has an alias, and a target outside the vocabulary."""
    special = ["<pad>", "<mask>"] + (["<cls>", "<eos>"] if family == "V2" else [])
    rng = np.random.default_rng(1)
    return {
        "token_dictionary": {name: token for token, name in enumerate([*special, *genes])},
        "gene_median_dictionary": {gene: float(rng.uniform(0.3, 5)) for gene in genes},
        "ensembl_mapping_dict": {gene: gene for gene in genes}
        | {"ENSG00000000901": genes[0], "ENSG00000000902": "ENSG00000999999"},
        "gene_name_id_dict": {f"GENE{i}": gene for i, gene in enumerate(genes)}
        | {"C1orf7": genes[7]},
    }


def random_state(n_tokens: int, seed: int = 0) -> dict[str, torch.Tensor]:
    """Return tensors of a small BERT under the published names, head included."""
    generator = torch.Generator().manual_seed(seed)
    state: dict[str, torch.Tensor] = {}

    def linear(name: str, out: int, into: int) -> None:
        state[f"{name}.weight"] = torch.randn(out, into, generator=generator) / into**0.5
        state[f"{name}.bias"] = 0.2 * torch.randn(out, generator=generator)

    def norm(name: str) -> None:
        state[f"{name}.weight"] = 1 + 0.2 * torch.randn(WIDTH, generator=generator)
        state[f"{name}.bias"] = 0.2 * torch.randn(WIDTH, generator=generator)

    for name, rows in (("word", n_tokens), ("position", POSITIONS), ("token_type", 2)):
        state[f"bert.embeddings.{name}_embeddings.weight"] = torch.randn(
            rows, WIDTH, generator=generator
        )
    norm("bert.embeddings.LayerNorm")
    for i in range(N_LAYERS):
        layer = f"bert.encoder.layer.{i}"
        for part in ("query", "key", "value"):
            linear(f"{layer}.attention.self.{part}", WIDTH, WIDTH)
        linear(f"{layer}.attention.output.dense", WIDTH, WIDTH)
        norm(f"{layer}.attention.output.LayerNorm")
        linear(f"{layer}.intermediate.dense", FFN, WIDTH)
        linear(f"{layer}.output.dense", WIDTH, FFN)
        norm(f"{layer}.output.LayerNorm")
    linear("cls.predictions.transform.dense", WIDTH, WIDTH)
    norm("cls.predictions.transform.LayerNorm")
    state["cls.predictions.bias"] = torch.zeros(n_tokens)
    return state


def config(n_tokens: int) -> dict[str, object]:
    return {
        "model_type": "bert",
        "vocab_size": n_tokens,
        "hidden_size": WIDTH,
        "num_hidden_layers": N_LAYERS,
        "num_attention_heads": 3,
        "intermediate_size": FFN,
        "max_position_embeddings": POSITIONS,
        "hidden_act": "relu",
        "layer_norm_eps": 1e-12,
        "pad_token_id": 0,
        "position_embedding_type": "absolute",
        "gradient_checkpointing": False,
    }


def write(folder: Path, genes: list[str], family: str = "V1") -> Path:
    """Write the model's files; it knows these genes."""
    folder.mkdir(parents=True, exist_ok=True)
    known = dictionaries(genes, family)
    for name, content in known.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    n_tokens = len(known["token_dictionary"])
    (folder / "config.json").write_text(json.dumps(config(n_tokens)))
    state = random_state(n_tokens)
    if family == "V1":
        state["bert.embeddings.position_ids"] = torch.arange(POSITIONS)[None]
    save_file(state, folder / "model.safetensors")
    return folder
