"""Joint histograms of the expression of two genes, as images for a network."""

from __future__ import annotations

from typing import no_type_check

import numpy as np

from scregnet.links.methods.compiled import compiled

FAINTEST = -4.0
"""log10 of what is added to the share of cells in a bin; an empty bin gets the value 0."""


def bins_of(expression: np.ndarray, n_bins: int) -> np.ndarray:
    """Return the bin of each value of each gene, uint8 of the same shape.

    The bins of a gene are equally wide, from its lowest to its highest value; a gene that does not
    vary lies in the middle one.
    """
    low = expression.min(axis=1, keepdims=True)
    width = expression.max(axis=1, keepdims=True) - low
    place = np.where(width > 0, (expression - low) / np.where(width > 0, width, 1), 0.5)
    return np.minimum(place * n_bins, n_bins - 1).astype(np.uint8)


def images(bins: np.ndarray, sources: np.ndarray, targets: np.ndarray, n_bins: int) -> np.ndarray:
    """Return an image of each pair, float32 (n_pairs, n_bins, n_bins): row = bin of the source.

    A pixel is ``(log10(share + 1e-4) + 4) / 4`` of the cells that are in both bins: 0 for none, 1
    for all.

    Parameters
    ----------
    bins
        The bin of each gene in each cell, from :func:`bins_of`.
    sources, targets
        Positions of genes.
    n_bins
        Bins of a gene.
    """
    for name, genes in (("sources", sources), ("targets", targets)):
        # Compiled loops do not check indices.
        if len(genes) and not 0 <= genes.min() <= genes.max() < len(bins):
            msg = (
                f"{name} must be positions of {len(bins)} genes, "
                f"found {genes.min()} to {genes.max()}."
            )
            raise IndexError(msg)
    share = np.arange(bins.shape[1] + 1) / bins.shape[1]
    shade = (np.log10(share + 10**FAINTEST) - FAINTEST) / -FAINTEST
    return _draw(bins, sources, targets, n_bins, shade.astype(np.float32))


@compiled
@no_type_check
def _draw(
    bins: np.ndarray, sources: np.ndarray, targets: np.ndarray, n_bins: int, shade: np.ndarray
) -> np.ndarray:
    """Count cells in each pair of bins; ``shade`` has the pixel of each count."""
    drawn = np.zeros((len(sources), n_bins, n_bins), np.float32)
    counts = np.empty((n_bins, n_bins), np.int64)
    for pair in range(len(sources)):
        counts[:] = 0
        row, column = bins[sources[pair]], bins[targets[pair]]
        for cell in range(bins.shape[1]):
            counts[row[cell], column[cell]] += 1
        for i in range(n_bins):
            for j in range(n_bins):
                drawn[pair, i, j] = shade[counts[i, j]]
    return drawn
