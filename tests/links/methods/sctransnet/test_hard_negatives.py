import numpy as np
import pytest

from scregnet.links import Pairs
from scregnet.links.methods.sctransnet.hard_negatives import HardNegatives


def make_pairs():
    """TF 0: 30 edges of 40 pairs, TF 1: 10 of 40, TF 2: none of 40, TF 3: all of 5."""
    sources = np.repeat([0, 1, 2, 3], [40, 40, 40, 5]).astype(np.int32)
    targets = np.concatenate([np.arange(10, 50)] * 3 + [np.arange(10, 15)]).astype(np.int32)
    labels = np.concatenate(
        [np.arange(40) < 30, np.arange(40) < 10, np.zeros(40, bool), np.ones(5, bool)]
    )
    order = np.random.default_rng(5).permutation(len(sources))
    return Pairs(sources, targets, labels).take(order)


def codes(pairs):
    return pairs.sources.astype(int) * 1000 + pairs.targets


@pytest.mark.parametrize("density", ["tf", "network"])
def test_negatives_are_training_negatives_and_every_positive_is_there_once(density):
    pairs = make_pairs()
    drawn = HardNegatives(pairs, density).draw(np.random.default_rng(0))
    assert sorted(codes(drawn.take(drawn.labels))) == sorted(codes(pairs.take(pairs.labels)))
    assert set(codes(drawn.take(~drawn.labels))) <= set(codes(pairs.take(~pairs.labels)))
    assert drawn.sources.dtype == drawn.targets.dtype == np.int32
    assert drawn.labels.dtype == bool


def test_the_networks_density_gives_every_tf_the_ratio_of_equation_14():
    pairs = make_pairs()
    density = 45 / 125
    rng = np.random.default_rng(0)
    numbers = np.zeros((500, 4))
    for row in numbers:
        drawn = HardNegatives(pairs, "network").draw(rng)
        row[:] = np.bincount(drawn.sources[~drawn.labels], minlength=4)
    mean = numbers.mean(axis=0)
    # Positives / negatives = density / (1 - density), TF by TF.
    # TF 2 has no positive, TF 3 no negative to draw.
    np.testing.assert_allclose(30 / mean[0], density / (1 - density), rtol=0.01)
    np.testing.assert_allclose(10 / mean[1], density / (1 - density), rtol=0.01)
    assert mean[2:].tolist() == [0, 0]
    assert set(numbers[:, 0]) <= {53, 54}  # 53.33, rounded at random


def test_with_the_tfs_density_each_tf_keeps_its_own_ratio():
    pairs = make_pairs()
    drawn = HardNegatives(pairs, "tf").draw(np.random.default_rng(0))
    assert np.bincount(drawn.sources[~drawn.labels], minlength=4).tolist() == [10, 30, 40, 0]
    density = 30 / 40
    assert density / (1 - density) == 30 / 10


def test_negatives_are_drawn_uniformly():
    pairs = make_pairs()
    rng = np.random.default_rng(0)
    drawn = [HardNegatives(pairs).draw(rng) for _ in range(400)]
    targets = np.concatenate([one.targets[~one.labels & (one.sources == 1)] for one in drawn])
    counts = np.bincount(targets, minlength=50)[20:]
    assert counts.sum() == 400 * 30
    assert counts.min() > 300  # 400 expected, standard deviation 20
    assert counts.max() < 500


def test_draws_differ_from_epoch_to_epoch_and_follow_the_seed():
    negatives = HardNegatives(make_pairs())
    rng = np.random.default_rng(0)
    first, second = codes(negatives.draw(rng)), codes(negatives.draw(rng))
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(codes(negatives.draw(np.random.default_rng(0))), first)


@pytest.mark.parametrize("label", [False, True])
def test_pairs_of_one_kind_only(label):
    pairs = make_pairs()
    drawn = HardNegatives(pairs.take(pairs.labels == label), "network").draw(
        np.random.default_rng(0)
    )
    assert drawn.labels.all()
    assert len(drawn) == (45 if label else 0)


def test_an_unknown_density_is_refused():
    with pytest.raises(
        ValueError, match="density='TF' is not known; valid values: 'tf', 'network'"
    ):
        HardNegatives(make_pairs(), "TF")
