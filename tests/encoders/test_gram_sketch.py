import numpy as np
import pytest
import scipy.sparse as sp

from scregnet.encoders.svd.gram_sketch import GramSketch


@pytest.fixture(scope="module")
def matrix():
    rng = np.random.default_rng(0)
    factors = rng.gamma(1, 1, (300, 6)) @ rng.gamma(0.3, 1, (6, 80))
    return sp.csr_matrix(rng.poisson(factors).astype(float))


def sketched(matrix, n_passes, seed=1):
    sketch = GramSketch.start(matrix.shape[1], 5, np.random.default_rng(seed))
    for number in range(n_passes):
        if number:
            sketch = sketch.refined()
        for start in range(0, matrix.shape[0], 64):
            sketch = sketch.with_rows(matrix[start : start + 64])
    return sketch


def test_it_gives_the_singular_vectors(matrix):
    singular, loadings = sketched(matrix, 8).loadings(5)
    _, exact, right = np.linalg.svd(matrix.toarray(), full_matrices=False)
    np.testing.assert_allclose(singular, exact[:5], rtol=1e-6)
    overlap = np.abs((loadings * right[:5].T).sum(axis=0))
    np.testing.assert_allclose(overlap, 1, atol=1e-5)


@pytest.mark.parametrize("n_shards", [2, 3, 7])
def test_shards_add_up_to_the_whole(matrix, n_shards):
    whole = GramSketch.start(80, 5, np.random.default_rng(2))
    rows = np.array_split(np.random.default_rng(3).permutation(300), n_shards)
    parts = [whole.with_rows(matrix[np.sort(part)]) for part in rows]
    joined = parts[0]
    for part in parts[1:]:
        joined += part
    direct = whole.with_rows(matrix)
    assert joined.n_rows == direct.n_rows == 300
    np.testing.assert_array_equal(joined.seen, direct.seen)
    np.testing.assert_allclose(joined.product, direct.product, rtol=1e-6)


def test_columns_without_values_have_no_loading(matrix):
    empty = matrix.copy().tolil()
    empty[:, 7] = 0
    sketch = sketched(empty.tocsr(), 3)
    assert not sketch.seen[7]
    np.testing.assert_allclose(sketch.loadings(5)[1][7], 0, atol=1e-12)
