"""Run decoupler on regulons."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    import scipy.sparse as sp

METHODS = ("ulm", "mlm", "viper", "zscore", "waggr", "aucell", "ora")
SET_METHODS = ("aucell", "ora")
"""These know sets of targets, no weights."""

UNSIGNED_METHODS = (*SET_METHODS, "zscore")
"""These get no repressed targets. ``zscore`` subtracts the mean of the cell from the weighted mean
of the targets, which is wrong for negative weights."""

PADJ_METHODS = tuple(method for method in METHODS if method != "aucell")
"""These have p-values."""


def scores(
    method: str, cells: sp.csr_matrix, obs_names: pd.Index, genes: pd.Index, links: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    """Return activities and, where the method has them, adjusted p-values: cells × TFs.

    Empty cells have NaN.
    """
    import decoupler as dc
    from anndata import AnnData

    # decoupler drops empty cells and then returns a new object; without them it keeps every row.
    filled = np.flatnonzero(np.diff(cells.indptr) > 0)
    # Numbers for names: barcodes may be there twice.
    numbers = pd.Index(filled.astype(str))
    part = AnnData(cells[filled], obs=pd.DataFrame(index=numbers), var=pd.DataFrame(index=genes))
    # tmin was applied before, to the effective number of targets.
    more: dict[str, Any] = {"flavor": _centring_flavor()} if method == "zscore" else {}
    getattr(dc.mt, method)(part, links[["source", "target", "weight"]], tmin=1, **more)

    def all_cells(frame: pd.DataFrame) -> pd.DataFrame:
        values = np.full((len(obs_names), frame.shape[1]), np.nan)
        values[filled] = frame.to_numpy()
        return pd.DataFrame(values, index=obs_names, columns=frame.columns)

    padj = part.obsm.get(f"padj_{method}")
    activity = all_cells(part.obsm[f"score_{method}"])
    return activity, None if padj is None else all_cells(padj)


@cache
def _centring_flavor() -> str:
    """Return which flavour of decoupler's z-score subtracts the mean of the cell.

    It is KSEA's by name. Up to decoupler 2.2 the two names were exchanged, so a cell is asked: its
    first two genes are below its mean.
    """
    import decoupler as dc

    cell = pd.DataFrame([[1.0, 1.0, 1.0, 2.0]], index=["cell"], columns=list("abcd"))
    net = pd.DataFrame({"source": "set", "target": ["a", "b"], "weight": 1.0})
    found, _ = dc.mt.zscore(cell, net, tmin=1, flavor="KSEA")
    return "KSEA" if found.loc["cell", "set"] < 0 else "RoKAI"
