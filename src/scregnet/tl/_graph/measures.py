"""What a graph says of each gene: numbers of links, and centralities by networkx."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    import networkx as nx


def graph_of(sources: np.ndarray, targets: np.ndarray, weights: np.ndarray) -> nx.DiGraph:
    """Return the directed graph of links; genes are their positions."""
    import networkx as nx

    graph = nx.DiGraph()
    columns = (sources.tolist(), targets.tolist(), weights.astype(np.float64).tolist())
    graph.add_weighted_edges_from(zip(*columns, strict=True))
    return graph


def measures(graph: nx.DiGraph, n_genes: int) -> dict[str, np.ndarray]:
    """Return one value per gene. Centralities of genes without a link are NaN."""
    import networkx as nx

    tfs = [gene for gene, degree in graph.out_degree() if degree]
    # No path starts at a gene that regulates nothing: the others are all that count.
    between = nx.betweenness_centrality_subset(graph, tfs, list(graph), normalized=True)
    # Turned round: a regulator of regulators gets the rank of what it regulates.
    rank = nx.pagerank(graph.reverse(copy=False), weight="weight")
    columns = {
        "out_degree": (dict(graph.out_degree()), 0, np.int64),
        "in_degree": (dict(graph.in_degree()), 0, np.int64),
        "out_weight": (dict(graph.out_degree(weight="weight")), 0, np.float64),
        "in_weight": (dict(graph.in_degree(weight="weight")), 0, np.float64),
        "betweenness": (between, np.nan, np.float64),
        "pagerank": (rank, np.nan, np.float64),
    }
    return {
        name: _column(values, n_genes, missing, dtype)
        for name, (values, missing, dtype) in columns.items()
    }


def _column(values: dict[int, float], n_genes: int, missing: float, dtype: type) -> np.ndarray:
    column: np.ndarray = np.full(n_genes, missing, dtype=dtype)
    column[list(values)] = list(values.values())
    return column


def hubs(out_degree: np.ndarray, out_weight: np.ndarray, n_hubs: int) -> np.ndarray:
    """Return the mask of the regulators with most targets; ties go by weight, then by place."""
    order = np.lexsort((-out_weight, -out_degree))[:n_hubs]
    mask = np.zeros(len(out_degree), dtype=bool)
    mask[order] = True
    return mask & (out_degree > 0)


def module_table(
    modules: list[list[int]], graph: nx.DiGraph, names: pd.Index, out_degree: np.ndarray
) -> pd.DataFrame:
    """Return one row a module: its genes, its regulators, its links, those with most targets."""
    rows = []
    for number, genes in enumerate(modules):
        n_inside = graph.subgraph(genes).number_of_edges()
        tfs = sorted(
            (gene for gene in genes if out_degree[gene]), key=lambda gene: (-out_degree[gene], gene)
        )
        rows.append(
            {
                "module": str(number),
                "n_genes": len(genes),
                "n_tfs": len(tfs),
                "n_links": n_inside,
                "n_links_out": int(out_degree[genes].sum()) - n_inside,
                "tfs": ", ".join(map(str, names[tfs[:5]])),
            }
        )
    return pd.DataFrame(rows)
