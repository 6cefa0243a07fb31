"""Fill the page with a network."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np

from scregnet._text import write_whole
from scregnet.pl._network.labels import place_labels
from scregnet.pl._network.layout import FIGURES, positions, spread

if TYPE_CHECKING:
    import networkx as nx

# Pixels between the nodes of a page, which one can enlarge: labels need room.
_PIXELS = 80.0
# Half of the distance that nodes keep, and half of the widths of targets and TFs, in pixels.
_APART = 22.0
_RADII = (6.5, 9.5)
# Heights of letters of targets and TFs, and their mean width: a page's font is not known here.
_FONTS = (10.0, 11.5)
_LETTER = 0.66


@dataclass(frozen=True)
class NetworkPage:
    """A network as an HTML page. A notebook shows it."""

    html: str
    height: int

    def save(self, path: str | PathLike[str]) -> None:
        """Write the page to a file, which needs nothing else. What is there stays until then."""
        write_whole("path", path, self.html)

    def __repr__(self) -> str:
        return (
            f"<page of a network, {len(self.html.encode()) / 1000:,.0f} kB; save(path) writes it>"
        )

    def _repr_html_(self) -> str:
        """Show the page in a frame of its own, which may run its script and save a picture."""
        return (
            f'<iframe srcdoc="{html.escape(self.html, quote=True)}" '
            'sandbox="allow-scripts allow-downloads" title="gene regulatory network" '
            f'style="width: 100%; height: {self.height}px; border: 1px solid #8886"></iframe>'
        )


def make_page(
    graph: nx.DiGraph, *, title: str, note: str, theme: str, layout: str, random_state: int | None
) -> str:
    """Return the page of a graph as :func:`scregnet.get.graph` returns it."""
    data = {**_described(graph, layout, random_state), "note": note, "theme": theme}
    parts = {
        "title": html.escape(title),
        "style": _part("page.css"),
        "data": safe_json(data),
        "library": _part("cytoscape", "cytoscape.min.js"),
        "script": _part("page.js"),
    }
    # In pieces, not one after the other: a part may hold the mark of another as its text.
    pieces = _part("page.html").split("%%")
    return "".join(parts[piece] if k % 2 else piece for k, piece in enumerate(pieces))


def safe_json(value: object) -> str:
    """Return JSON that can end no script: ``<``, ``>`` and ``&`` are escaped inside of it."""
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _part(*names: str) -> str:
    return files("scregnet.pl._html").joinpath(*names).read_text(encoding="utf-8")


def _described(graph: nx.DiGraph, layout: str, random_state: int | None) -> dict[str, Any]:
    """Return genes, places and links as plain lists: names once, numbers in few digits."""
    names = list(graph)
    index = {name: i for i, name in enumerate(names)}
    edges = np.array([(index[a], index[b]) for a, b in graph.edges], dtype=int).reshape(-1, 2)
    is_tf = np.array([int(graph.nodes[name]["is_tf"]) for name in names])
    places = _places(graph, edges, layout, random_state)
    offsets, room = _labels(names, is_tf, places, edges)
    links = [link for *_, link in graph.edges(data=True)]
    scores = "score" in links[0]
    columns: dict[str, Any] = {
        "source": edges[:, 0].tolist(),
        "target": edges[:, 1].tolist(),
        "weight": _column(links, "score" if scores else "weight", 6),
        "known": [int(bool(link["in_prior"])) for link in links],
    }
    digits = {"null": 4, "lift": 3, "q": 4, "sd": 4, "sign": 2, "stability": 2}
    columns |= {name: _column(links, name, n) for name, n in digits.items() if name in links[0]}
    return {
        "genes": [str(name) for name in names],
        "tf": is_tf.tolist(),
        "x": np.round(places[:, 0], 1).tolist(),
        # Pages count from the top.
        "y": np.round(-places[:, 1], 1).tolist(),
        # Where labels lie next to their node, and which have no room before one zooms in.
        "dx": np.round(offsets[:, 0]).astype(int).tolist(),
        "dy": np.round(-offsets[:, 1]).astype(int).tolist(),
        "crowded": (~room).astype(int).tolist(),
        "links": columns,
        "scores": scores,
    }


def _column(links: list[Mapping[str, Any]], name: str, digits: int) -> list[float | None]:
    """Return the values of a column, rounded; ``None`` where there is none."""
    values = (float(link[name]) for link in links)
    return [float(f"{value:.{digits}g}") if np.isfinite(value) else None for value in values]


def _places(
    graph: nx.DiGraph, edges: np.ndarray, layout: str, random_state: int | None
) -> np.ndarray:
    places = positions(graph, layout, aspect=1.5, random_state=random_state)
    extent = np.ptp(places, axis=0).max()
    if layout in FIGURES:
        # Their own units say nothing of the number of nodes.
        circle = 0.4 * len(graph) if layout != "bipartite" else 0.5 * len(graph)
        return places * _PIXELS * max(circle, 6.0) / max(float(extent), 1e-9)
    points = places * _PIXELS
    low, high = points.min(axis=0) - _PIXELS, points.max(axis=0) + _PIXELS
    radius = np.full(len(points), _APART)
    return spread(points, radius, edges, apart=4.0, low=low, high=high, rounds=0)


def _labels(
    names: list[str], is_tf: np.ndarray, places: np.ndarray, edges: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return where labels lie next to their node, and which have room; TFs and hubs come first."""
    fonts = np.where(is_tf, _FONTS[1], _FONTS[0])
    # No name of a gene is longer; one that is must not take the room of all others.
    letters = np.array([min(len(str(name)), 16) for name in names])
    sizes = np.stack([_LETTER * fonts * letters, 1.15 * fonts], axis=1)
    degree = np.bincount(edges.ravel(), minlength=len(names))
    rank = (1 - is_tf) * (degree.max() + 1) + degree.max() - degree
    radius = np.where(is_tf, _RADII[1], _RADII[0])
    low, high = places.min(axis=0) - 200, places.max(axis=0) + 200
    return place_labels(places, radius, sizes, edges, low=low, high=high, rank=rank)
