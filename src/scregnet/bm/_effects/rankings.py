"""Values by which the targets of a TF can be ranked: a network, its null models, plain ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scregnet._anndata.features import log_normalised, moments
from scregnet._anndata.slots import fitted, link_values, network, nulls
from scregnet._genes.world import read_world
from scregnet.links.pairs.codes import find_codes, pair_codes
from scregnet.links.pairs.world import NO_PART

if TYPE_CHECKING:
    import pandas as pd
    import scipy.sparse as sp
    from anndata import AnnData

    from scregnet._genes.world import NamedWorld
    from scregnet.bm._effects.tested import Tested

KNOWN, POPULARITY = "known edges", "popularity"
EXPRESSION, COEXPRESSION = "expression", "coexpression"
SAME_FOR_ALL = (POPULARITY, EXPRESSION, "degree")
"""Rankings that are the same for every TF."""


def rankings(data: AnnData, key: str, tested: Tested, layer: str | None) -> dict[str, np.ndarray]:
    """Return the values of each model, TFs × genes; NaN for a TF of which a model says nothing."""
    entry, links = fitted(data, key), network(data, key)
    method = str(entry["params"].get("method", key))
    found = {method: _rows(links, links.data, tested)}
    null, stored = entry["params"].get("null"), link_values(data, key, "null")
    if stored is not None:
        found[str(null)] = _rows(links, stored, tested)
    found |= {
        name: values
        for name, values in _of_pairs(data, entry["pairs"], tested).items()
        if name not in found
    }
    world = read_world(entry)
    if world is not None:
        found[KNOWN] = _of_world(data, world, tested)
    found[POPULARITY] = tested.popularity
    cells, _ = log_normalised(data, layer)
    mean, scale, _ = moments(cells)
    found[EXPRESSION] = np.broadcast_to(mean, tested.affected.shape)
    found[COEXPRESSION] = _correlations(cells, mean, scale, tested.tfs)
    return found


def _correlations(
    cells: sp.csr_matrix, mean: np.ndarray, scale: np.ndarray, tfs: np.ndarray
) -> np.ndarray:
    """Return the absolute correlations of TFs with all genes; expression stays sparse."""
    together = (cells.tocsc()[:, tfs].T.astype(np.float64) @ cells).toarray() / cells.shape[0]
    covariance = together - np.outer(mean[tfs], mean)
    return np.abs(covariance * np.outer(scale[tfs], scale))


def _rows(links: sp.csr_matrix, values: np.ndarray, tested: Tested) -> np.ndarray:
    """Return the rows of the tested TFs; links that were not written are the least probable."""
    from scipy.sparse import csr_matrix

    matrix = csr_matrix((values, links.indices, links.indptr), shape=links.shape)
    return matrix[tested.tfs].toarray().astype(np.float64)


def _of_pairs(data: AnnData, pairs: pd.DataFrame, tested: Tested) -> dict[str, np.ndarray]:
    """Return what the labelled pairs hold: the labels, and the null models' probabilities.

    A TF counts where all its tested pairs are labelled: else its targets would be ranked on the
    pairs that the split drew.
    """
    if len(pairs) == 0:
        return {}
    n_genes = data.n_vars
    ends = (data.var_names.get_indexer(pairs[end].astype(str)) for end in ("source", "target"))
    source, target = ends
    there = np.flatnonzero((source >= 0) & (target >= 0))
    codes = pair_codes(source[there], target[there], n_genes)
    order = np.argsort(codes)
    rows, columns = np.nonzero(tested.is_tested)
    place = find_codes(codes[order], pair_codes(tested.tfs[rows], columns, n_genes))
    lacking = np.unique(rows[place < 0])
    taken = there[order[np.maximum(place, 0)]]
    found = {}
    for name, column in {KNOWN: "label", **_columns(pairs)}.items():
        values = np.zeros(tested.affected.shape)
        values[rows, columns] = pairs[column].to_numpy(np.float64)[taken]
        values[lacking] = np.nan
        found[name] = values
    return found


def _of_world(data: AnnData, world: NamedWorld, tested: Tested) -> np.ndarray:
    """Return the labels of a closed world, of which the frame of the pairs has some only."""
    rows, columns = np.nonzero(tested.is_tested)
    labels, part = world.of_links(tested.tfs[rows], columns, data.var_names)
    values = np.zeros(tested.affected.shape)
    values[rows, columns] = labels
    values[np.unique(rows[part == NO_PART])] = np.nan
    return values


def _columns(pairs: pd.DataFrame) -> dict[str, str]:
    """Return the columns of the null models: out of fold where there are folds."""
    prefix = "out_of_fold_" if "out_of_fold" in pairs else "probability_"
    return {name: f"{prefix}{name}" for name in nulls(pairs) if f"{prefix}{name}" in pairs}
