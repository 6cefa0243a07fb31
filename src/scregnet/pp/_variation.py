"""Moments of expression, and the tests of ``select_genes``: does a gene vary more than chance?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

from scregnet._anndata.access import blocks

if TYPE_CHECKING:
    from anndata import AnnData

# Reads per cell after normalisation, scanpy's usual target.
_TARGET_SUM = 1e4
# A running median needs some genes on either side.
_MIN_GENES = 30


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
    shares: np.ndarray
    """Each cell's share of all reads; empty unless the matrix holds counts."""


def log_normalised(
    adata: AnnData, layer: str | None, *, counts: bool
) -> Iterator[tuple[np.ndarray, sp.csr_matrix, sp.csr_matrix]]:
    """Yield blocks of cells: their positions, the stored values, log-normalised expression.

    Counts are log-normalised here (log1p of counts per 10,000 of the cell); other values are taken
    for log-normalised already.
    """
    # Scaled data are refused: their variances say little.
    for cells, block in blocks(adata, layer, expect="counts" if counts else "expression"):
        if not counts:
            yield cells, block, block
            continue
        depth = np.asarray(block.sum(axis=1)).ravel()
        factors = np.divide(_TARGET_SUM, depth, out=np.zeros_like(depth), where=depth > 0)
        yield cells, block, (sp.diags_array(factors) @ block).log1p().tocsr()


def moments(adata: AnnData, layer: str | None, *, counts: bool) -> Moments:
    """Compute the moments of every gene."""
    n = adata.n_obs
    sums = np.zeros((3, adata.n_vars))
    weighted = np.zeros(adata.n_vars)
    depths = np.zeros(n)
    for cells, raw, expression in log_normalised(adata, layer, counts=counts):
        depth = np.asarray(raw.sum(axis=1)).ravel()
        depths[cells] = depth
        sums[0] += np.asarray(expression.sum(axis=0)).ravel()
        sums[1] += np.asarray(expression.multiply(expression).sum(axis=0)).ravel()
        sums[2] += np.asarray(raw.sum(axis=0)).ravel()
        if counts:
            # Per gene the sum over cells of x² / depth.
            inverse = np.divide(1.0, depth, out=np.zeros_like(depth), where=depth > 0)
            weighted += inverse @ raw.multiply(raw).tocsr()
    mean = sums[0] / n
    # Rounding can make the difference slightly negative.
    variance = np.maximum(sums[1] - n * mean**2, 0) / max(n - 1, 1)
    shares, dispersion = np.empty(0), np.full(adata.n_vars, np.nan)
    if counts:
        # Pearson's statistic of a gene with T reads, p the cell's share of all reads:
        # sum over cells of (x - T p)² / (T p) = sum(x² / p) / T - T.
        total = sums[2]
        seen = total > 0
        dispersion[seen] = weighted[seen] * depths.sum() / total[seen] - total[seen]
        shares = depths[depths > 0] / depths.sum()
    return Moments(n, int((depths == 0).sum()), mean, variance, sums[2], dispersion, shares)


def poisson_p_values(found: Moments) -> np.ndarray:
    """P-values for counts that vary more than depth and sampling explain; NaN without reads.

    Null hypothesis: each of the T reads of a gene falls on a cell with probability p, the cell's
    share of all reads. The statistic is Pearson's. With so few reads per cell the usual χ² does not
    hold, so the p-value comes from a gamma distribution (Pearson type III) with the exact mean,
    variance and skewness of the statistic.
    """
    # Imported here and below: scipy's statistics nearly double the time of `import scregnet`.
    from scipy import special

    # The moments follow from writing the statistic as a sum over pairs of reads (i, k) of
    # 1[same cell] / p - 1, whose expectation over either read is zero.
    n = len(found.shares)
    weights = 1 / found.shares
    w, w2 = weights.sum(), (weights**2).sum()  # sums over cells of 1 / p and 1 / p²
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where(found.total > 0, found.total, np.nan)
        spread = w - n**2
        variance = spread / t + 2 * (n - 1) * (1 - 1 / t)
        third = (
            t * (w2 - 3 * n * w + 2 * n**3)  # i = j
            + 18 * t * (t - 1) * spread  # i = j with a pair i ≠ k
            + 4 * t * (t - 1) * (w - 3 * n + 2)  # pairs i ≠ j
            + 8 * t * (t - 1) * (t - 2) * (n - 1)  # triangles of three reads
        ) / t**3
        skewness = third / variance**1.5
        # Pearson type III as a gamma distribution of this shape, shifted and scaled.
        shape = 4 / skewness**2
        z = (found.dispersion - (n - 1)) / np.sqrt(variance)
        p = special.gammaincc(shape, np.maximum(shape + 2 * z / skewness, 0))
    # A single read, or a statistic that cannot vary, leaves nothing to test: p = 1.
    return np.where(np.isnan(t), np.nan, np.where(np.isfinite(p) & (variance > 0), p, 1.0))


