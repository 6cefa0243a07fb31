"""BEELINE's ranked list of edges."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scregnet._docs import doc
from scregnet.io._ranked import ranked

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData
    from mudata import MuData


@doc
def to_beeline(
    adata: AnnData | MuData,
    *,
    key: str = "grn",
    group: str | None = None,
    top_n: int | None = None,
    mod: str = "rna",
) -> pd.DataFrame:
    r"""Return the links as BEELINE's evaluator reads them.

    Write it with ``frame.to_csv("rankedEdges.csv", sep="\t", index=False)``.

    Parameters
    ----------
    %(adata)s
    %(key)s
    %(group)s
    top_n
        Links at most; ``None`` takes all that are stored.
    %(mod)s

    Returns
    -------
    Frame with ``Gene1`` (regulator), ``Gene2`` (target) and ``EdgeWeight``, highest first.

    Raises
    ------
    KeyError
        There is no fitted network ``key``, or no such ``group``.

    Examples
    --------
    >>> import scregnet as sr
    >>> adata = sr.datasets.simulated(n_obs=200, n_vars=100)
    >>> sr.tl.fit_grn(adata, adata.uns["network"], method="degree")
    >>> list(sr.io.to_beeline(adata, top_n=10))
    ['Gene1', 'Gene2', 'EdgeWeight']
    """
    frame = ranked(adata, key=key, group=group, top_n=top_n, mod=mod)
    return frame.set_axis(["Gene1", "Gene2", "EdgeWeight"], axis="columns")
