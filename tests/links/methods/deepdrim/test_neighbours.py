import numpy as np
import pytest

from scregnet.links.methods.deepdrim.neighbours import strongest_neighbours

# Of gene 0, the covariances (sums over cells) are 5, -10, 4, 0, 10, and the correlations 1, -1,
# 0.8, 0, 0.6: gene 4 varies most, and follows gene 0 loosely.
FIVE = np.array([[1, 2, 3, 4], [8, 6, 4, 2], [1, 3, 2, 4], [5, 5, 5, 5], [5, 1, 3, 11]], np.float32)


def test_covariances_by_hand():
    found = strongest_neighbours(FIVE, 5)
    # Its own variance is 5; what falls as it rises comes last, after what does not vary.
    assert found[0].tolist() == [4, 0, 2, 3, 1]
    assert found[1].tolist() == [1, 3, 2, 0, 4]
    assert found[3].tolist() == [0, 1, 2, 3, 4]
    assert strongest_neighbours(FIVE, 2)[0].tolist() == [4, 0]


def test_correlations_by_hand():
    assert strongest_neighbours(FIVE, 4, by="correlation")[0].tolist() == [2, 4, 3, 1]
    absolute = strongest_neighbours(FIVE, 4, by="absolute_correlation")
    assert absolute[0].tolist() == [1, 2, 4, 3]
    # Correlations of a gene that does not vary are 0.
    assert absolute[3].tolist() == [0, 1, 2, 4]


def test_covariances_of_standardised_expression_need_the_spread():
    spread = FIVE.std(axis=1)
    centred = FIVE - FIVE.mean(axis=1, keepdims=True)
    standardised = centred / np.where(spread > 0, spread, 1)[:, None]
    assert strongest_neighbours(standardised, 5)[0].tolist() == [0, 2, 4, 3, 1]
    found = strongest_neighbours(standardised, 5, spread=spread)
    np.testing.assert_array_equal(found, strongest_neighbours(FIVE, 5))


def expected_strength(expression, by):
    if by == "covariance":
        return np.cov(expression)
    strength = np.corrcoef(expression)
    if by == "absolute_correlation":
        strength = np.abs(strength)
    np.fill_diagonal(strength, -np.inf)
    return strength


@pytest.mark.parametrize("by", ["covariance", "correlation", "absolute_correlation"])
def test_blocks_give_what_the_whole_matrix_gives(by):
    rng = np.random.default_rng(0)
    expression = rng.normal(size=(23, 40)) * rng.uniform(0.5, 2, (23, 1))
    expected = np.argsort(-expected_strength(expression, by), axis=1)[:, :5]
    for block in (4, 512):
        found = strongest_neighbours(expression, 5, by=by, block=block)
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("by, n", [("covariance", 3), ("correlation", 2)])
def test_few_genes_have_few_neighbours(by, n):
    expression = np.random.default_rng(0).normal(size=(3, 40))
    assert strongest_neighbours(expression, 10, by=by).shape == (3, n)


def test_another_order_is_refused():
    with pytest.raises(ValueError, match="by='rank' is not known"):
        strongest_neighbours(FIVE, 2, by="rank")
