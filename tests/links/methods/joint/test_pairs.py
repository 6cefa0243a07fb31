"""A list of pairs does what the whole matrix does."""

import numpy as np
import pytest

from scregnet.links import Pairs
from scregnet.links.methods.joint.cells import Cells
from scregnet.links.methods.joint.pairs import (
    DensePairs,
    SparsePairs,
    from_state,
    is_large,
    known_pairs,
    sample_others,
)

N_TFS, N_GENES = 5, 12


@pytest.fixture
def both(as_matrix, as_sparse):
    rng = np.random.default_rng(0)
    known = rng.random((N_TFS, N_GENES)) < 0.4
    # A TF and a gene of which nothing is known.
    known[3], known[:, 7] = False, False
    labels = rng.random(known.shape) < 0.5
    return as_matrix(labels, known), as_sparse(labels, known)


def values(pairs, seed=1):
    """The same numbers as values of either kind."""
    whole = np.random.default_rng(seed).normal(size=(N_TFS, N_GENES)).astype(np.float32)
    return whole * pairs.known if isinstance(pairs, DensePairs) else whole[pairs.cells(pairs.known)]


def at_known(pairs, numbers):
    """Numbers of the known cells, by TF and gene."""
    return np.broadcast_to(numbers, pairs.known.shape)[pairs.known]


def test_cells_labels_and_matrix(both):
    dense, sparse = both
    for one, other in zip(
        *(pairs.cells(pairs.known & pairs.labels) for pairs in both), strict=True
    ):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(at_known(dense, dense.labels), sparse.labels)
    np.testing.assert_array_equal(
        sparse.matrix(values(sparse)).toarray(), dense.matrix(values(dense))
    )


def test_sums_and_products(both):
    rng = np.random.default_rng(3)
    left, right = (
        rng.normal(size=(N_TFS, 37)).astype(np.float32),
        rng.normal(size=(N_GENES, 37)).astype(np.float32),
    )
    tfs = rng.normal(size=(N_TFS, N_TFS)).astype(np.float32)
    # Cells that need not be known.
    rows = np.array([3, 0, 4])
    asked = [
        (rows, Cells.every(rows, N_GENES)),
        (rows[:2], Cells.chosen(np.array([7, 7, 7, 2, 2]), np.array([5, 0, 11, 3, 4]), N_GENES)),
    ]
    one, other = (
        [
            at_known(pairs, pairs.dot(left, right)),
            pairs.projected(values(pairs), right),
            at_known(pairs, pairs.mixed(tfs, values(pairs))),
            *(pairs.mixed_at(tfs[rows], values(pairs), cells) for rows, cells in asked),
            at_known(pairs, pairs.per_tf(left[:, 0])),
            at_known(pairs, pairs.per_gene(right[:, 0])),
            pairs.gram(values(pairs)),
        ]
        for pairs in both
    )
    for wanted, found in zip(one, other, strict=True):
        assert np.ptp(wanted) > 0.5
        np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_some_pairs_alone(both):
    dense, sparse = both
    which = np.random.default_rng(4).random((N_TFS, N_GENES)) < 0.5
    fewer, list_of_them = dense.keep(which), sparse.keep(which[dense.known])
    assert 0 < len(list_of_them.labels) < len(sparse.labels)
    np.testing.assert_array_equal(
        list_of_them.matrix(np.ones(len(list_of_them.labels))).toarray() > 0, fewer.known
    )
    np.testing.assert_array_equal(list_of_them.labels, at_known(fewer, fewer.labels))


def test_state_makes_an_equal_object(both):
    for pairs in both:
        state = pairs.state()
        assert all(isinstance(value, np.ndarray) for value in state.values())
        again = from_state(state, pairs.shape)
        assert type(again) is type(pairs)
        assert again.shape == pairs.shape
        np.testing.assert_array_equal(again.labels, pairs.labels)
        for one, other in zip(again.cells(again.known), pairs.cells(pairs.known), strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("most, kind", [(3 * N_GENES, DensePairs), (3 * N_GENES - 1, SparsePairs)])
def test_which_kind_and_which_label_counts(most, kind):
    # The pair of 9 and 0 is there twice.
    given = Pairs(
        np.array([9, 2, 9, 4, 9]),
        np.array([0, 5, 3, 11, 0]),
        np.array([True, True, False, False, False]),
    )
    assert is_large(given, N_GENES, most) == (kind is SparsePairs)
    tfs, pairs = known_pairs(given, N_GENES, dense_cells=most)
    assert isinstance(pairs, kind)
    assert pairs.shape == (3, N_GENES)
    np.testing.assert_array_equal(tfs, [2, 4, 9])
    rows, columns = pairs.cells(pairs.known)
    np.testing.assert_array_equal(tfs[rows], [2, 4, 9, 9])
    np.testing.assert_array_equal(columns, [5, 11, 0, 3])
    np.testing.assert_array_equal(pairs.labels[pairs.known], [True, False, False, False])


def some_of(pairs, n, seed, dense_cells=0):
    return sample_others(pairs, 100, n, np.random.default_rng(seed), dense_cells=dense_cells)


class TestSampleOthers:
    @pytest.fixture
    def pairs(self):
        rng = np.random.default_rng(0)
        return Pairs(
            np.repeat(np.arange(10), 100), np.tile(np.arange(100), 10), rng.random(1000) < 0.1
        )

    def test_all_edges_and_a_share_of_the_rest(self, pairs):
        some, offset = some_of(pairs, 400, seed=1)
        assert (len(some), some.n_positive) == (400, pairs.n_positive)
        assert offset == pytest.approx(np.log((400 - pairs.n_positive) / (1000 - pairs.n_positive)))
        # As given, in order, from all over.
        position = some.sources * 100 + some.targets
        assert (np.diff(position) > 0).all()
        np.testing.assert_array_equal(some.labels, pairs.labels[position])
        assert np.bincount(some.sources).min() > 20
        again, _ = some_of(pairs, 400, seed=1)
        np.testing.assert_array_equal(again.targets, some.targets)
        other, _ = some_of(pairs, 400, seed=2)
        assert not np.array_equal(other.targets, some.targets)

    def test_as_many_as_edges_at_least(self, pairs):
        some, _ = some_of(pairs, 5, seed=1)
        assert len(some) == 2 * pairs.n_positive

    @pytest.mark.parametrize("cells, n", [(0, 1000), (1000, 5)])
    def test_all_where_they_are_few_or_the_problem_is_small(self, pairs, cells, n):
        assert some_of(pairs, n, seed=1, dense_cells=cells) == (pairs, 0.0)
