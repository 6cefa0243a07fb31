import numpy as np
import pytest

from scregnet.links.methods.joint import cells
from scregnet.links.methods.joint.cells import Cells
from scregnet.links.methods.joint.covariance import Variances
from scregnet.links.methods.joint.features import GeneTable, PairFeatures, factor_vectors
from scregnet.links.methods.joint.kernel import gene_features
from scregnet.links.methods.joint.process import PairProcess

TFS = np.array([1, 4, 6, 9])
N_GENES = 24
WITHOUT_LABELS = 6
"""A TF, and as a position in ``TFS`` row 2, of which nothing is known."""
NEVER_A_TARGET = 20


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    expression = rng.normal(size=(N_GENES, 10)).astype(np.float32)
    expression -= expression.mean(1, keepdims=True)
    summary = rng.random((N_GENES, 3)).astype(np.float32)
    embedding = rng.normal(size=(N_GENES, 5)).astype(np.float32)
    labels = rng.random((4, N_GENES)) < 0.4
    known = rng.random((4, N_GENES)) < 0.8
    known[2], known[:, NEVER_A_TARGET] = False, False
    kernel = gene_features(expression, summary, embedding, first=TFS, rng=rng)
    return GeneTable.of(expression, summary, embedding, rng), kernel, labels, known


@pytest.fixture
def describe(as_pairs):
    return lambda data, *, factors=True: described(data, as_pairs, factors)


def described(data, kind, factors=True):
    genes, kernel, labels, known = data
    process = PairProcess.fit(kernel, TFS, kind(labels, known), Variances())
    return PairFeatures.fit(genes, process, factors=factors)


def every_row(features, sources):
    rows = features.rows(Cells.every(sources, N_GENES))
    return rows.reshape(len(sources), N_GENES, -1)


def every_base(features):
    return features.base(Cells.every(ALL, N_GENES)).reshape(N_GENES, N_GENES)


ALL = np.arange(N_GENES)


@pytest.mark.parametrize("factors", [True, False])
def test_a_pair_that_is_held_back_leaves_no_trace_of_its_label(data, factors, describe):
    genes, kernel, labels, known = data
    held = known & (np.random.default_rng(1).random(known.shape) < 0.3)
    one, other = (
        describe((genes, kernel, own, known & ~held), factors=factors)
        for own in (labels, labels ^ held)
    )
    np.testing.assert_array_equal(every_row(one, ALL), every_row(other, ALL))
    for name, value in one.state().items():
        np.testing.assert_array_equal(other.state()[name], value)
    # The same labels, not held back, do show.
    shown = [
        every_row(describe((genes, kernel, own, known), factors=factors), ALL)
        for own in (labels, labels ^ held)
    ]
    assert not np.array_equal(*shown)


def test_rows_are_finite_and_begin_with_the_base(data, describe):
    features = describe(data)
    rows = every_row(features, ALL)
    assert rows.dtype == np.float32
    assert rows.shape[:2] == (N_GENES, N_GENES)
    assert np.isfinite(rows).all()
    np.testing.assert_allclose(rows[:, :, 0], every_base(features), atol=1e-6)
    np.testing.assert_allclose(rows[:, :, 1], features.process.logits(ALL), atol=1e-5)
    # Where a gene is asked about makes no difference.
    sources, targets = np.array([9, 9, 9, 3, 3]), np.array([5, 1, 20, 1, 20])
    some = features.rows(Cells.chosen(sources, targets, N_GENES))
    np.testing.assert_allclose(some, rows[sources, targets], atol=1e-5)


def test_many_pairs_are_described_like_few(data, describe, monkeypatch):
    features = describe(data)
    sources, targets = (
        np.repeat(ALL, 7),
        np.random.default_rng(0).integers(N_GENES, size=7 * N_GENES),
    )
    together = [
        features.rows(Cells.every(ALL, N_GENES)),
        features.rows(Cells.chosen(sources, targets, N_GENES)),
    ]
    monkeypatch.setattr(cells, "BLOCK", 5 * N_GENES)
    assert len(list(Cells.every(ALL, N_GENES).blocks())) == 5
    assert len(list(Cells.chosen(sources, targets, N_GENES).blocks())) == 2
    for every, rows in zip(
        (Cells.every(ALL, N_GENES), Cells.chosen(sources, targets, N_GENES)), together, strict=True
    ):
        np.testing.assert_allclose(features.rows(every), rows, atol=1e-6)


def test_which_genes_have_labels(data, describe):
    features = describe(data)
    genes, kernel, labels, known = data
    assert sorted(np.flatnonzero(features.labelled_sources)) == [1, 4, 9]
    np.testing.assert_array_equal(features.labelled_targets, known.any(0))
    # What stands where nothing is known is never read.
    other = describe((genes, kernel, labels ^ ~known, known))
    np.testing.assert_array_equal(every_row(other, ALL), every_row(features, ALL))


def test_the_base_is_a_mean_with_the_factors_where_both_genes_have_labels(data, describe):
    features = describe(data)
    _, _, labels, known = data
    process = features.process.logits(ALL)
    base = every_base(features)
    wanted = process.copy()
    of_tfs, of_genes = factor_vectors(features.process.pairs)
    factors = of_tfs @ of_genes.T
    seen = known.any(0)
    for row in (0, 1, 3):
        wanted[TFS[row], seen] = (process[TFS[row], seen] + factors[row, seen]) / 2
    np.testing.assert_allclose(base, wanted, atol=1e-5)
    assert np.abs(base - process).max() > 0.05
    np.testing.assert_array_equal(base[WITHOUT_LABELS], process[WITHOUT_LABELS])
    np.testing.assert_array_equal(base[:, NEVER_A_TARGET], process[:, NEVER_A_TARGET])
    np.testing.assert_array_equal(every_base(describe(data, factors=False)), process)


