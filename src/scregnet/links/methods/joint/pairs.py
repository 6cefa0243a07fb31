"""The labelled pairs that the pair process computes with: a whole matrix of TFs × genes, or a list of its cells."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

if TYPE_CHECKING:
    from scregnet.links.task import Pairs

# Up to so many TFs × genes a product of whole matrices is as fast as one over a list of cells, and its memory does not matter.
DENSE_CELLS = 1_000_000


class DensePairs:
    """TFs × genes of which many are known.

    *Values*, here and in :class:`~scregnet.links.methods.joint.pairs.SparsePairs`, are one number for each cell that is computed: here an array of shape (n_tfs, n_genes), there one number for each
    known pair, by TF and then by gene. ``known`` and ``labels`` are bool values; what stands in cells that are not known counts nothing.
    """

    def __init__(self, labels: np.ndarray, known: np.ndarray) -> None:
        self.shape, self.known, self.labels = known.shape, known, labels & known

    def keep(self, which: np.ndarray) -> DensePairs:
        """The known pairs of the given values."""
        return DensePairs(self.labels, self.known & which)

    def cells(self, which: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rows and columns of the given values, in the order in which ``values[which]`` has them."""
        rows, columns = np.nonzero(which)
        return rows, columns

    def matrix(self, values: np.ndarray) -> np.ndarray:
        """Values, zero where no pair is known, as a matrix of shape (n_tfs, n_genes)."""
        return values

    def row(self, values: np.ndarray, row: int) -> np.ndarray:
        """Values of one TF for all genes."""
        return values[row]

    def per_tf(self, numbers: np.ndarray) -> np.ndarray:
        """The number of its TF for each value, or what broadcasts to it."""
        return numbers[:, None]

    def per_gene(self, numbers: np.ndarray) -> np.ndarray:
        """The number of its gene for each value, or what broadcasts to it."""
        return numbers[None]

    def dot(self, of_tfs: np.ndarray, of_genes: np.ndarray) -> np.ndarray:
        """Values that are the product of a vector of the TF and one of the gene."""
        return of_tfs @ of_genes.T

    def mixed(self, tfs: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Values of ``tfs @ matrix(values)``: what all TFs have of the same gene, by how alike the TFs are."""
        return tfs @ values

    def gram(self, values: np.ndarray) -> np.ndarray:
        """Products of the rows of values, dense of shape (n_tfs, n_tfs)."""
        return values @ values.T

    def state(self) -> dict[str, np.ndarray]:
        """Arrays from which ``from_state`` makes an equal object."""
        return {"known": self.known, "labels": self.labels}


class SparsePairs:
    """A list of the few known pairs of many TFs × genes, with the methods of ``DensePairs``: nothing here is as large as the matrix."""

    def __init__(
        self, indptr: np.ndarray, columns: np.ndarray, labels: np.ndarray, n_genes: int
    ) -> None:
        self.shape = len(indptr) - 1, n_genes
        self.indptr, self.columns, self.labels = indptr, columns, labels
        self.known = np.ones(len(columns), bool)

    @cached_property
    def rows(self) -> np.ndarray:
        """Row of each pair."""
        return np.repeat(np.arange(self.shape[0], dtype=np.int32), np.diff(self.indptr))

    def keep(self, which: np.ndarray) -> SparsePairs:
        """The pairs of the given values."""
        indptr = np.concatenate([[0], np.cumsum(which)])[self.indptr].astype(self.indptr.dtype)
        return SparsePairs(indptr, self.columns[which], self.labels[which], self.shape[1])

    def cells(self, which: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rows and columns of the given values."""
        return self.rows[which], self.columns[which]

    def matrix(self, values: np.ndarray) -> sp.csr_array:
        """Values as a matrix of shape (n_tfs, n_genes)."""
        return sp.csr_array((values, self.columns, self.indptr), self.shape)

    def row(self, values: np.ndarray, row: int) -> np.ndarray:
        """Values of one TF for all genes, zero where none is known."""
        here = slice(self.indptr[row], self.indptr[row + 1])
        whole = np.zeros(self.shape[1], values.dtype)
        whole[self.columns[here]] = values[here]
        return whole

    def per_tf(self, numbers: np.ndarray) -> np.ndarray:
        """The number of its TF for each value."""
        return numbers[self.rows]

    def per_gene(self, numbers: np.ndarray) -> np.ndarray:
        """The number of its gene for each value."""
        return numbers[self.columns]

    def dot(self, of_tfs: np.ndarray, of_genes: np.ndarray) -> np.ndarray:
        """Values that are the product of a vector of the TF and one of the gene."""
        from scregnet.links.methods.joint.compiled import products

        return products(of_tfs, of_genes, self.indptr, self.columns)

    def mixed(self, tfs: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Values of ``tfs @ matrix(values)``."""
        from scregnet.links.methods.joint.compiled import mixed

        order, starts = self._by_gene
        mixture = np.empty_like(values)
        mixture[order] = mixed(tfs, values[order], self.rows[order], starts)
        return mixture

    @cached_property
    def _by_gene(self) -> tuple[np.ndarray, np.ndarray]:
        starts = np.concatenate(
            [[0], np.cumsum(np.bincount(self.columns, minlength=self.shape[1]))]
        )
        return np.argsort(self.columns, kind="stable"), starts

    def gram(self, values: np.ndarray) -> np.ndarray:
        """Products of the rows of values, dense of shape (n_tfs, n_tfs)."""
        matrix = self.matrix(values)
        return (matrix @ matrix.T).toarray()

    def state(self) -> dict[str, np.ndarray]:
        """Arrays from which ``from_state`` makes an equal object."""
        n_genes = np.array(self.shape[1])
        return {
            "indptr": self.indptr,
            "columns": self.columns,
            "labels": self.labels,
            "n_genes": n_genes,
        }


KnownPairs = DensePairs | SparsePairs


def known_pairs(pairs: Pairs, n_genes: int) -> tuple[np.ndarray, KnownPairs]:
    """Positions of the TFs, ascending, and the pairs by TF and gene; of a pair that is given twice the last label counts."""
    tfs, rows = np.unique(pairs.sources, return_inverse=True)
    if not is_large(pairs, n_genes):
        labels, known = (np.zeros((len(tfs), n_genes), bool) for _ in range(2))
        labels[rows, pairs.targets] = pairs.labels
        known[rows, pairs.targets] = True
        return tfs, DensePairs(labels, known)
    cells, last = np.unique(
        (rows.astype(np.int64) * n_genes + pairs.targets)[::-1], return_index=True
    )
    rows, columns = np.divmod(cells, n_genes)
    indptr = np.searchsorted(rows, np.arange(len(tfs) + 1)).astype(np.int32)
    return tfs, SparsePairs(indptr, columns.astype(np.int32), pairs.labels[::-1][last], n_genes)


def is_large(pairs: Pairs, n_genes: int) -> bool:
    """Whether TFs × genes are too many for whole matrices."""
    return bool(np.bincount(pairs.sources).astype(bool).sum() * n_genes > DENSE_CELLS)


def sample_others(
    pairs: Pairs, n_genes: int, n: int, rng: np.random.Generator
) -> tuple[Pairs, float]:
    """All edges, and of large problems with more than ``n`` pairs so many random non-edges that there are ``n``, but not fewer than edges.

    Returns
    -------
    The pairs, and the logarithm of the share of the non-edges that is used: what a logit that is learned from these pairs is too large by, with the sign turned.
    """
    n_edges = pairs.n_positive
    n_others, wanted = len(pairs) - n_edges, max(n - n_edges, n_edges)
    if wanted >= n_others or not is_large(pairs, n_genes):
        return pairs, 0.0
    which = pairs.labels.copy()
    which[rng.choice(np.flatnonzero(~which), wanted, replace=False, shuffle=False)] = True
    return pairs.take(which), float(np.log(wanted / n_others))


def from_state(state: dict[str, np.ndarray]) -> KnownPairs:
    """The inverse of ``state()`` of either kind."""
    labels = np.asarray(state["labels"], bool)
    if "known" in state:
        return DensePairs(labels, np.asarray(state["known"], bool))
    return SparsePairs(
        np.asarray(state["indptr"]), np.asarray(state["columns"]), labels, int(state["n_genes"])
    )
