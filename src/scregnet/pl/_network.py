"""Draw a graph of links on axes: its nodes, arrows, labels and legend."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from scregnet._validate import check_choice, listed
from scregnet.pl._labels import place_labels
from scregnet.pl._layout import FIGURES, positions, spread

if TYPE_CHECKING:
    import networkx as nx
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.text import Annotation

# Line widths in points of the least and of the most probable link.
_WIDTHS = (0.5, 1.7)
_DASHES = (0, (3.5, 1.8))
_COLOURS = {"TF": "#0072B2", "target": "#F2C75C", "known": "#6E6E6E", "new": "#D55E00"}


@dataclass(frozen=True)
class Style:
    """Colours by what they mark, and sizes in points."""

    colours: Mapping[str, str]
    node_size: float
    font_size: float

    @property
    def tf_size(self) -> float:
        return 1.4 * self.node_size


def network_colours(palette: Mapping[str, str] | None) -> dict[str, str]:
    """Return the colours of nodes and links, those of ``palette`` in place of the usual ones."""
    if palette is None:
        return dict(_COLOURS)
    if not isinstance(palette, Mapping):
        msg = (
            f"palette must be a mapping with the names {listed(_COLOURS)}, such as "
            f"{{'new': 'red'}}, got {palette!r}."
        )
        raise TypeError(msg)
    for name in palette:
        check_choice("palette", name, _COLOURS)
    return {**_COLOURS, **palette}


def draw_network(
    ax: Axes,
    graph: nx.DiGraph,
    style: Style,
    *,
    layout: str,
    random_state: int | None,
    named: np.ndarray,
    legend: bool,
) -> None:
    """Draw ``graph`` as :func:`scregnet.get.graph` makes it; ``named`` is the mask of the nodes that get a label."""
    is_tf = np.array([graph.nodes[node]["is_tf"] for node in graph])
    radius = np.where(is_tf, style.tf_size, style.node_size) / 2
    widths = _width_ends(graph)
    ax.set_axis_off()
    if legend:
        handles = _legend(graph, style, widths)
        ax.legend(
            handles=handles,
            loc="center left",
            bbox_to_anchor=(1.0, 0.5),
            frameon=False,
            fontsize="small",
            handlelength=2.2,
        )
    # A new figure makes room for legend and title only when it is drawn.
    ax.figure.canvas.figure.draw_without_rendering()
    texts = _texts(ax, graph, style, is_tf, named)
    sizes = _sizes(ax, texts, len(graph))
    edges = _indices(graph)
    points, box = _fit(ax, graph, edges, layout, random_state, radius, sizes)
    _draw_edges(ax, graph, style, points, radius, is_tf, widths, layout)
    _draw_nodes(ax, style, points, is_tf)
    offsets = place_labels(points, radius, sizes, edges, low=np.zeros(2), high=box)
    for i, text in texts.items():
        text.xy = (float(points[i, 0]), float(points[i, 1]))
        text.set_position((float(offsets[i, 0]), float(offsets[i, 1])))


def _indices(graph: nx.DiGraph) -> np.ndarray:
    """Edges as pairs of node numbers."""
    index = {node: i for i, node in enumerate(graph)}
    return np.array([(index[a], index[b]) for a, b in graph.edges], dtype=int).reshape(-1, 2)


def _width_ends(graph: nx.DiGraph) -> tuple[float, float]:
    """The probabilities drawn with the thinnest and the widest line."""
    weights = [weight for *_, weight in graph.edges(data="weight")]
    # Differences in the third decimal must not look like differences between weak and strong.
    return min(min(weights), max(weights) - 0.1), max(weights)


def _width(weight: float, ends: tuple[float, float]) -> float:
    return float(np.interp(weight, ends, _WIDTHS))


def _texts(
    ax: Axes, graph: nx.DiGraph, style: Style, is_tf: np.ndarray, named: np.ndarray
) -> dict[int, Annotation]:
    """The labels, not yet in place, by the number of their node."""
    from matplotlib.patheffects import withStroke

    nodes = list(graph)
    texts = {}
    for i in np.flatnonzero(named):
        texts[int(i)] = text = ax.annotate(
            nodes[i],
            (0, 0),
            xytext=(0, 0),
            textcoords="offset points",
            ha="center",
            va="center",
            # A gene name is never a formula.
            parse_math=False,
            fontsize=style.font_size,
            fontweight="bold" if is_tf[i] else "normal",
            path_effects=[withStroke(linewidth=2, foreground=ax.get_facecolor())],
            zorder=3,
        )
        # Labels must not change the layout that their places were found for.
        text.set_in_layout(False)
    return texts


def _sizes(ax: Axes, texts: dict[int, Annotation], n: int) -> np.ndarray:
    """Width and height of the labels in points, zero where there is none."""
    sizes = np.zeros((n, 2))
    for i, text in texts.items():
        extent = text.get_window_extent()
        sizes[i] = np.array([extent.width, extent.height]) * 72 / ax.figure.dpi
    return sizes


def _fit(
    ax: Axes,
    graph: nx.DiGraph,
    edges: np.ndarray,
    layout: str,
    random_state: int | None,
    radius: np.ndarray,
    sizes: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Set the limits of ``ax`` to its size in points and return the nodes' places and the box's size in them."""
    frame = ax.get_window_extent()
    box = np.array([frame.width, frame.height]) * 72 / ax.figure.dpi
    # In columns every label stands on the outer side; elsewhere most find room above and below too.
    share = np.array([1.1 if layout == "bipartite" else 0.6, 1.4])
    margin = np.minimum(box * 0.25, share * sizes.max(axis=0) + radius.max() + 1)
    room = box - 2 * margin
    place = positions(graph, layout, aspect=float(room[0] / room[1]), random_state=random_state)
    extent = np.ptp(place, axis=0)
    scale = room / np.maximum(extent, 1e-9)
    if layout != "bipartite":
        # A moderate stretch fills the box; more of it would bend circles of targets out of shape.
        scale = np.minimum(scale, 1.35 * scale.min())
    points = (place - place.min(axis=0) - extent / 2) * scale + box / 2
    # Nodes of a circle or column stay on it.
    if layout not in FIGURES:
        room_each = float(np.sqrt(room.prod() / len(points)))
        points = spread(
            points, radius, edges, apart=0.25 * room_each, low=margin, high=box - margin
        )
    ax.set(xlim=(0, box[0]), ylim=(0, box[1]))
    return points, box


