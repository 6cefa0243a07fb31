"""Loops over pairs of nodes, and over nodes and edges, that place a large network."""

from __future__ import annotations

import numpy as np

from scregnet._compiled import compiled


def _cool(
    points: np.ndarray, starts: np.ndarray, ends: np.ndarray, rest: float, rounds: int
) -> np.ndarray:
    """Return places by the forces of Fruchterman and Reingold (1991), cooled linearly.

    Nodes push each other away with ``rest²/distance``, edges pull with ``distance²/rest``.
    """
    n = len(points)
    place = points.copy()
    widest = 0.0
    for axis in range(2):
        widest = max(widest, place[:, axis].max() - place[:, axis].min())
    for turn in range(rounds):
        move = np.zeros((n, 2))
        for i in range(n):
            x, y = place[i, 0], place[i, 1]
            for j in range(i):
                dx, dy = x - place[j, 0], y - place[j, 1]
                push = rest * rest / max(dx * dx + dy * dy, 1e-4)
                move[i, 0] += dx * push
                move[i, 1] += dy * push
                move[j, 0] -= dx * push
                move[j, 1] -= dy * push
        for edge in range(len(starts)):
            i, j = starts[edge], ends[edge]
            dx, dy = place[i, 0] - place[j, 0], place[i, 1] - place[j, 1]
            pull = np.sqrt(dx * dx + dy * dy) / rest
            move[i, 0] -= dx * pull
            move[i, 1] -= dy * pull
            move[j, 0] += dx * pull
            move[j, 1] += dy * pull
        warm = 0.1 * widest * (1 - turn / (rounds + 1))
        for i in range(n):
            length = max(np.sqrt(move[i, 0] ** 2 + move[i, 1] ** 2), 0.01)
            place[i, 0] += move[i, 0] * warm / length
            place[i, 1] += move[i, 1] * warm / length
    return place


def _edge_push(points: np.ndarray, radius: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Return the push of nodes off edges that run through them, and of the ends of those edges."""
    push = np.zeros_like(points)
    widest = radius.max()
    for e in range(len(edges)):
        a, b = edges[e, 0], edges[e, 1]
        ax, ay = points[a, 0], points[a, 1]
        along_x, along_y = points[b, 0] - ax, points[b, 1] - ay
        square = max(along_x * along_x + along_y * along_y, 1e-9)
        length = np.sqrt(square)
        low_x, high_x = min(ax, points[b, 0]) - widest, max(ax, points[b, 0]) + widest
        low_y, high_y = min(ay, points[b, 1]) - widest, max(ay, points[b, 1]) + widest
        for i in range(len(points)):
            x, y = points[i, 0], points[i, 1]
            # Most nodes are far away: comparing is much cheaper than dividing.
            if x < low_x or x > high_x or y < low_y or y > high_y:
                continue
            # Distance to the whole line, times the length of the edge.
            if abs((x - ax) * along_y - (y - ay) * along_x) >= radius[i] * length:
                continue
            if i in (a, b):
                continue
            gap_x, gap_y = x - ax, y - ay
            # How far along the edge the closest point lies: 0 at its start, 1 at its end.
            share = (gap_x * along_x + gap_y * along_y) / square
            if share <= 0 or share >= 1:
                continue
            off_x, off_y = gap_x - share * along_x, gap_y - share * along_y
            distance = np.sqrt(off_x * off_x + off_y * off_y)
            if distance >= radius[i]:
                continue
            if distance > 1e-6:
                off_x, off_y = off_x / distance, off_y / distance
            else:
                off_x, off_y = -along_y / length, along_x / length
            short = radius[i] - distance
            push[i, 0] += 0.5 * off_x * short
            push[i, 1] += 0.5 * off_y * short
            # The edge gives way too, the end that is closer to the node more.
            push[a, 0] -= 0.25 * off_x * short * (1 - share)
            push[a, 1] -= 0.25 * off_y * short * (1 - share)
            push[b, 0] -= 0.25 * off_x * short * share
            push[b, 1] -= 0.25 * off_y * short * share
    return push


def _node_push(points: np.ndarray, radius: np.ndarray) -> np.ndarray:
    """Return the push of each node off the nodes that are closer than the sum of their radii."""
    push = np.zeros_like(points)
    for i in range(len(points)):
        for j in range(i):
            dx, dy = points[i, 0] - points[j, 0], points[i, 1] - points[j, 1]
            reach = radius[i] + radius[j]
            if abs(dx) >= reach or abs(dy) >= reach:
                continue
            distance = np.sqrt(dx * dx + dy * dy)
            if distance >= reach:
                continue
            if distance > 1e-6:
                dx, dy = dx / distance, dy / distance
            else:
                # Nodes on one spot have no direction between them: each pair gets a fixed one.
                # 2.4 radians is the golden angle, which spreads the directions of many pairs.
                dx, dy = np.cos(2.4 * (i - j)), np.sin(2.4 * (i - j))
            half = (reach - distance) / 2
            push[i, 0] += dx * half
            push[i, 1] += dy * half
            push[j, 0] -= dx * half
            push[j, 1] -= dy * half
    return push


cool = compiled(_cool)
edge_push = compiled(_edge_push)
node_push = compiled(_node_push)
