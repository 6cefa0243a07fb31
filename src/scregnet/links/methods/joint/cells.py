"""Pairs that are described: chosen targets of some sources, or all genes of each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

# Pairs that are described at a time: bounds the memory of their features.
BLOCK = 1 << 17
# Sources of whole blocks at most. More make no product faster, and fewer are filled up to as many.
SOURCES = 16


@dataclass(frozen=True, eq=False)
class Cells:
    """Cells of the matrix of all genes × all genes, by source.

    *Values* are one number per cell, in the order of ``targets``.
    """

    sources: np.ndarray
    """Positions of the sources, each once."""

    indptr: np.ndarray
    """Where the cells of each source begin and end in ``targets``."""

    targets: np.ndarray
    """Positions of the targets, those of one source after the other."""

    n_genes: int
    whole: bool
    """Whether all genes are targets of each source, in their order."""

    @classmethod
    def every(cls, sources: np.ndarray, n_genes: int) -> Cells:
        """Return all genes as targets of each source."""
        targets = np.tile(np.arange(n_genes, dtype=np.int32), len(sources))
        return cls(sources, np.arange(len(sources) + 1) * n_genes, targets, n_genes, whole=True)

    @classmethod
    def chosen(cls, sources: np.ndarray, targets: np.ndarray, n_genes: int) -> Cells:
        """Return the pairs of sources and targets; those of a source must follow each other."""
        ends = np.append(np.flatnonzero(sources[1:] != sources[:-1]) + 1, len(sources))
        indptr = np.append(0, ends) if len(sources) else np.zeros(1, np.int64)
        return cls(sources[indptr[:-1]], indptr, targets.astype(np.int32), n_genes, whole=False)

    def __len__(self) -> int:
        return len(self.targets)

    @cached_property
    def rows(self) -> np.ndarray:
        """Which of the sources each cell has."""
        return np.repeat(np.arange(len(self.sources)), np.diff(self.indptr))

    def blocks(self) -> Iterator[Cells]:
        """Yield the cells in parts of about ``BLOCK``."""
        if self.whole:
            for start in range(0, len(self.sources), self._n_together):
                yield self.every(self.sources[start : start + self._n_together], self.n_genes)
            return
        for start in range(0, len(self), BLOCK):
            here = slice(start, start + BLOCK)
            yield self.chosen(self.sources[self.rows[here]], self.targets[here], self.n_genes)

    @property
    def _n_together(self) -> int:
        return max(1, min(SOURCES, BLOCK // self.n_genes))

    def per_source(self, numbers: np.ndarray) -> np.ndarray:
        """Return the number of its source for each cell."""
        return np.repeat(numbers, np.diff(self.indptr))

    def per_gene(self, numbers: np.ndarray) -> np.ndarray:
        """Return the number of its target for each cell."""
        return np.tile(numbers, len(self.sources)) if self.whole else numbers[self.targets]

    def at(self, matrix: np.ndarray) -> np.ndarray:
        """Return values of a matrix of sources × genes."""
        return matrix.ravel() if self.whole else matrix[self.rows, self.targets]

    def dot(self, of_sources: np.ndarray, of_genes: np.ndarray) -> np.ndarray:
        """Return values ``of_sources[row] · of_genes[target]``."""
        if self.whole:
            return self.at(self.product(of_sources, of_genes.T))
        from scregnet.links.methods.compiled import products

        return products(of_sources, of_genes, self.indptr, self.targets)

    def product(self, of_sources: np.ndarray, matrix: np.ndarray) -> np.ndarray:
        """Return ``of_sources @ matrix``."""
        n = len(of_sources)
        if not self.whole or n >= self._n_together:
            return of_sources @ matrix
        # A product of another shape is rounded in another way. With zeros for the sources that a
        # block lacks, the scores of a source do not hang on what else is asked for.
        padded = np.zeros((self._n_together, of_sources.shape[1]), of_sources.dtype)
        padded[:n] = of_sources
        return (padded @ matrix)[:n]
