from __future__ import annotations

import numpy as np
import pytest

from scregnet.links.signs import coexpression as module
from scregnet.links.signs.coexpression import Coexpression, KnownCorrelations, Regulons


def test_correlations_are_those_of_numpy(known_signs):
    _, expression = known_signs(coupling=0.5)
    whole, partial = Coexpression.of(expression).block(np.array([3, 5]))
    np.testing.assert_allclose(whole, np.corrcoef(expression)[[3, 5]], atol=1e-5)
    # Given the ten leading components: what a least-squares fit on them leaves.
    left, values, right = np.linalg.svd(expression / np.sqrt(expression.shape[1]))
    rest = expression / np.sqrt(expression.shape[1]) - (left[:, :10] * values[:10]) @ right[:10]
    length = np.linalg.norm(rest, axis=1)
    expected = (rest @ rest.T / np.outer(length, length))[[3, 5]]
    np.testing.assert_allclose(partial, expected, atol=0.02)
    assert np.abs(expected - whole).max() > 0.1


def test_a_cell_type_makes_a_correlation_and_no_partial_one():
    rng = np.random.default_rng(0)
    kind = np.repeat([-1.0, 1.0], 200)
    expression = kind + rng.normal(size=(60, 400))
    expression -= expression.mean(axis=1, keepdims=True)
    whole, partial = Coexpression.of(expression.astype(np.float32)).block(np.arange(60))
    off = ~np.eye(60, dtype=bool)
    assert whole[off].mean() == pytest.approx(0.5, abs=0.05)
    assert abs(partial[off].mean()) < 0.05


def test_an_edge_is_left_out_of_its_own_regulon(known_signs):
    known, expression = known_signs()
    unit = expression / np.linalg.norm(expression, axis=1, keepdims=True)
    seen = np.arange(len(known)) % 3 > 0
    found = KnownCorrelations.of(known, Coexpression.of(expression)).given(seen)[:, 2]
    for edge in (0, 1, 50, 333):
        others = np.flatnonzero(seen & (known.sources == known.sources[edge]))
        others = others[others != edge]
        sign = np.where(known.activates[others], 1, -1)
        total = sign @ unit[known.targets[others]]
        expected = total @ unit[known.targets[edge]] / np.linalg.norm(total)
        assert found[edge] == pytest.approx(expected, abs=1e-5)


def test_a_sign_that_is_not_seen_reaches_no_correlation(known_signs):
    known, expression = known_signs()
    coexpression = Coexpression.of(expression)
    seen = np.arange(len(known)) % 4 > 0
    turned = known.activates.copy()
    turned[~seen] = ~turned[~seen]
    other = type(known)(known.sources, known.targets, turned, known.outside)
    np.testing.assert_array_equal(
        KnownCorrelations.of(known, coexpression).given(seen),
        KnownCorrelations.of(other, coexpression).given(seen),
    )


def test_a_regulon_is_compared_with_all_genes(known_signs):
    known, expression = known_signs()
    regulons = Regulons.of(known, Coexpression.of(expression))
    unit = expression / np.linalg.norm(expression, axis=1, keepdims=True)
    own = known.sources == 4
    total = np.where(known.activates[own], 1, -1) @ unit[known.targets[own]]
    expected = unit @ total / np.linalg.norm(total)
    np.testing.assert_allclose(regulons.block(np.array([4]))[0], expected, atol=1e-5)
    # A gene that regulates nothing has an empty sum.
    assert not regulons.block(np.array([100])).any()


def test_genes_that_do_not_vary_have_no_correlation(known_signs):
    _, expression = known_signs()
    expression[7] = 0
    found = Coexpression.of(expression).block(np.arange(10))
    # The components have rounding errors of their own.
    assert np.abs(found[:, 7]).max() < 1e-6
    assert np.abs(found[:, :, 7]).max() < 1e-6
    assert np.isfinite(found).all()
    assert not Coexpression.of(np.zeros_like(expression)).block(np.arange(3)).any()


def test_many_cells_are_thinned_evenly(monkeypatch, known_signs):
    _, expression = known_signs()
    monkeypatch.setattr(module, "MAX_FEATURES", 20)
    found = Coexpression.of(expression)
    assert found.unit.shape == (120, 20)
    chosen = np.linspace(0, 199, 20).astype(int)
    expected = expression[:, chosen] / np.linalg.norm(expression[:, chosen], axis=1)[:, None]
    np.testing.assert_allclose(found.unit, expected, rtol=1e-5)
    assert found.components.shape == (120, 4)


def test_three_features_have_no_components():
    found = Coexpression.of(np.eye(6, 3, dtype=np.float32))
    assert found.components.shape == (6, 0)
    whole, partial = found.block(np.array([0]))
    np.testing.assert_array_equal(whole, partial)
