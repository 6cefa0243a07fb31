"""Arrows of a drawn network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from scregnet.pl._network.style import (
    BAR,
    DASHES,
    HEAD,
    link_weight,
    represses,
    width,
    width_ends,
)

if TYPE_CHECKING:
    import networkx as nx
    from matplotlib.axes import Axes
    from matplotlib.patches import FancyArrowPatch

    from scregnet.pl._network.style import Style

# Up to here each link is an arrow of its own, which an SVG file names.
MOST_ARROWS = 300


@dataclass(frozen=True, eq=False)
class Nodes:
    """Nodes in the order of the graph; half their width in points; edges as pairs of numbers."""

    names: list[str]
    is_tf: np.ndarray
    radius: np.ndarray
    edges: np.ndarray

    @classmethod
    def of(cls, graph: nx.DiGraph, style: Style) -> Nodes:
        names = list(graph)
        is_tf = np.array([graph.nodes[node]["is_tf"] for node in names])
        index = {node: i for i, node in enumerate(names)}
        edges = np.array([(index[a], index[b]) for a, b in graph.edges], dtype=int)
        radius = np.where(is_tf, style.tf_size, style.node_size) / 2
        return cls(names, is_tf, radius, edges.reshape(-1, 2))


def draw_edges(
    ax: Axes,
    graph: nx.DiGraph,
    nodes: Nodes,
    points: np.ndarray,
    style: Style,
    layout: str,
) -> None:
    """Draw an arrow for each link: one by one, or all as a few shapes where there are many."""
    index = {node: i for i, node in enumerate(nodes.names)}
    ends = width_ends(graph)
    # Weak ones first, so that the strong ones lie on top.
    links = sorted(graph.edges(data=True), key=lambda edge: (link_weight(edge[2]), *edge[:2]))
    many: list[tuple[np.ndarray, np.ndarray, dict[str, Any]]] = []
    for source, target, link in links:
        i, j = index[source], index[target]
        look = _look(source, target, link, style, ends)
        if i == j:
            ax.add_artist(_loop(ax, points[i], nodes.radius[i], look))
            continue
        gap = points[j] - points[i]
        bend = _bend(gap, layout, both_ways=graph.has_edge(target, source))
        look |= {
            "shrinkA": _border(nodes.radius[i], gap, square=nodes.is_tf[i]),
            # One point more, so that the tip does not touch the node.
            "shrinkB": _border(nodes.radius[j], gap, square=nodes.is_tf[j]) + 1,
        }
        if len(links) > MOST_ARROWS:
            many.append((points[i], points[j], look | {"bend": bend}))
            continue
        # add_artist, not add_patch: the limits of the axes are set, and need not be updated.
        ax.add_artist(_arrow(points[i], points[j], look | {"connectionstyle": f"arc3,rad={bend}"}))
    if many:
        _draw_shapes(ax, many)


def _look(
    source: str, target: str, link: dict[str, Any], style: Style, ends: tuple[float, float]
) -> dict[str, Any]:
    linewidth = width(link_weight(link), ends)
    kind = "known" if link["in_prior"] else "new"
    return {
        "arrowstyle": BAR if represses(link) else HEAD,
        # Size of the arrow head.
        "mutation_scale": 6 + 1.5 * linewidth,
        "linewidth": linewidth,
        "linestyle": "-" if kind == "known" else DASHES,
        "color": style.colours[kind],
        # Names the arrow in an SVG file.
        "gid": f"{kind}:{source}->{target}",
        "zorder": 1,
    }


def _arrow(start: np.ndarray, end: np.ndarray, look: dict[str, Any]) -> FancyArrowPatch:
    from matplotlib.patches import FancyArrowPatch

    return FancyArrowPatch(tuple(start), tuple(end), **look)


def _draw_shapes(ax: Axes, arrows: list[tuple[np.ndarray, np.ndarray, dict[str, Any]]]) -> None:
    """Draw many arrows as one collection of lines and one of heads, which is much faster."""
    from matplotlib.collections import PathCollection, PolyCollection
    from matplotlib.colors import to_rgba
    from matplotlib.path import Path

    looks = [look for *_, look in arrows]
    start, end = (np.array([arrow[k] for arrow in arrows]) for k in (0, 1))
    column = lambda name: np.array([look[name] for look in looks])[:, None]
    gap = end - start
    # The control point of matplotlib's arc3.
    middle = (start + end) / 2 + column("bend") * np.stack([gap[:, 1], -gap[:, 0]], axis=1)
    unit = lambda way: way / np.maximum(np.linalg.norm(way, axis=1, keepdims=True), 1e-9)
    way = unit(end - middle)
    start = start + column("shrinkA") * unit(middle - start)
    end = end - column("shrinkB") * way
    size = column("mutation_scale")
    bars = np.array([look["arrowstyle"] == BAR for look in looks])[:, None]
    length, half = (size * np.where(bars, *ends) for ends in ((0.08, 0.5), (0.45, 0.25)))
    side = half * np.stack([way[:, 1], -way[:, 0]], axis=1)
    base = end - length * way
    codes = [Path.MOVETO, Path.CURVE3, Path.CURVE3]
    # Thousands of lines would be one dark area: they shine through, so that density shows.
    alpha = max((MOST_ARROWS / len(arrows)) ** 0.5, 0.2)
    colours = [to_rgba(look["color"], alpha) for look in looks]
    lines = PathCollection(
        [Path(line, codes) for line in np.stack([start, middle, base], axis=1)],
        facecolors="none",
        edgecolors=colours,
        linewidths=[look["linewidth"] for look in looks],
        linestyles=[look["linestyle"] for look in looks],
        zorder=1,
        gid="links",
    )
    bar_or_head = np.stack([base + side, base - side, end - bars * side, end + bars * side], axis=1)
    heads = PolyCollection(
        list(bar_or_head), facecolors=colours, edgecolors=colours, linewidths=0.3
    )
    heads.set(zorder=1, gid="heads")
    for shapes in (lines, heads):
        ax.add_collection(shapes, autolim=False)


def _loop(ax: Axes, point: np.ndarray, radius: float, look: dict[str, Any]) -> FancyArrowPatch:
    """Return the arrow from a node to itself: a Bézier curve above the node, in its radii."""
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.path import Path
    from matplotlib.transforms import ScaledTranslation

    loop = np.array([(-0.4, 1.0), (-2.6, 4.2), (2.6, 4.2), (0.5, 1.2)]) * radius / 72
    # matplotlib's stubs ask for an affine; any transform that places a point will do.
    place = ScaledTranslation(point[0], point[1], cast("Any", ax.transData))
    transform = ax.figure.dpi_scale_trans + place
    codes = [Path.MOVETO, Path.CURVE4, Path.CURVE4, Path.CURVE4]
    return FancyArrowPatch(path=Path(loop, codes), transform=transform, **look)


def _bend(gap: np.ndarray, layout: str, *, both_ways: bool) -> float:
    if layout == "bipartite" and abs(gap[0]) < 1:
        # A straight line would run through the nodes of the column: bend into the free middle.
        return 0.25 * float(np.sign(gap[1]))
    # Two links between the same genes would lie on one line.
    return 0.18 if both_ways else 0.0


def _border(radius: float, direction: np.ndarray, *, square: bool) -> float:
    """Return the distance from the centre of a node to its border in a direction."""
    if not square:
        return float(radius)
    return float(radius * np.hypot(*direction) / max(np.abs(direction).max(), 1e-9))
