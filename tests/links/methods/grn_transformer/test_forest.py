import numpy as np
import pytest

from scregnet.links.methods.grn_transformer.forest import PairFeatures, believed, forest_table
from scregnet.links.task import Pairs
from scregnet.metrics import auroc


def test_features_are_the_targets_attention_and_what_is_beyond_the_sources_share():
    rng = np.random.default_rng(0)
    maps = rng.random((3, 4, 4)).astype(np.float32)
    features = PairFeatures(maps).of(np.array([1, 2]), np.array([3, 0]))
    assert features.shape == (2, 6)
    for pair, (i, j) in enumerate([(1, 3), (2, 0)]):
        beyond = [m[j, i] - m[j].sum() * m[:, i].sum() / m.sum() for m in maps]
        expected = [*beyond, *maps[:, j, i]]
        np.testing.assert_allclose(features[pair], expected, rtol=1e-4, atol=1e-6)


def planted(n=240, wrong=()):
    rng = np.random.default_rng(0)
    y = np.arange(n) % 2 == 0
    x = rng.normal(size=(n, 4)).astype(np.float32)
    x[:, 0] += 6 * y
    y = y.copy()
    y[list(wrong)] ^= True
    return x, y


def test_labels_that_forests_do_not_believe_are_left_out():
    wrong = [3, 40, 77]
    kept = believed(*planted(wrong=wrong), seed=0, n_estimators=30, n_jobs=1)
    assert not kept[wrong].any()
    assert kept.mean() > 0.9


def test_both_labels_are_always_left():
    x = np.zeros((8, 2), np.float32)
    y = np.arange(8) < 2
    kept = believed(x, y, seed=0, n_estimators=5, n_jobs=1)
    assert kept[:2].any()
    assert kept[2:].any()


@pytest.mark.parametrize("clean", [True, False])
def test_the_table_is_the_share_of_trees_for_each_pair(clean):
    rng = np.random.default_rng(0)
    n = 12
    maps = rng.random((2, n, n)).astype(np.float32)
    edge = rng.random((n, n)) < 0.5
    maps[0] += edge.T
    places = rng.permutation(n * n)[:100]
    pairs = Pairs(*np.divmod(places, n), edge.ravel()[places])
    table = forest_table(PairFeatures(maps), pairs, n_trees=40, clean=clean, seed=0, n_jobs=1)
    assert table.shape == (n, n)
    assert table.dtype == np.float32
    assert table.min() >= 0
    assert table.max() <= 1
    # Leaves are pure here: the shares are votes of 40 trees.
    np.testing.assert_allclose(table * 40, (table * 40).round(), atol=1e-4)
    assert auroc(edge.ravel(), table.ravel()) > 0.95
