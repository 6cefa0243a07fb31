"""What a table of experiments says of a gene: profile, popularity, and the track of each TF."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

# Halko, Martinsson and Tropp: a few columns more than wanted, and power iterations, make the
# leading components of a slowly falling spectrum exact to a few digits.
_OVERSAMPLES = 10
_N_ITERATIONS = 6


def tf_weights(tfs: np.ndarray) -> np.ndarray:
    """Return the weight of each experiment, float64: those of one TF have 1 in all."""
    _, codes, counts = np.unique(tfs.astype(str), return_inverse=True, return_counts=True)
    return np.asarray(1 / counts[codes])


def popularity(table: sp.csr_matrix, weights: np.ndarray) -> np.ndarray:
    """Return the mean of each gene over TFs, of its mean over the experiments of a TF."""
    return np.asarray(table.T.astype(np.float64) @ weights) / weights.sum()


def tracks(
    table: sp.csr_matrix, tfs: np.ndarray, weights: np.ndarray
) -> tuple[sp.csr_matrix, np.ndarray, np.ndarray]:
    """Return the mean of the experiments of each TF, the TFs, and how many experiments each has.

    The matrix is float32 CSR, TFs × genes; the TFs are sorted.
    """
    names, codes, counts = np.unique(tfs.astype(str), return_inverse=True, return_counts=True)
    mean = sp.csr_matrix((weights, (codes, np.arange(len(codes)))), (len(names), len(codes)))
    found = sp.csr_matrix(mean @ table, dtype=np.float32)
    found.sort_indices()
    return found, names.astype(object), counts


def profiles(
    table: sp.csr_matrix, weights: np.ndarray, n_components: int, random_state: int | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the profile of each gene over the experiments, and its explained variance.

    Each experiment is standardised over the genes and multiplied by the root of its weight. With
    ``Z = U S V'`` of that table, genes × experiments, the profile is ``U S / sqrt(sum weights)``:
    the inner product of two genes is about the weighted mean of their product over experiments.
    The largest entry of a component is positive.

    Parameters
    ----------
    table
        Experiments × genes.
    weights
        One an experiment, see :func:`tf_weights`, or ones.
    n_components
        At most the smaller side of ``table``.
    random_state
        Seed of the randomised decomposition.

    Returns
    -------
    float32 (n_genes, n_components), and the share of the variance of each component.

    Notes
    -----
    Halko, Martinsson and Tropp, SIAM Review 53, 217 (2011), algorithms 4.4 and 5.1.
    """
    genes = sp.csr_matrix(table.T, dtype=np.float64)
    experiments = sp.csr_matrix(table, dtype=np.float64)
    mean, scale = _standardisation(experiments, weights)
    # Z = (genes - 1 mean') diag(scale) stays sparse: the mean is subtracted from each product.
    forward = lambda block: (
        genes @ (scale[:, None] * block) - (mean * scale) @ block  # (n_genes, width)
    )
    backward = lambda block: (
        scale[:, None]
        * (
            experiments @ block - np.outer(mean, block.sum(axis=0))  # (n_experiments, width)
        )
    )
    width = min(n_components + _OVERSAMPLES, *table.shape)
    start = np.random.default_rng(random_state).standard_normal((table.shape[0], width))
    basis = np.linalg.qr(forward(start))[0]
    for _ in range(_N_ITERATIONS):
        basis = np.linalg.qr(forward(np.linalg.qr(backward(basis))[0]))[0]
    left, sizes, _ = np.linalg.svd(backward(basis).T, full_matrices=False)
    axes = (basis @ left)[:, :n_components]
    sizes = sizes[:n_components]
    # A decomposition leaves the sign of a component open.
    signs = np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(len(sizes))])
    vectors = axes * (signs * sizes / np.sqrt(weights.sum()))
    # Each experiment that varies adds n_genes × its weight to the sum of squares.
    total = table.shape[1] * weights[scale > 0].sum()
    return vectors.astype(np.float32), sizes**2 / max(total, 1e-12)


def _standardisation(
    experiments: sp.csr_matrix, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean over genes of each experiment, and root of weight / standard deviation."""
    mean = np.asarray(experiments.mean(axis=1)).ravel()
    square = np.asarray(experiments.multiply(experiments).mean(axis=1)).ravel()
    spread = np.sqrt(np.maximum(square - mean**2, 0))
    # An experiment that is the same at all genes tells them apart in nothing: scale 0.
    varies = spread > 1e-6 * np.maximum(mean, 1e-12)
    return mean, np.divide(np.sqrt(weights), spread, out=np.zeros_like(mean), where=varies)
