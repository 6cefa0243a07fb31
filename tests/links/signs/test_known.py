from __future__ import annotations

import numpy as np

from scregnet.links.signs.known import KnownSigns

OUTSIDE = np.array([[3, 1, 0, 0], [0, 2, 5, 0], [0, 0, 0, 4]], np.int32)


def known():
    sources, targets = np.array([1, 0, 1], np.int32), np.array([2, 1, 0], np.int32)
    return KnownSigns(sources, targets, np.array([True, False, False]), OUTSIDE)


def test_counts_join_edges_inside_and_outside():
    assert known().tf_counts().tolist() == [[3, 2], [1, 3], [0, 0]]
    assert (len(known()), known().n_repressing, known().share) == (3, 2, 1 / 3)


def test_edges_come_by_tf():
    found = {tf: edges.tolist() for tf, edges in known().by_tf()}
    assert found == {0: [1], 1: [0, 2]}


def test_what_regulates_a_tf_stays_when_its_own_signs_are_held_out():
    part = known().take(np.array([True, False, True])).without_outside(np.array([1]))
    assert part.sources.tolist() == [1, 1]
    assert part.outside.tolist() == [[3, 1, 0, 0], [0, 0, 5, 0], [0, 0, 0, 4]]
    assert OUTSIDE[1, 1] == 2
