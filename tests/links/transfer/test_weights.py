from __future__ import annotations

import numpy as np
import pytest

from scregnet.links import PlattCalibration
from scregnet.links.transfer.weights import calibrate, learned_weights, scores_of, unit_weights
from scregnet.metrics import evaluate


def per_tf(weights, data):
    scores = scores_of(weights, data)
    return evaluate(data[1].labels, scores, data[1].sources, np.full(len(scores), 0.5))[
        "per_tf_auroc"
    ]


def test_unit_weights():
    np.testing.assert_array_equal(
        unit_weights(2, ["track", "mean"]), [0, 1, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0]
    )


def test_learned_weights_rank_another_data_set(make_set):
    sets = [make_set(seed)[:2] for seed in (1, 2)]
    new = make_set(3)[:2]
    weights = learned_weights(sets)
    assert weights.dtype == np.float32
    # Labels of this world are popularity and the own track; expression is noise, coverage unused.
    assert (weights[:2] > 0.2).all()
    assert weights[-1] == 0
    assert per_tf(weights, new) > per_tf(unit_weights(1, ["popularity"]), new) + 0.03
    assert per_tf(weights, new) > 0.75


def test_a_data_set_counts_once_however_large(make_set):
    small, large = make_set(1)[:2], make_set(2)[:2]
    columns, pairs = large
    twice = (columns, pairs.take(np.tile(np.arange(len(pairs)), 2)))
    np.testing.assert_allclose(
        learned_weights([small, large]), learned_weights([small, twice]), rtol=0.02, atol=0.02
    )


def test_a_level_between_those_of_the_data_sets(make_set):
    low, high = make_set(1, shift=-1.5)[:2], make_set(2, shift=1.5)[:2]
    weights = unit_weights(1, ["popularity", "track"])
    scores = [scores_of(weights, data) for data in (low, high)]
    found = calibrate(scores, [data[1] for data in (low, high)])
    assert isinstance(found, PlattCalibration)
    mean = np.mean([found(part).mean() for part in scores])
    expected = np.mean([data[1].labels.mean() for data in (low, high)])
    assert mean == pytest.approx(expected, abs=0.005)
