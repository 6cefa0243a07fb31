"""The tests of ``select_genes``: does a gene vary more than chance?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scregnet._anndata.access import blocks
from scregnet.pp._moments import Moments, expected, log_normalised

if TYPE_CHECKING:
    from anndata import AnnData

# A running median needs some genes on either side.
_MIN_GENES = 30


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
    n = found.n_cells - found.n_empty_cells
    w, w2 = found.inverse_share, found.inverse_square  # sums over cells of 1 / p and 1 / p²
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where(found.total > 0, found.total, np.nan)
        # Cells of one depth: what is left is rounding.
        spread = w - n**2 if w - n**2 > 1e-12 * n**2 else 0.0
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
    every = blocks(adata, layer, expect=expected(counts=counts))
    for cells, _, expression in log_normalised(every, counts=counts):
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
