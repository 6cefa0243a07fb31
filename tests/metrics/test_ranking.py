import numpy as np
import pytest

from scregnet import metrics
from scregnet.metrics._ranking import falling, rank
from scregnet.metrics._weighted import WeightedMetrics


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_scores_fall_and_ties_stay_as_they_come(kind):
    rng = np.random.default_rng(0)
    scores = rng.normal(scale=1e3, size=500).round(-2).astype(kind)
    scores[:6] = [0, -0.0, 1e-40, -1e-40, np.finfo(kind).max, np.finfo(kind).min]
    np.testing.assert_array_equal(falling(scores), np.argsort(-scores, kind="stable"))


def test_a_cell_has_the_pairs_of_one_step():
    # Pairs of two TFs, given by falling score: o o E o | o E (tied) o o.
    labels = np.array([0, 0, 1, 0, 0, 1, 0, 0], bool)
    scores = np.array([9, 8, 7, 6, 5, 5, 3, 2], np.float32)
    group = np.array([0, 0, 0, 1, 0, 1, 1, 0], np.int32)
    strata = np.array([0, 4, 5, 7, 8])
    bins = np.array([2, 1, 1, 0, 0, 0, 0, 0], np.uint8)
    ranking, order = rank(labels, scores, group, strata=strata, bins=bins)
    assert order.tolist() == [0, 1, 4, 7, 2, 3, 6, 5]
    assert ranking.places.tolist() == [0, 1, 2, 3, 0, 0, 1, 0]
    # Above the first edge; that edge; up to the tie; the tie; and below it.
    assert ranking.n_steps == 5
    runs = [order[a:b].tolist() for a, b in zip(ranking.begins, ranking.begins[1:], strict=False)]
    assert runs == [[0, 1], [4], [7], [2], [3], [6], [5]]
    assert ranking.steps.tolist() == [0, 3, 4, 1, 2, 4, 3]
    assert ranking.own_steps.tolist() == [0, 2, 2, 1, 3, 5, 4]
    assert ranking.groups.tolist() == [0, 3, 6]
    assert ranking.of_stratum.tolist() == [0, 3, 4, 6, 7]
    assert ranking.bin_begins.tolist() == [0, 1, 2, 4, 5, 7, 8]
    assert ranking.bins.tolist() == [2, 1, 0, 1, 0, 0]
    assert ranking.bins_of_stratum.tolist() == [0, 3, 4, 5, 6]


def test_a_tf_with_more_pairs_than_sixteen_bits_count():
    rng = np.random.default_rng(1)
    n = 2**16 + 500
    labels, scores = np.arange(n) % 2000 == 0, rng.normal(size=n).round(3)
    data = labels, scores, np.zeros(n, int), 1 / (1 + np.exp(-scores))
    weighted = WeightedMetrics(*data)
    assert weighted._ranking.places.max() == n - labels.sum() - 1
    assert weighted.figures() == pytest.approx(metrics.evaluate(*data), rel=1e-12, nan_ok=True)


def test_weights_count_as_copies_do():
    rng = np.random.default_rng(2)
    labels, tfs = rng.random(300) < 0.3, rng.integers(4, size=300)
    scores = (labels + rng.normal(size=300)).round(1)
    probabilities, weights = 1 / (1 + np.exp(-scores)), rng.integers(1, 4, size=300)
    found = WeightedMetrics(labels, scores, tfs, probabilities, weights).figures()
    copies = (np.repeat(values, weights) for values in (labels, scores, tfs, probabilities))
    expected = WeightedMetrics(*copies).figures()
    assert found == pytest.approx(expected, rel=1e-12)
