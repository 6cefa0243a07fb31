"""Run decoupler on regulons."""

from __future__ import annotations

import warnings
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

TOP_SHARE = 0.05
"""Share of the genes of a cell that ``ora`` takes as high."""

PADJ_METHODS = tuple(method for method in METHODS if method != "aucell")
"""These have p-values."""


def scores(
    method: str, cells: sp.csr_matrix, obs_names: pd.Index, genes: pd.Index, links: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    """Return activities and, where the method has them, adjusted p-values: cells × TFs.

    Empty cells have NaN. A TF whose targets are all expressed genes alike, or a cell that has the
    same of all of them, tells nothing: 0, and 1 as p-value.
    """
    from anndata import AnnData

    filled = np.flatnonzero(np.diff(cells.indptr) > 0)
    # decoupler drops genes that no cell expresses, and fails where the others do not differ.
    expressed = np.unique(cells.indices)
    flat_tfs, flat_cells = _flat_tfs(links, genes[expressed]), _flat_cells(cells[:, expressed])
    # It drops empty cells and then returns a new object; without them it keeps every row.
    told = np.setdiff1d(filled, flat_cells)
    # Numbers for names: barcodes may be there twice.
    numbers = pd.Index(told.astype(str))
    part = AnnData(cells[told], obs=pd.DataFrame(index=numbers), var=pd.DataFrame(index=genes))
    # tmin was applied before, to the effective number of targets.
    frame = links[["source", "target", "weight"]]
    frame = frame[~frame["source"].isin(flat_tfs)]
    if len(told) and len(frame):
        _run(method, part, frame, **_options(method, part.X))

    def all_cells(slot: str, nothing: float) -> pd.DataFrame:
        found = part.obsm.get(slot, pd.DataFrame(columns=sorted(frame["source"].unique())))
        whole = pd.DataFrame(np.nan, index=range(len(obs_names)), columns=found.columns)
        whole[flat_tfs] = np.nan
        whole.iloc[filled] = nothing
        if slot in part.obsm:
            whole.loc[told, found.columns] = found.to_numpy()
        return (whole.sort_index(axis=1) if flat_tfs else whole).set_axis(obs_names)

    activity = all_cells(f"score_{method}", 0.0)
    return activity, all_cells(f"padj_{method}", 1.0) if method in PADJ_METHODS else None


def _run(method: str, data: Any, net: pd.DataFrame, **options: Any) -> Any:
    """Call a method of decoupler."""
    import decoupler as dc

    with warnings.catch_warnings():
        # Of numba, about a type that decoupler passes to its own loop for "ora".
        warnings.filterwarnings("ignore", message=r"\s*Encountered the use of a type that is sched")
        return getattr(dc.mt, method)(data, net, tmin=1, **options)


def _flat_tfs(links: pd.DataFrame, expressed: pd.Index) -> list[str]:
    """Return the TFs that have all expressed genes as targets, with one weight."""
    there = links[links["target"].isin(expressed)].groupby("source", observed=True)["weight"]
    flat = (there.size() == len(expressed)) & (there.nunique() == 1)
    return flat.index[flat].astype(str).tolist()


def _flat_cells(cells: sp.csr_matrix) -> np.ndarray:
    """Return the cells that have the same of all genes; each gene is expressed by some cell."""
    whole = np.flatnonzero(np.diff(cells.indptr) == max(cells.shape[1], 1))
    rows = cells[whole].toarray()
    return whole[(rows == rows[:, :1]).all(axis=1)]


def _options(method: str, cells: sp.csr_matrix) -> dict[str, Any]:
    """Return options with which every release of decoupler gives what its documentation says.

    Two functions differ between decoupler 2.2 and 2.3, so each is asked about one small cell.
    """
    if method == "zscore":
        return {"flavor": "KSEA" if _ksea_subtracts_the_mean() else "RoKAI"}
    if method == "ora":
        # decoupler drops genes that no cell expresses.
        n_genes = len(np.unique(cells.indices))
        top = max(int(np.ceil(TOP_SHARE * n_genes)), 2)
        return {"n_up": top if _ora_counts_from_the_top() else max(n_genes - top, 1)}
    return {}


@cache
def _ksea_subtracts_the_mean() -> bool:
    """Return whether the flavour of this name does; up to 2.2 the other one did."""
    return _score_of_one_cell("zscore", [1, 1, 1, 2], [0, 1], flavor="KSEA") < 0


@cache
def _ora_counts_from_the_top() -> bool:
    """Return whether ``n_up`` genes are selected; up to 2.2 it was all but ``n_up``."""
    # The genes asked for are in the middle, so they are no more than expected among the highest 4.
    return _score_of_one_cell("ora", list(range(1, 21)), [8, 9, 10, 11], n_up=4, n_bg=20) < 0


def _score_of_one_cell(method: str, values: list[int], genes: list[int], **options: Any) -> float:
    """Return decoupler's score of a set of genes in one cell."""
    names = [f"gene{number}" for number in range(len(values))]
    cell = pd.DataFrame([values], index=["cell"], columns=names, dtype=float)
    net = pd.DataFrame({"source": "set", "target": [names[gene] for gene in genes], "weight": 1.0})
    found, _ = _run(method, cell, net, **options)
    return float(found.loc["cell", "set"])
