"""Select links of a fitted network: the filters that `get` and `pl` share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scregnet._anndata.access import check_names
from scregnet._anndata.slots import fitted, network, regulators
from scregnet._anndata.split import PARTS
from scregnet._validate import check_integer, check_interval, listed

if TYPE_CHECKING:
    from anndata import AnnData

_SPLITS = (*PARTS, "none")


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
) -> tuple[pd.DataFrame, int]:
    """Return the frame of :func:`scregnet.get.grn`, and how many links there were before a cut.

    ``top_n`` and ``top_n_targets`` cut; the other filters say which links there are.
    """
    results = fitted(adata, key)
    check_names(adata)
    _check_numbers(threshold, top_n, top_n_targets)
    links = _stored(adata, key, *_chosen(adata, key, sources, targets))
    if threshold is not None:
        # Compared in the precision in which probabilities are stored: 0.9 passes 0.9.
        links = links.take(links.weights >= np.float32(threshold))
    if new_only:
        links = links.take(~_labels(links, results, adata.var_names)[0])
    n_found = len(links)
    if top_n_targets is not None:
        links = links.take(_first_of_each_source(links, top_n_targets))
    links = links.take(_first(links.weights, top_n))
    return _frame(links, results, adata.var_names), n_found


def _check_numbers(threshold: float | None, top_n: int | None, top_n_targets: int | None) -> None:
    if threshold is not None:
        check_interval("threshold", threshold, 0, 1)
    for argument, value in (("top_n", top_n), ("top_n_targets", top_n_targets)):
        if value is not None:
            check_integer(argument, value, minimum=1)


def _chosen(
    adata: AnnData,
    key: str,
    sources: str | Sequence[str] | None,
    targets: str | Sequence[str] | None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the positions of the regulators and of the targets to keep."""
    names = adata.var_names
    rows, columns = _positions("sources", sources, names), _positions("targets", targets, names)
    is_tf = regulators(adata, key)
    if rows is None:
        rows = np.flatnonzero(is_tf)
    elif not is_tf[rows].all():
        wrong, tfs = names[rows[~is_tf[rows]]], names[is_tf]
        msg = (
            f"sources: {listed(wrong)} not among the {len(tfs)} candidate TFs of the network: "
            f"{listed(tfs)}."
        )
        raise ValueError(msg)
    return rows, np.arange(len(names)) if columns is None else columns


def _positions(
    argument: str, wanted: str | Sequence[str] | None, names: pd.Index
) -> np.ndarray | None:
    """Turn gene names into positions, each once, or raise ``KeyError`` for unknown names."""
    if wanted is None:
        return None
    wanted = [wanted] if isinstance(wanted, str) else list(wanted)
    if not wanted:
        msg = f"{argument} is empty; name at least one gene, or give None for all."
        raise ValueError(msg)
    positions = names.get_indexer(pd.Index(wanted))
    missing = [name for name, position in zip(wanted, positions, strict=True) if position < 0]
    if missing:
        folded = {str(name).casefold(): name for name in names}
        close = [folded[str(name).casefold()] for name in missing if str(name).casefold() in folded]
        hint = (
            f" Did you mean {listed(close)}?" if close else f" They look like {listed(names[:3])}."
        )
        msg = f"{argument}: {listed(missing)} not in adata.var_names.{hint}"
        raise KeyError(msg)
    return np.unique(positions)


def _stored(adata: AnnData, key: str, rows: np.ndarray, columns: np.ndarray) -> _Links:
    """Return the links of some rows and columns, ordered by the names of their genes."""
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


def _frame(links: _Links, results: Mapping[str, Any], names: pd.Index) -> pd.DataFrame:
    in_prior, split = _labels(links, results, names)
    return pd.DataFrame(
        {
            "source": names.take(links.rows),
            "target": names.take(links.columns),
            "weight": links.weights,
            "in_prior": in_prior,
            "split": pd.Categorical.from_codes(split, categories=pd.Index(_SPLITS)),
        }
    )


def _labels(
    links: _Links, results: Mapping[str, Any], names: pd.Index
) -> tuple[np.ndarray, np.ndarray]:
    """Return for each link whether it is a known edge, and the code of its split."""
    pairs = results["pairs"]
    in_prior = np.zeros(len(links), dtype=bool)
    split = np.full(len(links), _SPLITS.index("none"), dtype=np.int8)
    known, pair = _match(links, pairs, names)
    in_prior[known] = pairs["label"].to_numpy()[pair] == 1
    split[known] = pd.Categorical(pairs["split"], categories=list(_SPLITS)).codes[pair]
    in_prior[_match(links, results["left_out"], names)[0]] = True
    return in_prior, split


def _match(links: _Links, pairs: pd.DataFrame, names: pd.Index) -> tuple[np.ndarray, np.ndarray]:
    """Return the mask of the links that are in a frame of pairs, and the rows of those pairs."""
    # A pair as one integer: number of the source times number of genes plus number of the target.
    wanted = links.rows.astype(np.int64) * len(names) + links.columns
    # Genes of labelled pairs may have been dropped from adata after the fit.
    sources = names.get_indexer(pd.Index(pairs["source"].to_numpy(dtype=object)))
    targets = names.get_indexer(pd.Index(pairs["target"].to_numpy(dtype=object)))
    present = np.flatnonzero((sources >= 0) & (targets >= 0))
    codes = sources[present].astype(np.int64) * len(names) + targets[present]
    present = present[np.argsort(codes, kind="stable")]
    codes = np.sort(codes)
    if not len(codes):
        return np.zeros(len(links), dtype=bool), present
    place = np.minimum(np.searchsorted(codes, wanted), len(codes) - 1)
    known = codes[place] == wanted
    return known, present[place[known]]
