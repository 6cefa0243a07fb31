"""Align a known network, in any of the usual forms, to the genes of an AnnData."""

from __future__ import annotations

from dataclasses import dataclass, replace
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from scregnet._anndata.access import check_names
from scregnet._genes.complexes import treat_complexes
from scregnet._genes.edges import file_edges, object_edges
from scregnet._genes.forms import path_of
from scregnet._genes.names import (
    gene_ids,
    likely_cause,
    place_of_names,
    positions,
    warn_if_ambiguous,
    warn_if_poor,
)
from scregnet._genes.set_aside import set_aside_from_uns
from scregnet._genes.signs import known_signs, outside_counts, signs_of_matrix
from scregnet._logging import logger

if TYPE_CHECKING:
    from anndata import AnnData

    from scregnet.links.signs.known import KnownSigns


@dataclass(frozen=True, eq=False)
class Network:
    """A known network: edges regulator → target as positions in ``adata.var_names``.

    Edges are unique and sorted by source, then target. There are no self-loops and no zero weights.
    """

    sources: np.ndarray
    """int32 positions of the regulators, one per edge."""

    targets: np.ndarray
    """int32 positions of the targets, one per edge."""

    weights: np.ndarray
    """float32 weights, one per edge; negative for repression if the network says so."""

    report: dict[str, Any]
    """Counts of edges, TFs and targets, given and matched."""

    signs: KnownSigns | None = None
    """Which edges activate and which repress; ``None`` for a network without repression."""

    set_aside: tuple[np.ndarray, np.ndarray] | None = None
    """Sources and targets of pairs that are neither edges nor non-edges; ``None`` for none."""

    def matrix(self, n: int) -> sp.csr_matrix:
        """Return the edges as float32 CSR of shape (n, n), row = regulator, column = target."""
        return sp.csr_matrix(
            (self.weights, (self.sources, self.targets)), shape=(n, n), dtype=np.float32
        )


def read_network(
    prior: Any,
    adata: AnnData,
    *,
    gene_symbols: str | None = None,
    expand_complexes: bool = False,
) -> Network:
    """Align a known network to ``adata.var_names``; keep the edges with both genes present.

    Parameters
    ----------
    prior
        One of

        - a frame with columns ``source``, ``target`` and optionally ``weight`` and ``sign``, or
          their aliases;
        - the path of a csv, tsv or txt file with such columns, plain or gzip;
        - pairs ``(source, target)`` or triples with a weight;
        - a mapping from TFs to their targets, or to mappings of targets to weights;
        - a directed networkx graph with the edge attribute ``weight``;
        - a key of ``adata.varp``;
        - a matrix (n_vars, n_vars) in the order of ``adata.var_names``, rows are regulators;
        - a frame regulators × targets with gene names on both axes.
    adata
        Data with the genes. It is only read.
    gene_symbols
        Column of ``adata.var`` with the names that the network uses; ``None`` takes
        ``adata.var_names``. Ignored for matrices, which go by position. Edges of a name that
        several genes share are dropped and counted.
    expand_complexes
        Give the edges of complexes such as CollecTRI's AP1 to their members. Ignored for matrices.

    Raises
    ------
    ValueError
        If the network is empty or undirected, if names or weights are missing, if an edge occurs
        twice, or if no edge matches. The last message names the likely cause.
    KeyError, FileNotFoundError
        If a key of ``adata.varp``, a file or a column of ``adata.var`` does not exist.
    TypeError
        If ``prior`` has none of the forms.
    """
    check_names(adata)
    if isinstance(prior, (str, PathLike)):
        path = path_of(prior, adata.varp)
        if path is None:
            return _from_matrix(adata.varp[prior], adata, "varp", adata.uns.get(prior))
        edges, form = file_edges(path), "file"
    elif sp.issparse(prior) or (isinstance(prior, np.ndarray) and not _holds_names(prior)):
        return _from_matrix(prior, adata, "matrix")
    else:
        edges, form = object_edges(prior)
    edges, complexes = treat_complexes(
        edges, gene_ids(adata, gene_symbols), expand=expand_complexes
    )
    network = _from_names(edges, adata, form, gene_symbols)
    return replace(network, report={**network.report, **complexes})


def _holds_names(array: np.ndarray) -> bool:
    """Whether an array holds pairs of names, not numbers."""
    return array.dtype.kind in "OU" and array.size > 0 and isinstance(array.flat[0], str)


def _from_names(
    edges: pd.DataFrame, adata: AnnData, form: str, gene_symbols: str | None
) -> Network:
    """Align edges between names."""
    genes = gene_ids(adata, gene_symbols)
    sources, targets = positions(edges["source"], genes), positions(edges["target"], genes)
    matched = (sources >= 0) & (targets >= 0)
    if not matched.any():
        raise ValueError(_no_match(edges, sources, targets, adata, gene_symbols))
    # -2 is a name of several genes; -1, below, one of no gene.
    n_ambiguous = int(((sources == -2) | (targets == -2)).sum())
    names = pd.Index(pd.concat([edges["source"], edges["target"]]).unique())
    n_names = int((positions(names, genes) != -1).sum())
    warn_if_poor(names, n_names, adata, gene_symbols, "the prior")
    warn_if_ambiguous("prior", n_ambiguous, "edges")
    given = {
        "form": form,
        "gene_symbols": gene_symbols,
        "n_edges_given": len(edges),
        "n_tfs_given": edges["source"].nunique(),
        "n_targets_given": edges["target"].nunique(),
        "n_ambiguous_edges": n_ambiguous,
    }
    weights = edges["weight"].to_numpy()
    network = _aligned(sources[matched], targets[matched], weights[matched], given)
    return replace(network, signs=_signs_of_names(edges, sources, targets, adata.n_vars))


