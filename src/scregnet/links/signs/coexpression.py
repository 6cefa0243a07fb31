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

N_CORRELATIONS = 3

EPSILON = 1e-4
"""Least squared length of what is left of a unit vector, or of a sum of them: less is rounding."""


@dataclass(frozen=True, eq=False)
class Coexpression:
    """Expression of genes as unit vectors, and their leading components.

    The correlation of two genes is the product ``x·y`` of their rows. Given the components it is
    ``(x·y - p·q) / √((1 - p·p)(1 - q·q))``, where ``p`` and ``q`` are the genes' components.
    """

    unit: np.ndarray
    """float32 (n_genes, n_features) with rows of length 1, or 0 for a gene that does not vary."""

    components: np.ndarray
    """float32 (n_genes, n_components)."""

    scale: np.ndarray
    """``1 / √(1 - p·p)`` of each gene, float32; 0 where nothing is left."""

    @classmethod
    def of(cls, expression: np.ndarray) -> Coexpression:
        """Make it of standardised expression (n_genes, n_features)."""
        n_features = expression.shape[1]
        if n_features > MAX_FEATURES:
            # Evenly spaced: cells of one batch or type are often neighbours.
            chosen = np.linspace(0, n_features - 1, MAX_FEATURES).astype(np.intp)
            expression = expression[:, chosen]
        unit = _unit_rows(np.asarray(expression, np.float32))
        components = _components(unit)
        square = 1 - np.einsum("ij,ij->i", components, components)
        return cls(unit, components, _over_root(np.ones(len(unit), np.float32), square))

    def block(self, tfs: np.ndarray, targets: np.ndarray | slice = slice(None)) -> np.ndarray:
        """Return both correlations of some TFs with genes, float32 (2, n_tfs, n_targets)."""
        whole = self.unit[tfs] @ self.unit[targets].T
        partial = whole - self.components[tfs] @ self.components[targets].T
        partial *= self.scale[tfs, None]
        partial *= self.scale[targets]
        return np.stack([whole, partial])


@dataclass(frozen=True, eq=False)
class Regulons:
    """The sum ``r = Σ s x`` of each TF over its known targets: sign times expression.

    A TF's own mRNA says little of its activity. Its known targets, repressed ones taken negative,
    say more.
    """

    unit: np.ndarray
    signs: sp.csr_matrix
    """Known signs, float32 (n_genes, n_genes); its product with ``unit`` has the sums."""

    @classmethod
    def of(cls, known: KnownSigns, coexpression: Coexpression) -> Regulons:
        """Make them of known signs."""
        sign = np.where(known.activates, np.float32(1), np.float32(-1))
        shape = (known.n_genes, known.n_genes)
        matrix = sp.csr_matrix((sign, (known.sources, known.targets)), shape=shape)
        return cls(coexpression.unit, matrix)

    def block(self, tfs: np.ndarray) -> np.ndarray:
        """Return the correlation of some TFs' sums with all genes, float32 (n_tfs, n_genes).

        Targets whose sign is known are part of the sum here.
        """
        sums = self.signs[tfs] @ self.unit
        square = np.einsum("ij,ij->i", sums, sums)
        return _over_root(sums @ self.unit.T, square[:, None])


@dataclass(frozen=True, eq=False)
class KnownCorrelations:
    """The three correlations of all edges of known sign, for fits that see a part of them."""

    known: KnownSigns
    unit: np.ndarray
    of_genes: np.ndarray
    """Correlation and partial correlation, float32 (n_edges, 2)."""

    @classmethod
    def of(cls, known: KnownSigns, coexpression: Coexpression) -> KnownCorrelations:
        """Compute what does not depend on signs, once for all fits."""
        found = np.empty((len(known), 2), np.float32)
        for tf, edges in known.by_tf():
            found[edges] = coexpression.block(np.array([tf]), known.targets[edges])[:, 0].T
        return cls(known, coexpression.unit, found)

    def given(self, seen: np.ndarray) -> np.ndarray:
        """Return the correlations of all edges where only the ``seen`` signs are known.

        An edge is left out of its TF's sum, or its sign would be among its own features. Float32
        (n_edges, 3).
        """
        known, found = self.known, np.zeros((len(self.known), N_CORRELATIONS), np.float32)
        found[:, :2] = self.of_genes
        sign = np.where(known.activates, np.float32(1), np.float32(-1)) * seen
        for _, edges in known.by_tf():
            x, s = self.unit[known.targets[edges]], sign[edges]
            total = s @ x
            product = x @ total
            size = np.einsum("ij,ij->i", x, x)
            # Without the edge, r - s x: (r - s x)·x = r·x - s x·x, and its square is
            # r·r - 2 s r·x + s² x·x.
            square = total @ total - 2 * s * product + s**2 * size
            found[edges, 2] = _over_root(product - s * size, square)
        return found


def _over_root(product: np.ndarray, square: np.ndarray) -> np.ndarray:
    kept = square > EPSILON
    return np.where(kept, product / np.sqrt(np.where(kept, square, 1)), 0).astype(np.float32)


def _unit_rows(rows: np.ndarray) -> np.ndarray:
    length = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    return rows * np.divide(1, length, out=np.zeros_like(length), where=length > 0)[:, None]


def _components(unit: np.ndarray) -> np.ndarray:
    """Return the leading left singular vectors times their values, float32."""
    from sklearn.utils.extmath import randomized_svd

    # Of few features a fifth at most: without ten of twelve, nothing is left to correlate.
    n = min(N_COMPONENTS, min(unit.shape) // 5)
    if n == 0:
        return np.zeros((len(unit), 0), np.float32)
    left, values, _ = randomized_svd(unit, n, n_iter=4, random_state=0)
    return np.asarray(left * values, np.float32)
