"""Does a gene vary more than chance? Moments of expression and the tests that ``select_genes`` offers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

from scregnet._anndata.access import blocks

if TYPE_CHECKING:
    from anndata import AnnData

_CP = 1e4
_MIN_GENES = 30


@dataclass(frozen=True)
class Moments:
    """Per-gene sums over cells, one pass over the matrix."""

    n_cells: int
    n_empty_cells: int
    mean: np.ndarray
    """Mean of log-normalised expression."""
    variance: np.ndarray
    """Variance of log-normalised expression, with n - 1."""
    total: np.ndarray
    """Sum of the matrix as it is: reads per gene, for counts."""
    dispersion: np.ndarray
    """Pearson's statistic of the counts against depth; NaN unless the matrix holds counts."""
    shares: np.ndarray
    """Each cell's share of all reads; empty unless the matrix holds counts."""


def log_normalised(
    adata: AnnData, layer: str | None, *, counts: bool
) -> Iterator[tuple[np.ndarray, sp.csr_matrix, sp.csr_matrix]]:
    """Yield cell positions, the block as it is, and log1p of 10,000 reads per cell of it (the same block unless counts)."""
    for cells, block in blocks(adata, layer, expect="counts" if counts else "any"):
        if not counts:
            if (block.data < 0).any():
                where = "adata.X" if layer is None else f"adata.layers[{layer!r}]"
                msg = f"{where} holds negative values, as scaled data do, whose variances say little. Name raw counts or log-normalised expression with layer=."
                raise ValueError(msg)
            yield cells, block, block
            continue
        depth = np.asarray(block.sum(axis=1)).ravel()
        factors = np.divide(_CP, depth, out=np.zeros_like(depth), where=depth > 0)
        yield cells, block, (sp.diags_array(factors) @ block).log1p().tocsr()


def moments(adata: AnnData, layer: str | None, *, counts: bool) -> Moments:
    """Gather the moments of every gene."""
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
            inverse = np.divide(1.0, depth, out=np.zeros_like(depth), where=depth > 0)
            weighted += inverse @ raw.multiply(raw).tocsr()
    mean = sums[0] / n
    variance = np.maximum(sums[1] - n * mean**2, 0) / max(n - 1, 1)
    shares, dispersion = np.empty(0), np.full(adata.n_vars, np.nan)
    if counts:
        # Pearson's statistic: sum over cells of (x - T p)² / (T p) = sum(x² / p) / T - T, with T reads and shares p.
        total = sums[2]
        seen = total > 0
        dispersion[seen] = weighted[seen] * depths.sum() / total[seen] - total[seen]
        shares = depths[depths > 0] / depths.sum()
    return Moments(n, int((depths == 0).sum()), mean, variance, sums[2], dispersion, shares)


def poisson_p_values(found: Moments) -> np.ndarray:
    """P-values that counts vary more than sequencing depth and sampling explain; NaN for genes without reads.

    Under the null hypothesis the T reads of a gene fall on cells with the cells' shares of all reads. The statistic is
    Pearson's; a gamma distribution (Pearson type III) with its exact mean, variance and skewness gives the p-value, since the
    usual χ² does not hold for the few reads per cell of single-cell data. The moments follow from writing the statistic as a
    sum over pairs of reads of 1[same cell] / p - 1, whose expectation over either read is zero.
    """
    # Here and below: scipy's statistics would nearly double the time of `import scregnet`.
    from scipy import special

    n = len(found.shares)
    weights = 1 / found.shares
    w, w2 = weights.sum(), (weights**2).sum()
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where(found.total > 0, found.total, np.nan)
        spread = w - n**2
        variance = spread / t + 2 * (n - 1) * (1 - 1 / t)
        third = (
            t * (w2 - 3 * n * w + 2 * n**3)
            + 18 * t * (t - 1) * spread
            + 4 * t * (t - 1) * (w - 3 * n + 2)
            + 8 * t * (t - 1) * (t - 2) * (n - 1)
        ) / t**3
        skewness = third / variance**1.5
        shape = 4 / skewness**2
        z = (found.dispersion - (n - 1)) / np.sqrt(variance)
        p = special.gammaincc(shape, np.maximum(shape + 2 * z / skewness, 0))
    # One read, or cells of one depth and reads that cannot coincide, leave nothing to test.
    return np.where(np.isnan(t), np.nan, np.where(np.isfinite(p) & (variance > 0), p, 1.0))


def trend_p_values(found: Moments) -> np.ndarray:
    """P-values that a gene varies more than genes of its mean expression do; NaN for genes that do not vary.

    The trend is a running median of log(variance / mean) over genes sorted by mean. The ratio of variance to trend is
    compared with χ²_d / median(χ²_d), where d follows from the running lower quartile around the gene: genes of truly high
    variance hardly move a median and a lower quartile.
    """
    from scipy import ndimage, stats

    varies = found.variance > 0
    if varies.sum() < _MIN_GENES:
        msg = (
            f"only {int(varies.sum())} genes vary, too few to fit a trend of variance on mean (at least {_MIN_GENES}). "
            "Pass raw counts with layer=, p-values with p_values=, or alpha=None to select without a test."
        )
        raise ValueError(msg)
    positions = np.flatnonzero(varies)
    order = positions[np.argsort(found.mean[positions], kind="stable")]
    ratio = np.log(found.variance[order] / found.mean[order])
    width = int(np.clip(len(order) // 10, _MIN_GENES + 1, 401)) | 1
    trend = ndimage.median_filter(ratio, size=width, mode="reflect")
    below = ndimage.percentile_filter(ratio, 25, size=width, mode="reflect") - trend
    # A spread tighter than sampling of Gaussian values allows cannot be trusted, so d stays below
    # the number of cells.
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
    """P-values that expression changes along pseudotime: F test of a cubic spline against a constant; NaN for constant genes.

    Cells without a pseudotime are left out. The spline has ``df`` coefficients besides the constant (knots at quantiles of pseudotime), fewer
    where pseudotime takes fewer values.
    """
    from scipy import stats

    kept = np.flatnonzero(np.isfinite(time))
    basis = _spline(time[kept], df)
    rank = basis.shape[1]
    rest = len(kept) - rank - 1
    if rank == 0 or rest < 1:
        msg = f"pseudotime has {len(kept)} cells with {len(np.unique(time[kept]))} distinct values, too few for a test."
        raise ValueError(msg)
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
    explained = (projected**2).sum(axis=0)
    around_mean = sums[1] - sums[0] ** 2 / len(kept)
    p = np.full(adata.n_vars, np.nan)
    varies = (found.variance > 0) & (around_mean > 1e-10 * np.maximum(sums[1], 1e-300))
    residual = np.maximum(around_mean - explained, 0)[varies]
    with np.errstate(divide="ignore"):
        p[varies] = stats.f.sf((explained[varies] / rank) / (residual / rest), rank, rest)
    return p


def _spline(time: np.ndarray, df: int) -> np.ndarray:
    """Orthonormal columns that span the cubic splines of ``time`` less the constant."""
    from scipy import interpolate

    if len(time) < 2 or time.min() == time.max():
        return np.empty((len(time), 0))
    inner = np.quantile(time, np.linspace(0, 1, df - 1)[1:-1])
    inner = np.unique(inner[(inner > time.min()) & (inner < time.max())])
    knots = np.concatenate([[time.min()] * 4, inner, [time.max()] * 4])
    design = interpolate.BSpline.design_matrix(time, knots, 3).toarray()
    left, singular, _ = np.linalg.svd(design - design.mean(axis=0), full_matrices=False)
    return left[:, singular > 1e-8 * singular[0]]
