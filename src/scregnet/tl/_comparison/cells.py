"""The cells of a comparison: groups, donors, and expression that can be compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scregnet._anndata.features import log_normalised
from scregnet._logging import logger
from scregnet._validate import listed

if TYPE_CHECKING:
    from anndata import AnnData

MOST_CELLS = 3_000
"""Cells of a group that are read, at most. A correlation then has a standard error of 0.018."""

STREAM = 17
"""Number of the random stream of cells and permutations; fits and halves have their own."""


class NotComparable(ValueError):
    """Two groups that cannot be compared; others may be."""


@dataclass(frozen=True, eq=False)
class Cells:
    """Standardised expression of the cells of one group, or of one donor in a group."""

    values: np.ndarray
    """float32 (n_cells, n_genes): mean 0 and variance 1; zeros for genes that do not vary."""

    detected: np.ndarray
    """Share of the cells that express each gene."""

    @classmethod
    def of(
        cls,
        data: AnnData,
        layer: str | None,
        rows: np.ndarray,
        order: np.ndarray | None = None,
    ) -> Cells:
        """Read some cells; what the number of detected genes explains is taken away.

        So is what the place of a cell explains, where ``order`` has that of each cell: two genes
        that rise within a bin would be correlated by it.
        """
        cells, _ = log_normalised(data, layer, rows)
        detected = np.asarray((cells != 0).mean(axis=0)).ravel()
        n_detected = np.diff(cells.indptr).astype(np.float64)
        values = standardised(cells.toarray())
        depth = standardised(np.log1p(n_detected)[:, None])
        values -= depth @ (depth.T @ values / len(rows))
        if order is not None:
            place = standardised(order[rows][:, None])
            # The part of the place that depth does not tell.
            place = standardised(place - depth * (depth.T @ place / len(rows)))
            values -= place @ (place.T @ values / len(rows))
        return cls(standardised(values), detected)


def standardised(values: np.ndarray) -> np.ndarray:
    """Return float32 columns of mean 0 and variance 1; zeros where nothing varies."""
    centred = np.asarray(values - values.mean(axis=0), np.float32)
    scale = np.sqrt(np.square(centred).mean(axis=0))
    # Residuals of a gene that depth explains wholly are rounding.
    return centred * np.where(scale > 1e-5, 1 / np.maximum(scale, 1e-5), 0).astype(np.float32)


def drawn(rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the rows, or a random share of many, sorted."""
    return rows if len(rows) <= MOST_CELLS else np.sort(rng.permutation(rows)[:MOST_CELLS])


def donors_of(data: AnnData, donor: str) -> np.ndarray:
    """Return the donor of each cell as a code, -1 for none."""
    if donor not in data.obs:
        msg = f"donor={donor!r} is not a column of adata.obs; it has {listed(data.obs.columns)}."
        raise KeyError(msg)
    return pd.Categorical(data.obs[donor]).codes.astype(np.int64)


def units(
    groups: tuple[np.ndarray, np.ndarray], donors: np.ndarray, *, min_cells: int, name: str
) -> tuple[list[list[np.ndarray]], bool]:
    """Return the cells of each donor in both groups, and whether donors are paired.

    Donors are paired where some have cells in both groups; those with one group only are then
    left out.
    """
    found: list[dict[int, np.ndarray]] = []
    for rows in groups:
        own = donors[rows]
        sizes = np.bincount(own[own >= 0])
        found.append({int(d): rows[own == d] for d in np.flatnonzero(sizes >= min_cells)})
    both = sorted(set(found[0]) & set(found[1]))
    paired = bool(both)
    kept = [both, both] if paired else [sorted(one) for one in found]
    least = 4 if paired else 3
    if min(len(kept[0]), len(kept[1])) < least:
        what = "with cells in both groups" if paired else "in each group"
        msg = (
            f"donor: {name} need {least} donors {what}, with min_donor_cells={min_cells} cells; "
            f"there are {len(kept[0])} and {len(kept[1])}. Without replicates nothing can be said "
            "of donors: give more, a smaller min_donor_cells, or donor=None, which speaks of cells."
        )
        raise NotComparable(msg)
    n_out = len(set(found[0]) | set(found[1])) - len(set(kept[0]) | set(kept[1]))
    if n_out:
        logger.info("%s: %d donors with cells in one group only are left out", name, n_out)
    return [[one[d] for d in names] for one, names in zip(found, kept, strict=True)], paired
