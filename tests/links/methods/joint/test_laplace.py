"""Newton's method on a covariance that is written out."""

import numpy as np
import pytest
from scipy.special import expit

from scregnet.links.methods.joint.laplace import (
    LogisticObjective,
    conjugate_gradients,
    laplace_mode,
)

EXACT = {"max_newton": 300, "max_cg": 1000, "tolerance": 1e-7}
N = 60


class Dense:
    """A covariance as a matrix; it counts its products."""

    def __init__(self, matrix, *, preconditioned=True):
        self.matrix, self.preconditioned, self.n_products = matrix, preconditioned, 0

    def __matmul__(self, values):
        self.n_products += 1
        return self.matrix @ values

    def preconditioner(self, root):
        scaled = root[:, None] * self.matrix * root
        return np.linalg.inv(np.eye(N) + scaled) if self.preconditioned else np.eye(N)


class Counted(LogisticObjective):
    """An objective that counts what it is asked for."""

    calls: list

    def loss(self, weights, logits):
        self.calls.append("loss")
        return super().loss(weights, logits)

    def expand(self, logits):
        self.calls.append("expand")
        return super().expand(logits)


@pytest.fixture
def problem():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(N, 12))
    covariance = features @ features.T + np.eye(N)
    known = rng.random(N) < 0.8
    labels = ((rng.random(N) < 0.2) & known).astype(np.float32)
    # As for pairs, the covariance is that of the known ones; the others count nothing.
    covariance[~known] = covariance[:, ~known] = 0
    return covariance, LogisticObjective(labels, known, np.float32(-1))


def mode(covariance, objective, **limits):
    start = np.zeros(N)
    return laplace_mode(covariance, objective, start=start, **(EXACT | limits))


def test_at_the_mode_a_weight_is_the_label_less_the_probability(problem):
    covariance, objective = problem
    weights, last_change = mode(Dense(covariance), objective)
    logits = -1 + covariance @ weights
    known = objective.known
    np.testing.assert_allclose(weights[known], (objective.labels - expit(logits))[known], atol=1e-4)
    assert not weights[~known].any()
    assert last_change < 1e-3
    assert np.ptp(logits) > 2


def test_the_loss_is_least_at_the_mode(problem):
    covariance, objective = problem
    weights = mode(Dense(covariance), objective).weights
    rng = np.random.default_rng(1)
    least = objective.loss(weights, -1 + covariance @ weights)
    for _ in range(20):
        other = weights + 0.05 * rng.normal(size=N) * objective.known
        assert objective.loss(other, -1 + covariance @ other) > least


def test_gradient_and_curvature_are_derivatives(problem):
    _, objective = problem
    logits = np.linspace(-3, 3, N)
    gradient, root = objective.expand(logits)
    nothing, step = np.zeros(N), 1e-4
    known = np.flatnonzero(objective.known)
    for entry in known[::7]:
        ahead, back = logits.copy(), logits.copy()
        ahead[entry] += step
        back[entry] -= step
        slope = -(objective.loss(nothing, ahead) - objective.loss(nothing, back)) / (2 * step)
        assert gradient[entry] == pytest.approx(slope, abs=1e-4)
    np.testing.assert_allclose(root[known] ** 2, (expit(logits) * expit(-logits))[known], rtol=1e-6)
    assert not root[~objective.known].any()


def test_steps_that_overshoot_are_halved(problem):
    covariance, objective = problem
    counted = Counted(objective.labels, objective.known, objective.mean)
    object.__setattr__(counted, "calls", [])
    # A prior mean far from the labels: the first steps lead to saturated logits.
    object.__setattr__(counted, "mean", np.float32(6))
    found = mode(Dense(300 * covariance), counted)
    # One loss for the start and one for each step, and more where a step is halved.
    assert counted.calls.count("loss") > counted.calls.count("expand") + 1
    assert np.isfinite(found.weights).all()


def test_the_preconditioner_saves_products(problem):
    covariance, objective = problem
    plain, preconditioned = Dense(covariance, preconditioned=False), Dense(covariance)
    one, other = mode(plain, objective), mode(preconditioned, objective)
    np.testing.assert_allclose(other.weights, one.weights, atol=1e-4)
    assert preconditioned.n_products < 0.5 * plain.n_products


def test_a_search_that_is_cut_short_says_how_far_it_was(problem):
    covariance, objective = problem
    assert mode(Dense(covariance), objective, max_newton=1).last_change > 0.3


def test_conjugate_gradients_solve_a_system():
    rng = np.random.default_rng(3)
    root = rng.normal(size=(N, N)) / 4
    scaled, right = root @ root.T, rng.normal(size=N)
    found = conjugate_gradients(
        scaled,
        right,
        start=np.zeros(N),
        preconditioner=np.eye(N),
        max_cg=500,
        tolerance=1e-10,
    )
    np.testing.assert_allclose(found, np.linalg.solve(np.eye(N) + scaled, right), atol=1e-8)
    # Two steps are not enough, and no more are taken.
    short = conjugate_gradients(
        scaled, right, start=np.zeros(N), preconditioner=np.eye(N), max_cg=2, tolerance=1e-10
    )
    assert np.abs(short - found).max() > 1e-3
