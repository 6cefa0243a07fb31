"""The network as a graph: degrees, centralities, modules, feed-forward loops."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from scregnet._anndata.access import check_writable, resolve, write
from scregnet._anndata.groups import group_keys
from scregnet._anndata.slots import fitted, holds_scores, keys_by_group
from scregnet._anndata.taken import check_free
from scregnet._docs import doc
from scregnet._logging import logger
from scregnet._validate import (
    check_choice,
    check_flags,
    check_integer,
    check_interval,
    check_name,
    seed_of,
)
from scregnet.get._select import select_links
from scregnet.tl._graph.loops import feed_forward, most_shared
from scregnet.tl._graph.measures import graph_of, hubs, measures, module_table
from scregnet.tl._graph.modules import ALGORITHMS, check_algorithm, find_modules, undirected

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData

COLUMNS = (
    "out_degree",
    "in_degree",
    "out_weight",
    "in_weight",
    "betweenness",
    "pagerank",
    "hub",
    "module",
)


@dataclass(frozen=True)
class _Options:
    """What is computed of a graph."""

    modules: Literal["louvain", "leiden"]
    resolution: float
    n_hubs: int
    n_random: int
    seed: int


@doc
def network_stats(
    adata: AnnData | MuData,
    *,
    key: str = "grn",
    group: str | None = None,
    sources: str | Sequence[str] | None = None,
    targets: str | Sequence[str] | None = None,
    by: Literal["probability", "lift"] = "probability",
    threshold: float | Literal["auto"] | None = "auto",
    min_lift: float | None = None,
    max_q: float | None = None,
    top_n: int | None = None,
    top_n_targets: int | None = None,
    new_only: bool = False,
    modules: Literal["louvain", "leiden"] = "louvain",
    resolution: float = 1.0,
    n_hubs: int = 10,
    n_random: int = 100,
    random_state: int | None = 0,
    key_added: str | None = None,
    copy: bool = False,
    mod: str = "rna",
) -> AnnData | MuData | None:
    """Describe the network as a graph: hubs, centralities, modules, feed-forward loops.

    All of it is about the links that pass the filters. ``threshold="auto"`` is 0.5, and nothing
    where ``min_lift``, ``max_q``, ``top_n`` or ``top_n_targets`` is given, as it must be for a
    network without labels, which holds scores. Betweenness takes longest: of 500 TFs and 15,000
    genes, 15 seconds for 20,000 links and a minute for 94,000, on one CPU.

    Parameters
    ----------
    %(adata)s
    %(key)s
    group
        Group of cells, if the network was fitted with ``groupby``. ``None`` describes all groups,
        one by one.
    %(links)s
    modules
        How modules are found, on the links without direction, weighed by probability:
        ``"louvain"``, or ``"leiden"``, whose modules are always connected
        :cite:p:`traag2019louvain`; it needs igraph (``pip install scregnet[leiden]``).
    resolution
        Above 1 gives more and smaller modules.
    n_hubs
        Number of hubs: the regulators with most targets.
    n_random
        Random graphs for the feed-forward loops, of the same in- and out-degrees; 0 for none.
    %(random_state)s
    key_added
        Prefix of the slots below; ``None`` takes ``key``, or the key of the group.
    %(copy)s
    %(mod)s

    Returns
    -------
    ``None`` if ``copy=False``, else the changed copy. Sets, with ``grn`` for the prefix:

    - ``adata.var["grn_out_degree"]``, ``"grn_in_degree"``: numbers of targets and of regulators;
    - ``adata.var["grn_out_weight"]``, ``"grn_in_weight"``: sums of their probabilities or scores;
    - ``adata.var["grn_betweenness"]``: share of shortest paths through the gene; NaN without links;
    - ``adata.var["grn_pagerank"]``: PageRank with the links turned round: high for a regulator of
      many genes, and of regulators; NaN without links;
    - ``adata.var["grn_hub"]``: whether the gene is a hub;
    - ``adata.var["grn_module"]``: its module, ``"0"`` the largest; missing without links;
    - ``adata.uns["grn_stats"]``: ``params``; ``summary``, figures of the whole graph; ``modules``,
      one row each; ``feed_forward``: ``n`` loops (X → Y, X → Z, Y → Z), mean and standard deviation
      in random graphs, ``z``, ``p_more`` and ``p_fewer``; ``loops``: which X → Y close most.

    Raises
    ------
    ImportError
        ``modules="leiden"`` without igraph.
    KeyError, ValueError
        There is no such network, group or gene, an argument is wrong, no link passes the filters,
        or a slot to write holds something else.

    Examples
    --------
    >>> import scregnet as sr
    >>> adata = sr.datasets.simulated(n_obs=200, n_vars=100)
    >>> sr.tl.fit_grn(adata, adata.uns["network"], method="degree")
    >>> sr.tl.network_stats(adata, top_n=200)
    >>> int(adata.var["grn_out_degree"].sum())
    200
    """
    random_state = seed_of(random_state)
    data = resolve(adata, mod)
    check_writable(data, copy=copy)
    check_choice("modules", modules, ALGORITHMS)
    check_interval("resolution", resolution, 0, np.inf, closed="neither")
    check_integer("n_hubs", n_hubs, minimum=0)
    check_integer("n_random", n_random, minimum=0)
    check_name("key_added", key_added)
    check_flags(new_only=new_only)
    check_algorithm(modules)
    options = _Options(modules, float(resolution), n_hubs, n_random, random_state)
    filters: dict[str, Any] = {
        "sources": sources,
        "targets": targets,
        "by": by,
        "min_lift": min_lift,
    }
    filters |= {"max_q": max_q, "top_n": top_n, "top_n_targets": top_n_targets}
    filtered = any(value is not None for value in (min_lift, max_q, top_n, top_n_targets))
    var: dict[str, Any] = {}
    uns: dict[str, Any] = {}
    for member, prefix in _prefixes(data, key, group, key_added).items():
        limit = _threshold(data, member, threshold, filtered=filtered)
        chosen = filters | {"threshold": limit, "new_only": new_only}
        frame, _ = select_links(data, member, **chosen)
        if frame.empty:
            msg = (
                f"no link of {member!r} passes the filters ({_shown(chosen)}): loosen them, or "
                "give top_n=, or threshold=None."
            )
            raise ValueError(msg)
        columns, entry = _described(data.var_names, frame, options)
        given = {name: value for name, value in chosen.items() if value is not None}
        entry["params"] = {"key": member, **given, **vars(options)}
        uns[f"{prefix}_stats"] = entry
        var |= {f"{prefix}_{name}": values for name, values in columns.items()}
    result = adata.copy() if copy else adata
    # Last: what fails leaves the object as it was.
    write(resolve(result, mod), var=var, uns=uns)
    return result if copy else None


def _prefixes(adata: AnnData, key: str, group: str | None, key_added: str | None) -> dict[str, str]:
    """Return the prefix of the slots of each network; raise if others have the names."""
    keys = keys_by_group(adata, key, group)
    prefixes = list(keys.values())
    if key_added is not None:
        several = [str(name) for name in keys if name is not None and group is None]
        prefixes = group_keys(key_added, several) if several else [key_added]
    for prefix in prefixes:
        entry = adata.uns.get(f"{prefix}_stats")
        own = isinstance(entry, Mapping) and "feed_forward" in entry
        slots = [("uns", f"{prefix}_stats"), *(("var", f"{prefix}_{name}") for name in COLUMNS)]
        what = "a description of sr.tl.network_stats"
        check_free(adata, "key_added", prefix, [] if own else slots, what)
    return dict(zip(keys.values(), prefixes, strict=True))


def _threshold(
    adata: AnnData, key: str, threshold: float | Literal["auto"] | None, *, filtered: bool
) -> float | None:
    """Return the lowest probability of a link that ``"auto"`` stands for."""
    if not isinstance(threshold, str):
        return threshold
    check_choice("threshold", threshold, ("auto",))
    if filtered:
        return None
    if holds_scores(fitted(adata, key)):
        msg = (
            f"threshold: {key!r} holds scores, of which 0.5 says nothing: give top_n= or "
            "top_n_targets=, or a score as threshold=."
        )
        raise ValueError(msg)
    return 0.5


def _shown(filters: Mapping[str, Any]) -> str:
    given = {name: value for name, value in filters.items() if value not in (None, False)}
    return ", ".join(f"{name}={value!r}" for name, value in given.items())


def _described(
    names: pd.Index, links: pd.DataFrame, options: _Options
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the columns of ``var`` and the entry of ``uns``."""
    import networkx as nx

    sources, targets = (names.get_indexer(pd.Index(links[end])) for end in ("source", "target"))
    weights = links["score" if "score" in links else "weight"].to_numpy()
    graph = graph_of(sources, targets, weights)
    columns: dict[str, Any] = measures(graph, len(names))
    columns["hub"] = hubs(columns["out_degree"], columns["out_weight"], options.n_hubs)
    found, modularity = find_modules(
        undirected(graph), options.modules, options.resolution, options.seed
    )
    codes = np.full(len(names), -1)
    for number, genes in enumerate(found):
        codes[genes] = number
    columns["module"] = pd.Categorical.from_codes(
        codes, categories=pd.Index([str(number) for number in range(len(found))], dtype=object)
    )
    loops = feed_forward(sources, targets, options.n_random, np.random.default_rng(options.seed))
    shared = most_shared(sources, targets, len(names))
    for end in ("source", "via"):
        shared[end] = names[shared[end]].astype(str).astype(object)
    n_tfs = int((columns["out_degree"] > 0).sum())
    summary = {
        "n_genes": len(graph),
        "n_tfs": n_tfs,
        "n_links": len(links),
        "n_self_links": int((sources == targets).sum()),
        "density": len(links) / (n_tfs * len(names)),
        "reciprocity": float(nx.overall_reciprocity(graph)),
        "n_modules": len(found),
        "modularity": modularity,
    }
    logger.info(
        "network_stats: %s links of %d TFs, %d modules, %s feed-forward loops",
        f"{len(links):,}",
        n_tfs,
        len(found),
        f"{loops['n']:,}",
    )
    table = module_table(found, graph, names, columns["out_degree"])
    return columns, {
        "summary": summary,
        "modules": table,
        "feed_forward": loops,
        "loops": shared,
    }
