"""A small scBERT with random weights in the published layout."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch


def random_state(n_genes: int, seed: int = 0) -> dict[str, torch.Tensor]:
    """Return tensors under the published names: width 12, 2 layers, 3 heads of 5, 7 features."""
    generator = torch.Generator().manual_seed(seed)
    state: dict[str, torch.Tensor] = {"performer.calls_since_last_redraw": torch.tensor(3)}

    def draw(name: str, *shape: int, scale: float = 0.2, mean: float = 0.0) -> None:
        state[name] = mean + scale * torch.randn(*shape, generator=generator)

    draw("token_emb.weight", 7, 12, scale=1)
    draw("pos_emb.emb.weight", n_genes + 1, 12, scale=1)
    state["pos_emb.emb.weight"] = state["pos_emb.emb.weight"].double()
    for layer in (f"performer.net.layers.{i}" for i in range(2)):
        draw(f"{layer}.0.fn.fast_attention.projection_matrix", 7, 5, scale=1)
        for part in ("q", "k", "v"):
            draw(f"{layer}.0.fn.to_{part}.weight", 15, 12, scale=0.4)
        for name, out, into in (
            ("0.fn.to_out", 12, 15),
            ("1.fn.fn.w1", 24, 12),
            ("1.fn.fn.w2", 12, 24),
        ):
            draw(f"{layer}.{name}.weight", out, into, scale=into**-0.5)
            draw(f"{layer}.{name}.bias", out)
        for name in ("0.norm", "1.norm"):
            draw(f"{layer}.{name}.weight", 12, mean=1)
            draw(f"{layer}.{name}.bias", 12)
    draw("norm.weight", 12, mean=1)
    draw("norm.bias", 12)
    draw("to_out.weight", 7, 12)
    draw("to_out.bias", 7)
    return state


def write(folder: Path, genes: list[str]) -> Path:
    """Write the model's files; it knows these genes and three others, in an order of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    order = np.random.default_rng(4).permutation([*genes, "absent1", "absent2", "absent3"])
    (folder / "gene_order.txt").write_text("\n".join(order) + "\n")
    torch.save(
        {"epoch": 4, "model_state_dict": random_state(len(order)), "losses": 0.5},
        folder / "panglao_pretrain.pth",
    )
    return folder
