"""Expression of a few genes, by group of cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scregnet._anndata.access import is_counts
from scregnet._anndata.streamed import log_blocks

if TYPE_CHECKING:
    from anndata import AnnData


def expression_of(adata: AnnData, layer: str | None, genes: np.ndarray) -> np.ndarray:
    """Return the expression of some genes in all cells, float32 of shape (n_obs, n_genes).

    Counts become log1p of counts per 10,000; other values stay, and negative ones raise.
    """
    found = np.empty((adata.n_obs, len(genes)), np.float32)
    counts = is_counts(adata, layer)
    for cells, block in log_blocks(adata, layer, counts=counts):
        found[cells] = block[:, genes].toarray()
    return found
