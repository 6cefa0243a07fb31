"""Where the labels of a drawn network go: next to their node, covering as little as possible."""

from __future__ import annotations

import numpy as np

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


def place_labels(
    nodes: np.ndarray,
    radius: np.ndarray,
    sizes: np.ndarray,
    edges: np.ndarray,
    *,
    low: np.ndarray,
    high: np.ndarray,
    rounds: int = 8,
) -> np.ndarray:
    """Return the centre of each label relative to its node, shape (nodes, 2).

    All lengths are in points. Each label tries places around its node. The cost of a place counts
    covered nodes and labels, what leaves the box, edges behind the label, the distance from the
    node, and the turn from the direction away from its neighbours. Labels move in turn until none
    finds a cheaper place.

    Parameters
    ----------
    nodes
        Centres of the nodes, shape (nodes, 2).
    radius
        Half the width of each node.
    sizes
        Width and height of each label, shape (nodes, 2).
    edges
        Pairs of node indices, shape (edges, 2); a loop is a pair of the same.
    low, high
        Corners of the box in which labels should stay.
    rounds
        Largest number of passes over all labels.
    """
    offsets = _candidates(radius, sizes)
    fixed = _fixed_cost(nodes, radius, sizes, edges, offsets, low, high)
    choice = fixed.argmin(axis=1)
    index = np.arange(len(nodes))
    centres = nodes + offsets[index, choice]
    # Labels whose best place is the worst go first. Nodes without a label have size zero.
    order = np.argsort(-fixed.min(axis=1), kind="stable")
    order = order[sizes[order].any(axis=1)]
    for _ in range(rounds):
        moved = False
        for i in order:
            # Labels farther away than this cannot be covered.
            reach = sizes.max(axis=0) + sizes[i] + 2 * radius[i] + 2 * max(_GAPS)
            others = (index != i) & (np.abs(centres - nodes[i]) < reach).all(axis=1)
            cover = _overlap(nodes[i] + offsets[i], sizes[i] + 1.5, centres[others], sizes[others])
            cost = fixed[i] + _LABEL * cover.sum(axis=1)
            best = int(cost.argmin())
            # A tie is no improvement; without this, labels could move in every round.
            if cost[best] < cost[choice[i]] - 1e-9:
                choice[i] = best
                centres[i] = nodes[i] + offsets[i, best]
                moved = True
        if not moved:
            break
    return offsets[index, choice]


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
    low: np.ndarray,
    high: np.ndarray,
) -> np.ndarray:
    """Return the cost without other labels, shape (nodes, candidates)."""
    away = _away_from_neighbours(nodes, edges)
    samples = _along(nodes, radius, edges)
    node_boxes = 2 * np.stack([radius, radius], axis=1)
    cost = np.zeros(offsets.shape[:2])
    for i in np.flatnonzero(sizes.any(axis=1)):
        centre = nodes[i] + offsets[i]
        half = sizes[i] / 2
        # Only what is within reach of the label counts, which is little even in a large network.
        reach = np.abs(offsets[i]).max(axis=0) + half + radius.max() + 2
        close = (np.abs(nodes - nodes[i]) < reach).all(axis=1)
        covered = _overlap(centre, sizes[i] + 1, nodes[close], node_boxes[close])
        near = samples[(np.abs(samples - nodes[i]) < reach).all(axis=1)]
        behind = (np.abs(near[None] - centre[:, None]) < half + 1).all(axis=2).sum(axis=1)
        outside = np.clip(low - (centre - half), 0, None) + np.clip((centre + half) - high, 0, None)
        unit = offsets[i] / np.maximum(np.linalg.norm(offsets[i], axis=1, keepdims=True), 1e-9)
        turn = 1 - unit @ away[i]
        far = np.repeat(_GAPS, len(_ANGLES))
        cost[i] = (
            _NODE * covered.sum(axis=1)
            + _EDGE * behind
            + _OUTSIDE * outside.sum(axis=1)
            + _TURN * turn
            + _FAR * far
        )
    return cost


def _overlap(
    centres: np.ndarray, size: np.ndarray, others: np.ndarray, other_sizes: np.ndarray
) -> np.ndarray:
    """Return the root of the area that boxes share, shape (centres, others)."""
    room = (size + other_sizes)[None] / 2 - np.abs(centres[:, None] - others[None])
    room = np.minimum(np.clip(room, 0, None), np.minimum(size, other_sizes)[None])
    return np.sqrt(room.prod(axis=2))


def _away_from_neighbours(nodes: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Return the unit vector from the neighbours to each node; zero where they surround it."""
    pull = np.zeros_like(nodes)
    for a, b in edges[edges[:, 0] != edges[:, 1]]:
        gap = nodes[b] - nodes[a]
        unit = gap / max(float(np.hypot(*gap)), 1e-9)
        pull[a] += unit
        pull[b] -= unit
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
    for a, b in edges:
        n = int(np.hypot(*(nodes[b] - nodes[a])) // step)
        if n > 1:
            parts.append(nodes[a] + np.linspace(0, 1, n + 1)[1:-1, None] * (nodes[b] - nodes[a]))
    return np.concatenate(parts)
