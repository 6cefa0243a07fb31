"""Draw a graph of links on axes: its nodes, arrows and labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scregnet._logging import logger
from scregnet.pl._network.edges import Nodes, draw_edges
from scregnet.pl._network.labels import place_labels
from scregnet.pl._network.layout import FIGURES, positions, spread
from scregnet.pl._network.legend import draw_legend

if TYPE_CHECKING:
    import networkx as nx
    from matplotlib.axes import Axes

    from scregnet.pl._network.fill import Fill
    from scregnet.pl._network.style import Style


def draw_network(
    ax: Axes,
    graph: nx.DiGraph,
    style: Style,
    *,
    layout: str,
    random_state: int | None,
    named: np.ndarray,
    keep_all: bool,
    legend: str | None,
    fill: Fill | None = None,
) -> None:
    """Draw ``graph`` as :func:`scregnet.get.graph` returns it, and label the nodes of a mask.

    ``keep_all`` draws the labels that cover others too. ``legend`` is the title of the legend;
    ``None`` draws none. ``fill`` has colours of nodes in place of those of TFs and targets.
    """
    nodes = Nodes.of(graph, style)
    ax.set_axis_off()
    if legend is not None:
        draw_legend(ax, graph, style, legend, fill)
    # A new figure makes room for legend and title only when it is drawn.
    ax.figure.canvas.figure.draw_without_rendering()
    sizes = _sizes(ax, nodes, style, named)
    # From here on, one unit of the axes is one point.
    frame = ax.get_window_extent()
    box = np.array([frame.width, frame.height]) * 72 / ax.figure.dpi
    ax.set(xlim=(0, box[0]), ylim=(0, box[1]))
    points = _places(graph, nodes, layout, random_state, sizes, box)
    draw_edges(ax, graph, nodes, points, style, layout)
    _draw_nodes(ax, nodes, points, style, fill)
    # Where there is no room for all labels: TFs first, then hubs.
    degree = np.bincount(nodes.edges.ravel(), minlength=len(graph))
    rank = np.full(len(graph), -1) if keep_all else -degree + 2 * degree.max() * ~nodes.is_tf
    offsets, room = place_labels(
        points,
        nodes.radius,
        sizes,
        nodes.edges,
        low=np.zeros(2),
        high=box,
        rank=rank if keep_all else rank - rank.min(),
    )
    for i in np.flatnonzero(room):
        _add_label(ax, nodes, style, int(i), points[i], offsets[i])
    if room.sum() < named.sum():
        logger.info(
            "%d of %d labels have room; a larger figsize=, a smaller font_size= or labels= with "
            "names shows others",
            room.sum(),
            named.sum(),
        )


def _add_label(
    ax: Axes, nodes: Nodes, style: Style, i: int, at: np.ndarray, to: np.ndarray
) -> None:
    """Write the name of a node next to it."""
    from matplotlib.patheffects import withStroke

    text = ax.annotate(
        nodes.names[i],
        (float(at[0]), float(at[1])),
        xytext=(float(to[0]), float(to[1])),
        textcoords="offset points",
        ha="center",
        va="center",
        # A gene name is never a formula.
        parse_math=False,
        fontsize=style.font_size,
        fontweight=_weight(nodes, i),
        path_effects=[withStroke(linewidth=2, foreground=ax.get_facecolor())],
        zorder=3,
    )
    # A label must not change the size of the axes: its place was found for this size.
    text.set_in_layout(False)


def _weight(nodes: Nodes, i: int) -> str:
    return "bold" if nodes.is_tf[i] else "normal"


def _sizes(ax: Axes, nodes: Nodes, style: Style, named: np.ndarray) -> np.ndarray:
    """Return width and height of the labels in points, zero where there is none."""
    from matplotlib.text import Text

    figure = ax.figure.canvas.figure
    # One text for all names: to measure it takes a tenth of what an annotation takes.
    text = Text(fontsize=style.font_size, parse_math=False)
    text.set_figure(figure)
    sizes = np.zeros((len(nodes.names), 2))
    for i in np.flatnonzero(named).tolist():
        text.set_text(nodes.names[i])
        text.set_fontweight(_weight(nodes, i))
        extent = text.get_window_extent()
        # Pixels to points: 72 of them are an inch.
        sizes[i] = np.array([extent.width, extent.height]) * 72 / figure.dpi
    return sizes


def _places(
    graph: nx.DiGraph,
    nodes: Nodes,
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


def _draw_nodes(
    ax: Axes, nodes: Nodes, points: np.ndarray, style: Style, fill: Fill | None
) -> None:
    is_tf = nodes.is_tf
    kinds = (("target", ~is_tf, "o", style.node_size), ("TF", is_tf, "s", style.tf_size))
    for label, mask, marker, size in kinds:
        if mask.any():
            ax.scatter(
                points[mask, 0],
                points[mask, 1],
                s=size**2,
                c=style.colours[label] if fill is None else np.array(fill.colours)[mask],
                marker=marker,
                edgecolors="white",
                linewidths=0.8,
                label=label,
                zorder=2,
                clip_on=False,
            )
