import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from scregnet.links import Pairs
from scregnet.links.methods.gne.regression import balanced, regression


@pytest.fixture
def vectors():
    return np.random.default_rng(0).normal(size=(12, 3)).astype(np.float32)


def pairs(n_edges, n_others):
    sources, targets = np.divmod(np.arange(n_edges + n_others, dtype=np.int32), 12)
    return Pairs(sources, targets, np.arange(n_edges + n_others) < n_edges)


def test_the_logit_is_that_of_a_regression_on_products(vectors):
    fitted = pairs(30, 30)
    products = vectors[fitted.sources] * vectors[fitted.targets]
    wanted = LogisticRegression().fit(products, fitted.labels)
    links = regression(vectors, fitted)
    found = links.score(np.array([0, 11]), np.array([7, 4]))
    others = vectors[[0, 11]] * vectors[[7, 4]]
    np.testing.assert_allclose(found, wanted.decision_function(others), rtol=1e-3)


@pytest.mark.parametrize(("n_others", "n_taken"), [(60, 10), (4, 4)])
def test_as_many_non_edges_as_edges_are_taken(n_others, n_taken):
    taken = balanced(pairs(10, n_others), np.random.default_rng(0))
    assert taken.n_positive == 10
    assert len(taken) == 10 + n_taken
    assert len(np.unique(12 * taken.sources + taken.targets)) == len(taken)


def test_the_draw_follows_the_seed():
    first, again, other = (
        balanced(pairs(10, 100), np.random.default_rng(seed)).targets for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
