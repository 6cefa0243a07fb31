"""Expression of all cells, a block at a time: nothing here is as large as the cells."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import scipy.sparse as sp

from scregnet._anndata.access import blocks, is_counts
from scregnet._validate import check_name, listed, shortened

if TYPE_CHECKING:
    from anndata import AnnData

CELLS_STREAM = 14
"""Number of the random stream that draws cells; split, fits and folds have their own."""


def log_blocks(
    adata: AnnData, layer: str | None, *, counts: bool, rows: np.ndarray | None = None
) -> Iterator[tuple[np.ndarray, sp.csr_matrix]]:
    """Yield positions of cells and their expression, float32 CSR of shape (n_cells, n_genes).

    Counts become log1p of counts per 10,000; other values stay, and negative ones raise. An empty
    cell stays empty.
    """
    for cells, block in blocks(adata, layer, rows=rows, expect="expression"):
        if counts:
            totals = np.asarray(block.sum(axis=1)).ravel()
            scale = np.divide(1e4, totals, out=np.zeros_like(totals), where=totals > 0)
            block = sp.csr_matrix(sp.diags(scale) @ block)
            block.data = np.log1p(block.data)
        yield cells, block.astype(np.float32)


def gene_sums(adata: AnnData, layer: str | None) -> GeneSums:
    """Return the sums of expression over all cells; see :func:`log_blocks`."""
    counts = is_counts(adata, layer)
    return reduce(add, (GeneSums.of(b) for _, b in log_blocks(adata, layer, counts=counts)))


def draw_cells(n_cells: int, max_cells: int | None, random_state: int | None) -> np.ndarray | None:
    """Return ascending numbers of at most ``max_cells`` random cells, ``None`` for all of them."""
    if max_cells is None or n_cells <= max_cells:
        return None
    seed = np.random.SeedSequence(random_state, spawn_key=(CELLS_STREAM,))
    return np.sort(np.random.default_rng(seed).permutation(n_cells)[:max_cells])


def cell_numbers(
    adata: AnnData, argument: str, column: str, rows: np.ndarray | None = None
) -> np.ndarray:
    """Return a column of ``adata.obs`` as float64, of some cells in ascending order.

    ``argument`` is what named the column.
    """
    check_name(argument, column)
    if column not in adata.obs:
        msg = (
            f"{argument}={shortened(column)} is not a column of adata.obs; it has "
            f"{listed(adata.obs.columns)}."
        )
        raise KeyError(msg)
    kept = np.arange(adata.n_obs) if rows is None else np.sort(np.arange(adata.n_obs)[rows])
    numbers = pd.to_numeric(adata.obs[column], errors="coerce").to_numpy(np.float64)[kept]
    wrong = int((~np.isfinite(numbers)).sum())
    if wrong:
        msg = (
            f"{argument}={column!r} must hold a finite number for every cell, but {wrong:,} of "
            f"{len(numbers):,} cells have none (text, NaN, or infinity as of cells that no path "
            "reaches); leave these cells out first."
        )
        raise ValueError(msg)
    return numbers


@dataclass(frozen=True, eq=False)
class GeneSums:
    """Sums over cells of each gene. Those of two sets of cells add up to those of both."""

    FORMS = {
        "n_cells": ("integer", ()),
        "n_empty": ("integer", ()),
        "total": ("number", ("genes",)),
        "squares": ("number", ("genes",)),
        "n_seen": ("number", ("genes",)),
    }

    n_cells: int
    n_empty: int
    total: np.ndarray
    """Float64 of shape (n_genes,), as the following."""

    squares: np.ndarray
    n_seen: np.ndarray

    @classmethod
    def of(cls, cells: sp.csr_matrix) -> GeneSums:
        """Sum over the cells of a block, (n_cells, n_genes)."""
        n_genes = cells.shape[1]
        values = cells.data.astype(np.float64)
        # Of no values at all, NumPy's sums are integers.
        total, squares, n_seen = (
            np.bincount(cells.indices, weights, n_genes).astype(np.float64)
            for weights in (values, values**2, values != 0)
        )
        n_empty = int((np.diff(cells.indptr) == 0).sum())
        return cls(cells.shape[0], n_empty, total, squares, n_seen)

    def __add__(self, other: GeneSums) -> GeneSums:
        """Return the sums over the cells of both."""
        return GeneSums(
            self.n_cells + other.n_cells,
            self.n_empty + other.n_empty,
            self.total + other.total,
            self.squares + other.squares,
            self.n_seen + other.n_seen,
        )

    def summary(self) -> np.ndarray:
        """Return mean, standard deviation and detection rate, float64 of shape (n_genes, 3)."""
        mean = self.total / self.n_cells
        spread = np.sqrt(np.maximum(self.squares / self.n_cells - mean**2, 0))
        return np.stack([mean, spread, self.n_seen / self.n_cells], axis=1)
