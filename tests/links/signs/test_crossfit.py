from __future__ import annotations

import numpy as np
import pytest

from scregnet.links.signs import crossfit
from scregnet.links.signs.coexpression import Coexpression, KnownCorrelations
from scregnet.links.signs.crossfit import Held, can_be_predicted, hold_out_edges, hold_out_tfs
from scregnet.links.signs.known import KnownSigns


def rng():
    return np.random.default_rng(0)


def correlations(known, expression):
    return KnownCorrelations.of(known, Coexpression.of(expression))


def turned(known, which):
    return KnownSigns(known.sources, known.targets, known.activates ^ which, known.outside)


def test_no_probability_depends_on_the_edge_s_own_sign(known_signs):
    known, expression = known_signs(tf=1.0, coupling=0.3)
    held = np.arange(len(known)) % 5 == 2
    names = ("expression", "labels", "usual_sign", "base")
    both = []
    for one in (known, turned(known, held)):
        found = {name: np.zeros(len(known), np.float32) for name in names}
        crossfit._predict(found, one, one.take(~held), correlations(one, expression), held)
        both.append(found)
    for name in names:
        np.testing.assert_array_equal(both[0][name], both[1][name])
        assert (both[0][name][held] > 0).all()
        assert not both[0][name][~held].any()


def test_no_probability_of_a_held_out_tf_depends_on_any_of_its_signs(known_signs):
    known, expression = known_signs(tf=1.0, outside=6)
    own = known.sources == 3
    other = turned(known, own)
    outside = known.outside.copy()
    outside[3, :2] = outside[3, 1::-1]
    other = KnownSigns(other.sources, other.targets, other.activates, outside)
    found = [hold_out_tfs(one, correlations(one, expression), rng()) for one in (known, other)]
    for name, values in found[0].probabilities.items():
        np.testing.assert_array_equal(values[own], found[1].probabilities[name][own])
    assert set(found[0].probabilities) == {"expression", "labels", "base"}


def test_the_better_model_is_found(known_signs):
    known, expression = known_signs(tf=2.0)
    assert hold_out_edges(known, None, rng()).best() in ("labels", "usual_sign")
    assert hold_out_tfs(known, None, rng()).best() is None
    known, expression = known_signs(coupling=0.6)
    assert hold_out_edges(known, correlations(known, expression), rng()).best() == "expression"
    assert hold_out_tfs(known, correlations(known, expression), rng()).best() == "expression"


@pytest.mark.parametrize("seed", range(4))
def test_random_signs_are_not_predicted(known_signs, seed):
    known, expression = known_signs(seed)
    assert hold_out_edges(known, correlations(known, expression), rng()).best() is None
    assert hold_out_tfs(known, correlations(known, expression), rng()).best() is None


def test_the_gain_takes_tfs_as_units():
    # Four TFs with two edges each; the model is right of all edges of three.
    sources = np.repeat(np.arange(4, dtype=np.int32), 2)
    activates = np.tile([True, False], 4)
    known = KnownSigns(sources, sources + 4, activates, np.zeros((8, 4), np.int32))
    p = np.where(activates, 0.8, 0.2).astype(np.float32)
    p[6:] = 1 - p[6:]
    held = Held({"labels": p, "base": np.full(8, 0.3, np.float32)}, known)
    saved = np.repeat([np.log(0.8), np.log(0.2)], [6, 2]) - np.log(0.5)
    mean = saved.mean()
    by_tf = saved.reshape(4, 2).sum(axis=1) - 2 * mean
    # Student's t with 3 degrees of freedom.
    half = 3.1824 * np.sqrt(4 / 3 * (by_tf**2).sum()) / 8
    assert held.gain("labels") == pytest.approx((mean, mean - half, mean + half), rel=1e-4)
    assert held.gain("base") == (0, 0, 0)
    assert held.best() is None


def test_evidence_is_free_of_the_share_of_a_fold():
    known = KnownSigns(
        np.zeros(2, np.int32),
        np.array([1, 2], np.int32),
        np.array([True, False]),
        np.zeros((3, 4), np.int32),
    )
    p = {"labels": np.array([0.9, 0.5]), "base": np.array([0.9, 0.8])}
    np.testing.assert_allclose(Held(p, known).evidence("labels"), [0, -np.log(4)], atol=1e-9)


@pytest.mark.parametrize(
    ("n", "repress", "enough"), [(20, 5, True), (20, 4, False), (20, 16, False), (19, 8, False)]
)
def test_few_signs_are_not_enough(n, repress, enough):
    activates = np.arange(n) >= repress
    genes = np.arange(n, dtype=np.int32)
    known = KnownSigns(genes, genes + n, activates, np.zeros((2 * n, 4), np.int32))
    assert can_be_predicted(known) == enough


def test_repression_by_one_tf_alone_is_not_held_out(known_signs):
    known, _ = known_signs()
    one = KnownSigns(known.sources, known.targets, known.sources != 2, known.outside)
    assert hold_out_tfs(one, None, rng()) is None
    # All that is gained comes from one TF, so other TFs may not gain at all.
    mean, low, _ = hold_out_edges(one, None, rng()).gain("usual_sign")
    assert low < 0 < mean
