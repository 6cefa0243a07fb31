"""How a drawn network looks: colours, sizes and widths of lines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from scregnet._validate import (
    check_choice,
    check_interval,
    listed,
    shortened,
)
from scregnet.pl._figure import check_colours

if TYPE_CHECKING:
    import networkx as nx

# Line widths in points of the least and of the most probable link.
WIDTHS = (0.5, 1.7)
DASHES = (0, (3.5, 1.8))
# Ends of arrows. The bar is a head without depth: matplotlib's own bar is dashed as its line is.
HEAD = "-|>,head_length=0.5,head_width=0.25"
BAR = "-|>,head_length=0.08,head_width=0.45"
MOST_POINTS = 1e6
"""Largest size of what is drawn, far beyond any page."""
_COLOURS = {"TF": "#0072B2", "target": "#F2C75C", "known": "#6E6E6E", "new": "#D55E00"}


@dataclass(frozen=True)
class Style:
    """Colours by what they mark, and sizes in points."""

    colours: Mapping[str, str]
    node_size: float
    font_size: float

    def __post_init__(self) -> None:
        check_interval("node_size", self.node_size, 0, MOST_POINTS, closed="neither")
        check_interval("font_size", self.font_size, 0, MOST_POINTS, closed="neither")

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
            f"{{'new': 'red'}}, got {shortened(palette)}."
        )
        raise TypeError(msg)
    for name in palette:
        check_choice("palette", name, _COLOURS)
    check_colours(palette.values())
    return {**_COLOURS, **palette}


def width_ends(graph: nx.DiGraph) -> tuple[float, float]:
    """Return the probabilities or scores with the thinnest and with the widest line."""
    weights = [link_weight(link) for *_, link in graph.edges(data=True)]
    if has_scores(graph):
        # They have no scale of their own: a tenth of the highest takes the place of 0.1.
        return min(min(weights), 0.9 * max(weights)), max(weights)
    # At least 0.1 apart: a difference in the third decimal must not look like a large one.
    return min(min(weights), max(weights) - 0.1), max(weights)


def has_scores(graph: nx.DiGraph) -> bool:
    """Whether the links have scores in place of probabilities."""
    return any("score" in link for *_, link in graph.edges(data=True))


def link_weight(link: Mapping[str, Any]) -> float:
    """Return the probability of a link, or its score."""
    return float(link["score"] if "score" in link else link["weight"])


def width(weight: float, ends: tuple[float, float]) -> float:
    """Return the width of the line of a link with probability ``weight``."""
    return float(np.interp(weight, ends, WIDTHS))


def represses(link: Mapping[str, Any]) -> bool:
    """Whether a link has a negative sign. An unknown one (NaN, or no sign at all) is not."""
    return link.get("sign", np.nan) < 0
