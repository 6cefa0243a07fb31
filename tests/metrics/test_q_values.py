"""metrics.q_values, and the cut that max_q makes of it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from scregnet import metrics
from scregnet.metrics._q_values import FalseShare


def test_by_hand():
    q = metrics.q_values([0.5, 0.9, 0.8, 0.1])
    # Falling: 0.9, 0.8, 0.5, 0.1, which are false with 0.1, 0.2, 0.5, 0.9.
    expected = [(0.1 + 0.2 + 0.5) / 3, 0.1, (0.1 + 0.2) / 2, (0.1 + 0.2 + 0.5 + 0.9) / 4]
    assert q == pytest.approx(expected, abs=1e-7)
    assert q.dtype == np.float32


def test_equal_probabilities_share_the_value_of_their_last():
    q = metrics.q_values([0.6, 0.8, 0.6, 1.0, 0.6])
    last = (0.0 + 0.2 + 3 * 0.4) / 5
    assert q == pytest.approx([last, 0.1, last, 0.0, last], abs=1e-7)


def test_the_last_q_is_the_share_of_all_links_that_are_false():
    p = np.random.default_rng(0).random(1000)
    assert metrics.q_values(p).max() == pytest.approx(1 - p.mean(), abs=1e-6)


def test_no_links_and_one_link():
    assert metrics.q_values([]).tolist() == []
    assert metrics.q_values([0.75]).tolist() == [0.25]


@pytest.mark.parametrize("digits", [1, 3, 9])
def test_more_probable_links_never_have_a_higher_q(digits):
    p = np.random.default_rng(digits).random(5000).round(digits).astype(np.float32)
    q = metrics.q_values(p)
    order = np.argsort(p)
    assert (np.diff(q[order]) <= 0).all()
    # The order in which links are given changes nothing.
    np.testing.assert_array_equal(metrics.q_values(p[order[::-1]]), q[order[::-1]])


@pytest.mark.parametrize("q", [0.05, 0.1, 0.2, 0.5])
def test_of_calibrated_links_as_many_are_false_as_q_says(q):
    rng = np.random.default_rng(7)
    p = rng.beta(0.15, 0.6, 40_000)
    true = rng.random(len(p)) < p
    values = metrics.q_values(p)
    chosen = values <= q
    n = int(chosen.sum())
    assert n > 500
    # The chosen links are false in a share of q, by the mean of 1 - p of the last one chosen.
    low, high = binom.interval(0.99, n, float(values[chosen].max()))
    assert low <= int((~true[chosen]).sum()) <= high
    assert values[chosen].max() == pytest.approx(q, abs=0.002)


@pytest.mark.parametrize("max_q", [0.0, 0.05, 0.1, 0.15, 0.3, 0.5, 1.0])
def test_the_cut_keeps_what_the_values_say(max_q):
    for p in (
        np.random.default_rng(1).random(300).astype(np.float32),
        # Ties, one of which max_q=0.15 divides if it looks at single links.
        np.array([0.9, 0.8, 0.8, 0.8, 0.5, 0.5, 0.1], dtype=np.float32),
    ):
        share = FalseShare.of(p)
        np.testing.assert_array_equal(p >= share.cut(max_q), share.at(p) <= np.float32(max_q))


def test_the_cut_of_what_is_not_there():
    assert FalseShare.of(np.array([], dtype=np.float32)).cut(0.5) == np.inf
    assert FalseShare.of(np.array([0.4, 0.3])).cut(0.5) == np.inf


@pytest.mark.parametrize("bad", [[0.5, np.nan], [1.01], [-0.1]])
def test_what_is_no_probability(bad):
    with pytest.raises(ValueError, match="probabilities must lie between 0 and 1"):
        metrics.q_values(bad)


def test_millions_of_links_have_the_cut_that_theory_gives():
    p = np.random.default_rng(0).random(3_000_000, dtype=np.float32)
    share = FalseShare.of(p)
    assert share.at(p).max() == pytest.approx(0.5, abs=1e-3)
    assert share.cut(0.25) == pytest.approx(0.5, abs=1e-3)