def _signs_of_names(
    edges: pd.DataFrame, sources: np.ndarray, targets: np.ndarray, n_genes: int
) -> KnownSigns | None:
    """Return the known signs of edges between names; ``None`` if none of all edges represses."""
    # Self-loops and edges of weight 0 are no edges.
    sign = np.where((edges["weight"] != 0) & (sources != targets), edges["sign"], 0)
    if not (sign < 0).any():
        return None
    outside = outside_counts(sources, targets, sign, n_genes)
    sign = np.where((sources >= 0) & (targets >= 0), sign, 0)
    return known_signs(sources, targets, sign, outside)


def _no_match(
    edges: pd.DataFrame,
    sources: np.ndarray,
    targets: np.ndarray,
    adata: AnnData,
    gene_symbols: str | None,
) -> str:
    """The message for a network of which no edge has both genes in ``adata``."""
    counts = []
    for role, what, found in (("source", "TFs", sources), ("target", "targets", targets)):
        n_there, n_given = edges[role][found >= 0].nunique(), edges[role].nunique()
        counts.append((n_there, f"{n_there:,} of {n_given:,} {what}"))
    found_there = (
        " and ".join(text for _, text in counts) + " are"
        if any(n for n, _ in counts)
        else "none of its genes is"
    )
    names = pd.concat([edges["source"], edges["target"]])
    cause = likely_cause(names, adata, gene_symbols, "the prior")
    return (
        f"no edge of the prior has both genes in {place_of_names(gene_symbols)}: "
        f"{found_there} there. Likely cause: {cause.text}"
    )


def _from_matrix(values: Any, adata: AnnData, form: str, report: object = None) -> Network:
    """Align edges that are given by position."""
    if values.shape != (adata.n_vars, adata.n_vars):
        msg = (
            f"prior is a matrix of shape {values.shape}, but must be genes × genes in the order "
            f"of adata.var_names: ({adata.n_vars}, {adata.n_vars}). "
            "A frame with gene names on both axes may have any shape."
        )
        raise ValueError(msg)
    edges = sp.coo_matrix(values, dtype=np.float64)
    # A sparse matrix may store an entry in parts; only their sum is the weight.
    edges.sum_duplicates()
    # They are stored as float32.
    bad = ~(np.abs(edges.data) <= np.finfo(np.float32).max)
    if bad.any():
        msg = (
            f"prior is a matrix with {int(bad.sum())} values that are NaN, infinite or beyond "
            "3.4e38."
        )
        raise ValueError(msg)
    kept = edges.data != 0
    if not kept.any():
        msg = "prior has no edges: the matrix is zero everywhere."
        raise ValueError(msg)
    sources, targets = edges.row[kept], edges.col[kept]
    given = {
        "form": form,
        "gene_symbols": None,
        "n_edges_given": int(kept.sum()),
        "n_tfs_given": len(np.unique(sources)),
        "n_targets_given": len(np.unique(targets)),
        "n_ambiguous_edges": 0,
    }
    weights = edges.data[kept]
    no_loop = sources != targets
    signs = signs_of_matrix(
        sources[no_loop], targets[no_loop], weights[no_loop], report, adata.var_names
    )
    aside = set_aside_from_uns(report, adata.var_names)
    return replace(_aligned(sources, targets, weights, given), signs=signs, set_aside=aside)


def _aligned(
    sources: np.ndarray, targets: np.ndarray, weights: np.ndarray, given: dict[str, Any]
) -> Network:
    """Drop self-loops and zero weights, sort the edges, and complete the report."""
    loops, zero = sources == targets, weights == 0
    kept = ~loops & ~zero
    if not kept.any():
        msg = (
            f"no edge of the prior is left: of {len(kept)} matched, {int(loops.sum())} are "
            f"self-loops and {int(zero.sum())} have weight 0."
        )
        raise ValueError(msg)
    order = np.flatnonzero(kept)[np.lexsort((targets[kept], sources[kept]))]
    sources, targets = sources[order].astype(np.int32), targets[order].astype(np.int32)
    report = {
        **given,
        "n_edges_matched": len(order),
        "n_tfs_matched": len(np.unique(sources)),
        "n_targets_matched": len(np.unique(targets)),
        "n_self_loops": int(loops.sum()),
        "n_zero_weights": int((zero & ~loops).sum()),
    }
    logger.info(
        "prior: {n_edges_matched:,} of {n_edges_given:,} edges, {n_tfs_matched:,} of "
        "{n_tfs_given:,} TFs, {n_targets_matched:,} of {n_targets_given:,} targets are in ".format(
            **report
        )
        + place_of_names(given["gene_symbols"])
    )
    return Network(sources, targets, weights[order].astype(np.float32), report)
