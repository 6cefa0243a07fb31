"""Regulons for TF activities: known links with their signs, and some of the new ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scregnet._anndata.slots import check_genes, fitted
from scregnet.get._names import find_genes, shown_names
from scregnet.get._select import By, select_links
from scregnet.get._stored import StoredNetwork

if TYPE_CHECKING:
    from anndata import AnnData

MIN_LIFT = float(np.log(2))
"""The method doubles the null model's odds: a gene that many TFs regulate does not pass as such."""

COLUMNS = ["source", "target", "weight", "in_prior"]


@dataclass(frozen=True)
class NewLinks:
    """Which new links are added to the known ones."""

    by: By
    filters: Mapping[str, Any] = field(default_factory=dict)
    """What the user demands, arguments of :func:`select_links`; empty for the default rule."""

    other_tfs: bool = False
    """Also those of TFs without a known edge."""


def regulons(
    adata: AnnData,
    key: str,
    *,
    new: NewLinks | None,
    with_known: bool = True,
    sources: str | Sequence[str] | None = None,
    targets: str | Sequence[str] | None = None,
    gene_symbols: str | None = None,
) -> pd.DataFrame:
    """Return the links whose targets tell of the activity of their TF.

    ``new=None`` adds no new links.

    Returns
    -------
    Frame with ``source`` and ``target``, by the names that are shown; ``weight``: the sign of a
    known link, and probability times sign of a new one; and ``in_prior``. Sorted by source.
    """
    known = known_links(adata, key, gene_symbols)
    parts = [_named(adata, known, sources, targets, gene_symbols)] if with_known else []
    if new is not None:
        where = {"sources": sources, "targets": targets, "gene_symbols": gene_symbols}
        parts.append(_signed(_new_links(adata, key, known, new, where), known))
    # pandas does not join the types of empty frames; one is left if all are empty.
    parts = [part for part in parts if len(part)] or parts[:1]
    links = pd.concat(parts, ignore_index=True)[COLUMNS]
    # At a weight of 0, activation and repression are equally likely: the target tells nothing.
    links = links[links["weight"] != 0]
    # A stable sort: known links stay before new ones.
    return links.sort_values("source", kind="stable", ignore_index=True)


def _named(
    adata: AnnData,
    links: pd.DataFrame,
    sources: str | Sequence[str] | None,
    targets: str | Sequence[str] | None,
    gene_symbols: str | None,
) -> pd.DataFrame:
    """Return the links of the regulators and targets that the user names."""
    shown = shown_names(adata, gene_symbols)
    for column, wanted in (("source", sources), ("target", targets)):
        chosen = find_genes(f"{column}s", wanted, adata, gene_symbols, shown)
        if chosen is not None:
            links = links[links[column].isin(shown[chosen].astype(str))]
    return links


def known_links(adata: AnnData, key: str, gene_symbols: str | None = None) -> pd.DataFrame:
    """Return the known edges between genes of ``adata``, weighted by their sign.

    They are read from the labelled pairs, so they are all there, also where the fit stored only
    its most probable links. An edge of unknown sign counts as activating.
    """
    check_genes(adata, key)
    entry = fitted(adata, key)
    pairs, left_out = entry["pairs"], entry["left_out"]
    # astype: columns may be categories, which concat would not join.
    ends = [frame[["source", "target"]].astype(str) for frame in (pairs, left_out)]
    edges = pd.concat(ends, ignore_index=True)
    is_edge = np.append(pairs["label"].to_numpy() == 1, np.ones(len(left_out), bool))
    edges = edges[is_edge].drop_duplicates()
    sign = _known_signs(entry).reindex(pd.MultiIndex.from_frame(edges)).fillna(1.0).to_numpy()
    # Genes may have been dropped from adata after the fit.
    places = [adata.var_names.get_indexer(edges[column]) for column in ("source", "target")]
    there = (places[0] >= 0) & (places[1] >= 0)
    shown = shown_names(adata, gene_symbols).astype(str)
    return pd.DataFrame(
        {
            "source": shown[places[0][there]],
            "target": shown[places[1][there]],
            "weight": sign[there],
            "in_prior": True,
        }
    )


def _known_signs(entry: Mapping[str, Any]) -> pd.Series:
    """Return 1 or -1 by source and target; empty if no edge of the prior represses."""
    if "signs" not in entry:
        none: list[list[str]] = [[], []]
        return pd.Series([], index=pd.MultiIndex.from_arrays(none), dtype=np.float64)
    signs = entry["signs"]["pairs"]
    index = pd.MultiIndex.from_frame(signs[["source", "target"]].astype(str))
    return pd.Series(signs["sign"].to_numpy(np.float64), index=index)


def _new_links(
    adata: AnnData, key: str, known: pd.DataFrame, new: NewLinks, where: Mapping[str, Any]
) -> pd.DataFrame:
    """Return the frame of the new links that are added, with the columns of ``get.grn``."""
    n_known = known["source"].value_counts()
    filters = new.filters
    network = StoredNetwork(adata, key)
    if not filters:
        filters = {
            "threshold": _as_probable_as_known(adata, key, len(known)),
            "min_lift": MIN_LIFT,
            "top_n_targets": max(n_known.to_list(), default=1),
        }
    links, _ = select_links(adata, key, by=new.by, new_only=True, **filters, **where)
    links = links.astype({"source": str, "target": str})
    if network.has_scores:
        # In units of the TF's best link, so that a weight lies between 0 and 1 as a probability.
        best = links.groupby("source")["score"].transform("max")
        links = links.assign(weight=links["score"] / best)
    if not new.filters:
        # No TF gets more new links than it has known ones. Others get what the median TF has.
        # Not by map: of no links, pandas 3 returns texts.
        limit = n_known.reindex(links["source"]).fillna(n_known.median()).to_numpy(np.float64)
        links = links[links.groupby("source").cumcount() < limit]
    return links if new.other_tfs else links[links["source"].isin(n_known.index)]


def _as_probable_as_known(adata: AnnData, key: str, n_known: int) -> float:
    """Return the least probability among the most probable links, as many as there are known ones.

    A network of the size of the known one would consist of these links.
    """
    weights = StoredNetwork(adata, key).matrix.data
    if n_known == 0 or len(weights) == 0:
        return 1.0
    place = max(len(weights) - n_known, 0)
    return float(np.partition(weights, place)[place])


def _signed(links: pd.DataFrame, known: pd.DataFrame) -> pd.DataFrame:
    """Return new links with the weight ``p * s``: probability times expected sign.

    ``s`` is the predicted sign. Where it cannot be told, it is the mean of the TF's known signs.
    """
    usual = known.groupby("source")["weight"].mean()
    sign = usual.reindex(links["source"]).fillna(1.0).to_numpy(np.float64)
    if "sign" in links:
        told = links["sign"].to_numpy(np.float64)
        sign = np.where(np.isnan(told), sign, told)
    weight = links["weight"].to_numpy(np.float64) * sign
    return links.assign(weight=weight, in_prior=False)


def n_targets(links: pd.DataFrame) -> pd.Series:
    """Return the expected number of targets of each TF: a new one counts as its weight.

    Three known links and three improbable ones are three targets, not six.
    """
    return links["weight"].abs().groupby(links["source"]).sum()
