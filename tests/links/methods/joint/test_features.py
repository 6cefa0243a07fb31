import numpy as np
import pytest

from scregnet.links.methods.joint import features as features_module
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
    return np.stack([features.rows(source) for source in sources])


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
    np.testing.assert_allclose(rows[:, :, 0], features.base(ALL), atol=1e-6)
    np.testing.assert_allclose(rows[:, :, 1], features.process.logits(ALL), atol=1e-5)
    # Where a gene is asked about makes no difference.
    for source in (9, 3):
        np.testing.assert_allclose(
            features.rows(source, np.array([5, 1, 20])), rows[source, [5, 1, 20]], atol=1e-5
        )


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
    base = features.base(ALL)
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
    np.testing.assert_array_equal(describe(data, factors=False).base(ALL), process)


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
    np.testing.assert_allclose(sparse.base(ALL), dense.base(ALL), atol=1e-4)
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
        near = features._near(labels.astype(np.float32))
        np.testing.assert_allclose(near[0, :4], [1 + 0.8**4, 0.8**4, 0.8**4, 0.6**4], atol=1e-3)

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

    def test_few_labels_are_summed_like_many(self, as_pairs, monkeypatch):
        rng = np.random.default_rng(0)
        values = np.zeros((3, N_GENES), np.float32)
        values[:, [2, 7]] = rng.normal(size=(3, 2))
        expression, summary = (rng.normal(size=(N_GENES, n)).astype(np.float32) for n in (10, 3))
        genes = GeneTable.of(expression, summary, None, rng, n_neighbours=5)
        labels = rng.random((4, N_GENES)) < 0.4
        kernel = np.eye(N_GENES, dtype=np.float32)
        process = PairProcess.fit(kernel, TFS, as_pairs(labels, np.ones_like(labels)), Variances())
        features = PairFeatures.fit(genes, process, factors=False)
        some = np.array([3, 8, 20])
        many = features._near(values), features._near(values, some)
        monkeypatch.setattr(features_module, "FEW", 1)
        few = features._near(values), features._near(values, some)
        np.testing.assert_allclose(few[0], many[0], atol=1e-6)
        np.testing.assert_allclose(few[1], many[1], atol=1e-6)
        np.testing.assert_array_equal(few[1], few[0][:, some])
        assert (few[0] != 0).any()
