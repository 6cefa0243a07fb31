"""Read some cells of a matrix that is not stored by cells, without holding all of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp

from scregnet._logging import logger

# Values in memory at once while a file is read column by column: 64 MB of float64.
_VALUES = 2**23
# Cells for which a file stored by genes is read once: fewer passes need more memory.
_STRIP = 8192


def _chosen(rows: slice | np.ndarray) -> tuple[int, int, np.ndarray | slice]:
    """Return the range that ascending rows span, and the rows within it."""
    if isinstance(rows, slice):
        return rows.start, rows.stop, slice(None)
    return int(rows[0]), int(rows[-1]) + 1, rows - rows[0]


class CscRows:
    """Rows of a CSC matrix in memory.

    SciPy goes through all stored values for every slice of rows. Here a bisection in all columns at
    once finds the range of each column that belongs to the rows, so all slices together cost one
    pass.
    """

    def __init__(self, source: Any) -> None:
        self._source = source if source.has_sorted_indices else source.sorted_indices()

    def __getitem__(self, rows: slice | np.ndarray) -> sp.csr_matrix:
        start, stop, within = _chosen(rows)
        source = self._source
        first, last = self._begin(start), self._begin(stop)
        sizes = last - first
        indptr = np.concatenate([[0], np.cumsum(sizes)])
        at = np.arange(indptr[-1]) + np.repeat(first - indptr[:-1], sizes)
        part = sp.csc_matrix(
            (source.data[at], source.indices[at] - start, indptr),
            shape=(stop - start, source.shape[1]),
        )
        return part.tocsr()[within]

    def _begin(self, row: int) -> np.ndarray:
        """Return, of every column, the place of its first value in ``row`` or below."""
        low = self._source.indptr[:-1].astype(np.int64)
        high = self._source.indptr[1:].astype(np.int64)
        indices = self._source.indices
        while (open_ := low < high).any():
            middle = (low + high) // 2
            above = np.zeros(len(low), dtype=bool)
            above[open_] = indices[middle[open_]] < row
            low = np.where(open_ & above, middle + 1, low)
            high = np.where(open_ & ~above, middle, high)
        return low


class BackedCscRows:
    """Rows of a CSC matrix in a file: read column by column, once for every few thousand cells."""

    def __init__(self, source: Any) -> None:
        if source.shape[0] > _STRIP:
            logger.warning(
                "the matrix is stored by genes (CSC) in a file, so it is read once for every %d "
                "cells; written as CSR it is read once",
                _STRIP,
            )
        self._source = source
        self._start = 0
        self._strip = sp.csr_matrix((0, source.shape[1]))

    def __getitem__(self, rows: slice | np.ndarray) -> sp.csr_matrix:
        start, stop, within = _chosen(rows)
        pieces = []
        while start < stop:
            if not self._start <= start < self._start + self._strip.shape[0]:
                self._read(start)
            end = min(stop, self._start + self._strip.shape[0])
            pieces.append(self._strip[start - self._start : end - self._start])
            start = end
        return sp.csr_matrix(sp.vstack(pieces, format="csr"))[within]

    def _read(self, start: int) -> None:
        n_rows, n_columns = self._source.shape
        stop = min(start + _STRIP, n_rows)
        step = max(_VALUES // n_rows, 1)
        parts = [
            sp.csc_matrix(self._source[:, first : first + step])[start:stop]
            for first in range(0, n_columns, step)
        ]
        self._strip = sp.csr_matrix(sp.hstack(parts, format="csr"))
        self._start = start


class DaskRows:
    """Rows of a dask array; a chunk that several slices fall into is computed once."""

    def __init__(self, source: Any) -> None:
        self._source = source
        self._bounds = np.concatenate([[0], np.cumsum(source.chunks[0])]).astype(int)
        self._number = -1
        self._chunk: Any = None

    def __getitem__(self, rows: slice | np.ndarray) -> sp.csr_matrix:
        start, stop, within = _chosen(rows)
        pieces = []
        while start < stop:
            number = int(np.searchsorted(self._bounds, start, side="right")) - 1
            first, last = self._bounds[number], self._bounds[number + 1]
            if number != self._number:
                self._chunk = sp.csr_matrix(self._source[first:last].compute())
                self._number = number
            pieces.append(self._chunk[start - first : min(stop, last) - first])
            start = min(stop, int(last))
        return sp.csr_matrix(sp.vstack(pieces, format="csr"))[within]
