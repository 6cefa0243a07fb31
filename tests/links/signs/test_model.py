from __future__ import annotations

import numpy as np
import pytest

from scregnet.links.signs.coexpression import Coexpression, KnownCorrelations
from scregnet.links.signs.known import KnownSigns
from scregnet.links.signs.model import SignModel, UsualSign


def test_a_tf_that_represses_has_a_negative_effect(known_signs):
    known, _ = known_signs(tf=2.0)
    model = SignModel.fit(known, None)
    share = np.array([known.activates[known.sources == tf].mean() for tf in range(20)])
    assert np.corrcoef(model.tf[:20], share)[0, 1] > 0.9
    assert not model.tf[20:].any()
    low, high = np.argmin(share), np.argmax(share)
    target = np.array([100])
    p = [float(model.of_pairs(np.array([tf]), target, None)[0]) for tf in (low, high)]
    assert p[0] < 0.5 < 0.8 < p[1]


def test_edges_outside_tell_of_a_tf_and_of_a_target(known_signs):
    known, _ = known_signs()
    outside = known.outside.copy()
    outside[0, 1] = 40
    outside[60, 3] = 40
    plain = SignModel.fit(known, None)
    found = SignModel.fit(KnownSigns(known.sources, known.targets, known.activates, outside), None)
    assert found.tf[0] < plain.tf[0] - 1
    assert found.target[60] < plain.target[60] - 0.5
    # All TFs move with the bias; their differences stay.
    assert np.diff(found.tf[1:20]) == pytest.approx(np.diff(plain.tf[1:20]), abs=0.2)


def test_counts_outside_are_that_many_edges(known_signs):
    known, _ = known_signs()
    outside = known.outside.copy()
    outside[0, 1] = 5
    counted = SignModel.fit(
        KnownSigns(known.sources, known.targets, known.activates, outside), None
    )
    # The same as five edges of TF 0 to genes that have no effect: one gene each, which is new.
    n = known.n_genes
    more = KnownSigns(
        np.append(known.sources, np.zeros(5, np.int32)),
        np.append(known.targets, n + np.arange(5, dtype=np.int32)),
        np.append(known.activates, np.zeros(5, bool)),
        np.zeros((n + 5, 4), np.int32),
    )
    spelled = SignModel.fit(more, None)
    # Their targets take a part of the effect, so it is close and not equal.
    assert counted.tf[0] == pytest.approx(spelled.tf[0], abs=0.1)


def test_expression_decides_where_signs_follow_it(known_signs):
    known, expression = known_signs(coupling=0.6)
    coexpression = Coexpression.of(expression)
    z = KnownCorrelations.of(known, coexpression).given(np.ones(len(known), bool))
    model = SignModel.fit(known, z)
    assert model.weights[0] > 0
    p = model.of_pairs(known.sources, known.targets, z)
    assert p[known.activates].mean() - p[~known.activates].mean() > 0.3
    # A block is the same pairs.
    whole = [*coexpression.block(np.array([2])), np.zeros((1, 120), np.float32)]
    pairs = np.full(120, 2), np.arange(120)
    np.testing.assert_allclose(
        model.of_block(np.array([2]), whole)[0],
        model.of_pairs(*pairs, np.concatenate(whole).T),
        rtol=1e-5,
    )


def test_the_usual_sign_is_a_shrunk_share():
    sources = np.array([0, 0, 0, 1], np.int32)
    known = KnownSigns(
        sources,
        np.array([2, 3, 4, 2], np.int32),
        np.array([True, False, False, True]),
        np.array([[0, 2, 9, 9], *[[0, 0, 0, 0]] * 4], np.int32),
    )
    # Two of six edges activate; two edges of that share are added to each TF.
    np.testing.assert_allclose(
        UsualSign.fit(known).rates, [(1 + 2 / 3) / 7, (1 + 2 / 3) / 3, *[1 / 3] * 3], rtol=1e-6
    )
