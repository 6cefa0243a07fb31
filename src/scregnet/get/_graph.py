"""The fitted network as a networkx graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from scregnet._anndata.access import resolve
from scregnet._anndata.slots import key_of_group, regulators
from scregnet._docs import doc
from scregnet.get._names import shown_names
from scregnet.get._select import select_links

if TYPE_CHECKING:
    import networkx as nx
    import pandas as pd
    from anndata import AnnData
    from mudata import MuData


@doc
def graph(
    adata: AnnData | MuData,
    *,
    key: str = "grn",
    group: str | None = None,
    sources: str | Sequence[str] | None = None,
    targets: str | Sequence[str] | None = None,
    by: Literal["probability", "lift"] = "probability",
    threshold: float | None = None,
    min_lift: float | None = None,
    max_q: float | None = None,
    top_n: int | None = None,
    top_n_targets: int | None = None,
    new_only: bool = False,
    gene_symbols: str | None = None,
    mod: str = "rna",
) -> nx.DiGraph:
    """Return the links of a fitted network as a directed graph, from regulators to targets.

    Without a filter, every candidate TF has an edge to every gene.

    Parameters
    ----------
    %(adata)s
    %(key)s
    %(group)s
    %(links)s
    %(gene_symbols)s
    %(mod)s

    Returns
    -------
    Graph with the genes that have a link as nodes.

    - Edge attributes are the columns of :func:`scregnet.get.grn`: ``weight``, ``q``,
      ``in_prior``, ``split``, and ``null``, ``lift``, ``sd`` and ``sign`` if they are there.
    - Node attribute ``is_tf``: whether the gene is a candidate TF of the network or marked in
      ``adata.var["is_tf"]``, also if the graph has no edge that starts at it.

    Raises
    ------
    KeyError
        ``key``, ``group`` or a gene is unknown, or several genes have the name that is given.
    ValueError
        The genes have other names than at the fit, a source is not a candidate TF, ``group`` is
        missing, a number is out of range, or there is no null model for ``by="lift"`` or
        ``min_lift``.

    Examples
    --------
    >>> import scregnet as sr
    >>> adata = sr.datasets.simulated(n_obs=200, n_vars=100)
    >>> sr.tl.fit_grn(adata, adata.uns["network"], method="degree")
    >>> hubs = dict(sr.get.graph(adata, threshold=0.5).out_degree())
    """
    adata = resolve(adata, mod)
    key = key_of_group(adata, key, group)
    frame, _ = select_links(
        adata,
        key,
        sources=sources,
        targets=targets,
        by=by,
        threshold=threshold,
        min_lift=min_lift,
        max_q=max_q,
        top_n=top_n,
        top_n_targets=top_n_targets,
        new_only=new_only,
        gene_symbols=gene_symbols,
    )
    return to_graph(adata, key, frame, gene_symbols)


def to_graph(adata: AnnData, key: str, links: pd.DataFrame, gene_symbols: str | None) -> nx.DiGraph:
    """Return the graph of some links of a fitted network, its nodes marked as TFs or not."""
    import networkx as nx

    network = nx.DiGraph()
    names = [name for name in links.columns if name not in ("source", "target")]
    # Python's own numbers and strings: networkx's writers (GraphML, JSON) fail on numpy's.
    columns = (links[name].tolist() for name in ("source", "target", *names))
    network.add_edges_from(
        (source, target, dict(zip(names, values, strict=True)))
        for source, target, *values in zip(*columns, strict=True)
    )
    tfs = set(shown_names(adata, gene_symbols)[regulators(adata, key)])
    nx.set_node_attributes(network, {node: node in tfs for node in network}, "is_tf")
    return network
