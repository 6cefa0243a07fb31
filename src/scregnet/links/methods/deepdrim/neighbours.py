"""The genes that each gene varies with most."""

from __future__ import annotations

import numpy as np

from scregnet._validate import check_choice

NEIGHBOURS = ("covariance", "correlation", "absolute_correlation")
"""What the neighbours of a gene are the highest of."""

BLOCK = 512
"""Genes whose products with all others are in memory at a time."""


def strongest_neighbours(
    expression: np.ndarray,
    n: int,
    *,
    by: str = "covariance",
    spread: np.ndarray | None = None,
    block: int = BLOCK,
) -> np.ndarray:
    """Return the ``n`` neighbours of each gene, strongest first, int64 (n_genes, n).

    Fewer columns if there are fewer genes. Ties go to the gene that comes first.

    Parameters
    ----------
    expression
        Of shape (n_genes, n_features).
    n
        Neighbours of a gene.
    by
        ``"covariance"``: its own variance is ranked as well, so a gene that varies much is a
        neighbour of itself. ``"correlation"`` and ``"absolute_correlation"``: of other genes.
    spread
        Of standardised expression, the standard deviation of each gene before; for covariances.
    block
        Genes whose products with all others are in memory at a time.
    """
    check_choice("by", by, NEIGHBOURS)
    rows = expression - expression.mean(axis=1, keepdims=True)
    covariance = by == "covariance"
    if covariance:
        # The spread of the gene whose neighbours are ranked is the same for all of them.
        columns = rows if spread is None else rows * spread[:, None]
    else:
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
        rows = columns = rows / np.where(lengths > 0, lengths, 1)
    rows, columns = rows.astype(np.float32), columns.astype(np.float32)
    n_genes = len(rows)
    found = np.empty((n_genes, min(n, n_genes if covariance else n_genes - 1)), np.int64)
    for start in range(0, n_genes, block):
        genes = np.arange(start, min(start + block, n_genes))
        strength = rows[genes] @ columns.T
        if by == "absolute_correlation":
            strength = np.abs(strength)
        if not covariance:
            strength[np.arange(len(genes)), genes] = -np.inf
        found[genes] = np.argsort(-strength, axis=1, kind="stable")[:, : found.shape[1]]
    return found
