"""The legend of a drawn network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from scregnet.pl._network.style import (
    DASHES,
    WIDTHS,
    has_scores,
    link_weight,
    represses,
    width,
    width_ends,
)

if TYPE_CHECKING:
    import networkx as nx
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

    from scregnet.pl._network.fill import Fill
    from scregnet.pl._network.style import Style


def draw_legend(
    ax: Axes, graph: nx.DiGraph, style: Style, title: str, fill: Fill | None = None
) -> None:
    """Explain the shapes, colours and widths that occur in the picture, to its right."""
    ax.legend(
        title=title,
        title_fontsize="small",
        alignment="left",
        handles=[
            *_node_handles(graph, style, fill),
            *_link_handles(graph, style),
            *_sign_handles(graph),
            *_width_handles(graph),
        ],
        loc="center left",
        bbox_to_anchor=(1.0, 0.5),
        frameon=False,
        fontsize="small",
        handlelength=2.2,
    )


def _node_handles(graph: nx.DiGraph, style: Style, fill: Fill | None) -> list[Artist]:
    kinds = {is_tf for _, is_tf in graph.nodes(data="is_tf")}
    handles = []
    if True in kinds:
        handles.append(_node_handle("TF", "s", style.tf_size, _colour("TF", style, fill)))
    if False in kinds:
        colour = _colour("target", style, fill)
        handles.append(_node_handle("target", "o", style.node_size, colour))
    if fill is not None:
        # A gene name is no formula, and neither is the name of a group.
        handles += [
            _node_handle(f"{fill.title}: {name}".replace("$", r"\$"), "o", style.node_size, colour)
            for name, colour in fill.legend
        ]
    return handles


def _colour(kind: str, style: Style, fill: Fill | None) -> str:
    """Return the colour of a shape in the legend: none of its own where nodes are filled."""
    return style.colours[kind] if fill is None else "#777777"


def _link_handles(graph: nx.DiGraph, style: Style) -> list[Artist]:
    known = {in_prior for *_, in_prior in graph.edges(data="in_prior")}
    middle = float(np.mean(WIDTHS))
    handles = []
    if True in known:
        handles.append(_line_handle("known link", middle, style.colours["known"]))
    if False in known:
        handles.append(_line_handle("new link", middle, style.colours["new"], linestyle=DASHES))
    return handles


def _sign_handles(graph: nx.DiGraph) -> list[Artist]:
    """Return a handle for the bars of repressing links, if there are any."""
    import matplotlib as mpl
    from matplotlib.lines import Line2D

    if not any(represses(link) for *_, link in graph.edges(data=True)):
        return []
    # The sign ⊣ as a marker: a line that ends in a bar.
    look = {"marker": r"$\dashv$", "markersize": 9, "color": mpl.rcParams["text.color"]}
    return [Line2D([], [], linestyle="none", label="represses", **look)]


def _width_handles(graph: nx.DiGraph) -> list[Artist]:
    """Return handles for the width of the most and of the least probable link, or of scores."""
    import matplotlib as mpl

    weights = [link_weight(link) for *_, link in graph.edges(data=True)]
    name, text_of = ("score", "{:.3g}".format) if has_scores(graph) else ("probability", _rounded)
    colour = mpl.rcParams["text.color"]
    # By their text: two probabilities that read the same get one handle.
    shown: dict[str, float] = {}
    for value in (max(weights), min(weights)):
        shown.setdefault(text_of(value), value)
    return [
        _line_handle(f"{name} {text}", width(value, width_ends(graph)), colour)
        for text, value in shown.items()
    ]


def _node_handle(label: str, marker: str, size: float, colour: str) -> Artist:
    from matplotlib.lines import Line2D

    return Line2D(
        [],
        [],
        linestyle="none",
        marker=marker,
        markersize=size,
        color=colour,
        markeredgecolor="white",
        markeredgewidth=0.8,
        label=label,
    )


def _line_handle(label: str, linewidth: float, colour: str, linestyle: Any = "-") -> Artist:
    from matplotlib.lines import Line2D

    return Line2D([], [], color=colour, linewidth=linewidth, linestyle=linestyle, label=label)


def _rounded(probability: float) -> str:
    """Two decimals, but never a certainty that the model does not claim."""
    text = f"{probability:.2f}"
    return {"1.00": "> 0.99", "0.00": "< 0.01"}.get(text, text) if 0 < probability < 1 else text
