"""Draw a graph of links on axes: its nodes, arrows and labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from scregnet.pl._labels import place_labels
from scregnet.pl._layout import FIGURES, positions, spread
from scregnet.pl._legend import draw_legend
from scregnet.pl._style import BAR, DASHES, HEAD, link_weight, represses, width, width_ends

if TYPE_CHECKING:
    import networkx as nx
    from matplotlib.axes import Axes
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.text import Annotation

    from scregnet.pl._style import Style


@dataclass(frozen=True, eq=False)
class _Nodes:
    """Nodes in the order of the graph; half their width in points; edges as pairs of numbers."""

    names: list[str]
    is_tf: np.ndarray
    radius: np.ndarray
    edges: np.ndarray

    @classmethod
    def of(cls, graph: nx.DiGraph, style: Style) -> _Nodes:
        names = list(graph)
        is_tf = np.array([graph.nodes[node]["is_tf"] for node in names])
        index = {node: i for i, node in enumerate(names)}
        edges = np.array([(index[a], index[b]) for a, b in graph.edges], dtype=int)
        radius = np.where(is_tf, style.tf_size, style.node_size) / 2
        return cls(names, is_tf, radius, edges.reshape(-1, 2))


def draw_network(
    ax: Axes,
    graph: nx.DiGraph,
    style: Style,
    *,
    layout: str,
    random_state: int | None,
    named: np.ndarray,
    legend: str | None,
) -> None:
    """Draw ``graph`` as :func:`scregnet.get.graph` returns it, and label the nodes of a mask.

    ``legend`` is the title of the legend; ``None`` draws none.
    """
    nodes = _Nodes.of(graph, style)
    ax.set_axis_off()
    if legend is not None:
        draw_legend(ax, graph, style, legend)
    # A new figure makes room for legend and title only when it is drawn.
    ax.figure.canvas.figure.draw_without_rendering()
    texts = _texts(ax, nodes, style, named)
    sizes = _sizes(ax, texts, len(graph))
    # From here on, one unit of the axes is one point.
    frame = ax.get_window_extent()
    box = np.array([frame.width, frame.height]) * 72 / ax.figure.dpi
    ax.set(xlim=(0, box[0]), ylim=(0, box[1]))
    points = _places(graph, nodes, layout, random_state, sizes, box)
    _draw_edges(ax, graph, nodes, points, style, layout)
    _draw_nodes(ax, nodes, points, style)
    offsets = place_labels(points, nodes.radius, sizes, nodes.edges, low=np.zeros(2), high=box)
    for i, text in texts.items():
        text.xy = (float(points[i, 0]), float(points[i, 1]))
        text.set_position((float(offsets[i, 0]), float(offsets[i, 1])))


def _texts(ax: Axes, nodes: _Nodes, style: Style, named: np.ndarray) -> dict[int, Annotation]:
    """Add the labels, not yet in place; return them by the number of their node."""
    from matplotlib.patheffects import withStroke

    texts = {}
    for i in np.flatnonzero(named):
        texts[int(i)] = text = ax.annotate(
            nodes.names[i],
            (0, 0),
            xytext=(0, 0),
            textcoords="offset points",
            ha="center",
            va="center",
            # A gene name is never a formula.
            parse_math=False,
            fontsize=style.font_size,
            fontweight="bold" if nodes.is_tf[i] else "normal",
            path_effects=[withStroke(linewidth=2, foreground=ax.get_facecolor())],
            zorder=3,
        )
        # A label must not change the size of the axes: places are found for this size.
        text.set_in_layout(False)
    return texts


def _sizes(ax: Axes, texts: dict[int, Annotation], n: int) -> np.ndarray:
    """Return width and height of the labels in points, zero where there is none."""
    sizes = np.zeros((n, 2))
    for i, text in texts.items():
        extent = text.get_window_extent()
        # Pixels to points: 72 of them are an inch.
        sizes[i] = np.array([extent.width, extent.height]) * 72 / ax.figure.dpi
    return sizes


def _places(
    graph: nx.DiGraph,
    nodes: _Nodes,
    layout: str,
    random_state: int | None,
    sizes: np.ndarray,
    box: np.ndarray,
) -> np.ndarray:
    """Return the places of the nodes in a box, with a margin for labels of these sizes."""
    # In columns, all labels are on the outer side; elsewhere, most have room above or below.
    share = np.array([1.1 if layout == "bipartite" else 0.6, 1.4])
    margin = np.minimum(box * 0.25, share * sizes.max(axis=0) + nodes.radius.max() + 1)
    room = box - 2 * margin
    place = positions(graph, layout, aspect=float(room[0] / room[1]), random_state=random_state)
    extent = np.ptp(place, axis=0)
    scale = room / np.maximum(extent, 1e-9)
    if layout != "bipartite":
        # A moderate stretch fills the box; more would distort circles of targets.
        scale = np.minimum(scale, 1.35 * scale.min())
    points = (place - place.min(axis=0) - extent / 2) * scale + box / 2
    # Nodes of a circle or column stay on it.
    if layout in FIGURES:
        return points
    apart = 0.25 * float(np.sqrt(room.prod() / len(points)))
    return spread(points, nodes.radius, nodes.edges, apart=apart, low=margin, high=box - margin)


def _draw_edges(
    ax: Axes,
    graph: nx.DiGraph,
    nodes: _Nodes,
    points: np.ndarray,
    style: Style,
    layout: str,
) -> None:
    index = {node: i for i, node in enumerate(nodes.names)}
    ends = width_ends(graph)
    # Weak ones first, so that the strong ones lie on top.
    links = sorted(graph.edges(data=True), key=lambda edge: (link_weight(edge[2]), *edge[:2]))
    for source, target, link in links:
        i, j = index[source], index[target]
        look = _look(source, target, link, style, ends)
        if i == j:
            ax.add_patch(_loop(ax, points[i], nodes.radius[i], look))
            continue
        gap = points[j] - points[i]
        bend = _bend(gap, layout, both_ways=graph.has_edge(target, source))
        look |= {
            "shrinkA": _border(nodes.radius[i], gap, square=nodes.is_tf[i]),
            # One point more, so that the tip does not touch the node.
            "shrinkB": _border(nodes.radius[j], gap, square=nodes.is_tf[j]) + 1,
            "connectionstyle": f"arc3,rad={bend}",
        }
        ax.add_patch(_arrow(points[i], points[j], look))


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


def _draw_nodes(ax: Axes, nodes: _Nodes, points: np.ndarray, style: Style) -> None:
    is_tf = nodes.is_tf
    kinds = (("target", ~is_tf, "o", style.node_size), ("TF", is_tf, "s", style.tf_size))
    for label, mask, marker, size in kinds:
        if mask.any():
            ax.scatter(
                points[mask, 0],
                points[mask, 1],
                s=size**2,
                c=style.colours[label],
                marker=marker,
                edgecolors="white",
                linewidths=0.8,
                label=label,
                zorder=2,
                clip_on=False,
            )
