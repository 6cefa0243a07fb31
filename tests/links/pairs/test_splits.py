import numpy as np
import pytest

from scregnet.links import split_pairs
from scregnet.links.pairs.splits import sampled_universe

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
                ((p.sources == tf) & (p.labels == label)).sum()
                for p in (split.train, split.validation, split.test)
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


@pytest.fixture(scope="module")
def wide():
    """30 TFs among 200 genes, of which the TFs are targets as well."""
    rng = np.random.default_rng(3)
    edges = rng.random((30, 200)) < np.linspace(0.02, 0.6, 30)[:, None]
    edges[np.arange(30), np.arange(30)] = False
    return np.nonzero(edges)


def genes(pairs, role):
    return set(np.unique(getattr(pairs, role)).tolist())


@pytest.mark.parametrize(
    ("kind", "held", "shares"),
    [
        ("targets", ["targets"], (0.33, 0.1)),
        ("tfs", ["sources"], (0.33, 0.2)),
        ("both", ["sources", "targets"], (0.33, 0.3)),
    ],
)
def test_what_is_held_out_is_never_labelled_before(wide, kind, held, shares):
    split = split_pairs(*wide, 200, rng=np.random.default_rng(0), kind=kind)
    parts = {part: getattr(split, part) for part in PARTS}
    for role in held:
        found = {part: genes(pairs, role) for part, pairs in parts.items()}
        assert not found["train"] & found["validation"]
        assert not (found["train"] | found["validation"]) & found["test"]
        n = 30 if role == "sources" else 200
        assert len(found["test"]) == round(shares[0] * n)
        assert len(found["validation"]) == round(shares[1] * (n - len(found["test"])))
        assert sum(map(len, found.values())) == n
    for role in {"sources", "targets"} - set(held):
        assert (
            genes(parts["train"], role)
            == genes(parts["validation"], role)
            == genes(parts["test"], role)
        )
    labels = np.zeros((30, 200), bool)
    labels[wide] = True
    for pairs in parts.values():
        np.testing.assert_array_equal(pairs.labels, labels[pairs.sources, pairs.targets])


@pytest.mark.parametrize("kind", ["targets", "tfs", "both"])
def test_every_pair_is_there_once_but_the_mixed_ones(wide, kind):
    split = split_pairs(*wide, 200, rng=np.random.default_rng(0), kind=kind)
    parts = [keys(getattr(split, part)) for part in PARTS]
    n = len(set.union(*parts))
    assert n == sum(map(len, parts))
    if kind != "both":
        assert n == 30 * 199
        return
    # A part with both held out is the whole rectangle of its TFs and its targets.
    for part in PARTS:
        pairs = getattr(split, part)
        sources, targets = genes(pairs, "sources"), genes(pairs, "targets")
        assert keys(pairs) == {(s, t) for s in sources for t in targets if s != t}


def test_a_gene_is_held_out_in_its_role_only(wide):
    split = split_pairs(*wide, 200, rng=np.random.default_rng(0), kind="targets")
    held_tfs = genes(split.test, "targets") & genes(split.train, "sources")
    assert held_tfs
    split = split_pairs(*wide, 200, rng=np.random.default_rng(0), kind="tfs")
    assert genes(split.test, "sources") <= genes(split.train, "targets")


def test_held_out_genes_have_all_degrees_and_differ_by_seed(wide):
    degree = np.bincount(wide[0], minlength=30)
    tests = []
    for seed in range(20):
        split = split_pairs(*wide, 200, rng=np.random.default_rng(seed), kind="tfs")
        tests.append(frozenset(genes(split.test, "sources")))
        # One of each of 10 groups of 3 TFs of similar degree: the mean can be off by a third of
        # the range of a group.
        assert degree[list(tests[-1])].mean() == pytest.approx(degree.mean(), rel=0.1)
    assert len(set(tests)) == 20
    assert set.union(*map(set, tests)) == set(range(30))


