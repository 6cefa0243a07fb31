"""The targets of each TF."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from scregnet._anndata.access import resolve
from scregnet._docs import doc
from scregnet._validate import check_integer
from scregnet.get._grn import select_links

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData


@doc
def regulons(
    adata: AnnData | MuData,
    *,
    key: str = "grn",
    sources: str | Sequence[str] | None = None,
    threshold: float | None = 0.5,
    top_n_targets: int | None = None,
    new_only: bool = False,
    mod: str = "rna",
) -> dict[str, list[str]]:
    """Return the target genes of each TF, most probable first.

    Parameters
    ----------
    %(adata)s
    %(key)s
    sources
        Regulators to keep, one name or several; ``None`` keeps all.
    threshold
        Least probability of a link that is kept, between 0 and 1; ``None`` keeps every link.
    top_n_targets
        Number of targets to keep for each TF; ``None`` keeps all that reach ``threshold``.
    new_only
        Leave out the links that are labelled positive, that is, those of the prior.
    %(mod)s

    Returns
    -------
    Names of the targets by the name of their TF. TFs come in the order of their most probable link; those without a link
    that passes are not in it.

    Raises
    ------
    KeyError
        There is no fitted network named ``key``, or ``sources`` are not in ``adata.var_names``.
    ValueError
        A name in ``sources`` is not a candidate TF of the network, or a number is out of range.

    Examples
    --------
    >>> import scregnet as sr
    >>> adata = sr.datasets.simulated()
    >>> sr.tl.fit_grn(adata, adata.uns["network"], method="degree")
    >>> sets = sr.get.regulons(adata, threshold=0.5, top_n_targets=100)
    """
    if top_n_targets is not None:
        check_integer("top_n_targets", top_n_targets, minimum=1)
    frame, _ = select_links(
        resolve(adata, mod), key, sources=sources, threshold=threshold, new_only=new_only
    )
    groups = frame.groupby("source", sort=False, observed=True)["target"]
    return {str(source): part.tolist()[:top_n_targets] for source, part in groups}
