"""Select links of a fitted network: the filters that `get`, `pl` and `tl.tf_activity` share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from scregnet._anndata.access import check_names
from scregnet._anndata.slots import check_probabilities, regulators
from scregnet._validate import check_choice, check_flags, check_integer, check_interval, listed
from scregnet.get._names import find_genes, shown_names
from scregnet.get._stored import Links, StoredNetwork

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

By = Literal["probability", "lift"]
ORDERS = ("probability", "lift")


def select_links(
    adata: AnnData,
    key: str,
    *,
    sources: str | Sequence[str] | None = None,
    targets: str | Sequence[str] | None = None,
    by: By = "probability",
    threshold: float | None = None,
    min_lift: float | None = None,
    max_q: float | None = None,
    top_n: int | None = None,
    top_n_targets: int | None = None,
    new_only: bool = False,
    gene_symbols: str | None = None,
) -> tuple[pd.DataFrame, int]:
    """Return the frame of :func:`scregnet.get.grn`, and how many links there were before a cut.

    ``top_n`` and ``top_n_targets`` cut; the other filters say which links there are.
    """
    network = StoredNetwork(adata, key)
    check_names(adata)
    highest = np.inf if network.has_scores else 1
    check_flags(new_only=new_only)
    _check_numbers(threshold, min_lift, max_q, top_n, top_n_targets, highest)
    if max_q is not None:
        check_probabilities(adata, key, "max_q")
    check_choice("by", by, ORDERS)
    for argument, given in (("by='lift'", by == "lift"), ("min_lift", min_lift is not None)):
        if given:
            network.need_null(argument)
    shown = shown_names(adata, gene_symbols)
    rows = find_genes("sources", sources, adata, gene_symbols, shown)
    columns = find_genes("targets", targets, adata, gene_symbols, shown)
    limit = _limit(network, threshold, max_q)
    n_found = None
    if rows is None and columns is None:
        by_rank_alone = by == "probability" and top_n_targets is None and min_lift is None
        if top_n is not None and by_rank_alone and not new_only:
            n_found = int(np.count_nonzero(network.matrix.data >= limit))
            limit = max(limit, _nth_largest(network.matrix.data, top_n))
        links = network.links_from(limit)
    else:
        links = network.links(_tfs(adata, key, rows, shown), columns)
    links = _passing(links, limit, min_lift, new_only=new_only)
    n_found = len(links) if n_found is None else n_found
    if top_n_targets is not None:
        links = links.take(first_of_each_source(links, links.order_values(by), top_n_targets))
    links = links.take(_first(links.order_values(by), top_n))
    return links.frame(shown), n_found


def _check_numbers(
    threshold: float | None,
    min_lift: float | None,
    max_q: float | None,
    top_n: int | None,
    top_n_targets: int | None,
    highest: float,
) -> None:
    for argument, value, limit in (("threshold", threshold, highest), ("max_q", max_q, 1)):
        if value is not None:
            check_interval(argument, value, 0, limit)
    if min_lift is not None:
        check_interval("min_lift", min_lift, -np.inf, np.inf, closed="neither")
    for argument, number in (("top_n", top_n), ("top_n_targets", top_n_targets)):
        if number is not None:
            check_integer(argument, number, minimum=1)


def _tfs(adata: AnnData, key: str, rows: np.ndarray | None, shown: pd.Index) -> np.ndarray:
    """Return the regulators to keep: those named, which must be candidate TFs, or all of them."""
    is_tf = regulators(adata, key)
    if rows is None:
        return np.flatnonzero(is_tf)
    if not is_tf[rows].all():
        wrong, tfs = shown[rows[~is_tf[rows]]], shown[is_tf]
        msg = (
            f"sources: {listed(wrong)} not among the {len(tfs)} candidate TFs of the network: "
            f"{listed(tfs)}."
        )
        raise ValueError(msg)
    return rows


def _limit(network: StoredNetwork, threshold: float | None, max_q: float | None) -> np.float32:
    """Return the lowest probability that passes both filters."""
    # In the precision in which probabilities are stored: 0.9 passes 0.9.
    limits = [np.float32(0)]
    if threshold is not None:
        limits.append(np.float32(threshold))
    if max_q is not None:
        # q falls with the probability, so a limit of q is one of the probability.
        limits.append(np.float32(network.false_share.cut(max_q)))
    return max(limits)


def _nth_largest(values: np.ndarray, n: int) -> np.float32:
    """Return the ``n``-th largest value, 0 if there are fewer; linear in time."""
    if n >= len(values):
        return np.float32(0)
    return np.float32(np.partition(values, len(values) - n)[len(values) - n])


def _passing(links: Links, limit: np.float32, min_lift: float | None, *, new_only: bool) -> Links:
    """Return the links that pass the filters, in their order."""
    if limit > 0:
        links = links.take(links.weights >= limit)
    if min_lift is not None:
        links = links.take(links.lift >= np.float32(min_lift))
    return links.take(~links.in_prior()) if new_only else links


def first_of_each_source(links: Links, values: np.ndarray, n: int) -> np.ndarray:
    """Return the index of the ``n`` links of each source with the largest values, in their order.

    The links of a source must be consecutive.
    """
    # Sorting by source first keeps the links of each source where they are.
    starts = np.flatnonzero(np.diff(links.rows, prepend=-1))
    sizes = np.diff(np.append(starts, len(links)))
    order = np.lexsort((-values, np.repeat(np.arange(len(starts)), sizes)))
    rank = np.arange(len(links)) - np.repeat(starts, sizes)
    return np.sort(order[rank < n])


def _first(values: np.ndarray, n: int | None) -> np.ndarray:
    """Return the index of the ``n`` largest values, in falling order; ``None`` takes all."""
    candidates = np.arange(len(values))
    if n is not None and n < len(values):
        # Only what can be among them is sorted.
        least = np.partition(values, len(values) - n)[len(values) - n]
        candidates = np.flatnonzero(values >= least)
    return candidates[np.argsort(-values[candidates], kind="stable")[:n]]