def test_factors_say_nothing_where_nothing_is_known(data, as_pairs):
    _, _, labels, known = data
    of_tfs, of_genes = factor_vectors(as_pairs(labels, known))
    logits = of_tfs @ of_genes.T
    assert not logits[2].any()
    assert not logits[:, NEVER_A_TARGET].any()
    inside = logits[known]
    assert inside[labels[known]].mean() > inside[~labels[known]].mean() + 0.5


@pytest.mark.parametrize("factors", [True, False])
def test_a_list_of_pairs_gives_what_the_whole_matrix_gives(data, as_matrix, as_sparse, factors):
    dense, sparse = (described(data, kind, factors) for kind in (as_matrix, as_sparse))
    np.testing.assert_array_equal(sparse.labelled_sources, dense.labelled_sources)
    np.testing.assert_array_equal(sparse.labelled_targets, dense.labelled_targets)
    np.testing.assert_allclose(every_base(sparse), every_base(dense), atol=1e-4)
    np.testing.assert_allclose(every_row(sparse, ALL), every_row(dense, ALL), atol=1e-4)


def test_state_is_plain_arrays_and_makes_an_equal_object(data, describe):
    for factors in (True, False):
        features = describe(data, factors=factors)
        state = features.state()
        assert all(
            isinstance(value, np.ndarray) and value.dtype.kind in "fiub" for value in state.values()
        )
        again = PairFeatures.from_state(state)
        np.testing.assert_array_equal(every_row(again, ALL), every_row(features, ALL))
        np.testing.assert_array_equal(again.labelled_sources, features.labelled_sources)


class TestGeneTable:
    @pytest.fixture
    def table(self):
        # Correlations by hand: 0 ~ 1 exactly, both 0.8 with 2, 0.6 with 3, and 4 against 0.
        expression = np.array(
            [[1, 0, 0], [2, 0, 0], [0.8, 0.6, 0], [0.6, -0.8, 0], [-1, 0, 0], [0, 0, 3]],
            dtype=np.float32,
        )
        summary = np.arange(18, dtype=np.float32).reshape(6, 3)
        embedding, rng = np.ones((6, 2), np.float32), np.random.default_rng(0)
        return GeneTable.of(expression, summary, embedding, rng, n_neighbours=2)

    def test_products_of_shapes_are_correlations(self, table):
        correlation = table.shape @ table.shape.T
        np.testing.assert_allclose(np.diag(correlation), 1, atol=1e-5)
        np.testing.assert_allclose(correlation[0], [1, 1, 0.8, 0.6, -1, 0], atol=1e-5)

    def test_neighbours_are_the_most_correlated_others(self, table):
        assert [set(row) for row in table.neighbours[:3].tolist()] == [{1, 2}, {0, 2}, {0, 1}]
        assert set(table.neighbours[3].tolist()) == {0, 1}
        nearness = {
            int(gene): near
            for gene, near in zip(table.neighbours[0], table.nearness[0], strict=True)
        }
        assert nearness[1] == pytest.approx(1, abs=1e-4)
        assert nearness[2] == pytest.approx(0.8**4, abs=1e-4)
        # Those that only go against it, or have nothing to do with it, are not near.
        np.testing.assert_allclose(table.nearness[[4, 5]], 0, atol=1e-6)

    def test_columns(self, table):
        np.testing.assert_array_equal(table.columns[:, :3], np.arange(18).reshape(6, 3))
        assert table.columns.dtype == np.float32
        assert np.isfinite(table.columns).all()

    def test_sums_over_neighbours(self, table, as_matrix):
        labels = np.array([[0, 1, 1, 0, 0, 1]], dtype=bool)
        known = np.ones_like(labels)
        kernel = np.eye(6, dtype=np.float32)
        process = PairProcess.fit(kernel, np.array([5]), as_matrix(labels, known), Variances())
        features = PairFeatures.fit(table, process, factors=False)
        near, n_near, left = features._near(Cells.every(np.array([5, 0]), 6))
        np.testing.assert_allclose(near[:4], [1 + 0.8**4, 0.8**4, 0.8**4, 0.6**4], atol=1e-3)
        # All neighbours are known, and residuals add up like labels.
        np.testing.assert_allclose(n_near[:6], table.nearness.sum(1), atol=1e-6)
        wanted = np.take(features.left[0], table.neighbours) * table.nearness
        np.testing.assert_allclose(left[:6], wanted.sum(1), atol=1e-6)
        # Nothing is known of another TF.
        assert not np.concatenate([near[6:], n_near[6:], left[6:]]).any()

    def test_without_embedding_and_of_few_genes(self):
        rng = np.random.default_rng(0)
        expression, summary = (
            rng.normal(size=(4, 3)).astype(np.float32),
            rng.random((4, 3)).astype(np.float32),
        )
        bare = GeneTable.of(expression, summary, None, rng)
        full = GeneTable.of(expression, summary, rng.normal(size=(4, 2)).astype(np.float32), rng)
        assert bare.columns.shape[1] < full.columns.shape[1]
        assert [set(row) for row in bare.neighbours.tolist()] == [
            {1, 2, 3},
            {0, 2, 3},
            {0, 1, 3},
            {0, 1, 2},
        ]
