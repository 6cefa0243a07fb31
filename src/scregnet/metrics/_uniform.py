"""Random numbers of a generator, a block at a time."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np

BLOCK = 1 << 17
"""Random numbers drawn at a time: they stay in the CPU's caches."""


def uniform_blocks(rng: np.random.Generator, n: int) -> Iterator[np.ndarray]:
    """Yield the ``n`` numbers of ``rng.random`` in blocks; the next block may overwrite one."""
    sizes = [min(BLOCK, n - start) for start in range(0, n, BLOCK)]
    if not can_go_ahead(rng):
        yield from map(rng.random, sizes)
        return
    from scregnet.metrics._pcg64 import MULTIPLIER, fill

    stored: Any = rng.bit_generator.state
    state, step = stored["state"]["state"], stored["state"]["inc"]

    def after(state: int, n: int) -> int:
        """Return the state ``n`` numbers later."""
        factor, shift = _powers(MULTIPLIER, n)
        return (factor * state + shift * step) % 2**128

    found = np.empty(min(BLOCK, n))
    for size in sizes:
        begins = [divmod(after(state, part * (size // 4)), 2**64) for part in range(4)]
        fill(np.array(begins, np.uint64), np.array(divmod(step, 2**64), np.uint64), found[:size])
        yield found[:size]
        state = after(state, size)
    go_ahead(rng, n)


@cache
def _powers(factor: int, n: int) -> tuple[int, int]:
    """Return the ``n``-th power of a factor, and the sum of all lower ones, of 128 bits."""
    power, total = 1, 0
    for bit in bin(n)[2:]:
        power, total = power * power, total * (power + 1)
        if bit == "1":
            power, total = power * factor, total * factor + 1
        power, total = power % 2**128, total % 2**128
    return power, total


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
