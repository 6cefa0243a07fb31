"""The process against dense algebra: covariance written out, mode by plain Newton steps."""

import numpy as np
import pytest
from scipy.special import expit

from scregnet.links.methods.joint.cells import Cells
from scregnet.links.methods.joint.covariance import Variances
from scregnet.links.methods.joint.process import PairProcess

TFS = np.array([0, 2, 5])
N_GENES = 9


@pytest.fixture
def problem():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(N_GENES, 4)).astype(np.float32) / 2
    known = rng.random((3, N_GENES)) < 0.7
    labels = (rng.random((3, N_GENES)) < 0.4) & known
    return features, labels, known


# Iterate until nothing moves; the default stops where the ranking no longer changes.
EXACT = {"max_newton": 300, "max_cg": 1000, "tolerance": 1e-7}


def as_array(matrix):
    return matrix if isinstance(matrix, np.ndarray) else matrix.toarray()


def whole(process):
    """The dual weights as a matrix of TFs × genes."""
    return as_array(process.pairs.matrix(process.weights))


def parts_of(process, sources):
    """The terms of all pairs of the sources, (n_parts, n_sources, n_genes)."""
    parts = process.parts(Cells.every(np.asarray(sources), N_GENES))
    return parts.reshape(len(parts), len(sources), N_GENES)


def covariance(process, sources):
    """Covariance written out: rows are pairs of ``sources``, columns pairs of labelled TFs."""
    v, kernel = process.variances, (process.features @ process.features.T).astype(float)
    row = {int(gene): row for row, gene in enumerate(process.tfs)}
    blocks = []
    for source in sources:
        line = []
        for tf in process.tfs:
            same = float(source == tf)
            alike = (
                float(process.likeness[row[int(source)], row[int(tf)]])
                if int(source) in row
                else 0.0
            )
            smooth = (
                v.target_smooth
                + v.own * same
                + v.similar * kernel[source, tf]
                + v.joint_smooth * alike
            )
            line.append(
                v.tf * same + (v.target + v.joint * alike) * np.eye(len(kernel)) + smooth * kernel
            )
        blocks.append(line)
    return np.block(blocks)


def most_probable(process, labels, known):
    """Logits of all pairs of the labelled TFs, by damped Newton steps."""
    whole = covariance(process, process.tfs)
    seen = known.ravel()
    inside, outcome = whole[np.ix_(seen, seen)], labels.ravel()[seen]
    logits = np.full(seen.sum(), process.mean)
    for _ in range(200):
        p = expit(logits)
        curvature = p * (1 - p)
        target = logits + (outcome - p) / curvature - process.mean
        step = process.mean + inside @ np.linalg.solve(inside + np.diag(1 / curvature), target)
        logits = (logits + step) / 2
    assert np.abs(step - logits).max() < 1e-9
    return process.mean + whole[:, seen] @ (outcome - expit(logits))


def test_logits_are_those_of_the_covariance_written_out(problem, as_pairs):
    features, labels, known = problem
    process = PairProcess.fit(features, TFS, as_pairs(labels, known), Variances(), **EXACT)
    assert np.ptp(process.likeness) > 0.1
    wanted = most_probable(process, labels, known)
    np.testing.assert_allclose(process.logits(TFS).ravel(), wanted, atol=2e-3)
    assert np.ptp(wanted) > 1
    # At the mode a dual weight is the label less the probability, and 0 without a label.
    weights = whole(process)
    np.testing.assert_allclose(
        weights[known], (labels - expit(process.logits(TFS)))[known], atol=1e-3
    )
    assert not weights[~known].any()


