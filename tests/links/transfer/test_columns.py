from __future__ import annotations

import numpy as np
import pytest

from scregnet.links.transfer.columns import MOST, OF_LAYER, TransferColumns, columns_of

POPULARITY, TRACK, NEAR, SIZE = range(4)


def test_the_order_of_the_columns():
    names = [(place.layer, place.name) for place in columns_of(2)]
    assert names[:4] == [(0, name) for name in OF_LAYER]
    assert names[4:8] == [(1, name) for name in OF_LAYER]
    assert [name for _, name in names[8:]] == ["mean", "spread", "detection", "coverage"]


def test_popularity_leaves_the_tf_out_and_unfound_genes_come_last(new):
    columns, _, _, _ = new
    layer = columns.layers[0]
    found = columns.of_tf(2)
    others = np.delete(layer.tracks.toarray()[:9], 2, axis=0).mean(axis=0)
    order = np.argsort(others[:-10])
    assert (np.diff(found[POPULARITY, order]) > -1e-5).all()
    assert found[POPULARITY, order[-1]] > found[POPULARITY, order[0]] + 2
    assert (found[POPULARITY, -10:] == found[POPULARITY, :-10].min()).all()
    assert (found[TRACK, -10:] == found[TRACK, :-10].min()).all()


def test_a_tf_without_a_track_has_zeros(new):
    columns, _, _, _ = new
    found = columns.of_tf(10)
    assert not found[[TRACK, NEAR]].any()
    assert found[POPULARITY].std() > 0.5


def test_a_track_of_few_genes_is_capped(new):
    columns, _, _, _ = new
    layer = columns.layers[0]
    rare = layer.tracks.tolil(copy=True)
    rare[0] = 0
    rare[0, 5] = 1
    few = TransferColumns(
        (type(layer)(layer.popularity, layer.covered, rare.tocsr(), layer.has_track, 9),),
        columns.profiles,
        columns.of_targets,
    )
    assert few.of_tf(0)[TRACK, 5] == MOST


def test_near_is_the_similarity_to_the_profiles_of_the_track(new):
    columns, _, _, _ = new
    profile = columns.profiles[0]
    similar = profile @ (columns.layers[0].tracks.toarray()[3] @ profile)
    expected = (similar - similar.mean()) / similar.std()
    np.testing.assert_allclose(columns.of_tf(3)[NEAR], expected, atol=1e-4)
    used = np.array([True, True, False, True, True, True, True, True])
    assert not columns.of_tf(3, used)[NEAR].any()


def test_ranks_and_coverage(new):
    columns, _, _, _ = new
    found = columns.of_tf(0)
    for row in found[4:7]:
        assert sorted(row) == pytest.approx((np.arange(200) + 0.5) / 200 - 0.5)
    np.testing.assert_array_equal(found[7], np.arange(200) < 190)
