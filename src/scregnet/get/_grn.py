"""The fitted network as a frame of links."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from scregnet._anndata.access import resolve
from scregnet._anndata.slots import read_groups
from scregnet._docs import doc
from scregnet.get._select import select_links

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData
    from mudata import MuData


@doc
def grn(
    adata: AnnData | MuData,
    *,
    key: str = "grn",
    group: str | None = None,
    sources: str | Sequence[str] | None = None,
    targets: str | Sequence[str] | None = None,
    by: Literal["probability", "lift"] = "probability",
    threshold: float | None = None,
    min_lift: float | None = None,
    max_q: float | None = None,
    top_n: int | None = None,
    top_n_targets: int | None = None,
    new_only: bool = False,
    gene_symbols: str | None = None,
    mod: str = "rna",
) -> pd.DataFrame:
    """Return the links of a fitted network, most probable first.

    The frame has decoupler's columns: ``decoupler.mt.ulm(adata, net)`` takes it as it is.

    Parameters
    ----------
    %(adata)s
    %(key)s
    %(groups)s
    %(links)s
    %(gene_symbols)s
    %(mod)s

    Returns
    -------
    Frame with one row per link, in falling order of ``by``, ties by ``adata.var_names``. ``null``,
    ``lift``, ``sd``, ``sign`` and ``stability`` are there if their slot is:

    - ``source``: name of the regulator, a row of ``adata.varp[key]``;
    - ``target``: name of the regulated gene, a column of ``adata.varp[key]``;
    - ``weight``: probability that the source regulates the target. Of a network without labels it
      is a score: higher is likelier, 0.5 says nothing. ``score`` repeats it then, and there is no
      ``q``;
    - ``null``: probability by the better null model, which uses no expression;
    - ``lift``: logit of ``weight`` minus logit of ``null`` (:ref:`lift`);
    - ``sd``: standard deviation of ``weight`` over the members of an ensemble;
    - ``sign``: 1 activates, -1 represses; in between, how sure a prediction is; NaN if unknown;
    - ``stability``: share of refits that have the link among their first new ones, NaN for a known
      edge (:func:`scregnet.bm.stability`);
    - ``q``: expected share of false links among all stored links, known ones included, that are at
      least as probable (:ref:`q-of-links`);
    - ``in_prior``: whether the link is a known edge;
    - ``split``: ``"train"``, ``"validation"`` or ``"test"``, or ``"none"`` for an unlabelled pair.

    Raises
    ------
    KeyError
        ``key``, ``group`` or a gene is unknown, or several genes have the name that is given.
    ValueError
        The genes have other names than at the fit, a source is not a candidate TF, a number is out
        of range, or ``by="lift"`` or ``min_lift`` is given and the
        network has no probabilities of a null model, or ``max_q`` and it holds scores.

    Examples
    --------
    >>> import scregnet as sr
    >>> adata = sr.datasets.simulated(n_obs=200, n_vars=100)
    >>> sr.tl.fit_grn(adata, adata.uns["network"], method="degree")
    >>> net = sr.get.grn(adata, max_q=0.5, top_n_targets=100)
    """
    data = resolve(adata, mod)

    def read(member: str) -> pd.DataFrame:
        frame, _ = select_links(
            data,
            member,
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
        return frame

    return read_groups(data, key, group, read)
