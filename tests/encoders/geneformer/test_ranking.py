from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from scregnet.encoders.geneformer.ranking import rank_genes


def one_cell_at_a_time(matrix, slots, factors, room, margin):
    """The rule written out; values as the tokeniser's documentation gives them."""
    ranked = []
    for cell in matrix.toarray():
        summed = np.bincount(slots[slots >= 0], weights=cell[slots >= 0], minlength=len(factors))
        with np.errstate(invalid="ignore"):
            value = summed / cell.sum() * 1e4 / factors
        order = np.lexsort((np.arange(len(factors)), -value))
        order = order[summed[order] > 0][:room]
        ranked.append([-1] * margin + order.tolist() + [-1] * margin if len(order) else [])
    return ranked


def counts(rng, n_cells, n_genes, density=0.4, high=6):
    dense = rng.integers(1, high, (n_cells, n_genes)) * (rng.random((n_cells, n_genes)) < density)
    dense[n_cells // 2] = 0
    return sp.csr_matrix(dense, dtype=np.float64)


def ranked(matrix, slots, factors, **more):
    """Lists of slots, after a look at the tokens that come with them."""
    tokens = np.arange(len(factors)) * 3 + 5
    indptr, ranked, ids = rank_genes(matrix, slots, factors, tokens, **more)
    np.testing.assert_array_equal(ids, np.where(ranked < 0, -1, tokens[ranked]))
    return [ranked[a:b].tolist() for a, b in zip(indptr[:-1], indptr[1:], strict=True)]


FACTORS = {
    "spread": lambda rng, n: rng.lognormal(0, 1.5, n),
    "all alike": lambda rng, n: np.full(n, 2.5),
    "few": lambda rng, n: rng.choice([0.3, 0.7, 1.1], n),
    # Thirds and sevenths: several counts reach the same quotient, each with its own rounding.
    "quotients": lambda rng, n: rng.integers(1, 12, n) / rng.choice([3.0, 7.0, 11.0], n),
    "a hair apart": lambda rng, n: 1.7 * (1 + np.arange(n) * 2.0**-50),
    "farther apart than the key is fine": lambda rng, n: 1.7 * (1 + rng.permutation(n) * 2.0**-39),
    "extremes": lambda rng, n: 10.0 ** rng.uniform(-12, 12, n),
}


@pytest.mark.parametrize("factors", FACTORS.values(), ids=FACTORS)
@pytest.mark.parametrize("high", [2, 6, 3000])
def test_exact_order(factors, high):
    rng = np.random.default_rng(0)
    matrix = counts(rng, 40, 150, high=high)
    slots, scale = rng.permutation(150), factors(rng, 150)
    got = ranked(matrix, slots, scale, room=2048)
    assert got == one_cell_at_a_time(matrix, slots, scale, 2048, 0)


def test_values_that_are_no_counts():
    rng = np.random.default_rng(1)
    matrix = counts(rng, 30, 80)
    matrix.data = np.log1p(matrix.data * rng.random(matrix.nnz))
    scale = rng.lognormal(size=80)
    got = ranked(matrix, np.arange(80), scale, room=2048)
    assert got == one_cell_at_a_time(matrix, np.arange(80), scale, 2048, 0)


@pytest.mark.parametrize("n_threads", [1, 2, 7])
@pytest.mark.parametrize(("room", "margin"), [(5, 0), (20, 1), (1, 2)])
@pytest.mark.parametrize("index", [np.int32, np.int64])
def test_unknown_and_shared_genes_room_margin_and_threads(n_threads, room, margin, index):
    rng = np.random.default_rng(2)
    matrix = counts(rng, 25, 60)
    matrix.indices, matrix.indptr = matrix.indices.astype(index), matrix.indptr.astype(index)
    slots = rng.integers(-1, 30, 60)
    slots[:30] = rng.permutation(30)
    factors = rng.choice([0.5, 1.0, 1.5, 2.0], 30)
    got = ranked(matrix, slots, factors, room=room, margin=margin, n_threads=n_threads)
    assert got == one_cell_at_a_time(matrix, slots, factors, room, margin)
    assert got[12] == []


def test_no_cell_and_no_count():
    for shape in ((0, 4), (3, 4)):
        indptr, slots, ids = rank_genes(
            sp.csr_matrix(shape),
            np.arange(4),
            np.ones(4),
            np.arange(4),
            room=9,
            margin=1,
            n_threads=2,
        )
        assert indptr.tolist() == [0] * (shape[0] + 1)
        assert len(slots) == len(ids) == 0


def test_the_matrix_is_left_alone():
    matrix = counts(np.random.default_rng(3), 9, 20)
    before = matrix.copy()
    rank_genes(matrix, np.zeros(20, dtype=int), np.ones(1), np.zeros(1, dtype=int), room=9)
    assert (matrix != before).nnz == 0
