"""Activity of each TF in each cell, by decoupler on the fitted network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from scregnet._anndata.access import check_names, resolve, write
from scregnet._anndata.features import log_normalised
from scregnet._anndata.slots import key_of_group
from scregnet._docs import doc
from scregnet._validate import check_choice, check_integer
from scregnet.get._names import shown_names
from scregnet.get._select import select_links

if TYPE_CHECKING:
    import scipy.sparse as sp
    from anndata import AnnData
    from mudata import MuData

METHODS = ("ulm", "mlm", "viper", "zscore", "waggr", "aucell", "ora")


@doc
def tf_activity(
    adata: AnnData | MuData,
    *,
    key: str = "grn",
    group: str | None = None,
    method: Literal["ulm", "mlm", "viper", "zscore", "waggr", "aucell", "ora"] = "ulm",
    threshold: float | None = None,
    top_n_targets: int | None = 50,
    tmin: int = 5,
    layer: str | None = None,
    gene_symbols: str | None = None,
    copy: bool = False,
    mod: str = "rna",
) -> AnnData | MuData | None:
    """Infer the activity of each TF in each cell: decoupler on the most probable targets.

    The weight of a target is its probability. Two limits: probabilities carry no sign, so the
    activity of a TF that represses its targets comes out reversed; and the most probable targets of
    different TFs overlap, so their activities are alike. Compare with the known network alone.

    Parameters
    ----------
    %(adata)s
    %(key)s
    %(group)s
    method
        decoupler's method, ``"ulm"`` and others :cite:p:`badia2022decoupler`.
    threshold
        Lowest probability of a link that is used, between 0 and 1.
    top_n_targets
        Number of targets of each TF, the most probable ones; ``None`` uses every link that reaches
        ``threshold``.
    tmin
        Leave out TFs with fewer targets than this.
    %(layer)s Raw counts become log1p of counts per 10,000, in memory.
    gene_symbols
        Column of ``adata.var`` with the names that TFs go by in the result; ``None`` takes
        ``adata.var_names``.
    %(copy)s
    %(mod)s

    Returns
    -------
    ``None`` if ``copy=False``, else the changed copy. Sets the following fields:

    - ``adata.obsm[f"score_{method}"]``: frame cells × TFs of activities, NaN for empty cells;
    - ``adata.obsm[f"padj_{method}"]``: frame cells × TFs of adjusted p-values, for methods that
      have them.

    Raises
    ------
    KeyError
        There is no fitted network named ``key``, or ``layer`` or ``group`` is not there.
    ValueError
        No TF has ``tmin`` targets, or an argument is out of range.

    Examples
    --------
    >>> import scregnet as sr
    >>> adata = sr.datasets.simulated(n_obs=200, n_vars=100)
    >>> sr.tl.fit_grn(adata, adata.uns["network"], method="degree")
    >>> sr.tl.tf_activity(adata)
    >>> adata.obsm["score_ulm"].shape[0]
    200
    """
    data = resolve(adata, mod)
    check_names(data)
    check_choice("method", method, METHODS)
    check_integer("tmin", tmin, minimum=1)
    net, _ = select_links(
        data,
        key_of_group(data, key, group),
        threshold=threshold,
        top_n_targets=top_n_targets,
        gene_symbols=gene_symbols,
    )
    net = net[["source", "target", "weight"]].astype(
        {"source": str, "target": str, "weight": np.float64}
    )
    most = int(net["source"].value_counts().max()) if len(net) else 0
    if most < tmin:
        msg = (
            f"no TF has tmin={tmin} targets that pass threshold={threshold} and "
            f"top_n_targets={top_n_targets}; the largest regulon has {most}."
        )
        raise ValueError(msg)

    cells, _ = log_normalised(data, layer)
    names = shown_names(data, gene_symbols)
    scores, padj = _run(method, cells, data.obs_names, names, net, tmin)
    obsm = {f"score_{method}": scores} | ({} if padj is None else {f"padj_{method}": padj})
    result = adata.copy() if copy else adata
    write(resolve(result, mod), obsm=obsm)
    return result if copy else None


def _run(
    method: str,
    cells: sp.csr_matrix,
    obs_names: pd.Index,
    genes: pd.Index,
    net: pd.DataFrame,
    tmin: int,
) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    """Run decoupler on cells × genes and return scores and, where it has them, p-values."""
    import decoupler as dc
    from anndata import AnnData

    # decoupler drops empty cells and then returns a new object; without them it keeps every row.
    filled = np.diff(cells.indptr) > 0
    part = AnnData(
        cells[filled], obs=pd.DataFrame(index=obs_names[filled]), var=pd.DataFrame(index=genes)
    )
    getattr(dc.mt, method)(part, net, tmin=tmin)
    scores, padj = part.obsm[f"score_{method}"], part.obsm.get(f"padj_{method}")
    return scores.reindex(obs_names), None if padj is None else padj.reindex(obs_names)
