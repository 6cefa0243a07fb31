"""The fitted network as a networkx graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from scregnet._anndata.access import resolve
from scregnet._anndata.slots import regulators
from scregnet._docs import doc
from scregnet.get._select import select_links

if TYPE_CHECKING:
    import networkx as nx
    import numpy as np
    import pandas as pd
    from anndata import AnnData
    from mudata import MuData


@doc
def graph(
    adata: AnnData | MuData,
    *,
    key: str = "grn",
    sources: str | Sequence[str] | None = None,
    targets: str | Sequence[str] | None = None,
    threshold: float | None = None,
    top_n: int | None = None,
    top_n_targets: int | None = None,
    new_only: bool = False,
    mod: str = "rna",
) -> nx.DiGraph:
    """Return the links of a fitted network as a directed graph, from regulators to targets.

    Without a filter, every candidate TF has an edge to every gene.

    Parameters
    ----------
    %(adata)s
    %(key)s
    %(links)s
    %(mod)s

    Returns
    -------
    Graph with the genes that have a link as nodes.

    - Edge attributes are those of :func:`scregnet.get.grn`: ``weight`` (probability),
      ``in_prior`` and ``split``.
    - Node attribute ``is_tf``: whether the gene is a candidate TF of the network or marked in
      ``adata.var["is_tf"]``, also if the graph has no edge that starts at it.

    Raises
    ------
    KeyError
        There is no fitted network named ``key``, or a name is not in ``adata.var_names``.
    ValueError
        A name in ``sources`` is not a candidate TF of the network, or a number is out of range.

    Examples
    --------
    >>> import scregnet as sr
    >>> adata = sr.datasets.simulated()
    >>> sr.tl.fit_grn(adata, adata.uns["network"], method="degree")
    >>> hubs = dict(sr.get.graph(adata, threshold=0.5).out_degree())
    """
    adata = resolve(adata, mod)
    frame, _ = select_links(
        adata,
        key,
        sources=sources,
        targets=targets,
        threshold=threshold,
        top_n=top_n,
        top_n_targets=top_n_targets,
        new_only=new_only,
    )
    return to_graph(frame, adata.var_names[regulators(adata, key)])


def to_graph(frame: pd.DataFrame, tfs: pd.Index | np.ndarray) -> nx.DiGraph:
    """Return the graph of a frame of links; ``tfs`` are the names that get ``is_tf``."""
    import networkx as nx

    network = nx.DiGraph()
    # Python's own numbers and strings: numpy scalars would break networkx's writers (GraphML, JSON).
    columns = (frame[name].tolist() for name in ("source", "target", "weight", "in_prior", "split"))
    network.add_edges_from(
        (source, target, {"weight": weight, "in_prior": in_prior, "split": split})
        for source, target, weight, in_prior, split in zip(*columns, strict=True)
    )
    marked = set(tfs)
    nx.set_node_attributes(network, {node: node in marked for node in network}, "is_tf")
    return network
