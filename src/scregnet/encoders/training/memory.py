"""What training needs of a device's memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    import numpy as np

# What layers may keep for the backward pass before their inputs alone are kept.
_ON_CPU = 4 << 30
# Of what is free on a GPU.
_SHARE_OF_GPU = 0.5


def room(device: torch.device) -> int:
    """Return how many bytes layers may keep for the backward pass."""
    if device.type != "cuda":
        return _ON_CPU
    return int(_SHARE_OF_GPU * torch.cuda.mem_get_info(device)[0])


def moved(array: np.ndarray, device: torch.device) -> torch.Tensor:
    """Return an array as a tensor on the device, without waiting for the device."""
    tensor = torch.from_numpy(array)
    if device.type != "cuda":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


def total_on(device: torch.device, value: float = 0.0) -> torch.Tensor:
    """Return a number to add to on the device: float64, except on MPS, which has none."""
    kind = torch.float32 if device.type == "mps" else torch.float64
    return torch.tensor(value, dtype=kind, device=device)
