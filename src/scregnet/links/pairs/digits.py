"""Many small numbers in few bytes."""

from __future__ import annotations

from functools import cache

import numpy as np


def n_in_byte(base: int) -> int:
    """Return how many numbers below ``base``, 2 to 256, one byte holds."""
    n = 1
    while base ** (n + 1) <= 256:
        n += 1
    return n


def pack(numbers: np.ndarray, base: int) -> np.ndarray:
    """Return numbers from 0 to ``base - 1`` as bytes, of which each holds several."""
    n = n_in_byte(base)
    padded = np.zeros(-(-len(numbers) // n) * n, np.uint8)
    padded[: len(numbers)] = numbers
    digits = padded.reshape(-1, n)
    packed = digits[:, 0].copy()
    for place in range(1, n):
        packed += digits[:, place] * np.uint8(base**place)
    return packed


def unpack(packed: np.ndarray, base: int, n: int) -> np.ndarray:
    """Return the first ``n`` numbers of bytes made by :func:`pack`, uint8."""
    return _table(base)[packed].ravel()[:n]


def pick(packed: np.ndarray, base: int, places: np.ndarray) -> np.ndarray:
    """Return the numbers at some places of bytes made by :func:`pack`, uint8."""
    byte, digit = np.divmod(places, n_in_byte(base))
    return _table(base)[packed[byte], digit]


@cache
def _table(base: int) -> np.ndarray:
    """Return the numbers that each byte holds, uint8 of shape (256, n)."""
    powers = base ** np.arange(n_in_byte(base))
    return (np.arange(256)[:, None] // powers % base).astype(np.uint8)
