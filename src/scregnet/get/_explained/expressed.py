"""Expression of TF and target, and how they vary together, by group of cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scregnet._anndata.groups import groups_of
from scregnet._anndata.pair_expression import expression_of

if TYPE_CHECKING:
    from anndata import AnnData

# Share of the cells of a group in which an expressed TF is seen at least.
EXPRESSED = 0.05


def expression_by_group(
    adata: AnnData, layer: str | None, source: int, target: int, groupby: str | None
) -> pd.DataFrame:
    """Return one row for each group of cells, or one for all cells."""
    values = expression_of(adata, layer, np.array([source, target])).astype(np.float64)
    if groupby is None:
        names, codes = ["all cells"], np.zeros(adata.n_obs, int)
    else:
        names, codes = groups_of(adata, groupby)
    rows = []
    for code, name in enumerate(names):
        own = values[codes == code]
        if not len(own):
            continue
        mean, seen = own.mean(axis=0), (own > 0).mean(axis=0)
        row = (name, len(own), mean[0], seen[0], mean[1], seen[1], _correlation(own))
        rows.append((*row, bool(seen[0] >= EXPRESSED)))
    columns = ["group", "n_cells", "tf_mean", "tf_share", "target_mean", "target_share"]
    found = pd.DataFrame(rows, columns=[*columns, "correlation", "tf_expressed"])
    # Without cells there are no rows, and pandas would not know the types.
    kinds = dict.fromkeys([*columns[2:], "correlation"], float)
    return found.astype({"n_cells": int, **kinds, "tf_expressed": bool})


def _correlation(values: np.ndarray) -> float:
    """Return Pearson's correlation of two columns, NaN where one does not vary."""
    centred = values - values.mean(axis=0)
    # Below this, a spread is rounding error of the mean.
    spread = np.sqrt((centred**2).mean(axis=0))
    if (spread <= 1e-6 * np.maximum(np.abs(values).max(axis=0), 1)).any():
        return float("nan")
    return float((centred[:, 0] * centred[:, 1]).mean() / spread.prod())
