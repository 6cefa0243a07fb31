"""Kernel of genes: exact for few genes, a lower bound for many."""

import numpy as np
import pytest

from scregnet.links.methods.joint.kernel import gene_features, gene_kernel


@pytest.fixture
def genes():
    rng = np.random.default_rng(2)
    expression = rng.normal(size=(40, 15)).astype(np.float32)
    expression = (expression - expression.mean(1, keepdims=True)) / expression.std(1, keepdims=True)
    embedding = rng.normal(size=(40, 6)).astype(np.float32)
    embedding[::4] = 0
    return expression, rng.random((40, 3)).astype(np.float32), embedding


def products_of(genes, n_inducing, seed=0):
    first = np.array([3, 30, 7])
    features = gene_features(
        *genes, first=first, rng=np.random.default_rng(seed), n_inducing=n_inducing
    )
    assert features.dtype == np.float32
    assert features.shape == (40, min(n_inducing, 40))
    return features @ features.T


def kernel_of(genes):
    return gene_kernel(*genes, np.arange(40))


@pytest.mark.parametrize("n_inducing", [40, 512])
def test_exact_for_few_genes(genes, n_inducing):
    np.testing.assert_allclose(products_of(genes, n_inducing), kernel_of(genes), atol=2e-3)


def test_beyond_exact_for_the_tfs_and_never_too_large(genes):
    products, kernel = products_of(genes, 12), kernel_of(genes)
    tfs = [3, 7, 30]
    np.testing.assert_allclose(products[np.ix_(tfs, tfs)], kernel[np.ix_(tfs, tfs)], atol=2e-3)
    assert np.linalg.eigvalsh(kernel - products).min() > -1e-5
    assert np.abs(kernel - products).max() > 0.05


def test_leading_components_are_the_best_of_that_many(genes):
    kernel = kernel_of(genes)
    features = gene_features(
        *genes, first=np.array([3]), rng=np.random.default_rng(0), n_components=5
    )
    assert features.shape == (40, 5)
    size = (features**2).sum(0)
    assert (np.diff(size) < 0).all()
    np.testing.assert_allclose(size, np.linalg.eigvalsh(kernel)[::-1][:5], rtol=0.01)
    left = np.linalg.eigvalsh(kernel - features @ features.T)
    assert left.max() == pytest.approx(np.linalg.eigvalsh(kernel)[-6], rel=0.02)


def test_of_many_tfs_half_of_the_inducing_genes_at_most_are_taken(genes):
    def products(seed):
        features = gene_features(
            *genes, first=np.arange(30), rng=np.random.default_rng(seed), n_inducing=12
        )
        return features @ features.T

    exact = np.abs(np.diag(products(0)) - np.diag(kernel_of(genes))) < 2e-3
    assert exact.sum() == 12
    assert exact[30:].any()
    assert not np.array_equal(products(0), products(1))


def test_a_kernel(genes):
    kernel = kernel_of(genes)
    np.testing.assert_allclose(kernel, kernel.T, atol=1e-6)
    assert np.linalg.eigvalsh(kernel).min() > -1e-6
    assert (np.diag(kernel) <= 1 + 1e-6).all()


def test_equal_genes_have_equal_features_and_like_genes_are_nearer(genes):
    expression, summary, embedding = (array.copy() for array in genes)
    for array in (expression, summary, embedding):
        array[11] = array[10]
    twins = expression, summary, embedding
    few, products = products_of(twins, 12), products_of(twins, 40)
    np.testing.assert_allclose(few[10], few[11], atol=1e-6)
    assert products[10, 11] > np.delete(products[10], [10, 11]).max()


def test_genes_of_one_family_are_more_alike_by_as_much_as_asked_for(genes):
    families = np.arange(40)
    families[[5, 9, 21]] = 5
    one, other = (
        gene_features(
            *genes, families, family=weight, first=np.array([3]), rng=np.random.default_rng(0)
        )
        for weight in (0.0, 0.25)
    )
    np.testing.assert_allclose(one @ one.T, products_of(genes, 512), atol=1e-5)
    wanted = 0.25 * (families[:, None] == families)
    np.testing.assert_allclose(other @ other.T - one @ one.T, wanted, atol=5e-3)
    assert wanted[5, 21] == wanted[5, 5] == 0.25


def test_without_embedding(genes):
    expression, summary, embedding = genes
    without = kernel_of((expression, summary, None))
    assert np.linalg.eigvalsh(without).min() > -1e-6
    # A gene without a vector is told from others by expression alone, in the same proportions.
    blind = np.flatnonzero(~embedding.any(axis=1))
    ratio = kernel_of(genes)[blind] / without[blind]
    np.testing.assert_allclose(ratio, ratio[0, 0], rtol=1e-4)
    assert ratio[0, 0] < 1
