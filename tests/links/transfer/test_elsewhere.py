from __future__ import annotations

import numpy as np
import pytest

from scregnet.links.transfer.elsewhere import calibrate_elsewhere
from scregnet.links.transfer.links import TransferLinks
from scregnet.links.transfer.weights import unit_weights


def test_probabilities_are_those_of_one_more_experiment(make_set):
    weights = unit_weights(1, ["popularity", "track"])
    gaps = []
    for seed in range(5):
        columns, _, counts, chance = make_set(seed)
        calibration = calibrate_elsewhere(columns, weights, counts)
        links = TransferLinks(columns, weights)
        told = np.stack([calibration(links.of_tf(tf)) for tf in range(9)])
        truth = np.where(np.arange(200) < 190, chance[:9], 0)
        assert told.mean() == pytest.approx(truth.mean(), abs=0.03)
        # Of the pairs that are told to be the likeliest tenth, as many are found as is told.
        top = told >= np.quantile(told, 0.9)
        gaps.append(told[top].mean() - truth[top].mean())
    # A little cautious: an experiment is judged by two others, a pair by all three.
    assert -0.08 < np.mean(gaps) < 0.01


def test_a_single_experiment_is_not_judged_by_itself(make_set):
    columns, _, counts, _ = make_set(0)
    weights = unit_weights(1, ["popularity", "track"])
    alone = calibrate_elsewhere(columns, weights, [np.minimum(counts[0], 1)])
    several = calibrate_elsewhere(columns, weights, counts)
    popularity = calibrate_elsewhere(columns, unit_weights(1, ["popularity"]), counts)
    # Judged by itself, an experiment would be certain of what it found: a steep slope.
    assert alone.slope == pytest.approx(popularity.slope, rel=0.05)
    assert several.slope != pytest.approx(popularity.slope, rel=0.02)
