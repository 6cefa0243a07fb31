"""The fitted network as a frame of links."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scregnet._anndata.access import check_names, resolve
from scregnet._anndata.slots import fitted, network, regulators
from scregnet._docs import doc
from scregnet._validate import check_integer, check_interval, listed
from scregnet.links.pairs.codes import pair_codes

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData

SPLITS = ("train", "validation", "test", "none")


@doc
def grn(
    adata: AnnData | MuData,
    *,
    key: str = "grn",
    sources: str | Sequence[str] | None = None,
    targets: str | Sequence[str] | None = None,
    threshold: float | None = None,
    top_n: int | None = None,
    new_only: bool = False,
    mod: str = "rna",
) -> pd.DataFrame:
    """Return the links of a fitted network, most probable first.

    The frame has the columns that decoupler reads, so ``decoupler.mt.ulm(adata, net)`` takes it as it is.

    Parameters
    ----------
    %(adata)s
    %(key)s
    sources
        Regulators to keep, one name or several; ``None`` keeps all.
    targets
        Target genes to keep, one name or several; ``None`` keeps all.
    threshold
        Least probability of a link that is kept, between 0 and 1.
    top_n
        Number of links to keep, the most probable ones of those that pass everything else.
    new_only
        Leave out the known edges, those with ``in_prior``.
    %(mod)s

    Returns
    -------
    Frame with one row per link, sorted by falling probability and, where that is equal, by the names:

    - ``source``: name of the regulator, a row of ``adata.varp[key]``;
    - ``target``: name of the regulated gene, a column of ``adata.varp[key]``;
    - ``weight``: probability that the source regulates the target;
    - ``in_prior``: whether the pair is a known edge: labelled positive, or left out of the labelled pairs;
    - ``split``: the part of the labelled pairs it belongs to, ``"train"``, ``"validation"``, ``"test"``, or ``"none"``
      for a pair without a label.

    Raises
    ------
    KeyError
        There is no fitted network named ``key``, or ``sources`` or ``targets`` are not in ``adata.var_names``.
    ValueError
        A name in ``sources`` is not a candidate TF of the network, or ``threshold`` or ``top_n`` is out of range.

    Examples
    --------
    >>> import scregnet as sr
    >>> adata = sr.datasets.simulated()
    >>> sr.tl.fit_grn(adata, adata.uns["network"], method="degree")
    >>> net = sr.get.grn(adata, threshold=0.5)
    """
    frame, _ = select_links(
        resolve(adata, mod),
        key,
        sources=sources,
        targets=targets,
        threshold=threshold,
        top_n=top_n,
        new_only=new_only,
    )
    return frame


def select_links(
    adata: AnnData,
    key: str,
    *,
    sources: str | Sequence[str] | None = None,
    targets: str | Sequence[str] | None = None,
    threshold: float | None = None,
    top_n: int | None = None,
    new_only: bool = False,
) -> tuple[pd.DataFrame, int]:
    """Return the frame of :func:`grn` and how many links there were before ``top_n`` cut it."""
    results = fitted(adata, key)
    check_names(adata)
    if threshold is not None:
        check_interval("threshold", threshold, 0, 1)
    if top_n is not None:
        check_integer("top_n", top_n, minimum=1)
    names = adata.var_names
    probabilities = network(adata, key)
    is_tf = regulators(adata, key)

    # Rows and columns in the order of the names: a stable sort by weight alone then breaks ties by name.
    chosen_rows = _positions("sources", sources, names)
    if chosen_rows is None:
        chosen_rows = np.flatnonzero(np.diff(probabilities.indptr))
    else:
        _refuse_targets_as_sources(names[chosen_rows[~is_tf[chosen_rows]]], names[is_tf])
    chosen_columns = _positions("targets", targets, names)
    rank = np.empty(len(names), dtype=np.int64)
    rank[np.argsort(names.to_numpy())] = np.arange(len(names))
    chosen_rows = chosen_rows[np.argsort(rank[chosen_rows])]
    if chosen_columns is None:
        chosen_columns = np.arange(len(names))
    chosen_columns = chosen_columns[np.argsort(rank[chosen_columns])]
    part = probabilities[chosen_rows][:, chosen_columns]
    part.sort_indices()

    weights = part.data
    kept = (
        np.ones(len(weights), dtype=bool) if threshold is None else weights >= np.float32(threshold)
    )
    rows = np.repeat(chosen_rows, np.diff(part.indptr))
    columns = chosen_columns[part.indices]
    if new_only:
        kept &= ~_lookup(rows, columns, results, names)[0]
    n_found = int(kept.sum())
    if top_n is not None and top_n < n_found:
        least = np.partition(weights[kept], n_found - top_n)[n_found - top_n]
        kept &= weights >= least
    rows, columns, weights = rows[kept], columns[kept], weights[kept]
    order = np.argsort(-weights, kind="stable")[:top_n]
    rows, columns = rows[order], columns[order]
    in_prior, split = _lookup(rows, columns, results, names)
    frame = pd.DataFrame(
        {
            "source": names.take(rows),
            "target": names.take(columns),
            "weight": weights[order],
            "in_prior": in_prior,
            "split": pd.Categorical.from_codes(split, categories=pd.Index(SPLITS)),
        }
    )
    return frame, n_found


def _positions(
    argument: str, wanted: str | Sequence[str] | None, names: pd.Index
) -> np.ndarray | None:
    """Turn gene names into positions, each once, or raise ``KeyError`` for those that are not there."""
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


def _refuse_targets_as_sources(wrong: pd.Index, tfs: pd.Index) -> None:
    if len(wrong):
        msg = f"sources: {listed(wrong)} not among the {len(tfs)} candidate TFs of the network: {listed(tfs)}."
        raise ValueError(msg)


def _lookup(
    rows: np.ndarray, columns: np.ndarray, results: Mapping[str, Any], names: pd.Index
) -> tuple[np.ndarray, np.ndarray]:
    """Return for links (gene positions) whether they are known edges and the code of their split."""
    pairs = results["pairs"]
    wanted = pair_codes(rows, columns, len(names))
    in_prior = np.zeros(len(rows), dtype=bool)
    split = np.full(len(rows), SPLITS.index("none"), dtype=np.int8)
    known, pair = _match(wanted, pairs, names)
    in_prior[known] = pairs["label"].to_numpy()[pair] == 1
    split[known] = pd.Categorical(pairs["split"], categories=list(SPLITS)).codes[pair]
    if "left_out" in results:
        in_prior[_match(wanted, results["left_out"], names)[0]] = True
    return in_prior, split


def _match(
    wanted: np.ndarray, pairs: pd.DataFrame, names: pd.Index
) -> tuple[np.ndarray, np.ndarray]:
    """Return which of the links (row times number of genes plus column) are in a frame of pairs, and the rows of those."""
    # Genes of labelled pairs may have been dropped from adata after the fit.
    sources = names.get_indexer(pd.Index(pairs["source"].to_numpy(dtype=object)))
    targets = names.get_indexer(pd.Index(pairs["target"].to_numpy(dtype=object)))
    present = np.flatnonzero((sources >= 0) & (targets >= 0))
    codes = pair_codes(sources[present], targets[present], len(names))
    present = present[np.argsort(codes, kind="stable")]
    codes = np.sort(codes)
    if not len(codes):
        return np.zeros(len(wanted), dtype=bool), present
    place = np.minimum(np.searchsorted(codes, wanted), len(codes) - 1)
    known = codes[place] == wanted
    return known, present[place[known]]
