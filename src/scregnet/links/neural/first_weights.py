"""First weights as Keras draws them: published networks that were written in it hang on them."""

from __future__ import annotations

import torch
from torch import nn


@torch.no_grad()
def keras_weights(module: nn.Module) -> None:
    """Draw weights uniformly by Glorot, orthogonal ones between steps; all constants are 0."""
    for name, weight in module.named_parameters():
        if weight.ndim == 1:
            nn.init.zeros_(weight)
        elif "weight_hh" in name.rpartition(".")[2]:
            nn.init.orthogonal_(weight)
        else:
            nn.init.xavier_uniform_(weight)
