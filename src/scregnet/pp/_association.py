"""Write the co-expression of TFs and genes as an evidence layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import scipy.sparse as sp

from scregnet._anndata.access import check_names, check_writable, flags, is_counts, resolve
from scregnet._anndata.streamed import GeneSums, log_blocks
from scregnet._docs import doc
from scregnet._validate import listed, name_list
from scregnet.pp._evidence import evidence

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData

# TFs × genes above which only correlations of at least NOISE standard errors are kept. Smaller ones
# say a little too, but a hundred million numbers would be written.
MOST_VALUES = 4_000_000
NOISE = 2.0
# TFs whose correlations with all genes are dense at a time.
BLOCK = 500


@doc
def association(
    adata: AnnData | MuData,
    tfs: Sequence[str] | None = None,
    *,
    layer: str | None = None,
    key_added: str | None = None,
    copy: bool = False,
    mod: str = "rna",
) -> AnnData | MuData | None:
    """Write how much each TF and each gene vary together, as an evidence layer.

    For ``fit_grn(evidence="association")``. It helps where edges change expression, as in simulated
    networks; on ChIP networks it changed next to nothing (:doc:`/evidence`).

    Parameters
    ----------
    %(adata)s
    tfs
        Names of the TFs; ``None`` takes ``adata.var["is_tf"]``.
    %(layer)s Raw counts become log1p of counts per 10,000.
    %(key_added)s Here ``"association"``.
    %(copy)s
    %(mod)s

    Returns
    -------
    ``None`` if ``copy=False``, else the changed copy. Reads the cells in blocks, in memory of
    TFs × genes. Sets the slots of
    :func:`scregnet.pp.evidence`. ``adata.varp[key_added]`` holds the absolute Pearson correlation
    of TF and gene over the cells. With more than four million pairs, those below two standard
    errors (``2 / sqrt(n_cells)``) are 0.

    Raises
    ------
    KeyError, ValueError
        No TF is given or known, values are negative, or the key holds something else.

    Examples
    --------
    >>> import scregnet as sr
    >>> adata = sr.datasets.simulated(n_obs=200, n_vars=100)
    >>> sr.pp.association(adata, adata.uns["network"]["source"].unique())
    >>> sr.tl.fit_grn(adata, adata.uns["network"], evidence="association", n_folds=1, n_trees=20)
    """
    data = resolve(adata, mod)
    check_names(data)
    check_writable(data, copy=copy)
    where = tf_positions(data, tfs)
    products, sums = _products(data, layer, where)
    is_large = len(where) * data.n_vars > MOST_VALUES
    least = NOISE / np.sqrt(data.n_obs) if is_large else 0.0
    blocks = [
        _correlations(products, sums, where, slice(start, start + BLOCK), least)
        for start in range(0, len(where), BLOCK)
    ]
    from anndata import AnnData

    names = data.var_names[where]
    experiments = AnnData(
        sp.vstack(blocks, format="csr"),
        obs=pd.DataFrame({"tf": names.to_numpy(str)}, index=names.astype(str)),
        var=pd.DataFrame(index=data.var_names),
    )
    key = "association" if key_added is None else key_added
    return evidence(adata, experiments, key=key, copy=copy, mod=mod)


def tf_positions(data: AnnData, tfs: Sequence[str] | None) -> np.ndarray:
    """Return the positions of the TFs."""
    if tfs is None:
        hint = "Call sr.pp.prior or sr.pp.tfs first, or name the TFs with tfs=."
        where = np.flatnonzero(flags(data, "is_tf", hint))
        if not len(where):
            msg = f'no gene is marked in adata.var["is_tf"]. {hint}'
            raise ValueError(msg)
        return where
    if isinstance(tfs, str):
        msg = f"tfs must be a sequence of names, got the text {tfs!r}; pass [{tfs!r}]."
        raise TypeError(msg)
    names = pd.unique(np.asarray(name_list("tfs", tfs), dtype=object))
    where = data.var_names.get_indexer(pd.Index(names))
    if (where < 0).any() or not len(where):
        missing = listed(names[where < 0], 5) if len(where) else "none was given"
        msg = f"tfs: every TF must be in adata.var_names; missing: {missing}."
        raise ValueError(msg)
    return where


def _products(data: AnnData, layer: str | None, where: np.ndarray) -> tuple[np.ndarray, GeneSums]:
    """Return sums over cells: of products of genes and some genes, and of genes.

    Float64 of shape (n_genes, n_some), so that what the means take off leaves digits enough.
    """
    products = np.zeros((data.n_vars, len(where)))
    sums = GeneSums.of(sp.csr_matrix((0, data.n_vars)))
    for _, block in log_blocks(data, layer, counts=is_counts(data, layer)):
        sums += GeneSums.of(block)
        values = block.astype(np.float64)
        products += values.T @ values[:, where].toarray()
    return products, sums


def _correlations(
    products: np.ndarray, sums: GeneSums, where: np.ndarray, some: slice, least: float
) -> sp.csr_matrix:
    """Return the absolute correlations of some TFs with all genes, without those below ``least``.

    A gene that does not vary has none.
    """
    mean, spread, _ = sums.summary().T
    # Below this a gene's variance is rounding error of its mean.
    varies = spread > 1e-6 * np.maximum(mean, 1)
    scale = np.divide(1, spread, out=np.zeros_like(spread), where=varies)
    tfs = where[some]
    found = products[:, some].T / sums.n_cells - np.outer(mean[tfs], mean)
    found = np.minimum(np.abs(found * np.outer(scale[tfs], scale)), 1)
    found[np.arange(len(tfs)), tfs] = 0
    found[found < least] = 0
    return sp.csr_matrix(found.astype(np.float32))
