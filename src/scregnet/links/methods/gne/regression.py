"""The step of GNE from vectors of genes to links."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scregnet.links.forms.bilinear import BilinearLinks

if TYPE_CHECKING:
    from scregnet.links.task import Pairs


def balanced(pairs: Pairs, rng: np.random.Generator) -> Pairs:
    """Return all edges and as many non-edges, drawn, or all where there are fewer."""
    edges, others = np.flatnonzero(pairs.labels), np.flatnonzero(~pairs.labels)
    drawn = rng.choice(others, min(len(edges), len(others)), replace=False)
    return pairs.take(np.concatenate([edges, drawn]))


def regression(vectors: np.ndarray, pairs: Pairs) -> BilinearLinks:
    """Return links whose logit is a logistic regression on the products of two genes' vectors.

    Parameters
    ----------
    vectors
        A vector of each gene, float32 (n_genes, width).
    pairs
        Labelled pairs that it is fitted to.
    """
    from sklearn.linear_model import LogisticRegression

    products = vectors[pairs.sources].astype(np.float64) * vectors[pairs.targets]
    fitted = LogisticRegression(max_iter=1000).fit(products, pairs.labels)
    # w · (v_s * v_t) + b as a product of two vectors, the constant in a column of its own.
    ones = np.ones((len(vectors), 1))
    return BilinearLinks(
        np.hstack([vectors * fitted.coef_, ones]).astype(np.float32),
        np.hstack([vectors, fitted.intercept_ * ones]).astype(np.float32),
    )
