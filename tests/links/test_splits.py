import numpy as np
import pytest

from scregnet.links import split_pairs

PARTS = ("train", "validation", "test")


@pytest.fixture(scope="module")
def network():
    rng = np.random.default_rng(0)
    edges = rng.random((6, 200)) < np.array([0.5, 0.3, 0.1, 0.1, 0.02, 0.02])[:, None]
    edges[np.arange(6), np.arange(6)] = False
    return np.nonzero(edges)


@pytest.fixture(scope="module")
def split(network):
    return split_pairs(*network, 200, rng=np.random.default_rng(1))


def keys(pairs):
    return set(zip(pairs.sources.tolist(), pairs.targets.tolist(), strict=True))


def test_every_pair_of_the_universe_is_there_once(network, split):
    parts = [keys(getattr(split, part)) for part in PARTS]
    assert sum(len(part) for part in parts) == 6 * 199
    assert len(set.union(*parts)) == 6 * 199
    assert all(source != target for source, target in set.union(*parts))


def test_labels_are_the_network(network, split):
    known = set(zip(network[0].tolist(), network[1].tolist(), strict=True))
    positives = [keys(getattr(split, part).take(getattr(split, part).labels)) for part in PARTS]
    assert set.union(*positives) == known
    assert sum(map(len, positives)) == len(known)


def test_every_tf_is_divided_in_the_same_proportions(split):
    for tf in range(6):
        for label in (True, False):
            counts = [
                ((p.sources == tf) & (p.labels == label)).sum() for p in (split.train, split.validation, split.test)
            ]
            total = sum(counts)
            assert abs(counts[2] - 0.33 * total) <= 1
            assert abs(counts[1] - 0.1 * 0.67 * total) <= 1.2


def test_a_seed_fixes_the_split(network, split):
    again = split_pairs(*network, 200, rng=np.random.default_rng(1))
    other = split_pairs(*network, 200, rng=np.random.default_rng(2))
    assert keys(again.test) == keys(split.test)
    assert keys(other.test) != keys(split.test)


def test_lone_edges_fall_in_every_part_over_seeds():
    sources, targets = np.arange(30), np.arange(30) + 30
    split = split_pairs(sources, targets, 60, rng=np.random.default_rng(0))
    counts = np.array([getattr(split, part).n_positive for part in PARTS])
    assert counts.sum() == 30
    assert (counts > 0).all()
    assert counts[0] > counts[2] > counts[1]
