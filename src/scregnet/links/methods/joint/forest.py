"""Forest of genes: a gene is regulated as the labelled genes in its leaves are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

if TYPE_CHECKING:
    from scregnet.links.methods.joint.pairs import KnownPairs

# Components of the labels that the trees are grown for, genes in a leaf at least, and share of the
# columns that a cut chooses from. Half or twice as much made no difference on development splits.
N_OUTCOMES, LEAF, FEATURES = 16, 5, 0.5
# Genes without labels that are described at a time: bounds the memory.
BLOCK = 1000
# Labelled genes that the trees are grown from: bounds the time. All genes fill the leaves.
GROWN_FROM = 4000
# Added to the share of a leaf's genes whose pair is known: few known pairs count little.
PSEUDO_KNOWN = 0.02
# Pairs of a TF that are added to its labels, as in the other rates of this method: 0.3 edges of 2.
PSEUDO_EDGES, PSEUDO_PAIRS = 0.3, 2
# A probability is at least the TF's rate divided by this: leaves without an edge do not make one
# impossible.
MOST_CHANGE = 20


def forest_logits(
    columns: np.ndarray,
    pairs: KnownPairs,
    n_trees: int,
    rng: np.random.Generator,
    *,
    grown_from: int = GROWN_FROM,
) -> np.ndarray:
    """Return logits of the pairs whose target has no label.

    Extremely randomised trees divide the labelled genes into leaves, so that genes with the same
    TFs stay together. The probability of a pair is the rate ``r[t]`` of the TF, plus the mean of
    ``y[t, h] - r[t]`` over the genes ``h`` that share leaves with the target.

    Parameters
    ----------
    columns
        Description of each gene, (n_genes, n_columns).
    pairs
        The labelled pairs.
    n_trees
        Trees; 0 for no forest.
    rng
        Draws the cuts, and the genes that the trees are grown from.
    grown_from
        Labelled genes above which the trees are grown from some of them.

    Returns
    -------
    float32 of shape (n_tfs + 1, n_unlabelled). Columns are the genes without labels, ascending. The
    last row is for TFs without labels. Without trees there are no columns.

    Notes
    -----
    Geurts, Ernst and Wehenkel, Extremely randomized trees, Machine Learning 63 (2006).
    """
    known = pairs.matrix(pairs.known.astype(np.float32))
    labelled = known.sum(0) > 0
    if labelled.all() or not n_trees:
        return np.zeros((pairs.shape[0] + 1, 0), np.float32)
    n_edges = pairs.matrix(pairs.labels.astype(np.float32)).sum(1)
    # r[t], and y[t, h] - r[t] in the known cells
    rate = ((n_edges + PSEUDO_EDGES) / (known.sum(1) + PSEUDO_PAIRS)).astype(np.float32)
    residual = np.where(pairs.known, pairs.labels - pairs.per_tf(rate), 0)
    # In units of the standard deviation, so that TFs with few edges count as much as others.
    scaled = pairs.matrix(residual / pairs.per_tf(np.sqrt(rate * (1 - rate))))[:, labelled]
    leaves = _leaves(columns, labelled, scaled, n_trees, rng, grown_from)
    total, count = _leaf_sums(leaves, labelled, [pairs.matrix(residual), known])
    shift = (total / (count + PSEUDO_KNOWN * n_trees)).T
    # The last row, for TFs without labels, is the mean of the others.
    rates = np.append(rate, rate.mean())[:, None]
    probability = np.clip(
        rates + np.vstack([shift, shift.mean(0)]),
        rates / MOST_CHANGE,
        1 - (1 - rates) / MOST_CHANGE,
    )
    return np.log(probability / (1 - probability)).astype(np.float32)


def _leaves(
    columns: np.ndarray,
    labelled: np.ndarray,
    scaled: Any,
    n_trees: int,
    rng: np.random.Generator,
    grown_from: int,
) -> np.ndarray:
    """Grow the trees and return the leaf of each gene in each tree, (n_genes, n_trees)."""
    from sklearn.ensemble import ExtraTreesRegressor
    from sklearn.utils.extmath import randomized_svd

    seed = int(rng.integers(2**31))
    # The outcomes of a gene: leading components of its labels, which may be hundreds.
    _, size, outcomes = randomized_svd(scaled, min(N_OUTCOMES, *scaled.shape), random_state=seed)
    chosen = rng.permutation(scaled.shape[1])[:grown_from]
    components = (outcomes.T * size)[chosen]
    forest = ExtraTreesRegressor(
        n_trees, min_samples_leaf=LEAF, max_features=FEATURES, random_state=seed
    )
    # scikit-learn wants a single outcome as a vector.
    forest.fit(columns[labelled][chosen], components if len(size) > 1 else components[:, 0])
    return forest.apply(columns)


def _leaf_sums(leaves: np.ndarray, labelled: np.ndarray, matrices: list[Any]) -> list[np.ndarray]:
    """Return, for each matrix of TFs × genes, sums over the trees of the means in a gene's leaf.

    Means are over the labelled genes of the leaf. Each result has shape (n_unlabelled, n_tfs).
    """
    # The leaves of all trees side by side.
    number = leaves + np.concatenate([[0], np.cumsum(leaves.max(0) + 1)[:-1]])
    inside, outside = number[labelled], number[~labelled]
    n_leaves = int(number.max()) + 1
    size = np.bincount(inside.ravel(), minlength=n_leaves)
    # (n_leaves, n_labelled): times values, the mean of each leaf.
    mean = _in_leaves(inside, n_leaves, 1 / np.maximum(size, 1)).T.tocsr()
    of_genes = [matrix[:, labelled].T for matrix in matrices]
    sums = [np.empty((len(outside), matrix.shape[0]), np.float32) for matrix in matrices]
    for start in range(0, len(outside), BLOCK):
        here = slice(start, start + BLOCK)
        # How much each labelled gene says of each gene, by all trees.
        share = _in_leaves(outside[here], n_leaves, np.ones(n_leaves)) @ mean
        for total, values in zip(sums, of_genes, strict=True):
            found = share @ values
            total[here] = found.toarray() if sp.issparse(found) else found
    return sums


def _in_leaves(leaves: np.ndarray, n_leaves: int, values: np.ndarray) -> sp.csr_array:
    """Return a matrix of genes × leaves with the leaf's value where the gene is in the leaf."""
    n_genes, n_trees = leaves.shape
    indptr = np.arange(n_genes + 1) * n_trees
    return sp.csr_array(
        (values[leaves.ravel()].astype(np.float32), leaves.ravel(), indptr), (n_genes, n_leaves)
    )
