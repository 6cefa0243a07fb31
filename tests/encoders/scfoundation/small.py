"""A small scFoundation with random weights in the published layout."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

CONFIG = {
    "model": "mae_autobin",
    "model_config": {
        "mae_autobin": {
            "encoder": {
                "hidden_dim": 12,
                "depth": 2,
                "heads": 3,
                "module_type": "transformer",
                "norm_first": False,
            },
            "decoder": {
                "hidden_dim": 10,
                "depth": 2,
                "heads": 2,
                "dim_head": 6,
                "module_type": "performer",
            },
            "seq_len": None,
            "mask_gene_name": False,
            "pad_token_id": 103,
            "mask_token_id": 102,
            "bin_alpha": 1.0,
        }
    },
    "dataset_config": {"rnaseq": {"seq_len": 45, "bin_num": 9}},
}
"""In the layout of the published file: sizes of the data set are merged over the model's."""


def random_state(n_genes: int = 43, seed: int = 0) -> dict[str, torch.Tensor]:
    """Return tensors of that network under the published names, without prefix."""
    generator = torch.Generator().manual_seed(seed)
    state: dict[str, torch.Tensor] = {"decoder.performer.calls_since_last_redraw": torch.tensor(3)}

    def draw(name: str, *shape: int, scale: float = 0.2, mean: float = 0.0) -> None:
        state[name] = mean + scale * torch.randn(*shape, generator=generator)

    def linear(name: str, out: int, into: int, separator: str = ".") -> None:
        draw(f"{name}{separator}weight", out, into, scale=into**-0.5)
        draw(f"{name}{separator}bias", out)

    def norm(name: str, width: int) -> None:
        draw(f"{name}.weight", width, mean=1)
        draw(f"{name}.bias", width)

    linear("token_emb.mlp", 9, 1)
    linear("token_emb.mlp2", 9, 9)
    draw("token_emb.emb.weight", 9, 12, scale=1)
    draw("token_emb.emb_mask.weight", 1, 12)
    draw("token_emb.emb_pad.weight", 1, 12)
    draw("pos_emb.weight", n_genes + 3, 12, scale=1)
    for layer in (f"encoder.transformer_encoder.{i}" for i in range(2)):
        linear(f"{layer}.self_attn.in_proj", 36, 12, separator="_")
        linear(f"{layer}.self_attn.out_proj", 12, 12)
        linear(f"{layer}.linear1", 48, 12)
        linear(f"{layer}.linear2", 12, 48)
        norm(f"{layer}.norm1", 12)
        norm(f"{layer}.norm2", 12)
    norm("encoder.norm", 12)
    linear("decoder_embed", 10, 12)
    for layer in (f"decoder.performer.net.layers.{i}" for i in range(2)):
        norm(f"{layer}.0.norm", 10)
        draw(f"{layer}.0.fn.fast_attention.projection_matrix", 10, 6, scale=1)
        for part in ("q", "k", "v"):
            linear(f"{layer}.0.fn.to_{part}", 12, 10)
        linear(f"{layer}.0.fn.to_out", 10, 12)
        norm(f"{layer}.1.norm", 10)
        linear(f"{layer}.1.fn.fn.w1", 40, 10)
        linear(f"{layer}.1.fn.fn.w2", 10, 40)
    norm("decoder.norm", 10)
    norm("norm", 10)
    linear("to_final", 1, 10)
    return state


def container() -> dict[str, dict]:
    """Return the published file's content: three sets of weights, each with its configuration."""
    return {
        section: {
            "config": CONFIG,
            "state_dict": {
                f"model.{name}": value for name, value in random_state(seed=seed).items()
            },
        }
        for seed, section in enumerate(("gene", "cell", "rde"))
    }


def write(folder: Path, genes: list[str]) -> Path:
    """Write the model's files; it knows these genes and three others, in an order of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    order = np.random.default_rng(5).permutation([*genes, "absent1", "absent2", "absent3"])
    lines = ["gene_name\tindex", *(f"{gene}\t{i}" for i, gene in enumerate(order))]
    (folder / "OS_scRNA_gene_index.43.tsv").write_text("\n".join(lines) + "\n")
    torch.save(container(), folder / "models.ckpt")
    return folder