class TestStrongPriors:
    """Twenty TFs of rare edges with large variances, on which whole Newton steps overshoot."""

    @pytest.fixture
    def strong(self, as_pairs):
        rng = np.random.default_rng(1)
        features = rng.normal(size=(200, 8)).astype(np.float32) / 2
        pairs = as_pairs(rng.random((20, 200)) < 0.05, np.ones((20, 200), bool))
        variances = {
            name: 10 * getattr(Variances, name)
            for name in ("tf", "target", "own", "joint", "joint_smooth")
        }

        def fit(scale=1, **limits):
            scaled = Variances(**{name: scale * v for name, v in variances.items()})
            return PairProcess.fit(features, np.arange(20), pairs, scaled, **limits)

        return fit

    def test_logits_are_the_most_probable_ones(self, strong):
        process = strong(**EXACT)
        labels = as_array(process.pairs.matrix(process.pairs.labels))
        # Where the gradient is zero a dual weight is the label less the probability.
        weights = whole(process)
        np.testing.assert_allclose(weights, labels - expit(process.logits(process.tfs)), atol=1e-3)

    def test_it_warns_if_it_is_far_from_converged(self, strong):
        with pytest.warns(
            RuntimeWarning,
            match="has not converged: its last step would change logits by .* smaller",
        ):
            strong(10, max_newton=2)

    def test_what_rounding_makes_of_huge_variances_is_finite(self, strong):
        with pytest.warns(RuntimeWarning, match="has not converged"):
            process = strong(1e6)
        assert np.isfinite(process.logits(process.tfs)).all()


def test_it_stops_early_without_harm(problem, as_pairs):
    features, labels, known = problem
    process = PairProcess.fit(features, TFS, as_pairs(labels, known), Variances())
    wanted = most_probable(process, labels, known)
    assert np.abs(process.logits(TFS).ravel() - wanted).mean() < 0.1 * wanted.std()


def test_prior_variances_are_what_they_say(problem, as_pairs):
    features, labels, known = problem
    bare = Variances(
        tf=2.0, target=0.0, target_smooth=0.0, own=0.0, similar=0.0, joint=0.0, joint_smooth=0.0
    )
    process = PairProcess.fit(features, TFS, as_pairs(labels, known), bare, **EXACT)
    logits = process.logits(TFS)
    np.testing.assert_allclose(logits, np.repeat(logits[:, :1], N_GENES, axis=1), atol=1e-6)
    for row in range(3):
        n, edges = known[row].sum(), labels[row].sum()
        # The most probable bias: its pull towards the mean equals what the labels ask for.
        bias = float(logits[row, 0] - process.mean)
        assert bias / 2.0 == pytest.approx(edges - n * expit(logits[row, 0]), abs=2e-3)


def test_parts_add_up_and_the_biases_are_the_first_three(problem, as_pairs):
    features, labels, known = problem
    process = PairProcess.fit(features, TFS, as_pairs(labels, known), Variances())
    sources = np.array([5, 1, 0])
    parts = parts_of(process, sources)
    assert parts.dtype == np.float32
    assert parts.shape == (6, 3, N_GENES)
    dense = covariance(process, sources) @ whole(process).ravel().astype(float)
    np.testing.assert_allclose(process.logits(sources).ravel(), process.mean + dense, atol=1e-4)
    biases, cells = process.biases(), process.pairs.cells(process.pairs.known)
    biases = biases[known] if biases.ndim == 2 else biases
    np.testing.assert_allclose(
        biases, process.mean + parts_of(process, TFS)[:3].sum(0)[cells], atol=1e-5
    )
    # One number a TF, one line of numbers for all of them.
    assert np.ptp(parts[0], axis=1).max() == 0
    assert np.ptp(parts[1:3], axis=1).max() == 0


def test_a_tf_without_labels_has_what_expression_tells(problem, as_pairs):
    features, labels, known = problem
    process = PairProcess.fit(features, TFS, as_pairs(labels, known), Variances())
    unseen = np.array([1, 8])
    parts = parts_of(process, unseen)
    assert not parts[[0, 4, 5]].any()
    np.testing.assert_array_equal(parts[1:3], parts_of(process, TFS)[1:3][:, [0, 0]])
    v = process.variances
    wanted = (
        v.similar * (features[unseen] @ features[TFS].T) @ whole(process) @ features @ features.T
    )
    np.testing.assert_allclose(parts[3], wanted, atol=1e-5)
    assert np.abs(parts[3]).max() > 1e-3


