"""GraphML, GEXF, and Cytoscape's JSON and SIF."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import pandas as pd

from scregnet._genes.files.sif import EDGES, KEY, edge_name
from scregnet._validate import listed

if TYPE_CHECKING:
    import networkx as nx

# What XML 1.0 has no form for, not even an escaped one.
_NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")

NODES = ".nodes.tsv"


def check_text(names: Iterable[str], not_allowed: re.Pattern[str], what: str) -> None:
    """Raise ``ValueError`` if a file of a format cannot hold a name of a gene."""
    wrong = sorted({name for name in names if not_allowed.search(name)})
    if wrong:
        msg = f"{what} cannot hold the names {listed(wrong, 3)}; rename these genes."
        raise ValueError(msg)


def _without_gaps(graph: nx.DiGraph) -> nx.DiGraph:
    """Return the graph without missing attributes: a file has none in their place."""
    import networkx as nx

    kept = nx.DiGraph()
    kept.add_nodes_from(graph.nodes(data=True))
    kept.add_edges_from(
        (source, target, {name: value for name, value in edge.items() if not _missing(value)})
        for source, target, edge in graph.edges(data=True)
    )
    return kept


def _missing(value: Any) -> bool:
    return value is None or value != value


def graphml(graph: nx.DiGraph) -> bytes:
    """Return the graph as GraphML."""
    import networkx as nx

    check_text(graph, _NOT_IN_XML, "GraphML")
    kept = _without_gaps(graph)
    # igraph and Cytoscape call genes by this attribute.
    nx.set_node_attributes(kept, {gene: gene for gene in kept}, "name")
    buffer = io.BytesIO()
    nx.write_graphml_xml(kept, buffer)
    return buffer.getvalue()


def gexf(graph: nx.DiGraph) -> bytes:
    """Return the graph as GEXF, which Gephi reads."""
    import networkx as nx

    check_text(graph, _NOT_IN_XML, "GEXF")
    buffer = io.BytesIO()
    nx.write_gexf(_without_gaps(graph), buffer)
    return buffer.getvalue()


def cyjs(graph: nx.DiGraph) -> bytes:
    """Return the graph as Cytoscape's JSON."""
    import networkx as nx

    data = nx.cytoscape_data(_without_gaps(graph))
    return json.dumps(data, ensure_ascii=False, allow_nan=False).encode()


def sif(graph: nx.DiGraph) -> dict[str, bytes]:
    """Return the graph as SIF, and tables of what is known of edges and genes, by ending."""
    check_text(graph, re.compile("[\t\r\n]"), "SIF")
    lines, edges = [], []
    for source, target, edge in graph.edges(data=True):
        interaction = _interaction(edge.get("sign"))
        lines.append(f"{source}\t{interaction}\t{target}\n")
        key = edge_name(source, interaction, target)
        edges.append({KEY: key, "source": source, "target": target, **edge})
    nodes = pd.DataFrame(
        {KEY: list(graph), "is_tf": [is_tf for _, is_tf in graph.nodes(data="is_tf")]}
    )
    return {
        ".sif": "".join(lines).encode(),
        EDGES: pd.DataFrame(edges).to_csv(sep="\t", index=False, lineterminator="\n").encode(),
        NODES: nodes.to_csv(sep="\t", index=False, lineterminator="\n").encode(),
    }


def _interaction(sign: Any) -> str:
    if sign is None or _missing(sign) or sign == 0:
        return "regulates"
    return "activates" if sign > 0 else "represses"
