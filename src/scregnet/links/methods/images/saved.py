"""What a saved network that reads images needs beside its weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from scregnet.links.forms.saved import State, read_integers, refuse
from scregnet.links.methods.images.sides import MOST_BINS, last_side

if TYPE_CHECKING:
    from scregnet.links.methods.images.tower import ImageTower

WIDEST = 4096
"""Largest width that is read from a saved network."""


def image_arrays(bins: np.ndarray, n_bins: int, tower: ImageTower) -> dict[str, np.ndarray]:
    """Return the bins, their number, and the widths of the tower."""
    return {
        "bins": bins,
        "n_bins": np.array(n_bins),
        "conv_dims": np.array(tower.conv_dims),
        "dense_dim": np.array(tower.dense.out_features),
    }


def read_image_arrays(state: State) -> tuple[np.ndarray, int, dict[str, Any]]:
    """The inverse of :func:`image_arrays`; raise ``ValueError`` if arrays do not fit together."""
    n_bins = int(read_integers(state, "n_bins", (), low=4, high=MOST_BINS))
    bins = read_integers(state, "bins", (None, None), high=n_bins - 1, dtype=np.uint8)
    if bins.size == 0:
        refuse("bins", "holds no cells")
    conv_dims = read_integers(state, "conv_dims", (None,), low=1, high=WIDEST)
    if len(conv_dims) == 0 or last_side(n_bins, len(conv_dims)) == 0:
        refuse("conv_dims", f"does not fit images of {n_bins} bins")
    dense_dim = int(read_integers(state, "dense_dim", (), low=1, high=WIDEST))
    widths = {"conv_dims": tuple(map(int, conv_dims)), "dense_dim": dense_dim}
    return np.ascontiguousarray(bins), n_bins, widths
