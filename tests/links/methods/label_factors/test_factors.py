import numpy as np
import pytest
import scipy.sparse as sp
from scipy.special import expit

from scregnet.links import Pairs
from scregnet.links.methods.label_factors import factors
from scregnet.links.methods.label_factors.compiled import ridge_regressions, solved_systems
from scregnet.links.methods.label_factors.factors import (
    TF_BIAS_PRECISION,
    FactorPrior,
    factorise,
)
from scregnet.links.methods.label_factors.label_matrix import SPARSE_COST, LabelMatrix


def make_pairs(seed=0, n_tfs=12, n_targets=150, strength=2.0, share=0.7):
    """Pairs whose labels follow biases and two factors; a share of the matrix is known."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(-1, 1, (n_tfs, 1)) + rng.normal(0, 1, n_targets)
    logits = logits + strength * rng.normal(size=(n_tfs, 2)) @ rng.normal(size=(2, n_targets))
    sources, targets = np.nonzero(rng.random(logits.shape) < share)
    labels = rng.random(len(sources)) < expit(logits[sources, targets])
    return Pairs(sources + 5, targets + 40, labels)


def prior(rank, variational=False, n_iterations=20, precision=4.0):
    return FactorPrior(rank, precision, 2.0, variational, n_iterations)


def fit(pairs, rank, variational=False, sparse_cost=SPARSE_COST, **more):
    labels = LabelMatrix.of(pairs, sparse_cost=sparse_cost)
    return factorise(labels, prior(rank, variational, **more))


def test_the_matrix_holds_the_labels():
    labels = LabelMatrix.of(
        Pairs(np.array([7, 3, 7]), np.array([1, 9, 9]), np.array([True, False, False]))
    )
    assert labels.sources.tolist() == [3, 7]
    assert labels.targets.tolist() == [1, 9]
    np.testing.assert_array_equal(labels.known, [[0, 1], [1, 1]])
    np.testing.assert_array_equal(labels.centred, [[0, -0.5], [0.5, -0.5]])
    assert labels.n_pairs == 3
    assert labels.mean_logit == pytest.approx(np.log(1.5 / 2.5))


def test_few_pairs_make_a_sparse_matrix_with_the_same_labels():
    given = Pairs(
        np.array([7, 3, 7, 3]), np.array([1, 9, 9, 9]), np.array([True, True, False, False])
    )
    full = LabelMatrix.of(given)
    sparse = LabelMatrix.of(given, sparse_cost=0.5)
    assert sp.issparse(sparse.known)
    # The pair that is given twice counts once, with its last label.
    assert sparse.n_pairs == full.n_pairs == 3
    assert sparse.mean_logit == full.mean_logit
    for name in ("known", "centred"):
        np.testing.assert_array_equal(getattr(sparse, name).toarray(), getattr(full, name))
        np.testing.assert_array_equal(
            getattr(sparse.every(2), name).toarray(), getattr(full.every(2), name)
        )


@pytest.mark.parametrize(("rank", "variational"), [(0, True), (3, True), (3, False)])
def test_sparse_and_full_matrices_have_the_same_factors(rank, variational):
    pairs = make_pairs(share=0.3)
    full = fit(pairs, rank, variational, precision=1.0)
    sparse = fit(pairs, rank, variational, sparse_cost=1, precision=1.0)
    assert full.source_vectors.shape == sparse.source_vectors.shape
    np.testing.assert_allclose(
        sparse.source_vectors @ sparse.target_vectors.T,
        full.source_vectors @ full.target_vectors.T,
        atol=2e-3,
    )


def test_products_of_known_cells_are_those_of_the_whole_matrix():
    labels = LabelMatrix.of(make_pairs(share=0.3), sparse_cost=1)
    rng = np.random.default_rng(0)
    left, right = (rng.normal(size=(n, 3)) for n in labels.known.shape)
    found = labels.dot(left, right)
    assert len(found) == labels.n_pairs > 100
    np.testing.assert_allclose(
        found, (left @ right.T)[labels.known.nonzero()], rtol=1e-4, atol=1e-6
    )


@pytest.mark.parametrize("variational", [False, True])
def test_of_a_large_matrix_a_part_finds_nearly_the_same_factors(variational):
    pairs = make_pairs(n_tfs=30, n_targets=900)
    whole = fit(pairs, 2, variational, n_iterations=40, precision=1.0)
    part = factorise(
        LabelMatrix.of(pairs),
        prior(2, variational, n_iterations=40, precision=1.0),
        cells_solved=30 * 300,
    )
    found, wanted = (expit(f.source_vectors @ f.target_vectors.T) for f in (part, whole))
    assert 0 < np.abs(found - wanted).mean() < 0.02


def test_factors_that_the_labels_do_not_call_for_are_dropped():
    assert fit(make_pairs(strength=0), 3, precision=9.0).source_vectors.shape == (12, 2)
    assert fit(make_pairs(strength=2), 3, precision=2.0).source_vectors.shape[1] > 2


@pytest.mark.parametrize("rank", [0, 3])
def test_the_point_estimate_is_a_mode_of_the_posterior(rank):
    pairs = make_pairs()
    labels = LabelMatrix.of(pairs)
    found = fit(pairs, rank, n_iterations=2000)
    x, z = found.source_vectors.astype(float), found.target_vectors.astype(float)
    residual = labels.centred + labels.known * (0.5 - expit(x @ z.T))
    gradients = {
        "TF factors": residual @ z[:, :rank] - 4.0 * x[:, :rank],
        "target factors": residual.T @ x[:, :rank] - 4.0 * z[:, :rank],
        "TF biases": residual.sum(1) - TF_BIAS_PRECISION * x[:, rank],
        "target biases": residual.sum(0) - 2.0 * (z[:, rank + 1] - z[:, rank + 1].mean()),
    }
    for name, gradient in gradients.items():
        assert np.abs(gradient).max(initial=0) < 2e-3, name
    assert x.shape[1] == rank + 2
    if rank:
        assert np.abs(x[:, :rank]).max() > 0.1
    np.testing.assert_array_equal(x[:, rank + 1], 1)
    np.testing.assert_array_equal(z[:, rank], 1)


def test_the_variational_mean_keeps_the_factors_that_are_there():
    planted = fit(
        make_pairs(n_tfs=30, n_targets=400), 6, variational=True, precision=0.3, n_iterations=60
    )
    nothing = fit(
        make_pairs(n_tfs=30, n_targets=400, strength=0),
        6,
        variational=True,
        precision=0.3,
        n_iterations=60,
    )
    sizes = [
        np.sort(np.linalg.svd(f.source_vectors[:, :-2] @ f.target_vectors[:, :-2].T)[1])[::-1]
        for f in (planted, nothing)
    ]
    assert sizes[0][1] > 4 * sizes[0][2]
    assert sizes[0][1] > 2 * sizes[1][0]


def test_factors_tell_unseen_cells_apart():
    pairs = make_pairs(share=1.0, n_tfs=40, n_targets=400)
    held = np.random.default_rng(1).random(len(pairs)) < 0.3
    errors = {}
    for rank, variational in ((0, False), (2, False), (2, True)):
        found = fit(
            pairs.take(~held), rank, variational=variational, precision=1.0, n_iterations=40
        )
        logits = (
            found.source_vectors[pairs.sources[held] - 5]
            * found.target_vectors[pairs.targets[held] - 40]
        ).sum(1)
        errors[rank, variational] = np.mean(
            np.logaddexp(0, np.where(pairs.labels[held], -1, 1) * logits)
        )
    assert errors[2, False] < 0.8 * errors[0, False]
    assert errors[2, True] < 0.8 * errors[0, False]


@pytest.mark.parametrize("variational", [False, True])
@pytest.mark.parametrize(
    "pairs",
    [
        Pairs(np.array([0]), np.array([1]), np.array([True])),
        Pairs(np.zeros(20, int), np.arange(20), np.arange(20) < 3),
        Pairs(np.arange(20), np.zeros(20, int), np.arange(20) < 3),
        Pairs(np.arange(6), np.arange(6), np.zeros(6, bool)),
    ],
    ids=["one pair", "one TF", "one target", "no edge"],
)
def test_little_to_go_by_stays_finite(pairs, variational):
    found = fit(pairs, 5, variational=variational)
    assert np.isfinite(found.source_vectors).all()
    assert np.isfinite(found.target_vectors).all()
    assert np.abs(found.source_vectors @ found.target_vectors.T).max() < 10


def test_a_gene_with_few_cells_is_solved_from_its_cells():
    # Six cells and ten free columns: the system of the cells gives what that of the columns would.
    rng = np.random.default_rng(0)
    n, width = 6, 11
    vectors = rng.normal(size=(20, width)).astype(np.float32)
    rows = rng.permutation(20)[:n].astype(np.int32)
    weights = rng.uniform(0.1, 0.25, n).astype(np.float32)
    centred = rng.choice([-0.5, 0.5], n).astype(np.float32)
    free, other = np.array([*range(width - 2), width - 1]), width - 2
    penalties, pull = rng.uniform(1, 5, len(free)), 0.7
    place = np.arange(width**2).reshape(width, -1)
    few = (np.array([0, 2, n], np.int32), rows, np.arange(n, dtype=np.int32))
    found = ridge_regressions(
        few,
        weights,
        centred,
        vectors,
        np.empty((0, 0), np.float32),
        place,
        free,
        other,
        penalties,
        pull,
        np.empty((0, len(free), len(free))),
    )
    for gene, here in enumerate((slice(0, 2), slice(2, n))):
        z, own = vectors[rows[here]].astype(np.float64), weights[here].astype(np.float64)
        system = (z[:, free].T * own) @ z[:, free] + np.diag(penalties)
        wanted = z[:, free].T @ (centred[here] - own * z[:, other])
        wanted[-1] += pull
        np.testing.assert_allclose(found[gene], np.linalg.solve(system, wanted), rtol=1e-5)


@pytest.mark.parametrize("variational", [False, True])
def test_tiles_give_what_the_whole_matrix_does(variational, monkeypatch):
    pairs = make_pairs()
    whole = fit(pairs, 3, variational)
    monkeypatch.setattr(factors, "TILE", 400)
    tiled = fit(pairs, 3, variational)
    for name in ("source_vectors", "target_vectors"):
        np.testing.assert_allclose(getattr(tiled, name), getattr(whole, name), atol=2e-4)


def test_the_system_of_each_gene_is_solved():
    rng = np.random.default_rng(0)
    n, n_genes = 4, 3
    halves = rng.normal(size=(n_genes, n, 6))
    systems = halves @ halves.transpose(0, 2, 1)
    upper = np.triu_indices(n)
    place = np.zeros((n, n), int)
    place[upper] = place.T[upper] = np.arange(len(upper[0]))
    wanted, penalties = rng.normal(size=(n_genes, n)), rng.uniform(1, 2, n)
    whole = systems + np.diag(penalties)
    found, inverses = wanted.copy(), np.empty((n_genes, n, n))
    solved_systems(systems[:, upper[0], upper[1]], found, place, penalties, inverses)
    np.testing.assert_allclose(found, np.linalg.solve(whole, wanted[:, :, None])[:, :, 0])
    np.testing.assert_allclose(inverses, np.linalg.inv(whole))
