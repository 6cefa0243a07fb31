"""Select links of a fitted network: the filters that `get` and `pl` share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scregnet._anndata.access import check_names
from scregnet._anndata.slots import fitted, network, regulators
from scregnet._genes.split import PARTS
from scregnet._validate import check_integer, check_interval, listed
from scregnet.get._names import find_genes, shown_names
from scregnet.links.pairs.codes import find_codes, pair_codes

if TYPE_CHECKING:
    from anndata import AnnData

_PARTS_OR_NONE = (*PARTS, "none")


@dataclass(frozen=True, eq=False)
class _Links:
    """Links as positions of genes in ``adata.var_names``, with their probabilities."""

    rows: np.ndarray
    columns: np.ndarray
    weights: np.ndarray

    def __len__(self) -> int:
        return len(self.weights)

    def take(self, index: np.ndarray) -> _Links:
        return _Links(self.rows[index], self.columns[index], self.weights[index])


def select_links(
    adata: AnnData,
    key: str,
    *,
    sources: str | Sequence[str] | None = None,
    targets: str | Sequence[str] | None = None,
    threshold: float | None = None,
    top_n: int | None = None,
    top_n_targets: int | None = None,
    new_only: bool = False,
    gene_symbols: str | None = None,
) -> tuple[pd.DataFrame, int]:
    """Return the frame of :func:`scregnet.get.grn`, and how many links there were before a cut.

    ``top_n`` and ``top_n_targets`` cut; the other filters say which links there are.
    """
    results = fitted(adata, key)
    check_names(adata)
    _check_numbers(threshold, top_n, top_n_targets)
    shown = shown_names(adata, gene_symbols)
    rows = find_genes("sources", sources, adata, gene_symbols, shown)
    columns = find_genes("targets", targets, adata, gene_symbols, shown)
    links = _stored(adata, key, _tfs(adata, key, rows, shown), columns)
    if threshold is not None:
        # Compared in the precision in which probabilities are stored: 0.9 passes 0.9.
        links = links.take(links.weights >= np.float32(threshold))
    if new_only:
        links = links.take(~_labels(links, results, adata.var_names)[0])
    n_found = len(links)
    if top_n_targets is not None:
        links = links.take(_first_of_each_source(links, top_n_targets))
    links = links.take(_first(links.weights, top_n))
    frame = pd.DataFrame(
        {
            "source": shown.take(links.rows),
            "target": shown.take(links.columns),
            "weight": links.weights,
        }
    )
    in_prior, split = _labels(links, results, adata.var_names)
    return frame.assign(in_prior=in_prior, split=split), n_found


def _check_numbers(threshold: float | None, top_n: int | None, top_n_targets: int | None) -> None:
    if threshold is not None:
        check_interval("threshold", threshold, 0, 1)
    for argument, value in (("top_n", top_n), ("top_n_targets", top_n_targets)):
        if value is not None:
            check_integer(argument, value, minimum=1)


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


def _stored(adata: AnnData, key: str, rows: np.ndarray, columns: np.ndarray | None) -> _Links:
    """Return the links of some rows and columns, ordered by ``adata.var_names``."""
    if columns is None:
        columns = np.arange(adata.n_vars)
    # In the order of names, a stable sort by probability alone breaks ties by name.
    rank = np.empty(adata.n_vars, dtype=np.int64)
    rank[np.argsort(adata.var_names.to_numpy())] = np.arange(adata.n_vars)
    rows = rows[np.argsort(rank[rows])]
    columns = columns[np.argsort(rank[columns])]
    part = network(adata, key)[rows][:, columns]
    part.sort_indices()
    return _Links(np.repeat(rows, np.diff(part.indptr)), columns[part.indices], part.data)


def _first_of_each_source(links: _Links, n: int) -> np.ndarray:
    """Return the index of the ``n`` most probable links of each source, in the order of links."""
    # A source's links are consecutive, so sorting by source first keeps them in place.
    starts = np.flatnonzero(np.diff(links.rows, prepend=-1))
    sizes = np.diff(np.append(starts, len(links)))
    order = np.lexsort((-links.weights, np.repeat(np.arange(len(starts)), sizes)))
    rank = np.arange(len(links)) - np.repeat(starts, sizes)
    return np.sort(order[rank < n])


def _first(weights: np.ndarray, n: int | None) -> np.ndarray:
    """Return the index of the ``n`` largest weights, in falling order; ``None`` takes all."""
    candidates = np.arange(len(weights))
    if n is not None and n < len(weights):
        # Finding the n-th largest is linear in time: only what can be among them is sorted.
        least = np.partition(weights, len(weights) - n)[len(weights) - n]
        candidates = np.flatnonzero(weights >= least)
    return candidates[np.argsort(-weights[candidates], kind="stable")[:n]]


def _labels(
    links: _Links, results: Mapping[str, Any], names: pd.Index
) -> tuple[np.ndarray, pd.Categorical[str]]:
    """Return for each link whether it is a known edge, and its split."""
    pairs = results["pairs"]
    in_prior = np.zeros(len(links), dtype=bool)
    split = np.full(len(links), _PARTS_OR_NONE.index("none"), dtype=np.int8)
    known, pair = _match(links, pairs, names)
    in_prior[known] = pairs["label"].to_numpy()[pair] == 1
    split[known] = pd.Categorical(pairs["split"], categories=list(_PARTS_OR_NONE)).codes[pair]
    in_prior[_match(links, results["left_out"], names)[0]] = True
    return in_prior, pd.Categorical.from_codes(split, categories=pd.Index(_PARTS_OR_NONE))


def _match(links: _Links, pairs: pd.DataFrame, names: pd.Index) -> tuple[np.ndarray, np.ndarray]:
    """Return the mask of the links that are in a frame of pairs, and the rows of those pairs."""
    wanted = pair_codes(links.rows, links.columns, len(names))
    # Genes of labelled pairs may have been dropped from adata after the fit.
    sources = names.get_indexer(pd.Index(pairs["source"].to_numpy(dtype=object)))
    targets = names.get_indexer(pd.Index(pairs["target"].to_numpy(dtype=object)))
    present = np.flatnonzero((sources >= 0) & (targets >= 0))
    codes = pair_codes(sources[present], targets[present], len(names))
    order = np.argsort(codes, kind="stable")
    place = find_codes(codes[order], wanted)
    known = place >= 0
    return known, present[order[place[known]]]
