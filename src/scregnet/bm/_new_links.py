"""The first new links of a network, and how alike two networks order their links."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scregnet._genes.frames import PARTS
from scregnet.links.pairs.codes import decode_pairs, find_codes, pair_codes

if TYPE_CHECKING:
    import scipy.sparse as sp

    from scregnet._genes.split import LabelledPairs


def known_codes(labelled: LabelledPairs, n_genes: int) -> np.ndarray:
    """Return the codes of all known edges, ascending."""
    edges = [pairs.take(pairs.labels) for pairs in (getattr(labelled.parts, p) for p in PARTS)]
    sources = np.concatenate([*(pairs.sources for pairs in edges), labelled.left_out[0]])
    targets = np.concatenate([*(pairs.targets for pairs in edges), labelled.left_out[1]])
    return np.unique(pair_codes(sources, targets, n_genes))


def first_new(
    network: sp.csr_matrix, known: np.ndarray, n_top: int, *, known_tfs: bool = False
) -> np.ndarray:
    """Return the codes of the ``n_top`` links with the highest values that are not known.

    With ``known_tfs``, only links of TFs that have a known edge count.
    """
    n_genes = network.shape[0]
    sources = np.repeat(np.arange(n_genes), np.diff(network.indptr))
    codes = pair_codes(sources, network.indices, n_genes)
    new = find_codes(known, codes) < 0
    if known_tfs:
        new &= np.isin(sources, decode_pairs(known, n_genes)[0])
    codes, values = codes[new], network.data[new]
    if len(codes) > n_top:
        # Only what can be among the first is sorted: there may be millions of links.
        least = np.partition(values, len(codes) - n_top)[len(codes) - n_top]
        codes, values = codes[values >= least], values[values >= least]
    # Of equal values, the gene that comes first in the data.
    return codes[np.lexsort((codes, -values))[:n_top]]


def overlap(top: np.ndarray, other: np.ndarray) -> float:
    """Return the share of the first links that is among the others."""
    return len(np.intersect1d(top, other)) / len(top) if len(top) else np.nan


def rank_correlation(one: sp.csr_matrix, other: sp.csr_matrix) -> float:
    """Return the median over TFs of Spearman's correlation of a TF's links.

    Both networks hold all links of the same TFs. A TF whose links are all equal in one of them is
    left out.
    """
    from scipy.stats import rankdata

    # Every TF has as many links, so that the values are a matrix with one row a TF.
    n_links = int(np.diff(one.indptr).max())
    of_one, of_other = (
        rankdata(network.data.reshape(-1, n_links), axis=1) for network in (one, other)
    )
    a, b = (ranks - ranks.mean(axis=1, keepdims=True) for ranks in (of_one, of_other))
    size = np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
    varies = size > 0
    correlations = (a * b).sum(axis=1)[varies] / size[varies]
    return float(np.median(correlations)) if varies.any() else np.nan
