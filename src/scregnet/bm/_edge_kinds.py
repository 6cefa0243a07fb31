"""What are true edges ranked above: reversed, indirect or co-regulated pairs?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
import scipy.sparse as sp

from scregnet._anndata.access import check_names, resolve
from scregnet._anndata.slots import check_genes, labelled, nulls, read_groups
from scregnet._docs import doc
from scregnet._genes.network import read_network
from scregnet._validate import check_choice
from scregnet.metrics import auroc, per_tf

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData

    from scregnet._genes.network import Network

KINDS = ("reversed", "indirect", "co-regulated", "other")
"""Kinds of pairs without an edge. A pair is of the first that holds."""

ALL = "all"


@doc
def edge_kinds(
    adata: AnnData | MuData,
    network: Any = None,
    *,
    key: str = "grn",
    group: str | None = None,
    split: Literal["test", "folds"] = "test",
    gene_symbols: str | None = None,
    mod: str = "rna",
) -> pd.DataFrame:
    """Tell which pairs without an edge a fitted network confuses with edges, on a known truth.

    Only pairs that were held out count, for the method and its null models alike. A pair without
    an edge is of the first kind that holds. See :doc:`/results/edge_kinds`.

    Parameters
    ----------
    %(adata)s
    network
        The whole true network, in any form that :func:`scregnet.tl.fit_grn` takes as prior.
        ``None`` takes ``adata.uns["network"]``, as :func:`scregnet.datasets.simulated` has it.
        Labels of the fit are not read.
    %(key)s
    %(groups)s
    split
        ``"test"``, or ``"folds"``: all labelled pairs, with the probabilities out of fold.
    gene_symbols
        Column of ``adata.var`` with the names that ``network`` uses; ``None`` takes
        ``adata.var_names``.
    %(mod)s

    Returns
    -------
    Frame with one row per model and kind of pair:

    - ``model``: the method of the fit first, then the null models;
    - ``against``: ``"reversed"``: the target regulates the source; compared with edges between TFs
      only, since to be a TF sets a target apart. ``"indirect"``: two steps lead from source to
      target. ``"co-regulated"``: a TF regulates both. ``"other"``: none of these. ``"all"``: pairs
      of all kinds;
    - ``n_edges``, ``n_pairs``: true edges, and pairs of the kind, that were compared;
    - ``auroc``: how often an edge is ranked above a pair of the kind, 0.5 is chance; NaN where
      there are none;
    - ``per_tf_auroc``: mean of the same within each TF.

    Raises
    ------
    KeyError
        There is no fitted network named ``key``, no such ``group``, or no true network.
    ValueError
        The network was fitted without labelled pairs, or without folds for ``split="folds"``.

    Examples
    --------
    >>> import scregnet as sr
    >>> adata = sr.datasets.simulated(n_obs=200, n_vars=100)
    >>> sr.tl.fit_grn(adata, adata.uns["network"], method="pearson", n_folds=2)
    >>> table = sr.bm.edge_kinds(adata, split="folds").set_index(["model", "against"])
    >>> bool(table.loc[("pearson", "reversed"), "auroc"] < 0.7)
    True
    """
    check_choice("split", split, ("test", "folds"))
    data = resolve(adata, mod)
    check_names(data)
    truth = _true_edges(data, network, gene_symbols)
    return read_groups(data, key, group, lambda member: _edge_kinds(data, member, truth, split))


def _true_edges(data: AnnData, network: Any, gene_symbols: str | None) -> sp.csr_matrix:
    """Return the true edges as a matrix of ones, row = source."""
    if network is None:
        if "network" not in data.uns:
            msg = (
                "network is None and adata.uns['network'] is not there: pass the whole true "
                "network as network=. Labels that are a part of it would not do."
            )
            raise KeyError(msg)
        network = pd.DataFrame(data.uns["network"])
    found = _read(network, data, gene_symbols)
    ones = np.ones(len(found.sources), np.int32)
    return sp.csr_matrix((ones, (found.sources, found.targets)), shape=(data.n_vars,) * 2)


def _read(network: Any, data: AnnData, gene_symbols: str | None) -> Network:
    try:
        return read_network(network, data, gene_symbols=gene_symbols)
    except (ValueError, TypeError, KeyError) as error:
        # Its words are those of a prior, which is another argument elsewhere.
        msg = f"network= is read as a prior is. {error.args[0]}"
        raise type(error)(msg) from None


def _edge_kinds(data: AnnData, key: str, truth: sp.csr_matrix, split: str) -> pd.DataFrame:
    results = labelled(data, key)
    check_genes(data, key)
    method, pairs = str(results["params"]["method"]), results["pairs"]
    prefix = "probability" if split == "test" else "out_of_fold"
    if split == "test":
        pairs = pairs[pairs["split"] == "test"]
    elif prefix not in pairs:
        msg = (
            "split='folds': the network was fitted without folds. Take split='test', or call "
            "sr.tl.fit_grn with n_folds above 1."
        )
        raise ValueError(msg)
    source, target = (
        data.var_names.get_indexer(pd.Index(pairs[end].astype(str))) for end in ("source", "target")
    )
    kind = kinds_of_pairs(truth, source, target)
    columns = {method: prefix} | {name: f"{prefix}_{name}" for name in nulls(pairs)}
    regulates = np.diff(truth.indptr) > 0
    rows = []
    for model, column in columns.items():
        score = pairs[column].to_numpy(np.float64)
        for against in (*KINDS, ALL):
            # An edge to a TF may be known by its target alone.
            edges = (kind == "edge") & (regulates[target] | (against != "reversed"))
            others = kind == against if against != ALL else kind != "edge"
            rows.append((model, against, *_compared(edges, others, score, source)))
    names = ["model", "against", "n_edges", "n_pairs", "auroc", "per_tf_auroc"]
    return pd.DataFrame(rows, columns=names)


def kinds_of_pairs(truth: sp.csr_matrix, source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return ``"edge"`` or the first of :data:`KINDS` that holds, for each pair of positions.

    ``truth`` is a matrix of ones, row = source.
    """
    if not len(source):
        # scipy has a matrix for no values.
        return np.empty(0, "<U12")
    tfs, row = np.unique(source, return_inverse=True)
    # Rows of the sources alone: all genes × all genes would be large.
    there = {
        "edge": truth[tfs],
        "reversed": sp.csr_matrix(truth[:, tfs].T),
        "indirect": sp.csr_matrix(truth[tfs] @ truth),
        "co-regulated": sp.csr_matrix(truth[:, tfs].T @ truth),
    }
    holds = [np.asarray(matrix[row, target]).ravel() > 0 for matrix in there.values()]
    return np.select(holds, list(there), KINDS[-1])


def _compared(
    edges: np.ndarray, others: np.ndarray, score: np.ndarray, source: np.ndarray
) -> tuple[int, int, float, float]:
    """Return the numbers of edges and others, and how they are ranked, over all and per TF."""
    used = edges | others
    n_edges, n_others = int(edges.sum()), int(others.sum())
    if not (n_edges and n_others):
        return n_edges, n_others, np.nan, np.nan
    chosen = edges[used], score[used]
    return n_edges, n_others, auroc(*chosen), per_tf(*chosen, source[used])
