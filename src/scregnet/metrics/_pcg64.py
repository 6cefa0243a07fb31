"""A compiled loop that draws random numbers, as numpy does in twice the time."""

from __future__ import annotations

from functools import partial
from typing import Any, no_type_check

import numpy as np

# What numba compiles with, and requires; numba has no product of 128 bits of its own.
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from scregnet._compiled import compiled

MULTIPLIER = 0x2360ED051FC65DA44385DF649FCCF645
"""Of the 128-bit state, from one number to the next."""

_HIGH, _LOW = (np.uint64(half) for half in divmod(MULTIPLIER, 2**64))


@intrinsic
@no_type_check
def _upper_half(_typing: Any, one: Any, other: Any) -> Any:
    """Return the upper 64 bits of the product of two numbers of 64 bits."""

    def generate(_context: Any, builder: Any, _signature: Any, given: Any) -> Any:
        wide = ir.IntType(128)
        product = builder.mul(*(builder.zext(number, wide) for number in given))
        return builder.trunc(builder.lshr(product, ir.Constant(wide, 64)), ir.IntType(64))

    return types.uint64(one, other), generate


@partial(compiled, fastmath=frozenset())
@no_type_check
def _next(
    high: np.uint64, low: np.uint64, step_high: np.uint64, step_low: np.uint64
) -> tuple[np.uint64, np.uint64, float]:
    """Return both halves of the next state, and its number from 0 to 1."""
    high = _upper_half(low, _LOW) + high * _LOW + low * _HIGH + step_high
    low = low * _LOW + step_low
    if low < step_low:
        high += np.uint64(1)
    mixed, turn = high ^ low, high >> np.uint64(58)
    mixed = (mixed >> turn) | (mixed << ((np.uint64(64) - turn) & np.uint64(63)))
    return high, low, float(mixed >> np.uint64(11)) * 2.0**-53


@partial(compiled, fastmath=frozenset())
@no_type_check
def fill(states: np.ndarray, step: np.ndarray, found: np.ndarray) -> None:
    """Fill an array with numbers from 0 to 1.

    The array has four parts of equal length, and a rest that continues the last. ``states`` has
    upper and lower half of the state before each part, (4, 2): a number waits for the one before
    it, so that four parts at a time are faster. ``step`` has both halves of what is added at each
    step. O'Neill, PCG: a family of simple fast space-efficient statistically good algorithms for
    random number generation (2014).
    """
    up, down = step
    n = len(found) // 4
    (h0, l0), (h1, l1), (h2, l2), (h3, l3) = states[0], states[1], states[2], states[3]
    for place in range(n):
        h0, l0, found[place] = _next(h0, l0, up, down)
        h1, l1, found[place + n] = _next(h1, l1, up, down)
        h2, l2, found[place + 2 * n] = _next(h2, l2, up, down)
        h3, l3, found[place + 3 * n] = _next(h3, l3, up, down)
    for place in range(4 * n, len(found)):
        h3, l3, found[place] = _next(h3, l3, up, down)
