"""Where the labels of a drawn network go: next to their node, covering as little as possible."""

from __future__ import annotations

import numpy as np

from scregnet.pl._network.boxes import Behind, cost_of_others, neighbours, root_overlap

# A label tries these directions around its node, each at two distances (points) from it.
_ANGLES = np.deg2rad(np.arange(0, 360, 22.5))
_GAPS = (2.8, 7.5)

# Costs of a place, from heavy to light. Only their ratios matter.
_OUTSIDE = 20.0  # each point of a label beyond the box
_NODE = 8.0  # each point (root of the area) of a node that is covered
_LABEL = 6.0  # each point (root of the area) of a label that is covered
_TURN = 4.0  # 1 - cosine of the angle to the direction away from the neighbours
_EDGE = 2.5  # each sample of an edge that runs behind the label
_FAR = 0.8  # each point of distance from the node

# A box of text is larger than its letters: what shares less than this margin does not touch.
_LETTERS = np.array([0.98, 0.85])
# Points between two labels side by side, without which they read as one name.
_SPACE = np.array([3.0, 0.0])


def place_labels(
    nodes: np.ndarray,
    radius: np.ndarray,
    sizes: np.ndarray,
    edges: np.ndarray,
    *,
    low: np.ndarray,
    high: np.ndarray,
    rank: np.ndarray | None = None,
    rounds: int = 8,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the centre of each label relative to its node, and which labels have room.

    All lengths are in points. Each label tries places around its node. The cost of a place counts
    covered nodes and labels, what leaves the box, edges behind the label, the distance from the
    node, and the turn from the direction away from its neighbours. Labels move in turn until none
    finds a cheaper place. Then, in the order of ``rank``, those stay that cover no other label and
    no node.

    Parameters
    ----------
    nodes
        Centres of the nodes, shape (nodes, 2).
    radius
        Half the width of each node.
    sizes
        Width and height of each label, shape (nodes, 2); zero for nodes without one.
    edges
        Pairs of node indices, shape (edges, 2); a loop is a pair of the same.
    low, high
        Corners of the box in which labels should stay.
    rank
        Who comes first where there is no room for all: the lowest. Negative: stays in any case.
    rounds
        Largest number of passes over all labels.
    """
    offsets = _candidates(radius, sizes)
    named = np.flatnonzero(sizes.any(axis=1))
    fixed = np.zeros(offsets.shape[:2])
    fixed[named] = _fixed_cost(nodes, radius, sizes, edges, offsets, named, low, high)
    choice = fixed.argmin(axis=1)
    index = np.arange(len(nodes))
    centres = nodes + offsets[index, choice]
    # Labels farther away than this cannot be covered.
    reach = sizes.max(axis=0, initial=0) + sizes + 2 * radius[:, None] + 2 * max(_GAPS)
    near = neighbours(nodes, named, reach + 2 * radius.max(initial=0), named)
    # Labels whose best place is the worst go first.
    order = named[np.argsort(-fixed[named].min(axis=1), kind="stable")]
    moved = set(order.tolist())
    for _ in range(rounds):
        # Where no neighbour has moved since, the best place is still the best.
        turn, moved = [i for i in order.tolist() if i in moved], set()
        for i in turn:
            others = near[i]
            cover = root_overlap(
                nodes[i] + offsets[i], sizes[i] + 1.5, centres[others], sizes[others]
            )
            cost = fixed[i] + _LABEL * cover.sum(axis=1)
            best = int(cost.argmin())
            # A tie is no improvement; without this, labels could move in every round.
            if cost[best] < cost[choice[i]] - 1e-9:
                choice[i] = best
                centres[i] = nodes[i] + offsets[i, best]
                moved.update(others.tolist())
        if not moved:
            break
    if rank is None:
        rank = np.zeros(len(nodes))
    room = _with_room(nodes, radius, sizes, offsets, fixed, choice, near, rank)
    return offsets[index, choice], room


def _with_room(
    nodes: np.ndarray,
    radius: np.ndarray,
    sizes: np.ndarray,
    offsets: np.ndarray,
    fixed: np.ndarray,
    choice: np.ndarray,
    near: dict[int, np.ndarray],
    rank: np.ndarray,
) -> np.ndarray:
    """Return the mask of labels that cover nothing; move a label where that gives it room."""
    room = np.zeros(len(nodes), dtype=bool)
    named = np.array(sorted(near), dtype=int)
    reach = np.abs(offsets).max(axis=1) + sizes + radius.max(initial=0)
    close = neighbours(nodes, named, reach, np.arange(len(nodes)))
    boxes = 2 * np.stack([radius, radius], axis=1)
    for i in named[np.argsort(rank[named], kind="stable")].tolist():
        kept = near[i][room[near[i]]]
        centres, size = nodes[i] + offsets[i], sizes[i] * _LETTERS
        others = nodes[kept] + offsets[kept, choice[kept]]
        spaced = size + 2 * _SPACE
        covers = root_overlap(centres, spaced, others, sizes[kept] * _LETTERS).sum(axis=1)
        # A label may touch the rim of a node, but not hide it.
        covers += root_overlap(centres, size, nodes[close[i]], 0.6 * boxes[close[i]]).sum(axis=1)
        free = covers <= 0
        if free.any() and not free[choice[i]]:
            choice[i] = int(np.where(free, fixed[i], np.inf).argmin())
        room[i] = free[choice[i]] or rank[i] < 0
    return room


def _candidates(radius: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Return offsets at which a label just clears its node, shape (nodes, candidates, 2)."""
    direction = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], axis=1)
    # Steeper than the circle: labels slide along the sides of their node.
    slide = np.clip(1.5 * direction, -1, 1)
    parts = [
        (radius[:, None, None] + gap) * direction + sizes[:, None] / 2 * slide for gap in _GAPS
    ]
    return np.concatenate(parts, axis=1)


