"""Every link of every candidate TF, scored."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

from scregnet._anndata.access import flags

if TYPE_CHECKING:
    from anndata import AnnData

    from scregnet._genes.split import LabelledPairs
    from scregnet.links import EnsembleLinks, FittedLinks, PlattCalibration
    from scregnet.links.folded import FoldedLinks

BLOCK = 2**16
"""Pairs scored at a time: several TFs where there are few genes."""


def candidate_tfs(data: AnnData, labelled: LabelledPairs) -> np.ndarray:
    """Return the positions of the TFs whose links are scored: marked ones, and all regulators."""
    chosen = np.zeros(data.n_vars, bool)
    if "is_tf" in data.var:
        chosen |= flags(data, "is_tf", "")
    chosen[labelled.regulators()] = True
    return np.flatnonzero(chosen)


def all_links(
    links: FittedLinks | EnsembleLinks | FoldedLinks,
    calibration: PlattCalibration,
    candidates: np.ndarray,
    n_genes: int,
    *,
    threshold: float | None = None,
    top_n_targets: int | None = None,
) -> tuple[sp.csr_matrix, sp.csr_matrix | None]:
    """Return the probabilities of the kept links, and an ensemble's deviations at the same places.

    Works in blocks of whole TFs, so that memory grows with what is kept.
    """
    indptr = np.zeros(n_genes + 1, np.int64)
    indices: list[np.ndarray] = []
    values: list[np.ndarray] = []
    deviations: list[np.ndarray] = []
    genes = np.arange(n_genes, dtype=np.int32)
    n_blocks = max(1, -(-len(candidates) * n_genes // BLOCK))
    for tfs in np.array_split(candidates, n_blocks):
        sources, targets = np.repeat(tfs.astype(np.int32), n_genes), np.tile(genes, len(tfs))
        score, deviation = scored(links, sources, targets)
        probability = calibration(score).reshape(len(tfs), n_genes)
        kept = _kept(probability, tfs, threshold, top_n_targets)
        indptr[tfs + 1] = kept.sum(axis=1)
        indices.append(np.nonzero(kept)[1].astype(np.int32))
        values.append(probability[kept])
        if deviation is not None:
            deviations.append(deviation.reshape(kept.shape)[kept])
    indptr = np.cumsum(indptr)
    where = _joined(indices, np.int32)
    if len(where) < np.iinfo(np.int32).max:
        indptr = indptr.astype(np.int32)
    shape = (n_genes, n_genes)
    has_deviations = bool(deviations)
    network = sp.csr_matrix((_joined(values, np.float32), where, indptr), shape=shape)
    if not has_deviations:
        return network, None
    parts = (_joined(deviations, np.float32), where.copy(), indptr.copy())
    return network, sp.csr_matrix(parts, shape=shape)


def scored(
    links: FittedLinks | EnsembleLinks | FoldedLinks, sources: np.ndarray, targets: np.ndarray
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return scores, and for an ensemble the standard deviation of the members' probabilities."""
    both = getattr(links, "score_and_sd", None)
    return (links.score(sources, targets), None) if both is None else both(sources, targets)


def _kept(
    probability: np.ndarray, tfs: np.ndarray, threshold: float | None, top_n_targets: int | None
) -> np.ndarray:
    """Return which links of some TFs, (n_tfs, n_genes), are kept; never that of a TF to itself."""
    itself = (np.arange(len(tfs)), tfs)
    kept = np.ones(probability.shape, bool)
    if threshold is not None:
        kept = probability >= threshold
    if top_n_targets is not None and top_n_targets < probability.shape[1] - 1:
        ranked = -probability
        ranked[itself] = np.inf
        top = np.zeros(probability.shape, bool)
        order = np.argsort(ranked, axis=1, kind="stable")[:, :top_n_targets]
        np.put_along_axis(top, order, True, axis=1)
        kept &= top
    kept[itself] = False
    return kept


def _joined(parts: list[np.ndarray], dtype: type) -> np.ndarray:
    """Join the parts; each is freed once copied, so that they are not held twice."""
    joined: np.ndarray = np.empty(sum(map(len, parts)), dtype)
    end = len(joined)
    while parts:
        part = parts.pop()
        joined[end - len(part) : end] = part
        end -= len(part)
    return joined
