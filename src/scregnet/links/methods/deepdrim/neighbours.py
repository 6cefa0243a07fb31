"""The genes that each gene is most correlated with."""

from __future__ import annotations

import numpy as np

BLOCK = 512
"""Genes whose correlations with all others are in memory at a time."""


def strongest_neighbours(expression: np.ndarray, n: int, *, block: int = BLOCK) -> np.ndarray:
    """Return of each gene the ``n`` others of the highest absolute correlation, strongest first.

    Of shape (n_genes, n), or fewer columns if there are fewer other genes. Ties go to the gene that
    comes first.
    """
    centred = expression - expression.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(centred, axis=1, keepdims=True)
    unit = (centred / np.where(lengths > 0, lengths, 1)).astype(np.float32)
    n_genes = len(unit)
    found = np.empty((n_genes, min(n, n_genes - 1)), np.int64)
    for start in range(0, n_genes, block):
        rows = np.arange(start, min(start + block, n_genes))
        strength = np.abs(unit[rows] @ unit.T)
        strength[np.arange(len(rows)), rows] = -1
        found[rows] = np.argsort(-strength, axis=1, kind="stable")[:, : found.shape[1]]
    return found
