"""Kernel of genes: how similar two genes are by expression, embedding and family."""

from __future__ import annotations

import numpy as np
from scipy.linalg import solve_triangular

# Inducing genes of the Nyström form. They bound time and memory: n_genes × 1,024 numbers.
INDUCING = 1024
# Leading components that are kept. They halve the cost of each product that the solver takes.
COMPONENTS = 256
# The same for the profile of an evidence layer, which is 60 wide or less.
PROFILE_COMPONENTS = 128
# Added to the similarity of each inducing gene with itself. Without it, genes of equal expression
# make the matrix singular and the Cholesky decomposition fails.
JITTER = 1e-3
# A smaller length or spread counts as this: genes without variation must not divide by zero.
LEAST_SIZE = 1e-6


def gene_features(
    expression: np.ndarray,
    summary: np.ndarray,
    embedding: np.ndarray | None,
    families: np.ndarray | None = None,
    *,
    family: float = 0.0,
    first: np.ndarray,
    rng: np.random.Generator,
    n_inducing: int = INDUCING,
    n_components: int = COMPONENTS,
) -> np.ndarray:
    """Return features ``F`` with ``F @ F.T ≈ K``, the kernel of genes.

    Parameters
    ----------
    expression, summary, embedding, families
        Arrays of the :class:`~scregnet.links.LinkTask`.
    family
        Added to ``K[g, h]`` if ``g`` and ``h`` belong to one family.
    first
        Positions of the TFs. They are inducing genes first, up to half of ``n_inducing``.
    rng
        Draws the other inducing genes.
    n_inducing
        With more genes than this, ``K`` is a Nyström approximation.
    n_components
        With more inducing genes than this, ``K`` keeps its leading components.

    Returns
    -------
    float32 of shape (n_genes, at most n_components), the largest component first.

    Notes
    -----
    Williams and Seeger, Using the Nyström method to speed up kernel machines, NIPS (2000).
    """
    inducing = _inducing_genes(len(summary), first, n_inducing, rng)
    kernel = gene_kernel(expression, summary, embedding, inducing)
    if families is not None and family:
        kernel += family * (families[:, None] == families[inducing])
    return _nystrom(kernel, inducing, n_components)


def profile_features(
    profile: np.ndarray,
    *,
    first: np.ndarray,
    rng: np.random.Generator,
    n_inducing: int = INDUCING,
    n_components: int = PROFILE_COMPONENTS,
) -> np.ndarray:
    """Return the features of a profile alone; see :func:`gene_features`.

    Similarity is ``exp(2 (cosine - 1))``, and 0 for a gene without a profile.
    """
    inducing = _inducing_genes(len(profile), first, n_inducing, rng)
    if not profile.any():
        return np.zeros((len(profile), 1), np.float32)
    return _nystrom(_embedding_similarity(profile, inducing), inducing, n_components)


def _nystrom(kernel: np.ndarray, inducing: np.ndarray, n_components: int) -> np.ndarray:
    """Return features of ``kernel``, whose columns belong to the inducing genes."""
    # K ≈ K[:, I] K[I, I]⁻¹ K[I, :]. With K[I, I] = R Rᵀ, the columns R⁻¹ K[I, g] are features.
    # float64, because K[I, I] is nearly singular.
    inner = kernel[inducing].astype(np.float64) + JITTER * np.eye(len(inducing))
    root = np.linalg.cholesky(inner)
    features = solve_triangular(root, kernel.T.astype(np.float64), lower=True)
    # Rotation to principal axes; eigh sorts ascending, so the last ones are the largest.
    _, directions = np.linalg.eigh(features @ features.T)
    return (features.T @ directions[:, ::-1][:, :n_components]).astype(np.float32)


def _inducing_genes(
    n_genes: int, first: np.ndarray, n_inducing: int, rng: np.random.Generator
) -> np.ndarray:
    """Return the TFs, at most half of the inducing genes, then other genes at random."""
    if len(first) > n_inducing // 2:
        first = np.sort(rng.permutation(first)[: n_inducing // 2])
    others = np.setdiff1d(np.arange(n_genes), first)
    return np.concatenate([first, rng.permutation(others)])[:n_inducing]


def gene_kernel(
    expression: np.ndarray, summary: np.ndarray, embedding: np.ndarray | None, inducing: np.ndarray
) -> np.ndarray:
    """Return ``K[g, h]`` without families, for all genes ``g`` and inducing genes ``h``.

    A weighted mean of similarities, each at most 1: the correlation ``r`` of expression,
    ``exp(2 (r - 1))``, a Gaussian of mean, spread and detection rate, and, between genes with an
    embedding vector, ``exp(2 (cosine - 1))``.
    """
    unit = _unit(expression)
    correlation = unit @ unit[inducing].T
    # The weights were set by hand. On development splits, doubling or halving one of them changed
    # figures by less than the spread of the seeds (docs/results/models.md).
    parts = [
        (0.5, correlation),
        (1.0, np.exp(2 * (correlation - 1))),
        (0.5, _summary_similarity(summary, inducing)),
    ]
    if embedding is not None and embedding.any():
        parts.append((1.0, _embedding_similarity(embedding, inducing)))
    return sum(weight * part for weight, part in parts) / sum(weight for weight, _ in parts)


def _summary_similarity(summary: np.ndarray, inducing: np.ndarray) -> np.ndarray:
    """Return ``exp(-d² / 2)`` with the distance ``d`` of standardised summaries."""
    spread = np.maximum(summary.std(0), LEAST_SIZE)
    scaled = (summary - summary.mean(0)) / spread
    size = (scaled**2).sum(1)
    # d² = |a|² + |b|² - 2 a·b; rounding can make it slightly negative.
    distance = np.maximum(size[:, None] + size[inducing] - 2 * scaled @ scaled[inducing].T, 0)
    return np.exp(-distance / 2)


def _embedding_similarity(embedding: np.ndarray, inducing: np.ndarray) -> np.ndarray:
    there = np.any(embedding != 0, axis=1)
    # Vectors of language models share a large common part, so the mean is taken off first.
    centred = _unit(np.where(there[:, None], embedding - embedding[there].mean(0), 0))
    both = there[:, None] & there[None, inducing]
    return np.where(both, np.exp(2 * (centred @ centred[inducing].T - 1)), 0)


def _unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), LEAST_SIZE)
