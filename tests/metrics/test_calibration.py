import numpy as np
import pytest

from scregnet import metrics


def test_brier_is_the_mean_squared_difference():
    assert metrics.brier([1, 0, 0], [0.5, 0.1, 0.0]) == pytest.approx((0.25 + 0.01) / 3)


def test_ece_is_the_mean_gap_of_bins_of_equal_width():
    # Bin 3 of 15 holds 0.21 and 0.25, bin 13 holds 0.9: gaps (0.46 - 1) and (0.9 - 1).
    assert metrics.ece([1, 0, 1], [0.21, 0.25, 0.9]) == pytest.approx((0.54 + 0.1) / 3)


def test_ece_equals_a_loop_over_bins():
    rng = np.random.default_rng(0)
    probabilities = np.r_[rng.random(500), 0.0, 1.0, 1.0]
    labels = rng.random(len(probabilities)) < probabilities**2
    expected, edges = 0.0, np.linspace(0, 1, 16)
    for i in range(15):
        last = i == 14
        inside = (probabilities >= edges[i]) & ((probabilities < edges[i + 1]) | last)
        expected += inside.mean() * abs(labels[inside].mean() - probabilities[inside].mean())
    assert metrics.ece(labels, probabilities) == pytest.approx(expected)
    assert expected > 0.1


def test_perfect_probabilities_of_certain_labels_are_0():
    assert metrics.brier([1, 0, 1], [1.0, 0.0, 1.0]) == 0
    assert metrics.ece([1, 0, 1], [1.0, 0.0, 1.0]) == 0


def test_probabilities_of_one_kind_of_label_are_fine():
    assert metrics.brier([0, 0], [0.1, 0.3]) == pytest.approx(0.05)
    assert metrics.ece([0, 0], [0.1, 0.3]) == pytest.approx(0.2)


@pytest.mark.parametrize("name", ["brier", "ece"])
def test_what_is_no_probability_is_an_error(name):
    metric = getattr(metrics, name)
    with pytest.raises(ValueError, match=r"between 0 and 1, got values from -0.5 to 0.2"):
        metric([1, 0], [-0.5, 0.2])
    with pytest.raises(ValueError, match="between 0 and 1"):
        metric([1, 0], [np.nan, 0.2])
    with pytest.raises(ValueError, match="one length"):
        metric([1, 0], [0.2])
    with pytest.raises(ValueError, match="empty"):
        metric([], [])
