"""How a TF and its target vary together: three correlations, block by block."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

if TYPE_CHECKING:
    from scregnet.links.signs.known import KnownSigns


MAX_FEATURES = 2048
"""Features of a gene that are used; of more cells, as many evenly spaced ones. A correlation then
has a standard error of 0.02, and 20,000 genes take 160 MB."""

N_COMPONENTS = 10
"""Leading components that the partial correlation is free of: mostly the cell types."""

N_FEATURES = 3

PAIRS = 2**14
"""Pairs whose correlation is computed at a time."""


@dataclass(frozen=True, eq=False)
class Coexpression:
    """Expression of genes as unit vectors, and their leading components.

    The correlation of two genes is the product of their rows ``x``. Given the components it is
    ``(x·y - p·q) / √((1 - p·p)(1 - q·q))``, where ``p`` and ``q`` are their components.
    """

    unit: np.ndarray
    """float32 (n_genes, n_features) with rows of length 1, or 0 for a gene that does not vary."""

    components: np.ndarray
    """float32 (n_genes, n_components)."""

    @classmethod
    def of(cls, expression: np.ndarray) -> Coexpression:
        """Make it of standardised expression (n_genes, n_features)."""
        n_features = expression.shape[1]
        if n_features > MAX_FEATURES:
            # Evenly spaced: cells of one batch or type are often neighbours.
            chosen = np.linspace(0, n_features - 1, MAX_FEATURES).astype(np.intp)
            expression = expression[:, chosen]
        unit = _unit_rows(np.asarray(expression, np.float32))
        return cls(unit, _components(unit))

    def of_pairs(self, sources: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Return correlation and partial correlation of each pair, float32 (n_pairs, 2)."""
        found = np.empty((len(sources), 2), np.float32)
        for start in range(0, len(sources), PAIRS):
            part = slice(start, start + PAIRS)
            s, t = sources[part], targets[part]
            whole = np.einsum("ij,ij->i", self.unit[s], self.unit[t])
            shared = np.einsum("ij,ij->i", self.components[s], self.components[t])
            rest = self._rest
            found[part, 0] = whole
            found[part, 1] = (whole - shared) * rest[s] * rest[t]
        return found

    def block(self, tfs: np.ndarray) -> np.ndarray:
        """Return the same of some TFs with all genes, float32 (2, n_tfs, n_genes)."""
        whole = self.unit[tfs] @ self.unit.T
        rest = self._rest
        partial = whole - self.components[tfs] @ self.components.T
        partial *= rest[tfs, None]
        partial *= rest
        return np.stack([whole, partial])

    @property
    def _rest(self) -> np.ndarray:
        """One over the length of each row without its components; 0 where nothing remains."""
        square = 1 - np.einsum("ij,ij->i", self.components, self.components)
        kept = square > 1e-4
        return np.where(kept, 1 / np.sqrt(np.where(kept, square, 1)), 0).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Regulons:
    """The sum over each TF's known targets of sign times expression.

    mRNA of a TF says little of its activity. The mean of its targets, repressed ones taken
    negative, says more.
    """

    coexpression: Coexpression
    sums: sp.csr_matrix
    """Signs, (n_genes, n_genes): row of a TF times expression is its sum."""

    @classmethod
    def of(cls, known: KnownSigns, coexpression: Coexpression) -> Regulons:
        """Make them of known signs."""
        sign = np.where(known.activates, np.float32(1), np.float32(-1))
        shape = (known.n_genes, known.n_genes)
        return cls(coexpression, sp.csr_matrix((sign, (known.sources, known.targets)), shape=shape))

    def of_pairs(self, sources: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Return the correlation of each target with its TF's regulon, float32 (n_pairs,).

        A target is left out of the regulon that it is compared with.
        """
        unit = self.coexpression.unit
        tfs, row = np.unique(sources, return_inverse=True)
        sums = self.sums[tfs] @ unit
        squares = np.einsum("ij,ij->i", sums, sums)
        own = np.asarray(self.sums[sources, targets], np.float32).ravel()
        found = np.empty(len(sources), np.float32)
        for start in range(0, len(sources), PAIRS):
            part = slice(start, start + PAIRS)
            x, s = unit[targets[part]], own[part]
            product = np.einsum("ij,ij->i", sums[row[part]], x)
            size = np.einsum("ij,ij->i", x, x)
            # With r the sum: (r - s x)·x = r·x - s x·x, and |r - s x|² = r·r - 2 s r·x + s² x·x.
            square = squares[row[part]] - 2 * s * product + s**2 * size
            found[part] = _ratio(product - s * size, square)
        return found

    def block(self, tfs: np.ndarray) -> np.ndarray:
        """Return the same of some TFs with all genes, float32 (n_tfs, n_genes).

        Known targets are not left out here: their sign is known.
        """
        unit = self.coexpression.unit
        sums = self.sums[tfs] @ unit
        square = np.einsum("ij,ij->i", sums, sums)
        return _ratio(sums @ unit.T, square[:, None])


def _ratio(product: np.ndarray, square: np.ndarray) -> np.ndarray:
    # A sum of one target, left out again, is not zero but rounding.
    kept = square > 1e-4
    return np.where(kept, product / np.sqrt(np.where(kept, square, 1)), 0).astype(np.float32)


def _unit_rows(rows: np.ndarray) -> np.ndarray:
    length = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    return rows * np.divide(1, length, out=np.zeros_like(length), where=length > 0)[:, None]


def _components(unit: np.ndarray) -> np.ndarray:
    """Return the leading left singular vectors times their values, float32."""
    from sklearn.utils.extmath import randomized_svd

    # Of few features a fifth at most: without ten of twelve, nothing remains to correlate.
    n = min(N_COMPONENTS, min(unit.shape) // 5)
    if n == 0:
        return np.zeros((len(unit), 0), np.float32)
    left, values, _ = randomized_svd(unit, n, n_iter=4, random_state=0)
    return np.asarray(left * values, np.float32)
