"""The cells of an AnnData as an encoder reads them: block by block, checked, and counted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from scregnet._anndata.access import blocks
from scregnet._anndata.shards import Shard, shards, submitted
from scregnet.encoders import CellBlock, CellStream

if TYPE_CHECKING:
    import scipy.sparse as sp
    from anndata import AnnData


def drawn(codes: np.ndarray, max_cells: int | None, random_state: int | None) -> np.ndarray:
    """Return the positions of the cells to use: at most ``max_cells`` of each group.

    ``codes`` is the group of each cell, negative for cells of none.
    """
    rows = np.flatnonzero(codes >= 0)
    if max_cells is None:
        return rows
    rng = np.random.default_rng(random_state)
    members = (rows[codes[rows] == code] for code in np.unique(codes[rows]))
    return np.sort(np.concatenate([rng.permutation(cells)[:max_cells] for cells in members]))


@dataclass
class Cells:
    """The chosen cells as blocks, read anew in every pass.

    ``rows`` are the positions of the cells, ``codes`` the groups of all cells of ``adata``; of a
    shard, the groups of ``rows``.
    ``counts`` demands raw counts. After a pass, ``totals`` is the sum of every gene, and
    ``n_empty`` the number of empty cells.
    """

    adata: AnnData | Shard
    layer: str | None
    counts: bool
    rows: np.ndarray
    codes: np.ndarray
    totals: np.ndarray = field(init=False)
    n_empty: int = field(init=False)
    complete: bool = field(init=False, default=False)

    def __iter__(self) -> Iterator[CellBlock]:
        self.complete = False
        self.totals = np.zeros(self.adata.shape[1])
        self.n_empty = 0
        for positions, block in self._blocks():
            self._check(block)
            self.totals += np.asarray(block.sum(axis=0)).ravel()
            self.n_empty += int((np.diff(block.indptr) == 0).sum())
            yield CellBlock(block, self._groups(positions))
        self.complete = True

    def _blocks(self) -> Iterator[tuple[np.ndarray, sp.csr_matrix]]:
        if isinstance(self.adata, Shard):
            return self.adata.blocks(expect="expression")
        return blocks(self.adata, self.layer, rows=self.rows, expect="expression")

    def _groups(self, positions: np.ndarray) -> np.ndarray:
        # A shard comes with the groups of its own cells.
        whole = not isinstance(self.adata, Shard)
        return self.codes[positions if whole else np.searchsorted(self.rows, positions)]

    def finish(self) -> None:
        """Read all cells unless that was done: an encoder may need none of them, or only some."""
        if not self.complete:
            for _ in self:
                pass

    def elsewhere(self, client: Any, n_groups: int) -> Callable[..., Any]:
        """Return what has the workers of a client go through the cells; see ``CellStream``."""
        if isinstance(self.adata, Shard):
            msg = "a shard is read where it is"
            raise TypeError(msg)
        every = shards(self.adata, self.rows)
        codes = [self.codes[shard.rows] for shard in every]
        before = np.cumsum([0, *map(len, codes)]).tolist()

        def summed(function: Callable[..., Any], *args: Any) -> Any:
            tasks = (
                (shard, groups, first, n_groups, self.counts, function)
                for shard, groups, first in zip(every, codes, before[:-1], strict=True)
            )
            found, self.totals, self.n_empty = submitted(client, _of_shard, tasks, *args)
            self.complete = True
            return found

        return summed

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


def _of_shard(
    shard: Shard,
    groups: np.ndarray,
    first: int,
    n_groups: int,
    counts: bool,  # noqa: FBT001
    function: Callable[..., Any],
    *args: Any,
) -> tuple[Any, np.ndarray, int]:
    """Return what a function gives for the cells of a shard, and what was counted on the way."""
    cells = Cells(shard, None, counts, np.asarray(shard.rows), groups)
    stream = CellStream(cells, len(groups), n_groups, counts, first=first)
    found = function(stream, *args)
    cells.finish()
    return found, cells.totals, cells.n_empty
