from __future__ import annotations

import numpy as np
import pytest

from scregnet.links import load_fitted
from scregnet.links.registry import TRANSFER
from scregnet.links.transfer.links import TransferLinks
from scregnet.links.transfer.weights import unit_weights


@pytest.fixture(params=[("popularity", "track"), ("near", "detection")])
def links(request, new):
    return TransferLinks(new[0], unit_weights(1, request.param))


def test_a_score_is_the_sum_of_the_weighted_columns(links):
    tf, target = 4, 77
    expected = links.weights @ links.columns.of_tf(tf)[:, target]
    assert links.score(np.array([tf]), np.array([target]))[0] == pytest.approx(expected, abs=1e-5)


def test_the_order_of_the_pairs_does_not_matter(links):
    rng = np.random.default_rng(0)
    sources, targets = rng.integers(0, 12, 500), rng.integers(0, 200, 500)
    scores = links.score(sources, targets)
    order = rng.permutation(500)
    np.testing.assert_array_equal(links.score(sources[order], targets[order]), scores[order])
    assert links.score(sources[:0], targets[:0]).shape == (0,)


def test_round_trip(links):
    state = links.state()
    again = load_fitted(TRANSFER, state)
    sources, targets = np.repeat(np.arange(12), 200), np.tile(np.arange(200), 12)
    np.testing.assert_array_equal(again.score(sources, targets), links.score(sources, targets))
    # A profile takes most of the room, and is kept only where a weight needs it.
    assert (state["profile_0"].shape[1] > 0) == (links.weights[2] != 0)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("weights", np.ones(3, np.float32)),
        ("weights", np.full(8, np.nan, np.float32)),
        ("of_targets", np.ones((2, 200), np.float32)),
        ("profile_0", np.ones((5, 8), np.float32)),
        ("layer_0_covered", np.ones(3, bool)),
    ],
)
def test_what_does_not_fit_is_refused(links, name, value):
    with pytest.raises(ValueError, match=name):
        TransferLinks.from_state(links.state() | {name: value})
