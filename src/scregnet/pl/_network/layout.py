"""Where the nodes of a drawn network lie: layouts of its components, packed into a box."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scregnet._validate import check_choice

if TYPE_CHECKING:
    import networkx as nx

LAYOUTS = ("spring", "kamada_kawai", "circular", "shell", "bipartite")
# These draw one figure of all nodes. The others are run on each component: together, components
# would drift apart.
FIGURES = ("circular", "shell", "bipartite")


def positions(
    graph: nx.DiGraph, layout: str, *, aspect: float, random_state: int | None
) -> np.ndarray:
    """Return the place of each node in the order of ``graph``, shape (nodes, 2).

    The places fill a box that is about ``aspect`` times as wide as high.
    """
    import networkx as nx

    check_choice("layout", layout, LAYOUTS)
    nodes = list(graph)
    # Sorted, so that the picture does not depend on the order of equally probable links.
    undirected = nx.Graph()
    undirected.add_nodes_from(sorted(nodes))
    undirected.add_edges_from(sorted(tuple(sorted(edge)) for edge in graph.edges))
    tfs = sorted((n for n in nodes if graph.nodes[n]["is_tf"]), key=lambda n: (-graph.degree[n], n))
    rng = np.random.default_rng(random_state)
    if layout in FIGURES:
        place = _whole(undirected, tfs, layout)
    else:
        boxes = [_component(part, layout, rng, aspect) for part in _components(undirected)]
        place = _pack(boxes, aspect)
    return np.array([place[node] for node in nodes], dtype=float)


def _whole(graph: nx.Graph, tfs: list[str], layout: str) -> dict[str, np.ndarray]:
    import networkx as nx

    others = [node for node in graph if node not in set(tfs)]
    if layout == "shell":
        return nx.shell_layout(graph, nlist=[part for part in (tfs, others) if part])
    if layout == "bipartite":
        return _columns(graph, tfs, others)
    ordered = nx.Graph()
    ordered.add_nodes_from([*tfs, *others])
    return nx.circular_layout(ordered)


def _columns(graph: nx.Graph, tfs: list[str], others: list[str]) -> dict[str, np.ndarray]:
    """Place TFs on the left and targets on the right, next to their neighbours.

    Each column is sorted by the mean height of a node's neighbours in the other column (the
    barycentre heuristic), targets and TFs in turn, four times each.
    """
    height = {node: i / max(len(tfs) - 1, 1) for i, node in enumerate(tfs)}
    columns = (tfs, others)
    for turn in range(1, 9):
        column, facing = columns[turn % 2], set(columns[1 - turn % 2])
        mean = {
            node: float(
                np.mean([height[other] for other in graph[node] if other in facing] or [0.5])
            )
            for node in column
        }
        ordered = sorted(column, key=lambda node: (mean[node], node))
        # A single node goes to the middle.
        last = len(ordered) - 1
        height.update({node: i / last if last else 0.5 for i, node in enumerate(ordered)})
    x = dict.fromkeys(tfs, 0.0) | dict.fromkeys(others, 1.0)
    return {node: np.array([x[node], height[node]]) for node in graph}


def _components(graph: nx.Graph) -> list[nx.Graph]:
    """Return the connected parts of a graph, the largest first, their nodes in sorted order."""
    import networkx as nx

    parts = sorted(nx.connected_components(graph), key=lambda part: (-len(part), min(part)))
    found = []
    for part in parts:
        # graph.subgraph() may go through its nodes in the order of a set, which changes from
        # session to session, and the layout of a component depends on the order of its nodes.
        component = nx.Graph()
        component.add_nodes_from(sorted(part))
        component.add_edges_from(edge for edge in graph.edges if edge[0] in part)
        found.append(component)
    return found


def _component(
    graph: nx.Graph, layout: str, rng: np.random.Generator, aspect: float
) -> dict[str, np.ndarray]:
    """Lay out a connected graph, its long side along that of the box.

    Its extent grows with the root of the number of nodes, so that all components are as dense.
    """
    import networkx as nx

    nodes = list(graph)
    if len(nodes) == 1:
        return {nodes[0]: np.zeros(2)}
    if len(nodes) == 2:
        return {nodes[0]: np.zeros(2), nodes[1]: np.array([1.0, 0.0])}
    if layout == "kamada_kawai":
        place = nx.kamada_kawai_layout(graph)
        points = np.array([place[node] for node in nodes])
    else:
        points = _spring(graph, rng)
    points -= points.mean(axis=0)
    # The principal axes, with fixed signs: linear algebra libraries differ in them.
    _, axes = np.linalg.eigh(points.T @ points)
    axes = axes[:, ::-1] if aspect >= 1 else axes
    axes *= np.where(np.abs(axes).max(axis=0) == axes.max(axis=0), 1, -1)
    points = points @ axes
    extent = np.ptp(points, axis=0)
    points *= np.sqrt(len(nodes)) / max(float(extent.max()), 1e-9)
    return dict(zip(nodes, points, strict=True))


def _spring(graph: nx.Graph, rng: np.random.Generator) -> np.ndarray:
    """Return the best of several spring layouts: the one with the fewest crossings of edges."""
    from scregnet.pl._network.forces import cool

    nodes = list(graph)
    index = {node: i for i, node in enumerate(nodes)}
    edges = np.array([(index[a], index[b]) for a, b in graph.edges if a != b], dtype=int)
    # The length of an edge at rest, 2.2 times networkx's default: labels need room.
    rest = 2.2 / np.sqrt(len(nodes))
    # A single start often ends in a tangle. Large graphs are tangles anyway, and take long.
    n_starts = 12 if len(nodes) <= 80 else 4 if len(nodes) <= 200 else 1
    turns = int(np.clip(4e8 / len(nodes) ** 2, 60, 200))
    found: list[tuple[int, np.ndarray]] = []
    for _ in range(n_starts):
        points = cool(rng.random((len(nodes), 2)), *edges.T.copy(), rest, turns)
        found.append((_crossings(points, edges) if n_starts > 1 else 0, points))
    return min(found, key=lambda one: one[0])[1]


def _crossings(points: np.ndarray, edges: np.ndarray) -> int:
    """Return how many pairs of edges without a common node cross."""
    a, b = points[edges[:, 0]], points[edges[:, 1]]
    along = b - a

    def side(point: np.ndarray) -> np.ndarray:
        """On which side of each edge each point lies: sign of the cross product."""
        gap = point[None] - a[:, None]
        return np.sign(along[:, None, 0] * gap[..., 1] - along[:, None, 1] * gap[..., 0])

    # Two edges cross where each has the ends of the other on both sides.
    apart = side(a) * side(b) < 0
    shared = (edges[:, None, :, None] == edges[None, :, None, :]).any(axis=(2, 3))
    return int((apart & apart.T & ~shared).sum()) // 2


def _pack(
    boxes: list[dict[str, np.ndarray]], aspect: float, gap: float = 1.0
) -> dict[str, np.ndarray]:
    """Put components next to each other, in a box about ``aspect`` times as wide as high."""
    low = np.array([np.min(list(box.values()), axis=0) for box in boxes])
    size = np.array([np.ptp(list(box.values()), axis=0) for box in boxes]) + gap
    # Which width wastes least room cannot be computed directly: several are tried.
    start = max(float(size[:, 0].max()), np.sqrt(float(size.prod(axis=1).sum()) * aspect) / 1.2)
    widths = start * np.linspace(1, 2, 15 if len(boxes) <= 60 else 4)
    tried = [_corners(size, float(width)) for width in widths]
    extents = [(corners + size).max(axis=0) for corners in tried]
    corners = tried[int(np.argmin([max(extent[0] / aspect, extent[1]) for extent in extents]))]
    # The largest component was placed first, at height 0. Turned over, it is at the top.
    top = (corners + size)[:, 1]
    place = {}
    for box, origin, x, y in zip(boxes, low, corners[:, 0], -top, strict=True):
        place.update({node: point - origin + np.array([x, y]) for node, point in box.items()})
    return place


def _corners(size: np.ndarray, width: float) -> np.ndarray:
    """Return the lower left corners of boxes, each as low and then as far left as it fits."""
    corners = np.zeros_like(size)
    for i in range(1, len(size)):
        taken_low, taken_high = corners[:i], corners[:i] + size[:i]
        x, y = np.meshgrid(np.unique([0.0, *taken_high[:, 0]]), np.unique([0.0, *taken_high[:, 1]]))
        spots = np.stack([x.ravel(), y.ravel()], axis=1)
        spots = spots[(spots[:, 0] + size[i, 0] <= width + 1e-9) | (spots[:, 0] == 0)]
        # meshgrid runs along x first: from low to high, and from left to right.
        for spot in spots:
            covers = (spot < taken_high - 1e-9) & (taken_low < spot + size[i] - 1e-9)
            if not covers.all(axis=1).any():
                corners[i] = spot
                break
    return corners


def spread(
    points: np.ndarray,
    radius: np.ndarray,
    edges: np.ndarray,
    *,
    apart: float,
    low: np.ndarray,
    high: np.ndarray,
    rounds: int | None = None,
) -> np.ndarray:
    """Push nodes away from each other, and from edges of other nodes that would seem to end there.

    All lengths are in points. Borders of nodes stay twice ``apart`` from each other, which leaves
    room for labels, as far as the box allows. ``rounds=None`` takes up to 200 rounds, fewer for
    large graphs; then only nodes that cover each other move.
    """
    # The only loops here; numba is imported by nobody who draws nothing.
    from scregnet.pl._network.forces import edge_push, node_push

    points = points.copy()
    if rounds is None:
        # In a crowded picture edges are everywhere: many rounds would push all nodes to the rim.
        rounds = int(np.clip(2_000_000 / max(len(points) * len(edges), 1), 5, 200))
    for _ in range(rounds):
        push = 0.5 * node_push(points, radius + max(apart, 2)) + edge_push(
            points, radius + 3, edges
        )
        # A twentieth of a point cannot be seen.
        if np.abs(push).max(initial=0) < 0.05:
            return points
        points = np.clip(points + push, low, high)
    for _ in range(50):
        push = node_push(points, radius + 1)
        if np.abs(push).max(initial=0) < 0.05:
            break
        points = np.clip(points + push, low, high)
    return points
