"""A forest of genes: what regulates the labelled genes of the leaves where a gene falls may regulate it too."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

if TYPE_CHECKING:
    from scregnet.links.methods.joint.pairs import KnownPairs

# Chosen on development splits, where half or twice as much made no difference.
N_OUTCOMES, LEAF, FEATURES = 16, 5, 0.5
# Bounds the time that the trees take to grow; all genes fill their leaves.
GROWN_FROM = 4000
# Added to the share of a leaf's genes whose pair is known: few known pairs count little.
PSEUDO_KNOWN = 0.02


def forest_logits(
    columns: np.ndarray, pairs: KnownPairs, n_trees: int, rng: np.random.Generator
) -> np.ndarray:
    """Logits of pairs whose target has no label.

    Extremely randomised trees divide the labelled genes into leaves of at least five, by cuts that leave genes together that are regulated alike: their outcomes are the
    leading components of the labels less each TF's rate of edges, in units of its standard deviation. The probability of a pair is the rate of the TF, plus the mean of
    its labels less that rate among the known pairs of the leaves where the gene falls.

    Parameters
    ----------
    columns
        What is known of each gene, (n_genes, n_columns).
    pairs
        The labelled pairs.
    n_trees
        Trees; 0 for no forest.
    rng
        Draws the cuts, and the genes that the trees are grown from where there are thousands.

    Returns
    -------
    float32 of shape (n_tfs + 1, n_unlabelled): the genes without labels, ascending, and in the last row a TF without labels. Without trees there are no columns.

    Notes
    -----
    Geurts, Ernst and Wehenkel, Extremely randomized trees, Machine Learning 63 (2006).
    """
    from sklearn.ensemble import ExtraTreesRegressor
    from sklearn.utils.extmath import randomized_svd

    known = pairs.matrix(pairs.known.astype(np.float32))
    labelled = known.sum(0) > 0
    if labelled.all() or not n_trees:
        return np.zeros((pairs.shape[0] + 1, 0), np.float32)
    n_edges = pairs.matrix(pairs.labels.astype(np.float32)).sum(1)
    rate = ((n_edges + 0.3) / (known.sum(1) + 2)).astype(np.float32)
    residual = np.where(pairs.known, pairs.labels - pairs.per_tf(rate), 0)
    scaled = pairs.matrix(residual / pairs.per_tf(np.sqrt(rate * (1 - rate))))[:, labelled]
    seed = int(rng.integers(2**31))
    _, size, outcomes = randomized_svd(scaled, min(N_OUTCOMES, *scaled.shape), random_state=seed)
    grown_from = rng.permutation(scaled.shape[1])[:GROWN_FROM]
    forest = ExtraTreesRegressor(
        n_trees, min_samples_leaf=LEAF, max_features=FEATURES, random_state=seed
    )
    components = (outcomes.T * size)[grown_from]
    forest.fit(columns[labelled][grown_from], components if len(size) > 1 else components[:, 0])

    leaves = forest.apply(columns)
    of_genes = [matrix[:, labelled].T for matrix in (pairs.matrix(residual), known)]
    total, count = (np.zeros((n, pairs.shape[0]), np.float32) for n in [(~labelled).sum()] * 2)
    for leaf in leaves.T:
        inside, outside = leaf[labelled], leaf[~labelled]
        n_leaves = leaf.max() + 1
        share = 1 / np.maximum(np.bincount(inside, minlength=n_leaves), 1)
        gather = sp.csr_array(
            (share[inside].astype(np.float32), (inside, np.arange(len(inside)))),
            (n_leaves, len(inside)),
        )
        for sums, values in zip((total, count), of_genes, strict=True):
            mean = gather @ values
            sums += (mean.toarray() if sp.issparse(mean) else mean)[outside]
    shift = (total / (count + PSEUDO_KNOWN * n_trees)).T
    rates = np.append(rate, rate.mean())[:, None]
    # Leaves without an edge do not make one impossible.
    probability = np.clip(
        rates + np.vstack([shift, shift.mean(0)]), rates / 20, 1 - (1 - rates) / 20
    )
    return np.log(probability / (1 - probability)).astype(np.float32)
