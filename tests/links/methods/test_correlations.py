import numpy as np
import pytest
from scipy.stats import spearmanr

from scregnet.links import LinkTask, Pairs, get_method
from scregnet.links.methods import pearson

NONE = Pairs(np.zeros(0, int), np.zeros(0, int), np.zeros(0, bool))


def task_of(values, regulators=None):
    return LinkTask(len(values), NONE, NONE, np.float32(values), regulators=regulators)


def fitted(name, values, regulators=None):
    rng = np.random.default_rng(0)
    return get_method(name).fit(task_of(values, regulators), rng=rng, device=None).links


@pytest.fixture
def values():
    rng = np.random.default_rng(3)
    # Ties, as zeros are in counts, and a gene that does not vary.
    values = rng.poisson(1.0, (7, 50)).astype(float)
    values[4] = 2 * values[0] + rng.normal(size=50)
    values[5] = 0
    return values


def test_pearson_is_that_of_numpy(values):
    links = fitted("pearson", values, np.array([0, 3]))
    with np.errstate(invalid="ignore"):
        expected = np.nan_to_num(np.abs(np.corrcoef(values)[[0, 3]]))
    expected[0, 0] = expected[1, 3] = 0
    np.testing.assert_allclose(links.values, expected, atol=1e-6)


def test_spearman_is_that_of_scipy(values):
    links = fitted("spearman", values, np.array([0, 3]))
    varies = [0, 1, 2, 3, 4, 6]
    expected = np.abs(spearmanr(values[varies], axis=1).statistic)
    np.fill_diagonal(expected, 0)
    np.testing.assert_allclose(links.values[:, varies], expected[[0, 3]], atol=1e-6)
    assert (links.values[:, 5] == 0).all()


def test_blocks_change_nothing(values, monkeypatch):
    whole = fitted("spearman", values).values
    monkeypatch.setattr(pearson, "BLOCK", 3)
    np.testing.assert_allclose(fitted("spearman", values).values, whole, atol=1e-6)


def test_labels_are_not_read(values):
    sources, targets = np.divmod(np.arange(14), 7)
    pairs = Pairs(sources, targets, np.arange(14) % 2 == 0)
    task = LinkTask(7, pairs, pairs, np.float32(values))
    with_labels = get_method("pearson").fit(task, rng=np.random.default_rng(0), device=None).links
    np.testing.assert_array_equal(with_labels.values, fitted("pearson", values).values)


def test_a_source_that_is_no_candidate_scores_zero(values):
    links = fitted("pearson", values, np.array([1, 4]))
    scores = links.score(np.array([0, 4, 1]), np.array([4, 0, 1]))
    assert scores[0] == scores[2] == 0
    assert scores[1] > 0.5


def test_columns_without_spread_from_rounding_count_as_constant():
    values = np.random.default_rng(0).normal(size=(3, 40))
    values[1] = 7 + 1e-7 * values[1]
    assert fitted("pearson", values).values[:, 1].max() == 0
