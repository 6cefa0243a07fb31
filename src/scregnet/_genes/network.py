"""Read a known network, in any form analysts hold one, against the genes of an AnnData."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from scregnet._anndata.access import check_names
from scregnet._genes.names import gene_ids, likely_cause, positions, warn_if_poor
from scregnet._logging import logger
from scregnet._validate import listed

if TYPE_CHECKING:
    from anndata import AnnData

# In lower case; the first name of each row is decoupler's.
_ALIASES = {
    "source": ("source", "tf", "gene1", "regulator", "regulators"),
    "target": ("target", "gene2", "targets"),
    "weight": ("weight", "importance", "edgeweight", "weights"),
}


@dataclass(frozen=True, eq=False)
class Network:
    """A known network aligned to the genes of an AnnData: regulator → target edges as positions in ``var_names``.

    Edges are unique, sorted by source and then target, without self-loops and without zero weights.
    """

    sources: np.ndarray
    """int32 positions of the regulators, one per edge."""

    targets: np.ndarray
    """int32 positions of the targets, one per edge."""

    weights: np.ndarray
    """float32 weights, one per edge; negative for repression where the network says so."""

    report: dict[str, Any]
    """What was given and what matched: counts of edges, TFs and targets."""

    def matrix(self, n: int) -> sp.csr_matrix:
        """Return the edges as float32 CSR of shape (n, n), row = regulator, column = target."""
        return sp.csr_matrix(
            (self.weights, (self.sources, self.targets)), shape=(n, n), dtype=np.float32
        )


def read_network(prior: Any, adata: AnnData, *, gene_symbols: str | None = None) -> Network:
    """Align a known network to ``adata.var_names``.

    Parameters
    ----------
    prior
        A long frame (``source``, ``target``, optional ``weight``, or their aliases in any letter case), a directed networkx
        graph (edge attribute ``weight``), a key of ``adata.varp``, a matrix of shape (n_vars, n_vars) in the order of
        ``adata.var_names``, or a frame regulators × targets with gene names on both axes. Rows are regulators always.
    adata
        Whose genes the network is aligned to; only read.
    gene_symbols
        Column of ``adata.var`` with the names that the network uses; ``None`` takes ``adata.var_names``. Not read for
        matrices, which go by position. Edges of a name that several genes share are left out and counted.

    Returns
    -------
    The edges whose regulator and target are both there, and the report.

    Raises
    ------
    ValueError
        If names or weights are missing, if an edge is there twice, if the network is empty or undirected, or if no edge
        matches; the message then names the likely cause.
    KeyError
        If a key of ``adata.varp`` or a column of ``adata.var`` does not exist.
    TypeError
        If ``prior`` is none of the forms.
    """
    check_names(adata)
    if isinstance(prior, str):
        if prior not in adata.varp:
            msg = f"prior={prior!r} is not in adata.varp; it has {listed(adata.varp)}. Call sr.pp.prior(adata, network) first."
            raise KeyError(msg)
        return _from_matrix(adata.varp[prior], adata, "varp")
    if isinstance(prior, np.ndarray) or sp.issparse(prior):
        return _from_matrix(prior, adata, "matrix")
    networkx = sys.modules.get("networkx")
    if networkx is not None and isinstance(prior, networkx.Graph):
        edges, form = _graph_edges(prior), "graph"
    elif isinstance(prior, pd.DataFrame):
        edges, form = _frame_edges(prior)
    else:
        msg = f"prior must be a frame, a networkx.DiGraph, a key of adata.varp or a square matrix, got {type(prior).__name__}."
        raise TypeError(msg)
    return _from_names(_checked(edges), adata, form, gene_symbols)


def _frame_edges(frame: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    columns = {role: _column(frame, role) for role in _ALIASES}
    if columns["source"] is not None and columns["target"] is not None:
        found = {role: column for role, column in columns.items() if column is not None}
        renamed = {str(column): role for role, column in found.items() if column != role}
        if renamed:
            logger.info(
                "prior: columns read as %s",
                ", ".join(f"{old} → {new}" for old, new in renamed.items()),
            )
        edges = pd.DataFrame({role: frame[column].to_numpy() for role, column in found.items()})
        return edges.assign(weight=edges.get("weight", 1.0)), "frame"
    named = all(pd.api.types.infer_dtype(axis) == "string" for axis in (frame.index, frame.columns))
    if named and all(pd.api.types.is_numeric_dtype(dtype) for dtype in frame.dtypes):
        return _wide_edges(frame), "wide frame"
    msg = (
        f"prior has columns {listed(frame.columns)}, but needs 'source' and 'target' (and, optional, 'weight'), or gene names "
        "on both axes with regulators in rows. Rename them: prior.rename(columns={'...': 'source', '...': 'target'})."
    )
    raise ValueError(msg)


def _column(frame: pd.DataFrame, role: str) -> Any:
    """The column of ``frame`` that plays ``role``: decoupler's own name, else the only alias that is there."""
    if list(frame.columns).count(role) == 1:
        return role
    found = [column for column in frame.columns if str(column).lower() in _ALIASES[role]]
    if len(found) > 1:
        msg = f"prior has several columns for the {role}: {listed(found)}. Keep one, or name it {role!r}."
        raise ValueError(msg)
    return found[0] if found else None


def _wide_edges(frame: pd.DataFrame) -> pd.DataFrame:
    for axis, names in (("index", frame.index), ("columns", frame.columns)):
        if not names.is_unique:
            msg = f"prior has gene names twice in its {axis}: {listed(names[names.duplicated()].unique(), 5)}."
            raise ValueError(msg)
    values = frame.to_numpy(dtype=np.float64)
    # NaN counts as present here, so that the check of weights sees and names it.
    rows, cols = np.nonzero(values)
    return pd.DataFrame(
        {"source": frame.index[rows], "target": frame.columns[cols], "weight": values[rows, cols]}
    )


