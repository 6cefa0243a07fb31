"""How strongly the correlation of a TF and a target differs between two sets of cells."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

LARGEST = 0.999
"""Correlations are cut here, where Fisher's transform is still finite."""


class Fisher(NamedTuple):
    """Fisher's transform of correlations, TFs × genes."""

    z: np.ndarray
    variance: np.ndarray


def fisher(values: np.ndarray, tfs: np.ndarray) -> Fisher:
    """Return correlations of TFs and genes, transformed, and the variance of each.

    The variance is that of the influence function of a correlation,
    ``x y - r (x² + y²) / 2``: counts are far from normal, for which it would be ``1 / n``.

    Parameters
    ----------
    values
        Standardised expression, (n_cells, n_genes).
    tfs
        Columns of the TFs.
    """
    n = np.float32(len(values))
    own, squares = values[:, tfs], np.square(values)
    r = np.clip(own.T @ values / n, -LARGEST, LARGEST)
    both = squares[:, tfs].T @ squares / n
    skew = ((squares[:, tfs] * own).T @ values + own.T @ (squares * values)) / n
    fourth = np.square(squares).mean(axis=0)
    spread = both - r * skew + r**2 / 4 * (fourth[tfs][:, None] + 2 * both + fourth)
    # Cut: a gene with few values can have a variance that rounding takes below zero.
    return Fisher(np.arctanh(r), np.maximum(spread, 1e-3) / (n * np.square(1 - r**2)))


def difference(a: Fisher, b: Fisher) -> tuple[np.ndarray, np.ndarray]:
    """Return the difference, b less a, and its standard error."""
    return b.z - a.z, np.sqrt(a.variance + b.variance)
