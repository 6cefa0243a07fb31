"""Sizes of images after blocks of convolutions. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence

from scregnet._validate import check_integer

MOST_BINS = 256
"""The bin of a gene in a cell is kept in one byte."""


def last_side(side: int, n_blocks: int) -> int:
    """Return the side of an image after the blocks of :class:`ImageTower`; 0 if none is left."""
    for _ in range(n_blocks):
        side = max(0, (side - 2) // 2)
    return side


def check_sides(n_bins: int, conv_dims: Sequence[int]) -> None:
    """Raise unless ``n_bins`` fits a byte, and an image has a pixel left after the blocks."""
    check_integer("n_bins", n_bins, minimum=4)
    if n_bins > MOST_BINS:
        msg = f"n_bins must be at most {MOST_BINS}, got {n_bins!r}."
        raise ValueError(msg)
    if last_side(n_bins, len(conv_dims)) == 0:
        msg = (
            f"n_bins={n_bins} is too small for {len(conv_dims)} blocks of convolutions, each of "
            "which halves an image; raise n_bins or shorten conv_dims."
        )
        raise ValueError(msg)
