from __future__ import annotations

import numpy as np
import pytest

from scregnet.datasets._sergio import (
    basal_rates,
    draw_network,
    hill,
    keep_mask,
    langevin,
    production,
    scale_cells,
    steady_state,
)

# TF 0 is a master regulator; it activates TF 1 (3) and gene 2 (2); TF 1 represses gene 2 (4).
STRENGTHS = np.array([[0.0, 3.0, 2.0], [0.0, 0.0, -4.0]])
BASAL = np.array([[1.0, 0.0, 0.0], [3.0, 0.0, 0.0]])


def test_hill_is_a_half_at_the_half_response() -> None:
    np.testing.assert_allclose(hill(np.array([0.0, 5.0, 10.0]), np.array(5.0), 2.0), [0, 0.5, 0.8])


def test_production_sums_activators_and_repressors() -> None:
    response = np.array([[0.25, 0.5], [1.0, 0.0]])
    expected = [[1.0, 3 * 0.25, 2 * 0.25 + 4 * 0.5], [3.0, 3.0, 2 + 4]]
    np.testing.assert_allclose(production(response, STRENGTHS, BASAL), expected)


def test_steady_state_by_hand() -> None:
    state, half = steady_state(STRENGTHS, np.array([0, 1]), BASAL, 2.0)
    h0 = np.array([1 / 5, 9 / 13])  # x = 1 and 3, half-response their mean 2
    x1 = 3 * h0
    h1 = x1**2 / (x1**2 + x1.mean() ** 2)
    np.testing.assert_allclose(half, [2.0, x1.mean()])
    np.testing.assert_allclose(state, np.stack([[1.0, 3.0], x1, 2 * h0 + 4 * (1 - h1)], axis=1))


def test_langevin_without_noise_stays_at_the_steady_state() -> None:
    state, half = steady_state(STRENGTHS, np.array([0, 1]), BASAL, 2.0)
    kinds = np.array([0, 1, 1])
    end = langevin(
        STRENGTHS,
        BASAL,
        state,
        half,
        kinds,
        coefficient=2.0,
        noise=0.0,
        rng=np.random.default_rng(0),
    )
    np.testing.assert_allclose(end, state[kinds], rtol=1e-5)


@pytest.mark.parametrize("noise", [0.5, 1.0])
def test_langevin_has_the_stationary_moments(noise: float) -> None:
    # Linear: dx = (b - x) dt + q·sqrt(b + x) dW has mean b and variance q²·b.
    basal = np.array([[100.0, 100.0]])
    end = langevin(
        np.zeros((1, 2)),
        basal,
        basal,
        np.ones(1),
        np.zeros(20_000, int),
        coefficient=2.0,
        noise=noise,
        rng=np.random.default_rng(1),
    )
    np.testing.assert_allclose(end.mean(axis=0), 100, rtol=0.005)
    np.testing.assert_allclose(end.var(axis=0), noise**2 * 100, rtol=0.05)


def test_langevin_carries_fluctuations_along_the_edges() -> None:
    # Around its half-response the activated gene follows its TF within one cell type; the
    # unregulated gene does not.
    strengths, basal = np.array([[0.0, 40.0, 0.0]]), np.array([[20.0, 0.0, 20.0]])
    state, half = steady_state(strengths, np.array([0]), basal, 2.0)
    end = langevin(
        strengths,
        basal,
        state,
        half,
        np.zeros(2000, int),
        coefficient=2.0,
        noise=1.0,
        rng=np.random.default_rng(0),
    )
    correlation = np.corrcoef(end.T)[0]
    assert correlation[1] > 0.35
    assert abs(correlation[2]) < 0.08
    assert (end >= 0).all()


def test_network_order_and_masters() -> None:
    strengths, order = draw_network(20, 200, 3.0, 0.25, np.random.default_rng(0))
    position = np.argsort(order)
    source, target = np.nonzero(strengths[:, :20])
    assert len(source) > 10
    assert (position[source] < position[target]).all()
    assert set(np.flatnonzero(~strengths.any(axis=0))) == set(order[:5])
    assert strengths.any(axis=1).all()
    assert (strengths != 0).sum(axis=0).max() <= 10
    rates = basal_rates(strengths, 4, np.random.default_rng(0))
    assert set(np.flatnonzero(rates.any(axis=0))) == set(order[:5])
    high = (rates[:, order[:5]] >= 1).sum(axis=0)
    assert (high >= 1).all()
    assert (high <= 2).all()


def test_scale_cells() -> None:
    rng = np.random.default_rng(0)
    scaled = scale_cells(rng.random((4001, 5)), 100.0, 0.5, rng)
    totals = scaled.sum(axis=1)
    assert np.median(totals) == pytest.approx(100, rel=0.03)
    assert np.log(totals).std() == pytest.approx(0.5, rel=0.05)
    assert not scale_cells(np.zeros((2, 3)), 100.0, 0.5, rng).any()


def test_keep_mask_follows_the_logistic() -> None:
    # log1p: 0, 1, 2, 3, 4 times log 2
    expected = np.repeat([[0.0, 1.0, 3.0, 7.0, 15.0]], 20_000, axis=0)
    kept = keep_mask(expected, 50.0, 2.0, np.random.default_rng(0)).mean(axis=0)
    np.testing.assert_allclose(
        kept, 1 / (1 + np.exp(-2 * np.log(2) * np.arange(-2, 3))), atol=0.015
    )
