"""The fitted networks of two groups: which links are compared, and their logits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

from scregnet._anndata.slots import (
    check_genes,
    fitted,
    holds_scores,
    is_grouped,
    keys_by_group,
    link_values,
    network,
)
from scregnet._validate import (
    check_text,
    listed,
)

if TYPE_CHECKING:
    from anndata import AnnData

LEAST_ODDS = 1e-6
"""Probabilities are kept so far from 0 and 1 that their logit is finite."""


@dataclass(frozen=True, eq=False)
class Networks:
    """The networks of two groups of cells, or one network for both."""

    tfs: np.ndarray
    """Positions of the TFs that have links."""

    mask: np.ndarray
    """bool (n_tfs, n_genes): the links that are compared."""

    keys: tuple[str, str]
    data: AnnData

    @classmethod
    def of(cls, data: AnnData, keys: tuple[str, str], threshold: float | None) -> Networks:
        """Find the links: those of either network, by the mean of both probabilities."""
        for key in keys:
            fitted(data, key)
            check_genes(data, key)
        a, b = (network(data, key) for key in keys)
        rows = np.flatnonzero((np.diff(a.indptr) > 0) | (np.diff(b.indptr) > 0))
        one, two = (_dense(matrix, rows) for matrix in (a, b))
        stored = _stored(a, rows) | _stored(b, rows)
        stored[np.arange(len(rows)), rows] = False
        if threshold is not None:
            # The mean says nothing of the difference, so that the choice does not favour any.
            stored &= (one + two) / 2 >= threshold
        return cls(rows, stored, keys, data)

    def logits(self, mask: np.ndarray) -> dict[str, np.ndarray] | None:
        """Return logits of the links in ``mask``; ``None`` where both groups have one network."""
        entries = [fitted(self.data, key) for key in self.keys]
        if self.keys[0] == self.keys[1] or any(holds_scores(entry) for entry in entries):
            return None
        found: dict[str, np.ndarray] = {}
        errors = []
        for name, key in zip("ab", self.keys, strict=True):
            matrix = network(self.data, key)
            p = _dense(matrix, self.tfs)[mask].astype(np.float64)
            here = _stored(matrix, self.tfs)[mask]
            p = np.clip(p, LEAST_ODDS, 1 - LEAST_ODDS)
            found[f"logit_{name}"] = np.where(here, np.log(p / (1 - p)), np.nan)
            deviations = link_values(self.data, key, "sd")
            if deviations is None:
                errors.append(np.full(len(p), np.nan))
                continue
            placed = sp.csr_matrix((deviations, matrix.indices, matrix.indptr), matrix.shape)
            errors.append(_dense(placed, self.tfs)[mask] / (p * (1 - p)))
        found["logit_difference"] = found["logit_b"] - found["logit_a"]
        found["logit_sd"] = np.hypot(*errors)
        return found


def network_keys(data: AnnData, key: str, names: list[str]) -> dict[str, str]:
    """Return the network of each group: its own, or the one of all cells."""
    check_text("key", key)
    if not is_grouped(data.uns.get(key)):
        fitted(data, key)
        return dict.fromkeys(names, key)
    keys = keys_by_group(data, key)
    missing = [name for name in names if name not in keys]
    if missing:
        msg = (
            f"groups: {listed(missing)} have no network in adata.uns[{key!r}], which has those of "
            f"{listed(keys, 30)}. Fit all cells together, or name groups that were fitted."
        )
        raise KeyError(msg)
    return {name: keys[name] for name in names}


def _dense(matrix: sp.csr_matrix, rows: np.ndarray) -> np.ndarray:
    return np.asarray(matrix[rows].toarray())


def _stored(matrix: sp.csr_matrix, rows: np.ndarray) -> np.ndarray:
    own = matrix[rows]
    ones = sp.csr_matrix((np.ones(own.nnz, bool), own.indices, own.indptr), own.shape)
    return np.asarray(ones.toarray())
