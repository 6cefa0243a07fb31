"""What five unsupervised methods say of two genes: the attention of genes may lean on it."""

from __future__ import annotations

import numpy as np

from scregnet.links.methods.pidc import scores

RIDGE = 1e-3
"""Added to the variances before the covariances are inverted, as in the published code."""


def five_networks(expression: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """Return Pearson and Spearman correlation, covariance, its inverse and PIDC of all genes.

    The inverse and PIDC are divided by their largest value.

    Parameters
    ----------
    expression
        Standardised per gene, float32 (n_genes, n_cells).
    spread
        Standard deviation of each gene before.

    Returns
    -------
    float32 of shape (5, n_genes, n_genes).
    """
    n_genes = len(expression)
    found = np.empty((5, n_genes, n_genes), np.float32)
    found[0] = _correlations(expression)
    found[1] = _correlations(_ranks(expression))
    found[2] = found[0] * spread[:, None] * spread
    inverse = np.linalg.inv(found[2].astype(np.float64) + RIDGE * np.eye(n_genes))
    found[3] = inverse / np.abs(inverse).max()
    found[4] = _pidc(expression)
    return found


def _correlations(values: np.ndarray) -> np.ndarray:
    centred = values - values.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(centred, axis=1, keepdims=True)
    # Of a gene that does not vary, rounding leaves a trace.
    varies = lengths > 1e-4 * np.sqrt(values.shape[1])
    unit = np.where(varies, centred / np.where(varies, lengths, 1), 0).astype(np.float32)
    return unit @ unit.T


def _ranks(values: np.ndarray) -> np.ndarray:
    from scipy.stats import rankdata

    ranks = rankdata(values, axis=1)
    return ((ranks - ranks.mean(axis=1, keepdims=True)) / values.shape[1]).astype(np.float32)


def _pidc(expression: np.ndarray) -> np.ndarray:
    """Return the confidence of PIDC, symmetric, at most 1."""
    from scregnet.links.methods.information.blocks import block_levels

    found = scores(block_levels(expression), np.arange(len(expression)))
    np.fill_diagonal(found, 0)
    largest = found.max()
    return found / largest if largest > 0 else found
