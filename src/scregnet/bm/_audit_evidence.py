"""Find the experiments in a library that the known edges were made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from scregnet._anndata.access import check_names, resolve
from scregnet._docs import doc
from scregnet._genes.evidence.experiments import without
from scregnet._genes.evidence.names import names_in_evidence
from scregnet._genes.evidence.overlap import made_the_labels, overlaps
from scregnet._genes.evidence.read import read_experiments
from scregnet._genes.network import read_network
from scregnet._logging import logger
from scregnet._validate import listed
from scregnet.links.pairs.audit import FAIL, OK, WARNING

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData


@doc
def audit_evidence(
    adata: AnnData | MuData,
    net: Any,
    prior: Any = None,
    *,
    context: str | None = None,
    exclude: str | Sequence[str] | None = None,
    gene_symbols: str | None = None,
    orthologues: pd.DataFrame | Mapping[str, Any] | Literal["upper"] | None = None,
    mod: str = "rna",
) -> pd.DataFrame:
    """Find the experiments of a library that your known edges were made from.

    A layer that holds them gives labels back as predictions. Call this before
    :func:`scregnet.pp.evidence`, with the same arguments, and leave out the contexts that it names.

    Parameters
    ----------
    %(adata)s
    net
        The experiments, as in :func:`scregnet.pp.evidence`.
    %(prior)s

        ``None`` takes ``adata.varp["prior"]``.
    context, exclude, orthologues
        As in :func:`scregnet.pp.evidence`.
    gene_symbols
        Column of ``adata.var`` with the names that ``net`` and ``prior`` use; ``None`` takes
        ``adata.var_names``.
    %(mod)s

    Returns
    -------
    One row per experiment of a TF with known edges, the most suspicious first; ``adata`` is not
    changed. Columns:

    - ``tf``, ``context``;
    - ``n_genes``, ``n_edges``, ``n_shared``: genes of the experiment, edges of the TF, and genes
      that are both, among the genes of ``adata`` that ``net`` covers;
    - ``share``, ``expected``: share of the experiment's genes that are edges, and of all genes;
    - ``jaccard``: ``n_shared`` of the genes that are either;
    - ``verdict``: ``"fail"`` for an experiment that looks like the labels, ``"warning"`` for others
      of its context, else ``"ok"``.

    Raises
    ------
    ValueError, KeyError, TypeError, FileNotFoundError
        If ``net`` or ``prior`` cannot be read, or no TF of ``net`` has known edges.

    Notes
    -----
    An experiment fails if its Jaccard index is at least 0.6, or if it has at least 10 genes, 98 %%
    of them edges and 1.5 times as many as expected. An experiment of your cell type that shares
    less passes: read the contexts too.

    Examples
    --------
    >>> import scregnet as sr
    >>> adata = sr.datasets.simulated()
    >>> edges = adata.uns["network"].astype(str).groupby("source")["target"].agg(list)
    >>> sets = {f"{tf}_own": targets for tf, targets in edges.items()}
    >>> report = sr.bm.audit_evidence(adata, sets, adata.uns["network"])
    >>> report["verdict"].unique().tolist()
    ['fail']
    """
    data = resolve(adata, mod)
    check_names(data)
    kept, _ = without(read_experiments(net, context), exclude)
    names, _ = names_in_evidence(data, gene_symbols, orthologues)
    edges = read_network("prior" if prior is None else prior, data, gene_symbols=gene_symbols)
    table = overlaps(kept, names, edges.sources, edges.targets)
    if table.empty:
        msg = (
            f"none of the TFs of net ({listed(pd.unique(kept.tfs), 5)}) has known edges under "
            "the same name; if letter case is what differs, pass orthologues='upper'."
        )
        raise ValueError(msg)
    fails = made_the_labels(table)
    suspect = table["context"].isin(set(table.loc[fails, "context"]) - {""})
    verdict = np.where(fails, FAIL, np.where(suspect, WARNING, OK))
    table["verdict"] = pd.Categorical(verdict, categories=[OK, WARNING, FAIL])
    _log(table)
    order = ["verdict", "jaccard", "share"]
    return table.sort_values(order, ascending=False, kind="stable", ignore_index=True)


def _log(table: pd.DataFrame) -> None:
    failed = table[table["verdict"] == FAIL]
    if failed.empty:
        logger.info("audit_evidence: none of %d experiments looks like the labels", len(table))
        return
    logger.warning(
        "audit_evidence: %d of %d experiments look like those that the edges were made from, in "
        "the contexts %s. Leave out these contexts, and their relatives, with exclude=.",
        *(len(failed), len(table), listed(failed["context"].unique(), 10)),
    )