def test_a_tf_whose_labels_are_all_held_back_has_no_bias(problem, as_pairs):
    features, labels, known = problem
    known = known & (np.arange(3) != 1)[:, None]
    process = PairProcess.fit(features, TFS, as_pairs(labels, known), Variances())
    assert not parts_of(process, TFS)[0, 1].any()
    assert np.isfinite(process.logits(TFS)).all()


def test_labels_that_are_not_known_leave_no_trace(problem, as_pairs):
    features, labels, known = problem
    first, second = (
        PairProcess.fit(features, TFS, as_pairs(own, known), Variances())
        for own in (labels, labels ^ ~known)
    )
    for name, value in first.state().items():
        np.testing.assert_array_equal(second.state()[name], value)


def test_tfs_with_the_same_targets_are_alike(as_pairs):
    rng = np.random.default_rng(1)
    pattern = rng.random((2, 60)) < 0.4
    labels = np.repeat(pattern, 3, axis=0) ^ (rng.random((6, 60)) < 0.05)
    features = 0.1 * rng.normal(size=(60, 3)).astype(np.float32)
    process = PairProcess.fit(
        features, np.arange(6), as_pairs(labels, np.ones_like(labels)), Variances()
    )
    likeness = process.likeness
    np.testing.assert_allclose(likeness, likeness.T, atol=1e-6)
    assert np.linalg.eigvalsh(likeness).min() > -1e-5
    assert np.diag(likeness).mean() == pytest.approx(1, abs=1e-5)
    within = likeness[:3, :3][np.triu_indices(3, 1)]
    assert within.min() > likeness[:3, 3:].max() + 0.3


@pytest.mark.parametrize("label", [False, True])
def test_a_fold_with_labels_of_one_kind(problem, label, as_pairs):
    features, _, known = problem
    process = PairProcess.fit(
        features, TFS, as_pairs(np.full_like(known, label), known), Variances()
    )
    logits = process.logits(np.arange(N_GENES))
    assert np.isfinite(logits).all()
    assert (np.sign(logits[:, known.any(0)]) == (1 if label else -1)).all()
    assert np.sign(process.mean) == (1 if label else -1)


def test_state_is_arrays_and_makes_an_equal_object(problem, as_pairs):
    features, labels, known = problem
    process = PairProcess.fit(features, TFS, as_pairs(labels, known), Variances(own=0.7))
    state = process.state()
    assert all(isinstance(value, np.ndarray) for value in state.values())
    again = PairProcess.from_state(state)
    assert again.variances == process.variances
    np.testing.assert_array_equal(
        parts_of(again, np.arange(N_GENES)), parts_of(process, np.arange(N_GENES))
    )
    np.testing.assert_array_equal(again.logits(TFS), process.logits(TFS))


def test_a_list_of_pairs_gives_what_the_whole_matrix_gives(problem, as_matrix, as_sparse):
    features, labels, known = problem
    dense, sparse = (
        PairProcess.fit(features, TFS, kind(labels, known), Variances(), **EXACT)
        for kind in (as_matrix, as_sparse)
    )
    assert sparse.mean == dense.mean
    np.testing.assert_allclose(sparse.likeness, dense.likeness, atol=1e-4)
    every = np.arange(N_GENES)
    np.testing.assert_allclose(parts_of(sparse, every), parts_of(dense, every), atol=1e-4)
    assert np.ptp(dense.logits(every)) > 1


def test_some_targets_alone_have_what_they_have_among_all(problem, as_pairs):
    features, labels, known = problem
    process = PairProcess.fit(features, TFS, as_pairs(labels, known), Variances())
    sources, targets = np.array([2, 2, 1, 1]), np.array([7, 0, 3, 0])
    parts = process.parts(Cells.chosen(sources, targets, N_GENES))
    np.testing.assert_allclose(
        parts, parts_of(process, np.arange(N_GENES))[:, sources, targets], atol=1e-6
    )
