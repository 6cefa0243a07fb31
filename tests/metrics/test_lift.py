"""metrics.lift."""

from __future__ import annotations

import numpy as np
import pytest

from scregnet import metrics


def test_by_hand():
    values = metrics.lift([0.5, 0.8, 0.8, 0.1], [0.5, 0.5, 0.8, 0.5])
    assert values == pytest.approx([0, np.log(4), 0, -np.log(9)], abs=1e-6)
    assert values.dtype == np.float32


def test_certain_probabilities_have_finite_lifts():
    p = np.array([0, 1, 1, 0], dtype=np.float32)
    null = np.array([1, 0, 1, 0], dtype=np.float32)
    # The logit of 1 - 2**-23 is log(2**23 - 1).
    end = np.log(2.0**23 - 1)
    assert metrics.lift(p, null) == pytest.approx([-2 * end, 2 * end, 0, 0], rel=1e-6)


def test_twice_the_odds_are_a_lift_of_log_two():
    odds = np.array([0.01, 0.3, 5.0])
    found = metrics.lift(2 * odds / (1 + 2 * odds), odds / (1 + odds))
    assert found == pytest.approx(np.log(2) * np.ones(3), abs=1e-6)
