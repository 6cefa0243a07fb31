"""Modules: genes with more links among each other than their numbers of links let expect."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Literal

import numpy as np
import scipy.sparse as sp

if TYPE_CHECKING:
    import networkx as nx

Algorithm = Literal["louvain", "leiden"]
ALGORITHMS = ("louvain", "leiden")


def undirected(graph: nx.DiGraph) -> nx.Graph:
    """Return the graph without directions and loops at one gene; weights there and back add up."""
    import networkx as nx

    genes = list(graph)
    weights = nx.to_scipy_sparse_array(graph, nodelist=genes, weight="weight", format="csr")
    both = sp.triu(weights + weights.T, k=1)
    both = both.tocoo()
    result = nx.Graph()
    result.add_nodes_from(genes)
    rows, columns = both.row.tolist(), both.col.tolist()
    result.add_weighted_edges_from(
        (genes[row], genes[column], weight)
        for row, column, weight in zip(rows, columns, both.data.tolist(), strict=True)
    )
    return result


def find_modules(
    graph: nx.Graph, algorithm: Algorithm, resolution: float, seed: int
) -> tuple[list[list[int]], float]:
    """Return the genes of each module, the largest first, and the modularity."""
    import networkx as nx

    if algorithm == "leiden":
        found = _leiden(graph, resolution, seed)
    else:
        found = nx.community.louvain_communities(
            graph, weight="weight", resolution=resolution, seed=seed
        )
    modules = sorted((sorted(module) for module in found), key=lambda m: (-len(m), m[0]))
    if graph.number_of_edges() == 0:
        return modules, np.nan
    modularity = nx.community.modularity(graph, modules, weight="weight", resolution=resolution)
    return modules, float(modularity)


def check_algorithm(algorithm: Algorithm) -> None:
    """Raise ``ImportError`` if the package that it needs is not there."""
    if algorithm != "leiden":
        return
    try:
        import igraph  # noqa: F401
    except ImportError as error:
        msg = (
            "modules='leiden' needs igraph: pip install scregnet[leiden] (its licence is the GPL). "
            "modules='louvain' needs nothing more."
        )
        raise ImportError(msg) from error


def _leiden(graph: nx.Graph, resolution: float, seed: int) -> list[list[int]]:
    import igraph

    genes = list(graph)
    place = {gene: number for number, gene in enumerate(genes)}
    links = [(place[one], place[two]) for one, two in graph.edges]
    weights = [weight for *_, weight in graph.edges(data="weight")]
    # igraph draws from one generator for all calls: ours for this call, then its usual one.
    igraph.set_random_number_generator(random.Random(seed))
    try:
        found = igraph.Graph(n=len(genes), edges=links).community_leiden(
            objective_function="modularity",
            weights=weights,
            resolution=resolution,
            n_iterations=-1,
        )
    finally:
        igraph.set_random_number_generator(random)
    return [[genes[number] for number in module] for module in found]
