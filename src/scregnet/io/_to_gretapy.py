"""The frame that GRETApy reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scregnet._docs import doc
from scregnet.io._ranked import ranked

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData
    from mudata import MuData


@doc
def to_gretapy(
    adata: AnnData | MuData,
    *,
    key: str = "grn",
    group: str | None = None,
    top_n: int | None = None,
    mod: str = "rna",
) -> pd.DataFrame:
    """Return the links as GRETApy reads them.

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
    Frame with ``source``, ``target`` and ``score``, highest first.

    Raises
    ------
    KeyError
        There is no fitted network ``key``, or no such ``group``.

    Examples
    --------
    >>> import scregnet as sr
    >>> adata = sr.datasets.simulated(n_obs=200, n_vars=100)
    >>> sr.tl.fit_grn(adata, adata.uns["network"], method="degree")
    >>> list(sr.io.to_gretapy(adata, top_n=10))
    ['source', 'target', 'score']
    """
    frame = ranked(adata, key=key, group=group, top_n=top_n, mod=mod)
    return frame.rename(columns={"weight": "score"})
