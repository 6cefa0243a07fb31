"""The compiled loop that exchanges targets of links. networkx' own takes 60 µs a swap."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, no_type_check

from scregnet._compiled import compiled

if TYPE_CHECKING:
    import numpy as np


@partial(compiled, fastmath=frozenset())
@no_type_check
def swap_targets(
    sources: np.ndarray, targets: np.ndarray, there: np.ndarray, drawn: np.ndarray
) -> int:
    """Exchange the targets of drawn pairs of links, in place, and return how many were.

    Every gene keeps its numbers of regulators and targets. A pair stays as it is where the exchange
    would give a link twice, or a link from a gene to itself. ``there`` says which links there are.
    """
    n_swapped = 0
    for pair in range(len(drawn)):
        one, two = drawn[pair]
        a, b, c, d = sources[one], targets[one], sources[two], targets[two]
        if a in (c, d) or b in (c, d) or there[a, d] or there[c, b]:
            continue
        there[a, b] = there[c, d] = False
        there[a, d] = there[c, b] = True
        targets[one], targets[two] = d, b
        n_swapped += 1
    return n_swapped
