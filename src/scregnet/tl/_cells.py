"""The cells of an AnnData as an encoder reads them: block by block, checked, and counted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from scregnet._anndata.access import blocks
from scregnet.encoders import CellBlock

if TYPE_CHECKING:
    import scipy.sparse as sp
    from anndata import AnnData


@dataclass
class Cells:
    """The chosen cells as blocks, read anew in every pass.

    ``rows`` are the positions of the cells, ``codes`` the groups of all cells of ``adata``.
    ``counts`` demands raw counts. After a pass, ``totals`` is the sum of every gene, and
    ``n_empty`` the number of empty cells.
    """

    adata: AnnData
    layer: str | None
    counts: bool
    rows: np.ndarray
    codes: np.ndarray
    totals: np.ndarray = field(init=False)
    n_empty: int = field(init=False)
    complete: bool = field(init=False, default=False)

    def __iter__(self) -> Iterator[CellBlock]:
        self.complete = False
        self.totals = np.zeros(self.adata.n_vars)
        self.n_empty = 0
        for positions, block in blocks(self.adata, self.layer, rows=self.rows, expect="expression"):
            self._check(block)
            self.totals += np.asarray(block.sum(axis=0)).ravel()
            self.n_empty += int((np.diff(block.indptr) == 0).sum())
            yield CellBlock(block, self.codes[positions])
        self.complete = True

    def finish(self) -> None:
        """Read all cells unless that was done: an encoder may need none of them, or only some."""
        if not self.complete:
            for _ in self:
                pass

    def _check(self, block: sp.csr_matrix) -> None:
        fractions = block.data[block.data != np.rint(block.data)]
        if self.counts and len(fractions):
            where = "adata.X" if self.layer is None else f"adata.layers[{self.layer!r}]"
            msg = (
                f"raw counts are needed, but {where} holds values that are not integers (such as "
                f"{fractions[0]:.4g}). Name the matrix of raw counts with layer=, for example "
                "layer='counts'. If there are no counts, allow log-normalised values with "
                "counts=False."
            )
            raise ValueError(msg)
