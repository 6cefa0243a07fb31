"""The targets of each TF."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from scregnet._anndata.access import resolve
from scregnet._anndata.slots import fitted, holds_scores, key_of_group
from scregnet._docs import doc
from scregnet.get._select import select_links

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData


@doc
def regulons(
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
    gene_symbols: str | None = None,
    mod: str = "rna",
) -> dict[str, list[str]]:
    """Return the target genes of each TF, most probable first.

    ``threshold="auto"`` is 0.5 next to all other filters; ``threshold=None`` switches it off. Of a
    network without labels, which holds scores, ``"auto"`` needs ``top_n`` or ``top_n_targets``.

    Parameters
    ----------
    %(adata)s
    %(key)s
    %(group)s
    %(links)s
    %(gene_symbols)s
    %(mod)s

    Returns
    -------
    Names of the targets by the name of their TF. TFs are in the order of their first link, the
    highest in ``by``. Those without a link that passes the filters are left out.

    Raises
    ------
    KeyError
        ``key``, ``group`` or a gene is unknown, or several genes have the name that is given.
    ValueError
        The genes have other names than at the fit, a source is not a candidate TF, ``group`` is
        missing, a number is out of range, or there is no null model for ``by="lift"`` or
        ``min_lift``.

    Examples
    --------
    >>> import scregnet as sr
    >>> adata = sr.datasets.simulated(n_obs=200, n_vars=100)
    >>> sr.tl.fit_grn(adata, adata.uns["network"], method="degree")
    >>> sets = sr.get.regulons(adata, threshold=0.5, top_n_targets=100)
    """
    adata = resolve(adata, mod)
    key = key_of_group(adata, key, group)
    if isinstance(threshold, str) and threshold == "auto":
        threshold = 0.5
        if holds_scores(fitted(adata, key)):
            if top_n is None and top_n_targets is None:
                msg = (
                    f"threshold: {key!r} holds scores, of which 0.5 says nothing: give "
                    "top_n_targets= or top_n=, or a score as threshold=."
                )
                raise ValueError(msg)
            threshold = None
    frame, _ = select_links(
        adata,
        key,
        sources=sources,
        targets=targets,
        by=by,
        threshold=threshold,
        min_lift=min_lift,
        max_q=max_q,
        top_n=top_n,
        top_n_targets=top_n_targets,
        new_only=new_only,
        gene_symbols=gene_symbols,
    )
    by_source = frame.groupby("source", sort=False, observed=True)["target"]
    return {str(source): part.tolist() for source, part in by_source}
