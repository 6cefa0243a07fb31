"""What metrics refuse to take: labels by truth value, values under a mask, pairs without a TF."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import scregnet as sr
from scregnet.metrics._arrays import read_labels

TFS = ["A", "A", "B", "B"]
SCORES = [0.9, 0.1, 0.8, 0.2]
RNG = np.random.default_rng(0)
CALLS = {
    "auroc": lambda labels, scores, tfs: sr.metrics.auroc(labels, scores),
    "auprc": lambda labels, scores, tfs: sr.metrics.auprc(labels, scores),
    "epr": lambda labels, scores, tfs: sr.metrics.epr(labels, scores),
    "brier": lambda labels, scores, tfs: sr.metrics.brier(labels, scores),
    "ece": lambda labels, scores, tfs: sr.metrics.ece(labels, scores),
    "per_tf": sr.metrics.per_tf,
    "evaluate": sr.metrics.evaluate,
    "bootstrap": lambda *three: sr.metrics.bootstrap(*three, n_bootstrap=2, rng=RNG),
    "bootstrap_difference": lambda labels, scores, tfs: sr.metrics.bootstrap_difference(
        labels, scores, scores, tfs, n_bootstrap=2, rng=RNG
    ),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (["yes", "no", "yes", "no"], "4 of 4 are something else, such as"),
        ([1, 0, 1, np.nan], "1 of 4 are something else, such as"),
        ([1, 0, 2, 0], "1 of 4"),
        ([1, -1, 1, -1], "2 of 4"),
        ([True, False, None, True], "1 of 4 are something else, such as None"),
        (["1", "0", "1", "0"], "4 of 4"),
        (pd.array([True, False, None, True], dtype="boolean"), "1 of 4"),
    ],
)
def test_labels_by_truth_value_are_refused(call, labels, said):
    with pytest.raises(ValueError, match=f"labels must be True or False.*{said}"):
        CALLS[call](labels, SCORES, TFS)


@pytest.mark.parametrize(
    "labels",
    [
        [1, 0, 1, 0],
        [True, False, True, False],
        [1.0, 0.0, 1.0, 0.0],
        np.array([True, False, 1, 0], dtype=object),
        pd.Series([1, 0, 1, 0], dtype="Int64"),
        pd.Series([True, False, True, False], dtype="boolean"),
        np.ma.array([1, 0, 1, 0], mask=False),
    ],
)
def test_labels_of_all_kinds_of_numbers_and_flags(labels):
    np.testing.assert_array_equal(read_labels(labels), [True, False, True, False])
    assert sr.metrics.auroc(labels, SCORES) == 1.0


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("place", [0, 1])
def test_values_under_a_mask_are_no_data(call, place):
    given = [[1, 0, 1, 0], SCORES, TFS]
    given[place] = np.ma.array(given[place], mask=[0, 0, 0, 1])
    with pytest.raises(ValueError, match=r"is a masked array that hides 1 of 4 values. Drop them"):
        CALLS[call](*given)


@pytest.mark.parametrize("name", ["q_values", "lift"])
def test_probabilities_under_a_mask_are_no_data(name):
    hidden = np.ma.array([0.5, 0.9], mask=[True, False])
    given = (hidden,) if name == "q_values" else ([0.5, 0.5], hidden)
    with pytest.raises(ValueError, match="is a masked array that hides 1 of 2 values"):
        getattr(sr.metrics, name)(*given)


@pytest.mark.parametrize("call", ["per_tf", "evaluate", "bootstrap", "bootstrap_difference"])
@pytest.mark.parametrize(
    ("tfs", "said"),
    [
        (None, "pairs, got None"),
        (["A", "B"], r"pairs, got shape \(2,\)"),
        (["A", "A", None, "B"], "pairs; 1 are missing"),
    ],
)
def test_every_pair_has_a_tf(call, tfs, said):
    argument = "tfs" if call == "per_tf" else "groups"
    with pytest.raises(ValueError, match=f"{argument} must name the TF of each of the 4 {said}"):
        CALLS[call]([1, 0, 1, 0], SCORES, tfs)


def test_text_is_no_score_and_messages_stay_short():
    frame = pd.DataFrame(np.full((1000, 3), "text"))
    with pytest.raises(ValueError, match="scores must be numbers, got a DataFrame of 1,000 × 3"):
        sr.metrics.auroc([1, 0], frame)
