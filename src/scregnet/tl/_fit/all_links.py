"""Every link of every candidate TF, scored."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

from scregnet._validate import check_choice, check_integer, check_interval
from scregnet.links import EnsembleLinks, FittedLinks

if TYPE_CHECKING:
    from scregnet.links import PlattCalibration

BLOCK = 2**16
"""Pairs scored at a time: several TFs where there are few genes."""


def check_keep(keep: str | float | int) -> None:
    """Raise unless ``keep`` is ``"all"``, a probability (float) or a number of links per TF (integer)."""
    if isinstance(keep, str):
        check_choice("keep", keep, ("all",))
    elif isinstance(keep, float):
        check_interval("keep", keep, 0, 1)
    else:
        check_integer("keep", keep, minimum=1)


def all_links(
    links: FittedLinks | EnsembleLinks,
    calibration: PlattCalibration,
    candidates: np.ndarray,
    n_genes: int,
    keep: str | float | int,
) -> tuple[sp.csr_matrix, sp.csr_matrix | None]:
    """Probabilities of the kept links of the candidate TFs, and for an ensemble the members' standard deviations at the same places.

    Works in blocks of whole TFs, so that memory grows with what is kept.
    """
    indptr = np.zeros(n_genes + 1, np.int64)
    indices: list[np.ndarray] = []
    values: list[np.ndarray] = []
    deviations: list[np.ndarray] = []
    genes = np.arange(n_genes, dtype=np.int32)
    for tfs in np.array_split(candidates, max(1, -(-len(candidates) * n_genes // BLOCK))):
        sources, targets = np.repeat(tfs.astype(np.int32), n_genes), np.tile(genes, len(tfs))
        if isinstance(links, EnsembleLinks):
            score, deviation = links.score_and_sd(sources, targets)
        else:
            score, deviation = links.score(sources, targets), None
        probability = calibration(score).reshape(len(tfs), n_genes)
        kept = _kept(probability, tfs, keep)
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
    network = sp.csr_matrix((_joined(values, np.float32), where, indptr), shape=shape)
    if not isinstance(links, EnsembleLinks):
        return network, None
    return network, sp.csr_matrix(
        (_joined(deviations, np.float32), where.copy(), indptr.copy()), shape=shape
    )


def _kept(probability: np.ndarray, tfs: np.ndarray, keep: str | float | int) -> np.ndarray:
    """Which of the links of some TFs, (n_tfs, n_genes), are kept; never that of a TF to itself."""
    itself = (np.arange(len(tfs)), tfs)
    n_genes = probability.shape[1]
    if isinstance(keep, float):
        kept = probability >= keep
    elif isinstance(keep, str) or keep >= n_genes - 1:
        kept = np.ones(probability.shape, bool)
    else:
        ranked = -probability
        ranked[itself] = np.inf
        kept = np.zeros(probability.shape, bool)
        np.put_along_axis(kept, np.argsort(ranked, axis=1, kind="stable")[:, :keep], True, axis=1)
    kept[itself] = False
    return kept


def _joined(parts: list[np.ndarray], dtype: type) -> np.ndarray:
    """The parts one after the other; each is freed once copied, so that they are not held twice."""
    joined: np.ndarray = np.empty(sum(map(len, parts)), dtype)
    end = len(joined)
    while parts:
        part = parts.pop()
        joined[end - len(part) : end] = part
        end -= len(part)
    return joined
