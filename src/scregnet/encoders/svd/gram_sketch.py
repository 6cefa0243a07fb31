"""Leading right singular vectors of a matrix that is read in blocks of rows, several times."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import scipy.sparse as sp

# Vectors beyond those that are wanted: the subspace iteration converges by the ratio of the last
# wanted singular value to the first one that is left out.
OVERSAMPLING = 20


@dataclass(frozen=True, eq=False)
class GramSketch:
    """``XᵀX Q`` summed over rows of ``X``. Sketches of disjoint rows with one ``Q`` add up.

    Subspace iteration: ``Q`` is the orthonormal basis that the pass before gave. Memory is that of
    a few vectors of the columns, whatever the number of rows.
    """

    FORMS = {
        "basis": ("number", ("columns", "vectors")),
        "product": ("number", ("columns", "vectors")),
        "n_rows": ("integer", ()),
        "seen": ("flag", ("columns",)),
    }

    basis: np.ndarray
    """``Q``, float64 of shape (n_columns, n_vectors)."""

    product: np.ndarray
    """``XᵀX Q`` of the rows so far."""

    n_rows: int
    seen: np.ndarray
    """Columns with a value, bool of shape (n_columns,)."""

    @classmethod
    def start(cls, n_columns: int, width: int, rng: np.random.Generator) -> GramSketch:
        """Return an empty sketch with a random basis for ``width`` singular vectors."""
        drawn = rng.standard_normal((n_columns, min(width + OVERSAMPLING, n_columns)))
        return cls._empty(np.linalg.qr(drawn)[0])

    @classmethod
    def _empty(cls, basis: np.ndarray) -> GramSketch:
        return cls(basis, np.zeros_like(basis), 0, np.zeros(len(basis), bool))

    def with_rows(self, rows: sp.csr_matrix) -> GramSketch:
        """Return the sketch with some more rows."""
        return replace(
            self,
            product=self.product + rows.T @ (rows @ self.basis),
            n_rows=self.n_rows + rows.shape[0],
            seen=self.seen | (rows.getnnz(axis=0) > 0),
        )

    def __add__(self, other: GramSketch) -> GramSketch:
        """Return the sketch of the rows of both, which must have one basis."""
        if not np.array_equal(self.basis, other.basis):
            msg = "the sketches are not of one basis: they are of other columns, or passes."
            raise ValueError(msg)
        return replace(
            self,
            product=self.product + other.product,
            n_rows=self.n_rows + other.n_rows,
            seen=self.seen | other.seen,
        )

    def refined(self) -> GramSketch:
        """Return an empty sketch for the next pass, with a basis closer to the singular vectors."""
        return self._empty(np.linalg.qr(self.product)[0])

    def loadings(self, width: int) -> tuple[np.ndarray, np.ndarray]:
        """Return singular values, falling, and right singular vectors, (n_columns, width)."""
        squares, rotation = np.linalg.eigh(self.basis.T @ self.product)
        squares, rotation = squares[::-1][:width], rotation[:, ::-1][:, :width]
        return np.sqrt(np.maximum(squares, 0)), self.basis @ rotation
