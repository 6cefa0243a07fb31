"""Random numbers of a generator, a block at a time."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np

BLOCK = 1 << 17
"""Random numbers drawn at a time: they stay in the CPU's caches."""


def uniform_blocks(rng: np.random.Generator, n: int) -> Iterator[np.ndarray]:
    """Yield the ``n`` numbers of ``rng.random`` in blocks; the next block overwrites one."""
    room = np.empty(min(BLOCK, n))
    for start in range(0, n, BLOCK):
        found = room[: min(BLOCK, n - start)]
        rng.random(out=found)
        yield found


def can_go_ahead(rng: np.random.Generator) -> bool:
    """Whether the generator can skip numbers, as numpy's default one."""
    return type(rng.bit_generator) is np.random.PCG64


def ahead(rng: np.random.Generator, n: int) -> np.random.Generator:
    """Return a copy of a generator after ``n`` more numbers of 64 bits."""
    copied = copy.deepcopy(rng)
    go_ahead(copied, n)
    return copied


def go_ahead(rng: np.random.Generator, n: int) -> None:
    """Go on by ``n`` numbers of 64 bits, without drawing them."""
    bits: Any = rng.bit_generator
    # Going ahead would forget a half number, which drawing whole ones leaves.
    kept = {name: bits.state[name] for name in ("has_uint32", "uinteger")}
    bits.advance(n)
    bits.state = bits.state | kept
