"""Sizes of images after blocks of convolutions. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence

from scregnet._validate import check_integer

MOST_BINS = 256
"""Longest side of an image: the bin of a gene in a cell is kept in one byte."""


def last_side(side: int, n_blocks: int) -> int:
    """Return the side of an image after the blocks of :class:`ImageTower`; 0 if none is left."""
    for _ in range(n_blocks):
        side = max(0, (side - 2) // 2)
    return side


def check_sides(name: str, side: int, conv_dims: Sequence[int]) -> None:
    """Raise unless ``side`` fits a byte, and an image of it has a pixel left after the blocks.

    ``name`` is the argument that says how long a side is.
    """
    check_integer(name, side, minimum=4)
    if side > MOST_BINS:
        msg = f"{name} must be at most {MOST_BINS}, got {side!r}."
        raise ValueError(msg)
    if last_side(side, len(conv_dims)) == 0:
        msg = (
            f"{name}={side} is too small for {len(conv_dims)} blocks of convolutions, each of "
            f"which halves an image; raise {name} or shorten conv_dims."
        )
        raise ValueError(msg)