def trend_p_values(found: Moments) -> np.ndarray:
    """P-values for genes that vary more than genes of similar mean; NaN for constant genes.

    The trend is a running median of log(variance / mean) over genes sorted by mean. Variance over
    trend is compared with χ²_d / median(χ²_d). The degrees of freedom d come from the running lower
    quartile: genes of truly high variance hardly move a median and a lower quartile.
    """
    from scipy import ndimage, stats

    varies = found.variance > 0
    if varies.sum() < _MIN_GENES:
        msg = (
            f"only {int(varies.sum())} genes vary, too few to fit a trend of variance on mean "
            f"(at least {_MIN_GENES}). Pass raw counts with layer=, p-values with p_values=, "
            "or alpha=None to select without a test."
        )
        raise ValueError(msg)
    positions = np.flatnonzero(varies)
    order = positions[np.argsort(found.mean[positions], kind="stable")]
    ratio = np.log(found.variance[order] / found.mean[order])
    # A tenth of the genes, 31 to 401 of them; odd, so that the window has a middle.
    width = int(np.clip(len(order) // 10, _MIN_GENES + 1, 401)) | 1
    trend = ndimage.median_filter(ratio, size=width, mode="reflect")
    below = ndimage.percentile_filter(ratio, 25, size=width, mode="reflect") - trend
    # d is at most n - 1, that of Gaussian values: a tighter spread than theirs is not believed.
    d_grid = np.geomspace(0.2, max(found.n_cells - 1, 1), 200)
    quartiles = np.log(stats.chi2.ppf(0.25, d_grid) / stats.chi2.median(d_grid))
    d = np.interp(below, quartiles, d_grid)
    p = np.full(len(found.mean), np.nan)
    p[order] = stats.chi2.sf(np.exp(ratio - trend) * stats.chi2.median(d), d)
    return p


def pseudotime_p_values(
    adata: AnnData,
    layer: str | None,
    time: np.ndarray,
    found: Moments,
    *,
    counts: bool,
    df: int = 5,
) -> np.ndarray:
    """P-values of an F test of a cubic spline in pseudotime against a constant; NaN if constant.

    Cells without a pseudotime are left out. The spline has ``df`` coefficients in addition to the
    constant, fewer if pseudotime takes few values.
    """
    from scipy import stats

    kept = np.flatnonzero(np.isfinite(time))
    basis = _spline(time[kept], df)
    rank = basis.shape[1]
    rest = len(kept) - rank - 1
    if rank == 0 or rest < 1:
        msg = (
            f"pseudotime has {len(kept)} cells with {len(np.unique(time[kept]))} distinct values, "
            "too few for a test."
        )
        raise ValueError(msg)
    # Row of the basis for each cell; -1 for cells that are left out.
    place = np.full(adata.n_obs, -1)
    place[kept] = np.arange(len(kept))
    projected = np.zeros((rank, adata.n_vars))
    sums = np.zeros((2, adata.n_vars))
    for cells, _, expression in log_normalised(adata, layer, counts=counts):
        inside = place[cells] >= 0
        block = expression[inside]
        projected += (block.T @ basis[place[cells[inside]]]).T
        sums[0] += np.asarray(block.sum(axis=0)).ravel()
        sums[1] += np.asarray(block.multiply(block).sum(axis=0)).ravel()
    # The basis is orthonormal, so its squared projections add up to the explained sum of squares.
    explained = (projected**2).sum(axis=0)
    around_mean = sums[1] - sums[0] ** 2 / len(kept)
    p = np.full(adata.n_vars, np.nan)
    # Constant among the cells with pseudotime, up to rounding: no test.
    varies = (found.variance > 0) & (around_mean > 1e-10 * np.maximum(sums[1], 1e-300))
    residual = np.maximum(around_mean - explained, 0)[varies]
    with np.errstate(divide="ignore"):
        p[varies] = stats.f.sf((explained[varies] / rank) / (residual / rest), rank, rest)
    return p


def _spline(time: np.ndarray, df: int) -> np.ndarray:
    """Orthonormal columns that span the cubic splines of ``time``, without the constant."""
    from scipy import interpolate

    if len(time) < 2 or time.min() == time.max():
        return np.empty((len(time), 0))
    inner = np.quantile(time, np.linspace(0, 1, df - 1)[1:-1])
    inner = np.unique(inner[(inner > time.min()) & (inner < time.max())])
    # Four knots at either end make the spline of degree 3 end there.
    knots = np.concatenate([[time.min()] * 4, inner, [time.max()] * 4])
    design = interpolate.BSpline.design_matrix(time, knots, 3).toarray()
    left, singular, _ = np.linalg.svd(design - design.mean(axis=0), full_matrices=False)
    # Few distinct values leave fewer dimensions than columns.
    return left[:, singular > 1e-8 * singular[0]]
