"""Weights of a module as plain arrays, checked when they are read."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np
import torch
from torch import nn

from scregnet._device import plain_torch
from scregnet.links.forms.saved import State, read_floats

Module = TypeVar("Module", bound=nn.Module)


def weights_state(module: nn.Module) -> dict[str, np.ndarray]:
    """Return the weights as arrays, named ``weight_<name>``."""
    return {
        f"weight_{name}": value.detach().cpu().numpy()
        for name, value in module.state_dict().items()
    }


def load_weights(make: Callable[[], Module], state: State) -> Module:
    """Return the module that ``make`` makes, with the saved weights, ready to score.

    Arrays that are missing, of another shape or not finite raise ``ValueError``.
    """
    # Without memory and random numbers: every weight is replaced.
    with torch.device("meta"):
        module = make()
    weights = {
        name: torch.from_numpy(np.array(read_floats(state, f"weight_{name}", tuple(value.shape))))
        for name, value in module.state_dict().items()
    }
    module.load_state_dict(weights, assign=True)
    return _still(module)


def finished(module: Module) -> Module:
    """Return a trained module on the CPU, ready to score."""
    return _still(module.cpu())


def _still(module: Module) -> Module:
    return module.eval().requires_grad_(requires_grad=False)


def score_pairs(module: nn.Module, sources: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Return what a module in evaluation says of each pair, float32."""
    if len(sources) == 0:
        return np.zeros(0, np.float32)
    with plain_torch(), torch.no_grad():
        pairs = (torch.as_tensor(genes, dtype=torch.int64) for genes in (sources, targets))
        return module(*pairs).numpy()
