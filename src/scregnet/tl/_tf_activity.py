"""Activity of each TF in each cell, by decoupler on known and new targets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from scregnet._anndata.access import check_names, check_writable, resolve, write
from scregnet._anndata.features import log_normalised
from scregnet._anndata.slots import key_of_group
from scregnet._anndata.taken import check_free
from scregnet._docs import doc
from scregnet._logging import logger
from scregnet._validate import check_choice, check_flags, check_integer, check_name
from scregnet.get._names import shown_names
from scregnet.get._select import ORDERS
from scregnet.get._stored import StoredNetwork
from scregnet.tl._activity.overlap import warn_of_overlap
from scregnet.tl._activity.regulons import NewLinks, n_targets, regulons
from scregnet.tl._activity.scores import (
    METHODS,
    PADJ_METHODS,
    SET_METHODS,
    UNSIGNED_METHODS,
    scores,
)

if TYPE_CHECKING:
    import pandas as pd
    import scipy.sparse as sp
    from anndata import AnnData
    from mudata import MuData


@doc
def tf_activity(
    adata: AnnData | MuData,
    *,
    key: str = "grn",
    group: str | None = None,
    method: Literal["ulm", "mlm", "viper", "zscore", "waggr", "aucell", "ora"] = "ulm",
    sources: str | Sequence[str] | None = None,
    targets: str | Sequence[str] | None = None,
    by: Literal["probability", "lift"] = "probability",
    threshold: float | None = None,
    min_lift: float | None = None,
    max_q: float | None = None,
    top_n: int | None = None,
    top_n_targets: int | None = None,
    new_only: bool = False,
    known_only: bool = False,
    new_tfs: bool = False,
    tmin: int = 5,
    layer: str | None = None,
    gene_symbols: str | None = None,
    key_added: str | None = None,
    copy: bool = False,
    mod: str = "rna",
) -> AnnData | MuData | None:
    """Infer the activity of each TF in each cell, by decoupler :cite:p:`badia2022decoupler`.

    Known targets weigh 1, repressed ones -1; new ones weigh probability times sign. Without a
    filter, new links are those about as probable as known edges with a lift of at least log 2, per
    TF no more than it has known ones (:ref:`activities`). Warns where TFs share their targets.

    Parameters
    ----------
    %(adata)s
    %(key)s
    %(group)s
    method
        decoupler's method. ``"zscore"``, ``"aucell"`` and ``"ora"`` know no signs: they get no
        repressed targets. The last two know no weights: they get new targets only with a filter.
    sources, targets
        TFs and target genes to use, by name; ``None`` uses all.
    by, threshold, min_lift, max_q, top_n, top_n_targets
        Filters of the new links, as in :func:`scregnet.get.grn`, in place of the default rule;
        ``by`` alone leaves the rule.
    new_only, known_only
        Leave out the known links, or the new ones.
    new_tfs
        Score TFs without a known edge too, if enough new links pass.
    tmin
        Leave out TFs with fewer targets. A new target counts as its weight, not as 1.
    %(layer)s Raw counts become log1p of counts per 10,000, in memory.
    gene_symbols
        Column of ``adata.var`` with the gene names to use; ``None`` takes ``adata.var_names``.
    key_added
        Name of the slots; ``None`` takes ``f"{key}_{method}"``, with ``key`` that of the group.
    %(copy)s
    %(mod)s

    Returns
    -------
    ``None`` if ``copy=False``, else the changed copy. Sets the following fields:

    - ``adata.obsm[key_added]``: frame cells × TFs of activities, NaN for empty cells, 0 where
      nothing tells a TF's targets, or a cell's genes, apart;
    - ``adata.obsm[f"{key_added}_padj"]``: their adjusted p-values, if the method has them;
    - ``adata.uns[key_added]``: ``params``, and ``regulons``: source, target, weight, in_prior.

    Raises
    ------
    KeyError, ValueError
        There is no such network, group, gene or layer, the genes have other names than at the fit,
        an argument is wrong, a slot to write holds something else, or no TF has ``tmin`` targets.

    Examples
    --------
    >>> import scregnet as sr
    >>> adata = sr.datasets.simulated(n_obs=200, n_vars=100)
    >>> sr.tl.fit_grn(adata, adata.uns["network"], method="degree")
    >>> sr.tl.tf_activity(adata, tmin=3)
    >>> adata.obsm["grn_ulm"].shape[0]
    200
    """
    data = resolve(adata, mod)
    check_names(data)
    check_writable(data, copy=copy)
    check_choice("method", method, METHODS)
    check_integer("tmin", tmin, minimum=1)
    check_choice("by", by, ORDERS)
    check_flags(new_only=new_only, known_only=known_only, new_tfs=new_tfs)
    check_name("key_added", key_added)
    member = key_of_group(data, key, group)
    slot = _slot(data, f"{member}_{method}" if key_added is None else key_added, method)
    earlier = data.uns.get(slot)
    given = {
        "threshold": threshold,
        "min_lift": min_lift,
        "max_q": max_q,
        "top_n": top_n,
        "top_n_targets": top_n_targets,
    }
    filters = {name: value for name, value in given.items() if value is not None}
    new = None
    if known_only:
        _check_known_only(filters | {"new_only": new_only, "new_tfs": new_tfs})
    elif filters or _has_default_rule(data, member, method, demanded=new_only or new_tfs):
        new = NewLinks(by, filters, other_tfs=new_tfs)
    links = regulons(
        data,
        member,
        new=new,
        with_known=not new_only,
        sources=sources,
        targets=targets,
        gene_symbols=gene_symbols,
    )
    cells, _ = log_normalised(data, layer)
    names = shown_names(data, gene_symbols).astype(str)
    links = _usable(links, cells, names, method, tmin)
    activity, padj = scores(method, cells, data.obs_names, names, links)
    params = {"key": member, "method": method, "tmin": tmin, "by": by, **filters}
    params |= {"new_only": new_only, "known_only": new is None, "new_tfs": new_tfs}
    obsm = {slot: activity} | ({} if padj is None else {f"{slot}_padj": padj})
    result = adata.copy() if copy else adata
    written = resolve(result, mod)
    stale = []
    if padj is None and earlier is not None and earlier["params"]["method"] in PADJ_METHODS:
        # What another method wrote under the same name.
        stale = [f"{slot}_padj"]
    entry = {"params": params, "regulons": links}
    _log(slot, links)
    warn_of_overlap(links, tmin)
    # Last: what fails leaves the object as it was.
    write(written, obsm=obsm, uns={slot: entry}, remove={"obsm": stale})
    return result if copy else None


def _slot(adata: AnnData, key_added: str, method: str) -> str:
    """Return the name of the slots; raise if something else would be overwritten."""
    entry = adata.uns.get(key_added)
    own: set[tuple[str, str]] = set()
    if isinstance(entry, Mapping) and "regulons" in entry:
        own = _slots(key_added, str(entry["params"]["method"]))
    slots = sorted(_slots(key_added, method) - own)
    check_free(adata, "key_added", key_added, slots, "an activity of sr.tl.tf_activity")
    return key_added


def _slots(key_added: str, method: str) -> set[tuple[str, str]]:
    """Return the slots that activities of a method have."""
    slots = {("uns", key_added), ("obsm", key_added)}
    return slots | {("obsm", f"{key_added}_padj")} if method in PADJ_METHODS else slots


def _check_known_only(others: Mapping[str, Any]) -> None:
    """Raise if ``known_only`` meets an argument about new links."""
    wrong = [f"{name}={value!r}" for name, value in others.items() if value is not False]
    if wrong:
        msg = (
            f"known_only=True leaves out the new links, but {', '.join(wrong)} is about them; give "
            "one or the other."
        )
        raise ValueError(msg)


def _has_default_rule(adata: AnnData, key: str, method: str, *, demanded: bool) -> bool:
    """Whether there is a rule for new links without a filter; raise if new links are demanded."""
    if method in SET_METHODS:
        # Without weights, an improbable link would count as much as a known one.
        why = f"method={method!r} knows no weights"
    elif StoredNetwork(adata, key).null is None:
        # Without the lift, new links are those to genes that many TFs regulate.
        why = f"adata.varp has no probabilities of a null model for {key!r}"
    else:
        return True
    if demanded:
        msg = (
            f"new links need a filter, because {why}: give threshold=, max_q=, top_n= or "
            "top_n_targets=."
        )
        raise ValueError(msg)
    logger.info("tf_activity: known links only, because %s; give a filter to add new ones", why)
    return False


def _usable(
    links: pd.DataFrame, cells: sp.csr_matrix, genes: pd.Index, method: str, tmin: int
) -> pd.DataFrame:
    """Return the links that ``method`` can use, of the TFs that have ``tmin`` targets."""
    # decoupler drops genes that no cell expresses, so they must not count as targets.
    expressed = genes[np.asarray((cells != 0).sum(axis=0)).ravel() > 0]
    links = links[links["target"].isin(expressed)]
    if method in UNSIGNED_METHODS:
        # Together with activated targets, repressed ones would count in the wrong direction.
        links = links[links["weight"] > 0]
    if method in SET_METHODS:
        links = links.assign(weight=1.0)
    n = n_targets(links)
    if not (n >= tmin).any():
        most = f"{n.max():.3g} ({n.idxmax()})" if len(n) else "0"
        msg = (
            f"no TF has tmin={tmin} targets that cells express; the largest regulon has {most}. "
            "Lower tmin or loosen the filters; TFs without a known edge, which a network made "
            "without labels has only, need new_tfs=True and a filter such as top_n_targets=50."
        )
        raise ValueError(msg)
    return links[links["source"].isin(n.index[n >= tmin])].reset_index(drop=True)


def _log(slot: str, links: pd.DataFrame) -> None:
    n_known = int(links["in_prior"].sum())
    logger.info(
        "%s: activities of %d TFs from %d known and %d new links",
        slot,
        links["source"].nunique(),
        n_known,
        len(links) - n_known,
    )
