"""Every link of every candidate TF, scored."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import scipy.sparse as sp

from scregnet._anndata.access import flags
from scregnet._progress import stage
from scregnet._threads import in_threads

if TYPE_CHECKING:
    from anndata import AnnData

    from scregnet._genes.split import LabelledPairs
    from scregnet.links.task import Scorer

BLOCK = 2**18
"""Pairs scored at a time: several TFs where there are few genes."""


def candidate_tfs(data: AnnData, labelled: LabelledPairs) -> np.ndarray:
    """Return the positions of the TFs whose links are scored: marked ones, and all regulators.

    Where no gene is either, which happens without labelled pairs only, all genes are candidates.
    """
    chosen = np.zeros(data.n_vars, bool)
    if "is_tf" in data.var:
        chosen |= flags(data, "is_tf", "")
    chosen[labelled.regulators()] = True
    return np.flatnonzero(chosen) if chosen.any() else np.arange(data.n_vars)


class Calibrated(NamedTuple):
    """Fitted links with what makes probabilities of their scores, or leaves the scores."""

    links: Scorer
    calibration: Callable[[np.ndarray], np.ndarray]


class Network(NamedTuple):
    """The links that are kept: float32 matrices of the same places, rows are regulators.

    Without labels, ``probabilities`` holds scores.
    """

    probabilities: sp.csr_matrix
    deviations: sp.csr_matrix | None
    """Of an ensemble."""

    null: sp.csr_matrix | None
    """Probabilities by a null model."""


class _Block(NamedTuple):
    """The kept links of some TFs, one TF after the other."""

    sizes: np.ndarray
    targets: np.ndarray
    probabilities: np.ndarray
    deviations: np.ndarray | None
    null: np.ndarray | None


def all_links(
    model: Calibrated,
    null: Calibrated | None,
    candidates: np.ndarray,
    n_genes: int,
    *,
    with_deviations: bool = False,
    threshold: float | None = None,
    top_n_targets: int | None = None,
    always: tuple[np.ndarray, np.ndarray] | None = None,
) -> Network:
    """Return the probabilities of the kept links, an ensemble's deviations, and a null model's.

    ``always`` are sources and targets of links that are kept though ``top_n_targets`` is smaller.
    Works in blocks of whole TFs, so that memory grows with what is kept.
    """
    genes = np.arange(n_genes, dtype=np.int32)
    n_blocks = max(1, -(-len(candidates) * n_genes // BLOCK))

    ends = (np.zeros(0, np.int32),) * 2 if always is None else always
    known = sp.csr_matrix((np.ones(len(ends[0]), bool), ends), shape=(n_genes, n_genes))

    def score(tfs: np.ndarray) -> _Block:
        sources, targets = np.repeat(tfs.astype(np.int32), n_genes), np.tile(genes, len(tfs))
        found, deviation = scored(model.links, sources, targets, with_sd=with_deviations)
        probability = model.calibration(found).reshape(len(tfs), n_genes)
        kept = _kept(probability, tfs, threshold, top_n_targets, known[tfs].toarray())
        flat = kept.ravel()
        of_null = None
        if null is not None:
            of_null = null.calibration(null.links.score(sources[flat], targets[flat]))
        return _Block(
            kept.sum(axis=1),
            np.nonzero(kept)[1].astype(np.int32),
            probability[kept],
            None if deviation is None else deviation[flat],
            of_null,
        )

    indptr = np.zeros(n_genes + 1, np.int64)
    parts = np.array_split(candidates, n_blocks)
    indices: list[np.ndarray] = []
    values: list[np.ndarray] = []
    deviations: list[np.ndarray] = []
    nulls: list[np.ndarray] = []
    with stage("scoring links", n_blocks) as tick:
        for tfs, block in zip(parts, in_threads(score, parts, parallel=n_blocks > 1), strict=True):
            indptr[tfs + 1] = block.sizes
            indices.append(block.targets)
            values.append(block.probabilities)
            if block.deviations is not None:
                deviations.append(block.deviations)
            if block.null is not None:
                nulls.append(block.null)
            tick()
    indptr = np.cumsum(indptr)
    where = _joined(indices, np.int32)
    if len(where) < np.iinfo(np.int32).max:
        indptr = indptr.astype(np.int32)
    shape = (n_genes, n_genes)
    has_deviations = bool(deviations)
    network = sp.csr_matrix((_joined(values, np.float32), where, indptr), shape=shape)

    def at_the_same_places(parts: list[np.ndarray]) -> sp.csr_matrix:
        # Copies: a later change of one slot of the AnnData must not move another.
        joined = _joined(parts, np.float32)
        return sp.csr_matrix((joined, where.copy(), indptr.copy()), shape=shape)

    return Network(
        network,
        at_the_same_places(deviations) if has_deviations else None,
        None if null is None else at_the_same_places(nulls),
    )


def scored(
    links: Scorer,
    sources: np.ndarray,
    targets: np.ndarray,
    *,
    with_sd: bool = True,
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return scores, and for an ensemble the standard deviation of the members' probabilities."""
    both = getattr(links, "score_and_sd", None) if with_sd else None
    return (links.score(sources, targets), None) if both is None else both(sources, targets)


def _kept(
    probability: np.ndarray,
    tfs: np.ndarray,
    threshold: float | None,
    top_n_targets: int | None,
    always: np.ndarray,
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
        kept &= top | always
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
