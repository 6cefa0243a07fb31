import numpy as np
from scipy.stats import spearmanr

from scregnet.links.methods.grn_transformer.networks import RIDGE, five_networks
from scregnet.links.methods.pidc import PIDC


def standardised(values):
    return ((values - values.mean(1, keepdims=True)) / values.std(1, keepdims=True)).astype("f4")


def test_five_networks_are_those_of_other_libraries():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(6, 80))
    values[1] += values[0]
    values[2] -= 0.5 * values[0]
    spread = values.std(1)
    pearson, spearman, covariance, inverse, pidc = five_networks(standardised(values), spread)
    np.testing.assert_allclose(pearson, np.corrcoef(values), atol=1e-5)
    np.testing.assert_allclose(spearman, spearmanr(values.T).statistic, atol=1e-5)
    expected = np.cov(values, ddof=0)
    np.testing.assert_allclose(covariance, expected, atol=1e-5)
    expected = np.linalg.inv(expected + RIDGE * np.eye(6))
    np.testing.assert_allclose(inverse, expected / np.abs(expected).max(), atol=1e-4)
    table = PIDC().table(standardised(values), np.arange(6), None, 0)
    np.fill_diagonal(table, 0)
    np.testing.assert_allclose(pidc, table / table.max(), atol=1e-6)
    assert pidc[0, 1] > 2 * np.median(pidc)


def test_a_gene_that_does_not_vary_says_nothing():
    rng = np.random.default_rng(0)
    expression = standardised(rng.normal(size=(4, 50)))
    expression[2] = 0
    found = five_networks(expression, np.array([1, 1, 0, 1]))
    assert np.isfinite(found).all()
    off = np.array([0, 1, 3])
    assert (found[:4, 2, off] == 0).all()


def test_two_genes_have_no_third_one():
    found = five_networks(standardised(np.random.default_rng(0).normal(size=(2, 30))), np.ones(2))
    assert (found[4] == 0).all()
    assert found[0, 0, 1] != 0
