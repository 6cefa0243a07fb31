"""The operator against the covariance of all pairs written out."""

import numpy as np
import pytest

from scregnet.links.methods.joint.covariance import PairCovariance, Variances
from scregnet.links.methods.joint.laplace import LogisticObjective, laplace_mode

TFS = np.array([0, 2, 5])
N_GENES = 9


@pytest.fixture
def problem(as_pairs):
    rng = np.random.default_rng(0)
    features = rng.normal(size=(N_GENES, 4)).astype(np.float32) / 2
    root = rng.normal(size=(3, 3)).astype(np.float32)
    known = rng.random((3, N_GENES)) < 0.7
    pairs = as_pairs(rng.random((3, N_GENES)) < 0.4, known)
    return pairs, features, root @ root.T, known


# Each alone, and all together: a term that is lost or counted twice shows.
TERMS = ("tf", "target", "target_smooth", "own", "similar", "joint", "joint_smooth")


# Before TFs are known to be like each other, their likeness is zero: a shorter way of its own.
@pytest.mark.parametrize("are_alike", [True, False])
@pytest.mark.parametrize("terms", [*[(name,) for name in TERMS], TERMS], ids="-".join)
def test_it_is_the_formula_written_out(problem, terms, are_alike):
    pairs, features, likeness, known = problem
    likeness = likeness * are_alike
    v = Variances(**{name: 0.5 + n if name in terms else 0.0 for n, name in enumerate(TERMS)})
    kernel = features @ features.T
    between_tfs, same_tf, same_gene = kernel[np.ix_(TFS, TFS)], np.eye(3), np.eye(N_GENES)
    written = (
        v.tf * np.einsum("tu,gh->tguh", same_tf, np.ones_like(same_gene))
        + np.einsum("tu,gh->tguh", v.target + v.joint * likeness, same_gene)
        + v.target_smooth * np.einsum("tu,gh->tguh", np.ones((3, 3)), kernel)
        + v.own * np.einsum("tu,gh->tguh", same_tf, kernel)
        + v.similar * np.einsum("tu,gh->tguh", between_tfs, kernel)
        + v.joint_smooth * np.einsum("tu,gh->tguh", likeness, kernel)
    )[known][:, known]
    values = np.random.default_rng(1).normal(size=known.sum()).astype(np.float32)
    found = PairCovariance.of(pairs, features, TFS, likeness, v) @ as_values(pairs, known, values)
    np.testing.assert_allclose(at_known(found, known), written @ values, rtol=1e-4, atol=1e-4)


def test_components_have_weights_and_evidence_has_slopes(problem):
    pairs, features, likeness, known = problem
    rng = np.random.default_rng(3)
    scale = rng.uniform(0, 2, features.shape[1]).astype(np.float32)
    columns = rng.normal(size=(2, *known.shape)).astype(np.float32)
    nothing = dict.fromkeys(TERMS, 0.0)
    v = Variances(**(nothing | {"target_smooth": 0.7, "evidence_slopes": 1.3}))
    flat = columns[:, known]
    kernel = (features * scale) @ features.T
    written = 0.7 * np.einsum("tu,gh->tguh", np.ones((3, 3)), kernel)[known][:, known]
    written = written + 1.3 * flat.T @ flat
    values = rng.normal(size=known.sum()).astype(np.float32)
    covariance = PairCovariance.of(
        pairs,
        features,
        TFS,
        likeness,
        v,
        scale=scale,
        columns=[as_values(pairs, known, column) for column in flat],
    )
    found = covariance @ as_values(pairs, known, values)
    np.testing.assert_allclose(at_known(found, known), written @ values, rtol=1e-4, atol=1e-4)


def test_the_preconditioner_inverts_the_biases_of_the_tfs(problem):
    pairs, features, likeness, known = problem
    nothing = dict.fromkeys(TERMS, 0.0)
    covariance = PairCovariance.of(
        pairs, features, TFS, likeness, Variances(**(nothing | {"tf": 3.0}))
    )
    rng = np.random.default_rng(2)
    root, values = rng.uniform(0.1, 0.5, known.sum()), rng.normal(size=known.sum())
    root, values = (as_values(pairs, known, a.astype(np.float32)) for a in (root, values))
    solved = covariance.preconditioner(root) @ values
    again = solved + root * (covariance @ (root * solved))
    np.testing.assert_allclose(at_known(again, known), at_known(values, known), atol=1e-5)


def as_values(pairs, known, numbers):
    """Numbers of the known pairs as values of either kind of pairs."""
    if pairs.known.ndim == 1:
        return numbers
    whole = np.zeros(known.shape, np.float32)
    whole[known] = numbers
    return whole


def at_known(values, known):
    return values if values.ndim == 1 else values[known]


class Counted:
    """A covariance that counts its products, with or without its preconditioner."""

    def __init__(self, covariance, *, preconditioned):
        self.covariance, self.preconditioned, self.n_products = covariance, preconditioned, 0

    def __matmul__(self, values):
        self.n_products += 1
        return self.covariance @ values

    def preconditioner(self, root):
        return self.covariance.preconditioner(root) if self.preconditioned else Identity()


class Identity:
    def __matmul__(self, values):
        return values


def test_the_preconditioner_saves_products_of_newtons_method(as_pairs):
    # Twenty TFs of rare edges, and large variances.
    rng = np.random.default_rng(1)
    features = rng.normal(size=(200, 8)).astype(np.float32) / 2
    known = np.ones((20, 200), bool)
    pairs = as_pairs(rng.random((20, 200)) < 0.05, known)
    v = Variances(tf=30.0, target=10.0, own=3.0, joint=20.0, joint_smooth=5.0)
    covariance = PairCovariance.of(pairs, features, np.arange(20), np.eye(20, dtype=np.float32), v)
    objective = LogisticObjective(pairs.labels.astype(np.float32), pairs.known, np.float32(-3))
    n_products = {}
    for preconditioned in (False, True):
        counted = Counted(covariance, preconditioned=preconditioned)
        laplace_mode(
            counted,
            objective,
            start=np.zeros(pairs.known.shape, np.float32),
            max_newton=20,
            max_cg=100,
            tolerance=1e-2,
        )
        n_products[preconditioned] = counted.n_products
    assert n_products[True] < 0.9 * n_products[False]