def test_more_than_half_can_be_held_out(wide):
    split = split_pairs(*wide, 200, rng=np.random.default_rng(0), kind="tfs", test_fraction=0.7)
    assert len(genes(split.test, "sources")) == 21
    assert len(genes(split.validation, "sources")) == 2
    assert len(genes(split.train, "sources")) == 7


def test_few_tfs_are_divided_down_to_two_and_no_further():
    rng = np.random.default_rng(0)
    edges = rng.random((6, 50)) < 0.4
    sources, targets = np.nonzero(edges)
    split = split_pairs(sources, targets + 6, 56, rng=rng, kind="tfs")
    assert [len(genes(getattr(split, part), "sources")) for part in PARTS] == [2, 2, 2]
    few = sources < 5
    with pytest.raises(
        ValueError,
        match="split: 3 genes in the held-out role cannot be divided.*at least two TFs each",
    ):
        split_pairs(sources[few], targets[few] + 6, 56, rng=rng, kind="tfs")


def test_a_draw_without_both_labels_is_repeated():
    # Only 4 of 40 targets have edges: most single draws of validation targets would have none.
    sources, targets = np.repeat(np.arange(4), 4), np.tile(np.arange(10, 14), 4)
    for seed in range(10):
        split = split_pairs(sources, targets, 40, rng=np.random.default_rng(seed), kind="targets")
        assert split.test.n_positive > 0
        assert split.train.n_positive > 0


def test_an_unknown_kind_lists_the_valid_ones(wide):
    with pytest.raises(
        ValueError, match="kind='target' is not known.*'targets'.*Did you mean 'targets'"
    ):
        split_pairs(*wide, 200, rng=np.random.default_rng(0), kind="target")


def test_a_sample_of_the_universe_has_all_edges_and_a_share_of_the_rest():
    rng = np.random.default_rng(0)
    edges = rng.random((20, 500)) < 0.02
    edges[np.arange(20), np.arange(20)] = False
    network = np.nonzero(edges)
    n_edges, n_others = int(edges.sum()), 20 * 499 - int(edges.sum())
    found = sampled_universe(*network, 500, 2000, np.random.default_rng(1))
    assert keys(found.take(found.labels)) == set(zip(*map(np.ndarray.tolist, network), strict=True))
    assert (found.sources != found.targets).all()
    assert len(keys(found)) == len(found)
    assert found.share == pytest.approx((2000 - n_edges) / n_others, rel=0.1)
    # What is there stands for all that is not.
    assert found.weights.sum() == pytest.approx(20 * 499)
    assert found.weights[found.labels].sum() == n_edges
    # Never fewer than five for each edge.
    few = sampled_universe(*network, 500, 1, np.random.default_rng(1))
    assert len(few) - n_edges == pytest.approx(5 * n_edges, rel=0.1)
    # A universe that is small enough is whole.
    whole = sampled_universe(*network, 500, 20 * 499, np.random.default_rng(1))
    assert len(whole) == 20 * 499
    assert whole.weights is None


@pytest.mark.parametrize("kind", ["pairs", "targets", "tfs", "both"])
def test_parts_of_a_sample_keep_its_share(kind):
    edges = np.random.default_rng(0).random((20, 500)) < 0.02
    edges[np.arange(20), np.arange(20)] = False
    found = split_pairs(
        *np.nonzero(edges), 500, rng=np.random.default_rng(1), kind=kind, max_pairs=3000
    )
    shares = {part.share for part in found.all}
    assert len(shares) == 1
    assert shares.pop() < 0.5
    # In each part, non-edges stand for as many as the whole universe has there.
    for part, whole in zip(
        found.all,
        split_pairs(*np.nonzero(edges), 500, rng=np.random.default_rng(1), kind=kind).all,
        strict=True,
    ):
        assert part.weights.sum() == pytest.approx(len(whole), rel=0.25)
