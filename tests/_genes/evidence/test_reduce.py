from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from scregnet._genes.evidence.reduce import popularity, profiles, tf_weights, tracks

TFS = np.array(["B", "A", "A", "A", "C"], dtype=object)
TABLE = np.array(
    [[1, 0, 0, 1, 0, 0], [1, 1, 0, 0, 0, 2], [1, 0, 0, 0, 1, 0], [0, 1, 0, 0, 0, 1], [1] * 6],
    np.float32,
)


def exact(table, weights):
    """The standardised, balanced table and its decomposition by LAPACK."""
    spread = table.std(axis=1)
    scale = np.divide(np.sqrt(weights), spread, out=np.zeros_like(weights), where=spread > 0)
    balanced = ((table - table.mean(axis=1, keepdims=True)) * scale[:, None]).T
    left, sizes, _ = np.linalg.svd(balanced, full_matrices=False)
    return balanced, left, sizes


def test_experiments_of_a_tf_weigh_one_in_all():
    np.testing.assert_allclose(tf_weights(TFS), [1, 1 / 3, 1 / 3, 1 / 3, 1])


def test_popularity_is_the_mean_over_tfs_of_their_means():
    found = popularity(sp.csr_matrix(TABLE), tf_weights(TFS))
    np.testing.assert_allclose(
        found, np.mean([TABLE[0], TABLE[1:4].mean(axis=0), TABLE[4]], axis=0), rtol=1e-6
    )


def test_track_is_the_mean_over_the_experiments_of_a_tf():
    found, names, counts = tracks(sp.csr_matrix(TABLE), TFS, tf_weights(TFS))
    assert names.tolist() == ["A", "B", "C"]
    assert counts.tolist() == [3, 1, 1]
    np.testing.assert_allclose(
        found.toarray(), [TABLE[1:4].mean(axis=0), TABLE[0], TABLE[4]], rtol=1e-6
    )


def test_profile_is_the_exact_decomposition_of_the_balanced_table():
    weights = tf_weights(TFS)
    vectors, explained = profiles(sp.csr_matrix(TABLE), weights, 4, random_state=0)
    balanced, left, sizes = exact(TABLE.astype(np.float64), weights)
    # The last TF is the same at all genes: it has no variance, and the rank is 4.
    np.testing.assert_allclose(explained, sizes[:4] ** 2 / (balanced**2).sum(), rtol=1e-9)
    assert explained.sum() == pytest.approx(1)
    signs = np.sign(left[np.abs(left).argmax(axis=0), np.arange(5)])
    expected = left * signs * sizes / np.sqrt(3)
    np.testing.assert_allclose(vectors, expected[:, :4], rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(vectors @ vectors.T, balanced @ balanced.T / 3, rtol=1e-5, atol=1e-6)


def test_leading_components_of_a_wide_table_are_close_to_the_exact_ones():
    rng = np.random.default_rng(0)
    hidden = rng.standard_normal((90, 6)) @ rng.standard_normal((6, 400))
    table = (hidden + rng.standard_normal(hidden.shape) > 1.5).astype(np.float32)
    weights = tf_weights(rng.integers(0, 30, 90).astype(str))
    vectors, explained = profiles(sp.csr_matrix(table), weights, 6, random_state=1)
    balanced, left, sizes = exact(table.astype(np.float64), weights)
    np.testing.assert_allclose(explained, sizes[:6] ** 2 / (balanced**2).sum(), rtol=1e-6)
    cosine = np.abs((vectors / np.linalg.norm(vectors, axis=0) * left[:, :6]).sum(axis=0))
    np.testing.assert_allclose(cosine, 1, atol=1e-4)


def test_profile_does_not_change_when_an_experiment_is_repeated():
    weights = tf_weights(np.array(["A", "B"]))
    once, _ = profiles(sp.csr_matrix(TABLE[:2]), weights, 1, random_state=0)
    tfs = np.array(["A", "B", "B", "B"])
    repeated = sp.csr_matrix(TABLE[[0, 1, 1, 1]])
    again, _ = profiles(repeated, tf_weights(tfs), 1, random_state=0)
    np.testing.assert_allclose(once, again, rtol=1e-5, atol=1e-6)


def test_same_seed_same_profile():
    args = sp.csr_matrix(TABLE), tf_weights(TFS), 2
    np.testing.assert_array_equal(profiles(*args, 3)[0], profiles(*args, 3)[0])
