"""Moments of the expression of each gene, from one pass over the cells."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from functools import reduce
from operator import add
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

from scregnet._anndata.access import Expected, blocks, is_counts, only_counts
from scregnet._anndata.shards import Shard, shards, submitted

if TYPE_CHECKING:
    from anndata import AnnData

# Reads per cell after normalisation, scanpy's usual target.
_TARGET_SUM = 1e4

Blocks = Iterable[tuple[np.ndarray, sp.csr_matrix]]


@dataclass(frozen=True)
class Moments:
    """What the tests need of every gene, from one pass over the cells."""

    n_cells: int
    n_empty_cells: int
    mean: np.ndarray
    """Mean of log-normalised expression."""
    variance: np.ndarray
    """Variance of log-normalised expression, with denominator n - 1."""
    total: np.ndarray
    """Sum of the stored values over cells; for counts, the reads of each gene."""
    dispersion: np.ndarray
    """Pearson's statistic of counts against depth; NaN unless the matrix holds counts."""
    inverse_share: float
    """Sum of 1 / p over cells with reads, p a cell's share of all reads; 0 without counts."""
    inverse_square: float
    """Sum of 1 / p²."""


@dataclass(frozen=True, eq=False)
class MomentSums:
    """Sums over cells that :class:`Moments` come from; those of disjoint cells add up."""

    FORMS = {
        "n_cells": ("integer", ()),
        "n_empty": ("integer", ()),
        "expression": ("number", ("genes",)),
        "squares": ("number", ("genes",)),
        "total": ("number", ("genes",)),
        "weighted": ("number", ("genes",)),
        "depth": ("number", ()),
        "inverse": ("number", ()),
        "inverse_square": ("number", ()),
    }

    n_cells: int
    n_empty: int
    expression: np.ndarray
    """Of log-normalised expression, and of its squares."""
    squares: np.ndarray
    total: np.ndarray
    """Of the stored values."""
    weighted: np.ndarray
    """Of x² / depth, for counts."""
    depth: float
    """Of the depths of cells, and of 1 / depth and 1 / depth² of cells with reads."""
    inverse: float
    inverse_square: float

    @classmethod
    def of(cls, raw: sp.csr_matrix, expression: sp.csr_matrix, *, counts: bool) -> MomentSums:
        """Sum over the cells of a block."""
        depth = np.asarray(raw.sum(axis=1)).ravel()
        weighted, inverse = np.zeros(raw.shape[1]), np.zeros(len(depth))
        if counts:
            inverse = np.divide(1.0, depth, out=inverse, where=depth > 0)
            weighted = np.asarray(inverse @ raw.multiply(raw).tocsr())
        return cls(
            raw.shape[0],
            int((depth == 0).sum()),
            np.asarray(expression.sum(axis=0)).ravel(),
            np.asarray(expression.multiply(expression).sum(axis=0)).ravel(),
            np.asarray(raw.sum(axis=0)).ravel(),
            weighted,
            float(depth.sum()),
            float(inverse.sum()),
            float((inverse**2).sum()),
        )

    def __add__(self, other: MomentSums) -> MomentSums:
        """Return the sums over the cells of both."""
        return MomentSums(
            *(getattr(self, each.name) + getattr(other, each.name) for each in fields(self))
        )

    def moments(self, *, counts: bool) -> Moments:
        """Return the moments of all cells that were added."""
        n = self.n_cells
        mean = self.expression / n
        # Rounding can make the difference slightly negative.
        variance = np.maximum(self.squares - n * mean**2, 0) / max(n - 1, 1)
        dispersion = np.full(len(mean), np.nan)
        if counts:
            # Pearson's statistic of a gene with T reads, p the cell's share of all reads:
            # sum over cells of (x - T p)² / (T p) = sum(x² / p) / T - T.
            seen = self.total > 0
            reads = self.total[seen]
            dispersion[seen] = self.weighted[seen] * self.depth / reads - reads
        return Moments(
            n,
            self.n_empty,
            mean,
            variance,
            self.total,
            dispersion,
            self.depth * self.inverse,
            self.depth**2 * self.inverse_square,
        )


def log_normalised(
    cells: Blocks, *, counts: bool
) -> Iterator[tuple[np.ndarray, sp.csr_matrix, sp.csr_matrix]]:
    """Yield blocks of cells: their positions, the stored values, log-normalised expression.

    Counts are log-normalised here (log1p of counts per 10,000 of the cell); other values are taken
    for log-normalised already.
    """
    for positions, block in cells:
        if not counts:
            yield positions, block, block
            continue
        depth = np.asarray(block.sum(axis=1)).ravel()
        factors = np.divide(_TARGET_SUM, depth, out=np.zeros_like(depth), where=depth > 0)
        yield positions, block, (sp.diags_array(factors) @ block).log1p().tocsr()


def expected(*, counts: bool) -> Expected:
    """Return what the values must be. Scaled data are refused: their variances say little."""
    return "counts" if counts else "expression"


def moment_sums(cells: Blocks, *, counts: bool) -> MomentSums:
    """Return the sums over blocks of cells, at least one."""
    found = (
        MomentSums.of(raw, expression, counts=counts)
        for _, raw, expression in log_normalised(cells, counts=counts)
    )
    return reduce(add, found)


def holds_counts(adata: AnnData, layer: str | None, client: Any = None) -> bool:
    """Whether the matrix holds raw counts."""
    if client is None:
        return is_counts(adata, layer)
    return bool(submitted(client, _others, [(shard,) for shard in shards(adata)]) == 0)


def _others(shard: Shard) -> int:
    """Return 1 for a shard that holds something else than counts, else 0."""
    return int(not only_counts(block for _, block in shard.blocks()))


def moments(adata: AnnData, layer: str | None, *, counts: bool, client: Any = None) -> Moments:
    """Compute the moments of every gene."""
    if client is None:
        sums = moment_sums(blocks(adata, layer, expect=expected(counts=counts)), counts=counts)
    else:
        sums = submitted(client, _of_shard, [(shard, counts) for shard in shards(adata)])
    return sums.moments(counts=counts)


def _of_shard(shard: Shard, counts: bool) -> MomentSums:  # noqa: FBT001
    return moment_sums(shard.blocks(expect=expected(counts=counts)), counts=counts)
