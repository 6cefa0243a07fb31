"""The step without labels: hidden values of the matrix are filled in."""

from __future__ import annotations

import math
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from scregnet._progress import stage

if TYPE_CHECKING:
    from scregnet.links.methods.grn_transformer.network import GrnTransformerModule

CLIPPED = 1e-3
"""Largest entry of a gradient."""

FARTHEST = 20.0
"""Largest standardised value."""


@dataclass(frozen=True)
class Pretraining:
    """How the step without labels is run."""

    n_epochs: int
    batch_size: int
    hidden_share: float
    learning_rate: float
    weight_decay: float
    precision: str


def expressed_values(
    expression: np.ndarray, detection: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Standardise by the cells that express a gene; return (n_cells, n_genes), and which do.

    Parameters
    ----------
    expression
        Standardised per gene over all cells, float32 (n_genes, n_cells).
    detection
        Share of the cells that express each gene. Below 1, the lowest value stands for none.
    """
    lowest = expression.min(axis=1, keepdims=True)
    expressed = expression > lowest + 1e-6 * np.maximum(np.abs(lowest), 1)
    if detection is not None:
        expressed |= (detection >= 1)[:, None]
    number = np.maximum(expressed.sum(axis=1, keepdims=True), 1)
    mean = (expression * expressed).sum(axis=1, keepdims=True) / number
    square = ((expression - mean) ** 2 * expressed).sum(axis=1, keepdims=True) / number
    spread = np.where(square > 1e-12, np.sqrt(square), 1)
    values = np.clip((expression - mean) / spread, -FARTHEST, FARTHEST)
    return np.ascontiguousarray(values.T, np.float32), np.ascontiguousarray(expressed.T)


def pretrain(
    module: GrnTransformerModule,
    values: torch.Tensor,
    expressed: torch.Tensor,
    how: Pretraining,
    generator: torch.Generator,
) -> None:
    """Train the module to fill in hidden values; only those of cells that express the gene count.

    Parameters
    ----------
    module
        The module, on the device where to compute.
    values, expressed
        From :func:`expressed_values`, on that device.
    how
        How to train.
    generator
        Source of the batches, and of what is hidden.
    """
    optimizer = torch.optim.AdamW(
        module.parameters(), lr=how.learning_rate, weight_decay=how.weight_decay
    )
    half = torch.autocast(values.device.type, torch.bfloat16)
    # The last batch of an epoch would hold fewer cells: its cells wait for another epoch.
    size = min(how.batch_size, len(values))
    module.train()
    with stage("self-supervised training", how.n_epochs) as tick:
        for epoch in range(how.n_epochs):
            order = torch.randperm(len(values), generator=generator)
            for cells in order[: len(order) // size * size].split(size):
                hidden = torch.rand(size, values.shape[1], generator=generator) < how.hidden_share
                hidden, cells = hidden.to(values.device), cells.to(values.device)
                batch, asked = values[cells], hidden & expressed[cells]
                if not asked.any():
                    continue
                with half if how.precision == "bfloat16" else nullcontext():
                    said, _ = module(batch.masked_fill(hidden, 0))
                loss = ((said.float() - batch)[asked] ** 2).mean()
                if not math.isfinite(float(loss.detach())):
                    refuse_divergence(epoch, "loss", how.learning_rate)
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                torch.nn.utils.clip_grad_value_(module.parameters(), CLIPPED)
                optimizer.step()
            tick()


def refuse_divergence(epoch: int, what: str, learning_rate: float) -> None:
    """Raise: ``what`` is not finite."""
    msg = (
        f"training diverged at epoch {epoch}: the {what} is not finite. "
        f"Lower learning_rate (now {learning_rate})."
    )
    raise RuntimeError(msg)


@torch.no_grad()
def attention_maps(module: GrnTransformerModule, values: torch.Tensor) -> np.ndarray:
    """Return the attention of genes to genes over all cells, of each layer and head.

    float32 of shape (n_layers * n_heads, n_genes, n_genes).
    """
    module.eval()
    _, shares = module(values)
    return torch.cat(shares).cpu().numpy()
