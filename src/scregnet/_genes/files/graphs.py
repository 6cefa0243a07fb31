"""GraphML, GEXF and Cytoscape's JSON.

networkx reads the XML with Python's own parser. A file that declares a document type is refused
before: entities, which can unfold to any size or name other files, are declared there and nowhere
else. The text is limited as every other one (:data:`scregnet._text.LARGEST`).
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import ParseError

import pandas as pd

from scregnet._text import read_text

if TYPE_CHECKING:
    import networkx as nx


def read_graphml(path: Path, name: str) -> pd.DataFrame:
    """Return the links of a GraphML file; ``name`` is what messages call it."""
    import networkx as nx

    text = _xml(path, name)
    try:
        graph = nx.parse_graphml(text)
    except (ParseError, nx.NetworkXError, KeyError, ValueError, TypeError) as error:
        raise ValueError(_unreadable(name, "GraphML", error)) from error
    return _links(graph, name)


def read_gexf(path: Path, name: str) -> pd.DataFrame:
    """Return the links of a GEXF file (Gephi's)."""
    import networkx as nx

    text = _xml(path, name)
    try:
        graph = nx.read_gexf(io.BytesIO(text.encode()), node_type=str)
    except (ParseError, nx.NetworkXError, KeyError, ValueError, TypeError) as error:
        raise ValueError(_unreadable(name, "GEXF", error)) from error
    # Ids are numbers in files of Gephi's own; the names are the labels.
    return _links(graph, name, label="label")


def read_cyjs(path: Path, name: str) -> pd.DataFrame:
    """Return the links of Cytoscape's JSON; nodes go by their name, not their number."""
    try:
        content = json.loads(read_text(path, name))
        elements = content["elements"]
        nodes = [node["data"] for node in elements["nodes"]]
        edges = [edge["data"] for edge in elements.get("edges", [])]
        names = {str(node["id"]): str(node.get("name", node["id"])) for node in nodes}
        rows = [
            {
                "source": names[str(edge["source"])],
                "target": names[str(edge["target"])],
                **{k: v for k, v in edge.items() if k not in _CYTOSCAPE and _plain(v)},
            }
            for edge in edges
        ]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(_unreadable(name, "Cytoscape's JSON", error)) from error
    return _frame(rows, name)


# What Cytoscape and networkx say of an edge beside its attributes.
_CYTOSCAPE = {"id", "source", "target", "key", "SUID", "selected", "shared_name", "name"}


def _plain(value: Any) -> bool:
    return isinstance(value, (bool, int, float, str))


def _xml(path: Path, name: str) -> str:
    text = read_text(path, name)
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        msg = (
            f"{name} declares a document type, which may hold entities that unfold without end; "
            "such files are not read. Remove the line <!DOCTYPE ...>, if you trust the rest."
        )
        raise ValueError(msg)
    return text


def _unreadable(name: str, form: str, error: Exception) -> str:
    return f"{name} cannot be read as {form}: {str(error).strip()[:200] or type(error).__name__}."


def _links(graph: nx.Graph, name: str, label: str | None = None) -> pd.DataFrame:
    if not graph.is_directed():
        msg = f"{name} is an undirected graph, so it does not say which gene regulates which."
        raise ValueError(msg)
    shown: Mapping[Any, Any] = {}
    if label is not None:
        shown = dict(graph.nodes(data=label))
    rows = [
        {
            "source": str(shown.get(source) or source),
            "target": str(shown.get(target) or target),
            # GEXF gives each edge an id of its own.
            **{str(k): v for k, v in edge.items() if k != "id" and _plain(v)},
        }
        for source, target, edge in graph.edges(data=True)
    ]
    return _frame(rows, name)


def _frame(rows: list[dict[str, Any]], name: str) -> pd.DataFrame:
    if not rows:
        msg = f"{name} has no edges."
        raise ValueError(msg)
    return pd.DataFrame(rows)
