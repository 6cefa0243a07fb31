from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from scregnet.links.evidence import EvidenceLayer, PairColumns

# TF 0 has a track, TF 1 has none; gene 4 is not covered. The layer has three TFs in all.
TRACK = np.array([0, 1, 0.5, 0, 0], np.float32)
POPULARITY = np.array([0.1, 0.9, 0.5, 0.3, 0], np.float32)
COVERED = np.array([True, True, True, True, False])


@pytest.fixture
def layer():
    tracks = np.zeros((5, 5), np.float32)
    tracks[0] = TRACK
    has_track = np.array([True, False, False, False, False])
    profile = np.arange(10, dtype=np.float32).reshape(5, 2)
    return EvidenceLayer(
        "chip", profile, POPULARITY, COVERED, sp.csr_matrix(tracks), has_track, n_tfs=3
    )


def standardised(values, like=None):
    like = values if like is None else like
    return (values - like.mean()) / like.std()


def test_popularity_is_that_of_the_other_tfs(layer):
    columns = PairColumns.of(layer)
    least = POPULARITY[:4].mean() / 10
    every = np.log(POPULARITY[:4] + least)
    np.testing.assert_allclose(columns.of_tf(1)[0, :4], standardised(every), rtol=1e-5)
    # Without the TF itself: (3 * popularity - track) / 2.
    others = np.log((3 * POPULARITY[:4] - TRACK[:4]) / 2 + least)
    np.testing.assert_allclose(columns.of_tf(0)[0, :4], standardised(others, every), rtol=1e-5)


def test_the_track_is_standardised_and_unknown_is_the_mean(layer):
    columns = PairColumns.of(layer)
    np.testing.assert_allclose(columns.of_tf(0)[1, :4], standardised(TRACK[:4]), rtol=1e-5)
    assert not columns.of_tf(1)[1].any()
    assert not columns.of_tf(0)[:, 4].any()


def test_a_layer_that_knows_nothing_is_zero_and_finite(layer):
    nothing = EvidenceLayer(
        "none", layer.profile, 0 * POPULARITY, COVERED, 0 * layer.tracks, layer.has_track, 1
    )
    assert not PairColumns.of(nothing).of_tf(0).any()


def test_shuffled_genes_keep_their_profile_popularity_and_tracks_together(layer):
    other = layer.shuffled(np.random.default_rng(0))
    # Rows of the profile tell which gene a row came from.
    origin = (other.profile[:, 0] / 2).astype(int)
    assert sorted(origin) == list(range(5))
    assert (origin != np.arange(5)).any()
    assert origin[4] == 4
    np.testing.assert_array_equal(other.popularity, POPULARITY[origin])
    np.testing.assert_array_equal(other.tracks.toarray()[0], TRACK[origin])
