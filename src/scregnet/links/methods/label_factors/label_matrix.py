"""Labels of pairs as a matrix, of which some cells are known."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, cast

import numpy as np
import scipy.sparse as sp

from scregnet.links.pairs.codes import pair_codes

if TYPE_CHECKING:
    from scregnet.links.task import Pairs

# A known cell of a sparse matrix takes about as long as this many cells of a dense one.
SPARSE_COST = 16
# Pairs that are placed in a dense matrix at a time, so that memory does not grow with them.
BLOCK = 1 << 20


@dataclass(frozen=True, eq=False)
class LabelMatrix:
    """Labels of pairs as a matrix of the TFs × targets that occur; sparse if few are known."""

    sources: np.ndarray
    """Positions of the genes in rows."""

    targets: np.ndarray
    """Positions of the genes in columns."""

    known: np.ndarray | sp.csr_array
    """1 where a pair is given, 0 elsewhere; float32."""

    centred: np.ndarray | sp.csr_array
    """Label minus one half where a pair is given, 0 elsewhere; float32, same cells as ``known``."""

    @classmethod
    def of(cls, pairs: Pairs, *, sparse_cost: float = SPARSE_COST) -> LabelMatrix:
        """Return the matrix of the given pairs. If a pair is given twice, its last label counts.

        It is sparse if the pairs times ``sparse_cost`` are fewer than all cells.
        """
        (sources, row_of), (targets, column_of) = map(_numbered, (pairs.sources, pairs.targets))
        shape = len(sources), len(targets)
        if sparse_cost * len(pairs) < shape[0] * shape[1]:
            rows, columns = row_of[pairs.sources], column_of[pairs.targets]
            # Reversed, because unique keeps the first of equal cells.
            cells, last = np.unique(pair_codes(rows, columns, shape[1])[::-1], return_index=True)
            known = sp.csr_array(
                (np.ones(len(cells), np.float32), np.divmod(cells, shape[1])), shape
            )
            values = pairs.labels[::-1][last] - np.float32(0.5)
            return cls(sources, targets, known, like(known, values))
        known, centred = (np.zeros(shape, np.float32) for _ in range(2))
        for start in range(0, len(pairs), BLOCK):
            some = slice(start, start + BLOCK)
            cell = row_of[pairs.sources[some]], column_of[pairs.targets[some]]
            known[cell] = 1
            centred[cell] = pairs.labels[some] - np.float32(0.5)
        return cls(sources, targets, known, centred)

    @property
    def is_sparse(self) -> bool:
        """Whether the matrices hold known cells alone."""
        return isinstance(self.known, sp.csr_array)

    @property
    def n_pairs(self) -> int:
        """Number of known cells."""
        if isinstance(self.known, sp.csr_array):
            return self.known.nnz
        return int(np.count_nonzero(self.known))

    @property
    def n_cells(self) -> int:
        """Number of cells of a dense matrix that would take as long."""
        if isinstance(self.known, sp.csr_array):
            return SPARSE_COST * self.n_pairs
        return self.known.size

    @property
    def mean_logit(self) -> float:
        """Logit of the share of edges, with half a pair of either kind added."""
        n = self.n_pairs
        n_edges = float(self.centred.sum(dtype=np.float64)) + n / 2
        return float(np.log((n_edges + 0.5) / (n - n_edges + 0.5)))

    @cached_property
    def by_tf(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Known cells of a sparse matrix by TF: starts, column and number of each, int32."""
        known = cast("sp.csr_array", self.known)
        return known.indptr, known.indices, np.arange(known.nnz, dtype=np.int32)

    @cached_property
    def by_target(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Known cells of a sparse matrix by target: starts, row and number of each, int32."""
        known = cast("sp.csr_array", self.known)
        rows = np.repeat(np.arange(len(self.sources)), np.diff(known.indptr))
        order = np.argsort(known.indices, kind="stable")
        counts = np.bincount(known.indices, minlength=len(self.targets))
        starts = np.append(0, np.cumsum(counts))
        return starts.astype(np.int32), rows[order].astype(np.int32), order.astype(np.int32)

    def every(self, step: int) -> LabelMatrix:
        """Return all TFs with every ``step``-th target."""
        if step <= 1:
            return self
        known, centred = (m[:, ::step] for m in (self.known, self.centred))
        if not self.is_sparse:
            # Copies: cells that are far apart in memory take several times as long to read.
            known, centred = np.ascontiguousarray(known), np.ascontiguousarray(centred)
        return LabelMatrix(self.sources, self.targets[::step], known, centred)

    def dot(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        """Return ``left[row] · right[column]`` of the cells, float32.

        A dense matrix gives all cells as a matrix, a sparse one its known cells as a vector.
        """
        left, right = left.astype(np.float32), right.astype(np.float32)
        if not isinstance(self.known, sp.csr_array):
            return left @ right.T
        from scregnet.links.methods.compiled import products

        return products(left, right, self.known.indptr, self.known.indices)

    def cells(self, values: np.ndarray) -> np.ndarray | sp.csr_array:
        """Return what :meth:`dot` gives as a matrix, 0 where no pair is known; overwrites it."""
        if isinstance(self.known, sp.csr_array):
            return like(self.known, values)
        return np.multiply(values, self.known, out=values)


def _numbered(genes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the genes that occur, ascending, and the number that each gene has among them."""
    there = np.zeros(int(genes.max(initial=-1)) + 1, bool)
    there[genes] = True
    return np.flatnonzero(there), np.cumsum(there, dtype=np.int32) - 1


def like(matrix: sp.csr_array, values: np.ndarray) -> sp.csr_array:
    """Return a matrix with the same cells and other values."""
    return sp.csr_array((values, matrix.indices, matrix.indptr), matrix.shape)