def _graph_edges(graph: Any) -> pd.DataFrame:
    if not graph.is_directed():
        msg = "prior is an undirected graph, so it does not say which gene regulates which; pass a networkx.DiGraph with edges regulator → target."
        raise ValueError(msg)
    edges = pd.DataFrame(
        list(graph.edges(data="weight", default=1.0)), columns=["source", "target", "weight"]
    )
    return edges


def _checked(edges: pd.DataFrame) -> pd.DataFrame:
    """Names as text, weights as numbers, every edge once; or an error that says which row is at fault."""
    if edges.empty:
        msg = "prior has no edges."
        raise ValueError(msg)
    for role in ("source", "target"):
        missing = edges[role].isna()
        if missing.any():
            msg = (
                f"prior has {int(missing.sum())} missing {role} names (first in row {int(missing.to_numpy().argmax())}). Drop those rows; "
                "if a gene is called 'NA' or 'NAN', read the file with keep_default_na=False."
            )
            raise ValueError(msg)
    weights = pd.to_numeric(edges["weight"], errors="coerce").to_numpy(
        dtype=np.float64, na_value=np.nan
    )
    bad = ~np.isfinite(weights)
    if bad.any():
        row = int(bad.argmax())
        msg = f"prior has {int(bad.sum())} weights that are not finite numbers, such as {edges['weight'].iloc[row]!r} in row {row}."
        raise ValueError(msg)
    named = pd.DataFrame(
        {
            "source": edges["source"].astype(str).to_numpy(),
            "target": edges["target"].astype(str).to_numpy(),
            "weight": weights,
        }
    )
    twice = named.duplicated(["source", "target"])
    if twice.any():
        pairs = (
            f"{s} → {t}" for s, t in named.loc[twice, ["source", "target"]].itertuples(index=False)
        )
        msg = (
            f"prior has {int(twice.sum())} duplicated edges: {listed(pairs, 5)}. "
            "Keep one of each: prior.drop_duplicates(['source', 'target'])."
        )
        raise ValueError(msg)
    return named


def _from_names(
    edges: pd.DataFrame, adata: AnnData, form: str, gene_symbols: str | None
) -> Network:
    ids = gene_ids(adata, gene_symbols)
    sources, targets = positions(edges["source"], ids), positions(edges["target"], ids)
    given = {
        "form": form,
        "gene_symbols": gene_symbols,
        "n_edges_given": len(edges),
        "n_tfs_given": edges["source"].nunique(),
        "n_targets_given": edges["target"].nunique(),
        "n_ambiguous_edges": int(((sources == -2) | (targets == -2)).sum()),
    }
    matched = (sources >= 0) & (targets >= 0)
    names = pd.Index(pd.concat([edges["source"], edges["target"]]).unique())
    n_names = int((positions(names, ids) != -1).sum())
    if not matched.any():
        raise ValueError(_no_overlap(edges, sources, targets, adata, gene_symbols))
    warn_if_poor(names, n_names, adata, gene_symbols, "the prior")
    if given["n_ambiguous_edges"]:
        logger.warning(
            "prior: %d edges left out because several genes of adata share their name",
            given["n_ambiguous_edges"],
        )
    return _network(sources[matched], targets[matched], edges["weight"].to_numpy()[matched], given)


def _no_overlap(
    edges: pd.DataFrame,
    sources: np.ndarray,
    targets: np.ndarray,
    adata: AnnData,
    gene_symbols: str | None,
) -> str:
    where = "adata.var_names" if gene_symbols is None else f"adata.var[{gene_symbols!r}]"
    n_sources, n_targets = (
        edges["source"][sources >= 0].nunique(),
        edges["target"][targets >= 0].nunique(),
    )
    found = (
        f"{n_sources:,} of {edges['source'].nunique():,} TFs and {n_targets:,} of {edges['target'].nunique():,} targets are"
        if n_sources or n_targets
        else "none of its genes is"
    )
    cause = likely_cause(
        pd.concat([edges["source"], edges["target"]]), adata, gene_symbols, "the prior"
    )
    return (
        f"no edge of the prior has both genes in {where}: {found} there. Likely cause: {cause.text}"
    )


def _from_matrix(values: Any, adata: AnnData, form: str) -> Network:
    if values.shape != (adata.n_vars, adata.n_vars):
        msg = (
            f"prior is a matrix of shape {values.shape}, but must be genes × genes in the order of adata.var_names: "
            f"({adata.n_vars}, {adata.n_vars}). A frame with gene names on both axes may have any shape."
        )
        raise ValueError(msg)
    edges = sp.coo_matrix(values, dtype=np.float64)
    edges.sum_duplicates()
    if not np.isfinite(edges.data).all():
        msg = f"prior is a matrix with {int((~np.isfinite(edges.data)).sum())} values that are NaN or infinite."
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
    return _network(sources, targets, edges.data[kept], given)


def _network(
    sources: np.ndarray, targets: np.ndarray, weights: np.ndarray, given: dict[str, Any]
) -> Network:
    loops, zero = sources == targets, weights == 0
    kept = ~loops & ~zero
    if not kept.any():
        msg = f"no edge of the prior is left: of {len(kept)} matched, {int(loops.sum())} are self-loops and {int(zero.sum())} have weight 0."
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
        "prior: {n_edges_matched:,} of {n_edges_given:,} edges, {n_tfs_matched:,} of {n_tfs_given:,} TFs, "
        "{n_targets_matched:,} of {n_targets_given:,} targets are in var_names".format(**report)
    )
    return Network(sources, targets, weights[order].astype(np.float32), report)
