"""The AnnData that geneRNIB evaluates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from anndata import AnnData

from scregnet._anndata.access import resolve
from scregnet._anndata.slots import fitted, key_of_group
from scregnet._docs import doc
from scregnet._validate import check_integer
from scregnet.io._ranked import ranked

if TYPE_CHECKING:
    from mudata import MuData

MOST = 50_000
"""Links that geneRNIB evaluates."""


@doc
def to_generrnib(
    adata: AnnData | MuData,
    dataset_id: str,
    *,
    method_id: str | None = None,
    key: str = "grn",
    group: str | None = None,
    sources: str | Sequence[str] | None = None,
    top_n: int = MOST,
    mod: str = "rna",
) -> AnnData:
    """Return the links as a submission to geneRNIB; write it with ``write_h5ad``.

    Parameters
    ----------
    %(adata)s
    dataset_id
        Name of the data set there, such as ``"op"``.
    method_id
        Name of the method; ``None`` takes that of the fit after ``scregnet_``.
    %(key)s
    %(group)s
    sources
        Links of these TFs only, such as those that geneRNIB lists; ``None`` takes all.
    top_n
        Links at most, up to 50,000, which is what geneRNIB evaluates.
    %(mod)s

    Returns
    -------
    AnnData without cells, with ``uns["dataset_id"]``, ``uns["method_id"]`` and
    ``uns["prediction"]``: ``source``, ``target`` and ``weight``, all texts, highest first.

    Raises
    ------
    KeyError
        There is no fitted network ``key``, no such ``group``, or no such gene in ``sources``.
    ValueError
        ``top_n`` is below 1 or above 50,000, or a gene of ``sources`` is no candidate TF.

    Examples
    --------
    >>> import scregnet as sr
    >>> adata = sr.datasets.simulated(n_obs=200, n_vars=100)
    >>> sr.tl.fit_grn(adata, adata.uns["network"], method="degree")
    >>> sr.io.to_generrnib(adata, "op").uns["method_id"]
    'scregnet_degree'
    """
    check_integer("top_n", top_n, minimum=1)
    if top_n > MOST:
        msg = f"top_n={top_n} is above the {MOST:,} links that geneRNIB evaluates."
        raise ValueError(msg)
    data = resolve(adata, mod)
    if method_id is None:
        entry = fitted(data, key_of_group(data, key, group))
        method_id = f"scregnet_{entry['params']['method']}"
    frame = ranked(adata, key=key, group=group, sources=sources, top_n=top_n, mod=mod)
    # As many digits as tell two numbers apart.
    frame["weight"] = [str(weight) for weight in frame["weight"].to_numpy()]
    uns = {"dataset_id": dataset_id, "method_id": method_id, "prediction": frame}
    return AnnData(uns=uns)
