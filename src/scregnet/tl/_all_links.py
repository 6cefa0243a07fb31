"""Every link of every candidate TF, scored."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

from scregnet._validate import check_choice, check_integer, check_interval

if TYPE_CHECKING:
    from scregnet.links import FittedLinks, PlattCalibration


def check_keep(keep: str | float | int) -> None:
    """Raise unless ``keep`` is ``"all"``, a probability (float) or a number of links per TF (integer)."""
    if isinstance(keep, str):
        check_choice("keep", keep, ("all",))
    elif isinstance(keep, float):
        check_interval("keep", keep, 0, 1)
    else:
        check_integer("keep", keep, minimum=1)


def all_links(
    links: FittedLinks, calibration: PlattCalibration, candidates: np.ndarray, n_genes: int, keep: str | float | int
) -> sp.csr_matrix:
    """Probabilities of the kept links, TF by TF, so that memory grows with what is kept."""
    genes = np.arange(n_genes)
    indptr = np.zeros(n_genes + 1, np.int64)
    indices, values = [], []
    for tf in candidates:
        targets = genes[genes != tf]
        probability = calibration(links.score(np.full(len(targets), tf), targets))
        if isinstance(keep, float):
            chosen = np.flatnonzero(probability >= keep)
        elif isinstance(keep, str) or keep >= len(targets):
            chosen = np.arange(len(targets))
        else:
            chosen = np.sort(np.argsort(-probability, kind="stable")[:keep])
        indices.append(targets[chosen].astype(np.int32))
        values.append(probability[chosen])
        indptr[tf + 1] = len(values[-1])
    data = np.concatenate(values) if values else np.zeros(0, np.float32)
    return sp.csr_matrix((data, np.concatenate(indices), np.cumsum(indptr)), shape=(n_genes, n_genes))