def _fixed_cost(
    nodes: np.ndarray,
    radius: np.ndarray,
    sizes: np.ndarray,
    edges: np.ndarray,
    offsets: np.ndarray,
    named: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
) -> np.ndarray:
    """Return the cost without other labels of the named nodes, shape (named, candidates)."""
    offsets, half = offsets[named], sizes[named, None] / 2
    centres = nodes[named, None] + offsets
    behind = Behind(_along(nodes, radius, edges)).count(centres, half + 1)
    outside = np.clip(low - (centres - half), 0, None) + np.clip((centres + half) - high, 0, None)
    unit = offsets / np.maximum(np.linalg.norm(offsets, axis=2, keepdims=True), 1e-9)
    turn = 1 - np.einsum("nck,nk->nc", unit, _away_from_neighbours(nodes, edges)[named])
    # Only nodes within reach of the label count, which are few even in a large network.
    reach = np.abs(offsets).max(axis=1) + half[:, 0] + radius.max(initial=0) + 2
    limits = np.zeros_like(sizes)
    limits[named] = reach
    close = neighbours(nodes, named, limits, np.arange(len(nodes)), with_self=True)
    boxes = 2 * np.stack([radius, radius], axis=1)
    covered = cost_of_others(centres, sizes[named] + 1, nodes, boxes, [close[i] for i in named])
    return (
        _NODE * covered
        + _EDGE * behind
        + _OUTSIDE * outside.sum(axis=2)
        + _TURN * turn
        + _FAR * np.repeat(_GAPS, len(_ANGLES))
    )


def _away_from_neighbours(nodes: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Return the unit vector from the neighbours to each node; zero where they surround it."""
    pull = np.zeros_like(nodes)
    a, b = edges[edges[:, 0] != edges[:, 1]].T
    gap = nodes[b] - nodes[a]
    unit = gap / np.maximum(np.linalg.norm(gap, axis=1, keepdims=True), 1e-9)
    np.add.at(pull, a, unit)
    np.add.at(pull, b, -unit)
    norm = np.linalg.norm(pull, axis=1, keepdims=True)
    # A short sum of unit vectors means neighbours on all sides: no direction leads away.
    return np.where(norm > 0.3, -pull / np.maximum(norm, 1e-9), 0.0)


def _along(
    nodes: np.ndarray, radius: np.ndarray, edges: np.ndarray, step: float = 4.0
) -> np.ndarray:
    """Return points along the edges, one every ``step``; a loop runs above its node."""
    loops = edges[edges[:, 0] == edges[:, 1], 0]
    # Three points at heights that the drawn loop reaches.
    parts = [
        nodes[loops] + np.stack([0 * radius[loops], height * radius[loops]], axis=1)
        for height in (1.5, 2.5, 3.5)
    ]
    gap = nodes[edges[:, 1]] - nodes[edges[:, 0]]
    n = (np.hypot(gap[:, 0], gap[:, 1]) // step).astype(int)
    inner = np.maximum(n - 1, 0)
    edge = np.repeat(np.arange(len(edges)), inner)
    # 1, 2, … along each edge.
    place = np.arange(len(edge)) - np.repeat(np.cumsum(inner) - inner, inner) + 1
    parts.append(nodes[edges[edge, 0]] + (place / n[edge])[:, None] * gap[edge])
    return np.concatenate(parts)