def _draw_edges(
    ax: Axes,
    graph: nx.DiGraph,
    style: Style,
    points: np.ndarray,
    radius: np.ndarray,
    is_tf: np.ndarray,
    ends: tuple[float, float],
    layout: str,
) -> None:
    index = {node: i for i, node in enumerate(graph)}
    # Weak ones first, so that the strong ones lie on top.
    for source, target, link in sorted(
        graph.edges(data=True), key=lambda edge: (edge[2]["weight"], edge[0], edge[1])
    ):
        i, j = index[source], index[target]
        width = _width(link["weight"], ends)
        kind = "known" if link["in_prior"] else "new"
        look: dict[str, Any] = {
            "arrowstyle": "-|>,head_length=0.5,head_width=0.25",
            "mutation_scale": 6 + 1.5 * width,
            "linewidth": width,
            "linestyle": "-" if kind == "known" else _DASHES,
            "color": style.colours[kind],
            "gid": f"{kind}:{source}->{target}",
            "zorder": 1,
        }
        if i == j:
            ax.add_patch(_loop(ax, points[i], radius[i], look))
            continue
        gap = points[j] - points[i]
        bend = _bend(gap, layout, both_ways=graph.has_edge(target, source))
        look |= {
            "shrinkA": _border(radius[i], gap, square=is_tf[i]),
            # One point more, so that the tip does not touch the node.
            "shrinkB": _border(radius[j], gap, square=is_tf[j]) + 1,
            "connectionstyle": f"arc3,rad={bend}",
        }
        ax.add_patch(_arrow(points[i], points[j], look))


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
        # A straight line would run through the column's nodes; both directions bend into the free middle.
        return 0.25 * float(np.sign(gap[1]))
    # Two links between the same genes would lie on one line.
    return 0.18 if both_ways else 0.0


def _border(radius: float, direction: np.ndarray, *, square: bool) -> float:
    """Distance from the centre of a node to its border."""
    if not square:
        return float(radius)
    return float(radius * np.hypot(*direction) / max(np.abs(direction).max(), 1e-9))


def _draw_nodes(ax: Axes, style: Style, points: np.ndarray, is_tf: np.ndarray) -> None:
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


def _legend(graph: nx.DiGraph, style: Style, ends: tuple[float, float]) -> list[Artist]:
    """Return handles for what is in the picture, and for nothing else."""
    kinds = {is_tf for _, is_tf in graph.nodes(data="is_tf")}
    known = {in_prior for *_, in_prior in graph.edges(data="in_prior")}
    handles: list[Artist] = []
    if True in kinds:
        handles.append(_node_handle("TF", "s", style.tf_size, style))
    if False in kinds:
        handles.append(_node_handle("target", "o", style.node_size, style))
    middle = float(np.mean(_WIDTHS))
    if True in known:
        handles.append(_line_handle("known link", middle, style.colours["known"]))
    if False in known:
        handles.append(_line_handle("new link", middle, style.colours["new"], linestyle=_DASHES))
    return [*handles, *_width_handles(graph, ends)]


def _width_handles(graph: nx.DiGraph, ends: tuple[float, float]) -> list[Artist]:
    """Return handles for the width of the most and of the least probable link."""
    import matplotlib as mpl

    weights = [weight for *_, weight in graph.edges(data="weight")]
    colour = mpl.rcParams["text.color"]
    # By their text: two probabilities that read the same get one handle.
    shown: dict[str, float] = {}
    for value in (max(weights), min(weights)):
        shown.setdefault(_rounded(value), value)
    return [
        _line_handle(f"probability {text}", _width(value, ends), colour)
        for text, value in shown.items()
    ]


def _node_handle(label: str, marker: str, size: float, style: Style) -> Artist:
    from matplotlib.lines import Line2D

    return Line2D(
        [],
        [],
        linestyle="none",
        marker=marker,
        markersize=size,
        color=style.colours[label],
        markeredgecolor="white",
        markeredgewidth=0.8,
        label=label,
    )


def _line_handle(label: str, width: float, colour: str, linestyle: Any = "-") -> Artist:
    from matplotlib.lines import Line2D

    return Line2D([], [], color=colour, linewidth=width, linestyle=linestyle, label=label)


def _rounded(probability: float) -> str:
    """Two decimals, but never a certainty that the model does not claim."""
    text = f"{probability:.2f}"
    return {"1.00": "> 0.99", "0.00": "< 0.01"}.get(text, text) if 0 < probability < 1 else text
