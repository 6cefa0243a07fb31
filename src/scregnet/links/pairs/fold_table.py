"""Which fold a labelled pair is in, for any pair."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from scregnet.links.pairs.codes import find_codes, pair_codes

if TYPE_CHECKING:
    from scregnet.links.task import Pairs

CELLS_PER_PAIR = 64
"""Cells of TFs × genes for each labelled pair, up to which a grid is made."""

BLOCK = 2**20
"""Pairs that are placed in a grid at a time."""


class FoldTable(Protocol):
    """The folds of labelled pairs."""

    @property
    def n_repeats(self) -> int:
        """How often the pairs are divided into folds."""
        ...

    def folds_of(self, sources: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Return the folds of each pair, (n, n_repeats), -1 for a pair without a label."""
        ...


def fold_table(pairs: Pairs, folds: np.ndarray, n_genes: int) -> FoldTable:
    """Return the folds, (n_pairs, n_repeats), of labelled pairs in a form for look-ups."""
    n_cells = len(np.unique(pairs.sources)) * n_genes
    if n_cells > CELLS_PER_PAIR * len(pairs):
        return FoldCodes.of(pairs, folds, n_genes)
    return FoldGrid.of(pairs, folds, n_genes)


@dataclass(frozen=True, eq=False)
class FoldGrid:
    """The folds as a grid of TFs × genes: one byte for each cell, no search."""

    rows: np.ndarray
    """Row of each gene that is a TF, others have the last row; int32 of shape (n_genes,)."""

    grid: np.ndarray
    """Fold of each cell in each repeat, (n_repeats, n_tfs + 1, n_genes), -1 without a label."""

    @classmethod
    def of(cls, pairs: Pairs, folds: np.ndarray, n_genes: int) -> FoldGrid:
        """Place the folds of labelled pairs."""
        tfs = np.unique(pairs.sources)
        rows = np.full(n_genes, len(tfs), np.int32)
        rows[tfs] = np.arange(len(tfs))
        kind = np.int8 if folds.max(initial=0) <= np.iinfo(np.int8).max else np.int16
        grid = np.full((folds.shape[1], len(tfs) + 1, n_genes), -1, kind)
        for start in range(0, len(pairs), BLOCK):
            some = slice(start, start + BLOCK)
            grid[:, rows[pairs.sources[some]], pairs.targets[some]] = folds[some].T
        return cls(rows, grid)

    @property
    def n_repeats(self) -> int:
        """How often the pairs are divided into folds."""
        return len(self.grid)

    def folds_of(self, sources: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Return the folds of each pair, (n, n_repeats), -1 for a pair without a label."""
        return self.grid[:, self.rows[sources], targets].T


@dataclass(frozen=True, eq=False)
class FoldCodes:
    """The folds of few pairs of many TFs."""

    codes: np.ndarray
    """Ascending codes of the labelled pairs (:func:`~scregnet.links.pairs.codes.pair_codes`)."""

    folds: np.ndarray
    """The fold of each of them in each repeat, int16 of shape (n_pairs, n_repeats)."""

    n_genes: int

    @classmethod
    def of(cls, pairs: Pairs, folds: np.ndarray, n_genes: int) -> FoldCodes:
        """Sort the folds of labelled pairs by pair."""
        codes = pair_codes(pairs.sources, pairs.targets, n_genes)
        order = np.argsort(codes)
        return cls(codes[order], folds[order].astype(np.int16), n_genes)

    @property
    def n_repeats(self) -> int:
        """How often the pairs are divided into folds."""
        return self.folds.shape[1]

    def folds_of(self, sources: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Return the folds of each pair, (n, n_repeats), -1 for a pair without a label."""
        place = find_codes(self.codes, pair_codes(sources, targets, self.n_genes))
        return np.where(place[:, None] >= 0, self.folds[place], np.int16(-1))
