"""All folds of the joint model at once."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit

from scregnet._settings import settings
from scregnet.links import Pairs, PlattCalibration
from scregnet.links.methods.joint import crossed, described
from scregnet.links.methods.joint import method as joint
from scregnet.links.methods.joint.forest import forest_logits
from scregnet.links.methods.joint.method import Joint
from scregnet.links.methods.joint.pairs import known_pairs, places_of
from scregnet.links.pairs.folds import assign_folds
from scregnet.links.task import LinkTask
from scregnet.metrics import evaluate

SMALL = {"n_trees": 20, "n_forest_trees": 20}


def closed_world(n_tfs=12, n_genes=120, seed=0):
    """Pairs whose labels hang on the likeness of profiles and on popularity."""
    rng = np.random.default_rng(seed)
    profiles = rng.standard_normal((n_genes, 6)).astype(np.float32)
    sources, targets = np.divmod(np.arange(n_tfs * n_genes), n_genes)
    keep = sources != targets
    sources, targets = sources[keep].astype(np.int32), targets[keep].astype(np.int32)
    logits = (profiles[sources] * profiles[targets]).sum(1) - 2 + 1.5 * profiles[targets, 0]
    pairs = Pairs(sources, targets, rng.random(len(sources)) < expit(logits))
    summary = np.abs(rng.standard_normal((n_genes, 3))).astype(np.float32)
    none = pairs.take(np.zeros(len(pairs), bool))
    return LinkTask(n_genes, pairs, none, expression=profiles, summary=summary)


def out_of_fold(task, folds, **how):
    """Return the calibrated logits of all pairs, each by the fit that never saw its fold."""
    pairs = task.train
    logits = np.zeros(folds.shape)
    for fit in Joint(**SMALL, **how).fit_folds(task, folds, rng=np.random.default_rng(0)):
        own = folds[:, fit.repeat] == fit.fold
        assert not own[fit.places].any()
        calibration = PlattCalibration.fit(
            fit.scores, pairs.labels[fit.places], weights=fit.weights
        )
        scores = fit.links.score(pairs.sources[own], pairs.targets[own])
        logits[own, fit.repeat] = calibration.slope * scores + calibration.intercept
    return logits


@pytest.fixture(scope="module")
def world():
    task = closed_world()
    rng = np.random.default_rng(1)
    folds = np.stack([assign_folds(task.train, 4, rng=rng) for _ in range(2)], axis=1)
    return task, folds, out_of_fold(task, folds)


@pytest.mark.parametrize("dense_cells", [10**6, 0])
def test_places_lead_back_to_the_pairs(dense_cells):
    pairs = closed_world().train.take(np.random.default_rng(0).permutation(1428)[:900])
    tfs, known = known_pairs(pairs, 120, dense_cells=dense_cells)
    place = places_of(pairs, tfs, known)
    there = known.known
    row, targets = known.cells(there)
    np.testing.assert_array_equal(pairs.sources[place[there]], tfs[row])
    np.testing.assert_array_equal(pairs.targets[place[there]], targets)
    assert (place[~there] == -1).all()


def test_every_pair_is_scored_for_every_other_fold(world):
    task, folds, _ = world
    for fit in Joint(**SMALL).fit_folds(task, folds[:, :1], rng=np.random.default_rng(0)):
        np.testing.assert_array_equal(np.sort(fit.places), np.flatnonzero(folds[:, 0] != fit.fold))
        assert (fit.weights == 1).all()


def test_probabilities_are_good_and_calibrated(world):
    task, _, logits = world
    pairs, mean = task.train, logits.mean(axis=1)
    figures = evaluate(pairs.labels, mean, pairs.sources, expit(mean).astype(np.float32))
    assert figures["auroc"] > 0.8
    assert figures["ece"] < 0.03
    assert expit(mean).mean() == pytest.approx(pairs.labels.mean(), abs=0.01)


def test_a_list_of_pairs_gives_what_a_matrix_gives(world):
    task, folds, dense = world
    sparse = out_of_fold(task, folds, dense_cells=0)
    assert np.corrcoef(dense.ravel(), sparse.ravel())[0, 1] > 0.99
    assert np.abs(expit(dense) - expit(sparse)).mean() < 0.01


def test_sampled_non_edges_leave_the_level_right(world):
    task, folds, dense = world
    n_edges = task.train.n_positive
    sampled = out_of_fold(task, folds, dense_cells=0, max_pairs=n_edges)
    fits = Joint(**SMALL, dense_cells=0, max_pairs=n_edges).fit_folds(
        task, folds[:, :1], rng=np.random.default_rng(0)
    )
    first = next(fits)
    # All edges outside the fold, and some of the non-edges, which count for all.
    outside = folds[:, 0] != first.fold
    labels = task.train.labels
    assert labels[first.places].sum() == labels[outside].sum()
    assert len(first.places) < 0.8 * outside.sum()
    assert first.weights.sum() == pytest.approx(outside.sum(), rel=0.05)
    assert expit(sampled).mean() == pytest.approx(labels.mean(), abs=0.02)
    assert np.corrcoef(dense.ravel(), sampled.ravel())[0, 1] > 0.9


@pytest.mark.parametrize("n", [3, 4, 7])
def test_halves_of_folds(n):
    halves = crossed._halves(n, np.random.default_rng(0))
    assert halves.shape == (6, n)
    np.testing.assert_array_equal(halves[::2], ~halves[1::2])
    np.testing.assert_array_equal(halves[::2].sum(1), n // 2)
    assert len(np.unique(halves, axis=0)) == 6


def test_trees_never_saw_the_folds_that_they_calibrate(world, monkeypatch):
    task, folds, _ = world
    grown_from = []

    def spied(described, halves, grow, rng):
        trees = grown(described, halves, grow, rng)
        grown_from.append((trees, halves, described))
        return trees

    grown = crossed._grown
    monkeypatch.setattr(crossed, "_grown", spied)
    for fit in Joint(**SMALL).fit_folds(task, folds[:, :1], rng=np.random.default_rng(0)):
        trees, halves, described = grown_from[-1]
        assert fit.links.trees == tuple(trees)
        first = described[0]
        without = [trees[i].sums(first.features) for i in np.flatnonzero(~halves[:, 0])]
        assert len(without) == 3
        expected = first.logits + np.where(first.boosted, np.mean(without, axis=0), 0)
        np.testing.assert_allclose(fit.scores[: len(expected)], expected, atol=1e-6)


def test_without_trees_the_process_is_calibrated(world, monkeypatch):
    task, folds, boosted = world
    monkeypatch.setitem(SMALL, "n_trees", 0)
    logits = out_of_fold(task, folds[:, :1])[:, 0]
    assert expit(logits).mean() == pytest.approx(task.train.labels.mean(), abs=0.01)
    assert 0.9 < np.corrcoef(logits, boosted[:, 0])[0, 1] < 0.9999


def test_threads_change_no_bit(world, monkeypatch):
    task, folds, alone = world
    monkeypatch.setattr(crossed, "PARALLEL_CELLS", 0)
    with settings.override(n_jobs=3):
        np.testing.assert_array_equal(out_of_fold(task, folds), alone)


def test_the_forest_is_coarse_where_it_calibrates_alone(monkeypatch):
    task = closed_world()
    # Nothing is known of a target whose pairs are all in two folds.
    pairs = task.train.take(task.train.targets != 7)
    folds = (np.arange(len(pairs)) % 4)[:, None]
    folds[pairs.targets == 9] = np.arange(12 - (9 < 12))[:, None] % 2
    trees = []

    def counted(columns, known, n_trees, rng):
        trees.append(n_trees)
        return forest_logits(columns, known, n_trees, rng)

    monkeypatch.setattr(described, "forest_logits", counted)
    monkeypatch.setattr(joint, "COARSE_FOREST", 5)
    out_of_fold(replace(task, train=pairs), folds)
    # Once for folds 0 and 1 together, and once for each fold.
    assert trees == [5, 20, 20, 20, 20]


@pytest.mark.parametrize(
    "given, coarse",
    [
        ({}, (45, 0.2)),
        ({"n_trees": 2}, (1, 0.2)),
        ({"n_trees": 0}, (0, 0.2)),
        ({"learning_rate": 0.3}, (300, 0.3)),
    ],
)
def test_folds_use_fewer_boosted_trees_and_larger_steps(given, coarse):
    method = Joint(**given)._coarser()
    assert (method.n_trees, method.learning_rate) == coarse
    assert method.n_forest_trees == Joint(**given).n_forest_trees
