"""Folds of labelled pairs."""

import numpy as np

from scregnet.links.pairs.folds import assign_folds
from scregnet.links.task import Pairs


def closed_world(n_tfs=6, n_genes=50, share=0.2, seed=0):
    rng = np.random.default_rng(seed)
    sources, targets = np.divmod(np.arange(n_tfs * n_genes), n_genes)
    keep = sources != targets
    labels = rng.random(keep.sum()) < share
    return Pairs(sources[keep].astype(np.int32), targets[keep].astype(np.int32), labels)


def test_every_tf_is_spread_evenly():
    pairs = closed_world()
    fold = assign_folds(pairs, 5, rng=np.random.default_rng(1))
    assert fold.dtype == np.int16
    for tf in range(6):
        counts = np.bincount(fold[pairs.sources == tf], minlength=5)
        assert counts.max() - counts.min() <= 1
    assert np.ptp(np.bincount(fold)) <= 1


def test_labels_are_not_read():
    pairs = closed_world()
    flipped = Pairs(pairs.sources, pairs.targets, ~pairs.labels)
    one, other = (
        assign_folds(which, 4, rng=np.random.default_rng(3)) for which in (pairs, flipped)
    )
    np.testing.assert_array_equal(one, other)
    assert not np.array_equal(one, assign_folds(pairs, 4, rng=np.random.default_rng(4)))


def test_both_directions_are_in_one_fold_where_the_reverse_tells_the_label():
    rng = np.random.default_rng(0)
    n = 30
    edge = np.triu(rng.random((n, n)) < 0.2, 1)
    edge |= edge.T
    sources, targets = np.nonzero(~np.eye(n, dtype=bool))
    pairs = Pairs(sources.astype(np.int32), targets.astype(np.int32), edge[sources, targets])
    fold = np.full((n, n), -1)
    fold[sources, targets] = assign_folds(pairs, 5, rng=rng)
    np.testing.assert_array_equal(fold, fold.T)
