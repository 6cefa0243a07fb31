"""Boxes on a page: which are close, how much they share, and how many points lie in one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

# Width of a square in which points are counted, in points of a page.
_SQUARE = 1.0
# Numbers of boxes × candidates that are compared at a time: some tens of MB.
_AT_A_TIME = 500_000


class Behind:
    """How many points lie in boxes: sums over squares, so that a box takes four look-ups."""

    def __init__(self, points: np.ndarray) -> None:
        low = points.min(axis=0, initial=0) - _SQUARE if len(points) else np.zeros(2)
        squares = ((points - low) / _SQUARE).astype(int)
        shape = squares.max(axis=0, initial=0) + 2
        counts = np.zeros(shape, dtype=np.int32)
        np.add.at(counts, (squares[:, 0], squares[:, 1]), 1)
        self._low = low
        self._sums = np.zeros(shape + 1, dtype=np.int64)
        self._sums[1:, 1:] = counts.cumsum(axis=0).cumsum(axis=1)

    def count(self, centres: np.ndarray, half: np.ndarray) -> np.ndarray:
        """Return the number of points in each box, to within the width of a square."""
        shape = np.array(self._sums.shape) - 1
        ends = [
            np.clip(np.rint((end - self._low) / _SQUARE), 0, shape).astype(int)
            for end in (centres - half, centres + half)
        ]
        (x0, y0), (x1, y1) = (np.moveaxis(end, -1, 0) for end in ends)
        sums = self._sums
        return sums[x1, y1] - sums[x0, y1] - sums[x1, y0] + sums[x0, y0]


def neighbours(
    nodes: np.ndarray,
    wanted: np.ndarray,
    reach: np.ndarray,
    among: np.ndarray,
    *,
    with_self: bool = False,
) -> dict[int, np.ndarray]:
    """Return the nodes of ``among`` that are closer than ``reach`` in x and y, for each wanted."""
    order = among[np.argsort(nodes[among, 0], kind="stable")]
    x = nodes[order, 0]
    found = {}
    for i in wanted.tolist():
        first, last = np.searchsorted(x, (nodes[i, 0] - reach[i, 0], nodes[i, 0] + reach[i, 0]))
        part = order[first:last]
        part = part[np.abs(nodes[part, 1] - nodes[i, 1]) < reach[i, 1]]
        found[i] = np.sort(part if with_self else part[part != i])
    return found


def cost_of_others(
    centres: np.ndarray,
    size: np.ndarray,
    others: np.ndarray,
    other_sizes: np.ndarray,
    close: Sequence[np.ndarray],
) -> np.ndarray:
    """Return the sum of the roots of the areas shared with close boxes, shape (boxes, candidates).

    ``centres`` has the candidate places of each box, shape (boxes, candidates, 2).
    """
    total = np.zeros(centres.shape[:2])
    lengths = np.array([len(part) for part in close], dtype=int)
    box = np.repeat(np.arange(len(close)), lengths)
    other = np.concatenate(close) if len(close) else np.zeros(0, dtype=int)
    step = max(_AT_A_TIME // max(centres.shape[1], 1), 1)
    for start in range(0, len(box), step):
        i, j = box[start : start + step], other[start : start + step]
        both = size[i] + other_sizes[j]
        room = both[:, None] / 2 - np.abs(centres[i] - others[j, None])
        room = np.minimum(np.clip(room, 0, None), np.minimum(size[i], other_sizes[j])[:, None])
        np.add.at(total, i, np.sqrt(room.prod(axis=2)))
    return total


def root_overlap(
    centres: np.ndarray, size: np.ndarray, others: np.ndarray, other_sizes: np.ndarray
) -> np.ndarray:
    """Return the root of the area that boxes share, shape (centres, others)."""
    room = (size + other_sizes)[None] / 2 - np.abs(centres[:, None] - others[None])
    room = np.minimum(np.clip(room, 0, None), np.minimum(size, other_sizes)[None])
    return np.sqrt(room.prod(axis=2))
