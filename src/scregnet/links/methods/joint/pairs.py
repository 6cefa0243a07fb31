"""The labelled pairs of a fit: a matrix of TFs × genes, or a list of its known cells."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

from scregnet.links.forms.saved import State, check_ascending, read_bools, read_integers, refuse
from scregnet.links.pairs.codes import find_codes, pair_codes
from scregnet.links.pairs.fold_table import CELLS_PER_PAIR

if TYPE_CHECKING:
    from scregnet.links.methods.joint.cells import Cells
    from scregnet.links.task import Pairs

# TFs × genes up to which labels are a whole matrix. There, products of whole matrices are as fast
# as those over a list of cells, and their memory does not matter.
DENSE_CELLS = 1_000_000


class DensePairs:
    """A matrix of TFs × genes, of which many cells are known.

    *Values*, here and in :class:`SparsePairs`, are one number per cell that is computed: here an
    array of shape (n_tfs, n_genes), there one number per known pair, by TF and then by gene.
    ``known`` and ``labels`` are bool values. What cells that are not known hold counts nothing.
    """

    is_sparse = False

    def __init__(self, labels: np.ndarray, known: np.ndarray) -> None:
        self.shape, self.known, self.labels = known.shape, known, labels & known

    def keep(self, which: np.ndarray) -> DensePairs:
        """Return the known pairs of the given values."""
        return DensePairs(self.labels, self.known & which)

    def cells(self, which: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return rows and columns of the given values, in the order of ``values[which]``."""
        rows, columns = np.nonzero(which)
        return rows, columns

    def matrix(self, values: np.ndarray) -> np.ndarray:
        """Return values, zero where no pair is known, as a matrix of shape (n_tfs, n_genes)."""
        return values

    def per_tf(self, numbers: np.ndarray) -> np.ndarray:
        """Return the number of its TF for each value, or what broadcasts to it."""
        return numbers[:, None]

    def per_gene(self, numbers: np.ndarray) -> np.ndarray:
        """Return the number of its gene for each value, or what broadcasts to it."""
        return numbers[None]

    def dot(self, of_tfs: np.ndarray, of_genes: np.ndarray) -> np.ndarray:
        """Return values ``of_tfs[row] · of_genes[column]``."""
        return of_tfs @ of_genes.T

    def projected(self, values: np.ndarray, of_genes: np.ndarray) -> np.ndarray:
        """Return ``matrix(values) @ of_genes``, a line for each TF."""
        return values @ of_genes

    def mixed(self, tfs: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Return values of ``tfs @ matrix(values)``: within each gene, a mixture over the TFs."""
        return tfs @ values

    def mixed_at(self, of_sources: np.ndarray, values: np.ndarray, cells: Cells) -> np.ndarray:
        """Return ``of_sources @ matrix(values)`` at some cells, of a row per source of these."""
        return cells.at(cells.product(of_sources, values))

    def gram(self, values: np.ndarray) -> np.ndarray:
        """Return the products of the rows of values, dense of shape (n_tfs, n_tfs)."""
        return values @ values.T

    def state(self) -> dict[str, np.ndarray]:
        """Arrays from which :func:`from_state` makes an equal object."""
        return {"known": self.known, "labels": self.labels}


class SparsePairs:
    """A list of the few known pairs of many TFs × genes, with the methods of :class:`DensePairs`.

    Nothing here is as large as the matrix.

    Parameters
    ----------
    indptr, columns
        Rows and columns of the known cells, as in a csr matrix.
    labels
        Label of each cell.
    n_genes
        Columns of the matrix.
    """

    is_sparse = True

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
        """Return the pairs of the given values."""
        # Kept pairs before each row's first one.
        indptr = np.concatenate([[0], np.cumsum(which)])[self.indptr].astype(self.indptr.dtype)
        return SparsePairs(indptr, self.columns[which], self.labels[which], self.shape[1])

    def cells(self, which: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return rows and columns of the given values."""
        return self.rows[which], self.columns[which]

    def matrix(self, values: np.ndarray) -> sp.csr_array:
        """Return values as a matrix of shape (n_tfs, n_genes)."""
        return sp.csr_array((values, self.columns, self.indptr), self.shape)

    def per_tf(self, numbers: np.ndarray) -> np.ndarray:
        """Return the number of its TF for each value."""
        return numbers[self.rows]

    def per_gene(self, numbers: np.ndarray) -> np.ndarray:
        """Return the number of its gene for each value."""
        return numbers[self.columns]

    # In what follows, cells are taken in order of genes: the vectors of all genes, which no cache
    # of the CPU holds, are read once and one after the other.

    def dot(self, of_tfs: np.ndarray, of_genes: np.ndarray) -> np.ndarray:
        """Return values ``of_tfs[row] · of_genes[column]``."""
        from scregnet.links.methods.joint.compiled import products_by_gene

        return products_by_gene(of_tfs, of_genes, *self._by_gene)

    def projected(self, values: np.ndarray, of_genes: np.ndarray) -> np.ndarray:
        """Return ``matrix(values) @ of_genes``, a line for each TF."""
        from scregnet.links.methods.joint.compiled import projected

        return projected(values, of_genes, *self._by_gene, self.shape[0])

    def mixed(self, tfs: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Return values of ``tfs @ matrix(values)``."""
        from scregnet.links.methods.joint.compiled import mixed_at

        # TF by TF: a row of ``tfs`` then stays in the cache while it is gone through.
        order, rows, starts = self._by_gene
        return mixed_at(tfs, values[order], rows, starts, self.indptr, self.columns)

    def mixed_at(self, of_sources: np.ndarray, values: np.ndarray, cells: Cells) -> np.ndarray:
        """Return ``of_sources @ matrix(values)`` at some cells, of a row per source of these."""
        from scregnet.links.methods.joint.compiled import mixed_at

        order, rows, starts = self._by_gene
        return mixed_at(of_sources, values[order], rows, starts, cells.indptr, cells.targets)

    @cached_property
    def _by_gene(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Order of the pairs by gene, their rows in it, and where each gene starts in it."""
        counts = np.bincount(self.columns, minlength=self.shape[1])
        order = np.argsort(self.columns, kind="stable")
        return order, self.rows[order], np.concatenate([[0], np.cumsum(counts)])

    def gram(self, values: np.ndarray) -> np.ndarray:
        """Return the products of the rows of values, dense of shape (n_tfs, n_tfs)."""
        matrix = self.matrix(values)
        return (matrix @ matrix.T).toarray()

    def state(self) -> dict[str, np.ndarray]:
        """Arrays from which :func:`from_state` makes an equal object."""
        return {
            "indptr": self.indptr,
            "columns": self.columns,
            "labels": self.labels,
            "n_genes": np.array(self.shape[1]),
        }


KnownPairs = DensePairs | SparsePairs


def known_pairs(
    pairs: Pairs, n_genes: int, *, dense_cells: int = DENSE_CELLS
) -> tuple[np.ndarray, KnownPairs]:
    """Return the positions of the TFs, ascending, and the pairs by TF and gene.

    If a pair is given twice, its last label counts. ``dense_cells`` is as for :func:`is_large`.
    """
    tfs = np.flatnonzero(np.bincount(pairs.sources))
    rows = _rows(pairs, tfs)
    if not is_large(pairs, n_genes, dense_cells):
        labels, known = (np.zeros((len(tfs), n_genes), bool) for _ in range(2))
        labels[rows, pairs.targets] = pairs.labels
        known[rows, pairs.targets] = True
        return tfs, DensePairs(labels, known)
    if _fill_a_grid(pairs, tfs, n_genes):
        last = _last_places(pairs, tfs, n_genes)
        there = last >= 0
        indptr = np.append(0, np.cumsum(there.sum(axis=1))).astype(np.int32)
        columns = np.concatenate([np.flatnonzero(row).astype(np.int32) for row in there])
        return tfs, SparsePairs(indptr, columns, pairs.labels[last[there]], n_genes)
    # Reversed, because unique keeps the first of equal cells.
    cells, last = np.unique(pair_codes(rows, pairs.targets, n_genes)[::-1], return_index=True)
    rows, columns = np.divmod(cells, n_genes)
    indptr = np.searchsorted(rows, np.arange(len(tfs) + 1)).astype(np.int32)
    return tfs, SparsePairs(indptr, columns.astype(np.int32), pairs.labels[::-1][last], n_genes)


def _rows(pairs: Pairs, tfs: np.ndarray) -> np.ndarray:
    """Return the number of each pair's TF."""
    row = np.zeros(int(tfs.max(initial=-1)) + 1, np.int32)
    row[tfs] = np.arange(len(tfs))
    return np.asarray(row[pairs.sources])


def _fill_a_grid(pairs: Pairs, tfs: np.ndarray, n_genes: int) -> bool:
    """Whether there are so many pairs that they are better placed than sorted."""
    return len(tfs) * n_genes <= CELLS_PER_PAIR * len(pairs)


def _last_places(pairs: Pairs, tfs: np.ndarray, n_genes: int) -> np.ndarray:
    """Return the position of the last of the pairs in each cell, -1 for none; (n_tfs, n_genes)."""
    last = np.full((len(tfs), n_genes), -1, np.int32)
    last[_rows(pairs, tfs), pairs.targets] = np.arange(len(pairs), dtype=np.int32)
    return last


def places_of(pairs: Pairs, tfs: np.ndarray, known: KnownPairs) -> np.ndarray:
    """Return the position among ``pairs`` of each value of ``known``, -1 where there is none."""
    if isinstance(known, DensePairs):
        return _last_places(pairs, tfs, known.shape[1])
    if _fill_a_grid(pairs, tfs, known.shape[1]):
        return np.asarray(_last_places(pairs, tfs, known.shape[1])[known.rows, known.columns])
    codes = pair_codes(np.searchsorted(tfs, pairs.sources), pairs.targets, known.shape[1])
    order = np.argsort(codes, kind="stable")
    return order[find_codes(codes[order], pair_codes(known.rows, known.columns, known.shape[1]))]


def is_large(pairs: Pairs, n_genes: int, dense_cells: int = DENSE_CELLS) -> bool:
    """Return whether labelled TFs × genes are more than ``dense_cells``."""
    n_tfs = np.bincount(pairs.sources).astype(bool).sum()
    return bool(n_tfs * n_genes > dense_cells)


def sample_others(
    pairs: Pairs,
    n_genes: int,
    n: int,
    rng: np.random.Generator,
    *,
    dense_cells: int = DENSE_CELLS,
) -> tuple[Pairs, float]:
    """Keep all edges and a random share ``s`` of the non-edges, if the fit is large.

    Parameters
    ----------
    pairs
        The training pairs.
    n_genes
        Number of genes.
    n
        Pairs to keep. At least as many non-edges as edges are kept.
    rng
        Draws the non-edges.
    dense_cells
        See :func:`is_large`.

    Returns
    -------
    The pairs and ``log(s)``, to be added to the logits. Leaving out non-edges moves the intercept
    of a logistic model by as much.
    """
    n_edges = pairs.n_positive
    n_others, wanted = len(pairs) - n_edges, max(n - n_edges, n_edges)
    if wanted >= n_others or not is_large(pairs, n_genes, dense_cells):
        return pairs, 0.0
    # A mask, not a list of positions: the pairs stay in the order that they were given in.
    which = pairs.labels.copy()
    which[rng.choice(np.flatnonzero(~which), wanted, replace=False, shuffle=False)] = True
    return pairs.take(which), float(np.log(wanted / n_others))


def from_state(state: State, shape: tuple[int, int], prefix: str = "") -> KnownPairs:
    """The inverse of ``state()`` of either kind.

    Raises ``ValueError`` unless the arrays are those of pairs of ``shape``, (n_tfs, n_genes).
    """
    if f"{prefix}known" in state:
        labels, known = (
            read_bools(state, f"{prefix}{name}", shape) for name in ("labels", "known")
        )
        return DensePairs(labels, known)
    n_tfs, n_genes = shape
    labels = read_bools(state, f"{prefix}labels", (None,))
    n = len(labels)
    columns = read_integers(state, f"{prefix}columns", (n,), high=n_genes - 1)
    indptr = read_integers(state, f"{prefix}indptr", (n_tfs + 1,), high=n)
    read_integers(state, f"{prefix}n_genes", (), low=n_genes, high=n_genes)
    check_ascending(f"{prefix}indptr", indptr)
    if indptr[0] != 0 or indptr[-1] != n:
        refuse(f"{prefix}indptr", f"must run from 0 to {n}, found {indptr[0]} to {indptr[-1]}")
    return SparsePairs(indptr, columns, labels, n_genes)
