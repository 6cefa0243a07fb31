import numpy as np
import pytest

from scregnet.links import Pairs, choose_negatives, split_pairs
from scregnet.links.pairs import reciprocity
from scregnet.links.pairs.audit import audit_pairs
from scregnet.links.pairs.reciprocity import is_reciprocal, reverses, without_reverses
from scregnet.links.pairs.splits import hold_out, universe

PARTS = ("train", "validation", "test")
N, N_TFS = 300, 40


def network(seed=0, *, reciprocal=True, density=0.15):
    """Edges of 40 TFs among 300 genes; edges between TFs run both ways or not."""
    rng = np.random.default_rng(seed)
    edges = rng.random((N_TFS, N)) < density * rng.gamma(2, 0.5, (N_TFS, 1))
    edges[np.arange(N_TFS), np.arange(N_TFS)] = False
    if reciprocal:
        among = edges[:, :N_TFS]
        edges[:, :N_TFS] = np.triu(among) | np.triu(among).T
    return np.nonzero(edges)


def keys(pairs):
    return set(zip(pairs.sources.tolist(), pairs.targets.tolist(), strict=True))


def make_split(kind="pairs", seed=1, **options):
    return split_pairs(*network(**options), N, rng=np.random.default_rng(seed), kind=kind)


def test_reverses_are_found_by_place():
    pairs = Pairs(np.array([3, 0, 5, 7, 0]), np.array([5, 9, 3, 8, 7]), np.zeros(5, bool))
    assert reverses(pairs).tolist() == [2, -1, 0, -1, -1]
    assert reverses(pairs.take(np.zeros(5, bool))).tolist() == []
    held_out = Pairs(np.array([8, 9]), np.array([7, 1]), np.ones(2, bool))
    assert keys(without_reverses(pairs, held_out)) == keys(pairs) - {(7, 8)}


@pytest.mark.parametrize("seed", range(3))
def test_only_a_network_whose_edges_tell_their_reverse_is_reciprocal(seed):
    assert is_reciprocal(universe(*network(seed), N))
    # Chance makes many edges mutual where there are many, which tells nothing.
    assert not is_reciprocal(universe(*network(seed, reciprocal=False, density=0.6), N))
    assert not is_reciprocal(universe(np.array([0, 1]), np.array([5, 6]), 9))


@pytest.mark.parametrize("kept", [1.0, 0.9, 0.3])
def test_reverses_are_counted_in_a_table_or_in_a_list(kept, monkeypatch):
    pairs = universe(*network(4, reciprocal=False, density=0.3), N)
    chosen = np.random.default_rng(1).random(len(pairs)) < kept
    pairs = pairs.take(chosen)
    found = keys(pairs.take(pairs.labels)), keys(pairs.take(~pairs.labels))
    expected = [
        sum(pair[::-1] in reverse for pair in some)
        for some, reverse in ((found[0], found[0]), (found[0], found[1]), (found[1], found[1]))
    ]
    assert min(expected) > 0
    monkeypatch.setattr(reciprocity, "BLOCK", 1_000)
    assert reciprocity._edges_both_ways(pairs) == tuple(expected)
    few = pairs.take(pairs.targets < N_TFS)
    assert reciprocity._edges_both_ways(few) == tuple(expected)


def test_both_directions_of_a_pair_are_in_one_part():
    split = make_split()
    parts = [keys(getattr(split, part)) for part in PARTS]
    assert sum(map(len, parts)) == len(set.union(*parts)) == N_TFS * (N - 1)
    for part in parts:
        among = {pair for pair in part if pair[1] < N_TFS}
        assert among
        assert among == {pair[::-1] for pair in among}
    of_tfs = [sum(pair[1] < N_TFS for pair in part) for part in parts]
    np.testing.assert_allclose(np.array(of_tfs) / sum(of_tfs), [0.603, 0.067, 0.33], atol=0.04)


def test_every_tf_keeps_its_proportions():
    split = make_split()
    for tf in range(N_TFS):
        for label in (True, False):
            counts = [
                ((p.sources == tf) & (p.labels == label)).sum() for p in (split.train, split.test)
            ]
            total = sum(
                ((getattr(split, p).sources == tf) & (getattr(split, p).labels == label)).sum()
                for p in PARTS
            )
            assert abs(counts[1] - 0.33 * total) <= 1
            assert abs(counts[0] - 0.9 * 0.67 * total) < 2


def test_a_network_of_tfs_alone_is_divided_as_well():
    """Nothing can make up for a couple there, but over all TFs shares are as wanted."""
    rng = np.random.default_rng(0)
    edges = np.triu(rng.random((60, 60)) < 0.1, 1)
    split = split_pairs(*np.nonzero(edges | edges.T), 60, rng=rng)
    n = np.array([getattr(split, part).n_positive for part in PARTS])
    np.testing.assert_allclose(n / n.sum(), [0.603, 0.067, 0.33], atol=0.05)
    assert all((np.array(list(keys(getattr(split, part)))) < 60).all() for part in PARTS)
    for part in PARTS:
        assert keys(getattr(split, part)) == {pair[::-1] for pair in keys(getattr(split, part))}


@pytest.mark.parametrize("kind", ["targets", "tfs", "both"])
def test_no_part_has_the_reverse_of_what_a_later_one_holds_out(kind):
    split = make_split(kind)
    train, validation, test = (keys(getattr(split, part)) for part in PARTS)
    assert not train & {pair[::-1] for pair in validation | test}
    assert not validation & {pair[::-1] for pair in test}
    # Nothing else is missing: what was taken away has its reverse in a later part.
    everything = keys(universe(*network(), N))
    if kind != "both":
        gone = everything - train - validation - test
        assert gone
        assert {pair[::-1] for pair in gone} <= validation | test
    directed = make_split(kind, reciprocal=False)
    if kind != "both":
        assert sum(len(getattr(directed, part)) for part in PARTS) == N_TFS * (N - 1)


@pytest.mark.parametrize("kind", ["pairs", "targets", "tfs", "both"])
@pytest.mark.parametrize("negatives", ["all", "sampled", "hard", "degree_matched"])
def test_the_audit_passes(kind, negatives):
    for seed in range(3):
        rng = np.random.default_rng(seed)
        split = split_pairs(*network(seed), N, rng=rng, kind=kind)
        split = choose_negatives(split, negatives, rng=rng, scattered=kind == "pairs")
        found = audit_pairs(split.train, split.validation, split.test, N)
        verdicts = {(f.check, f.part): f.verdict for f in found}
        assert "fail" not in verdicts.values()
        assert verdicts["reverse_edge", "test"] == verdicts["reverse_edge", "validation"] == "ok"
        assert {f.count for f in found if f.check.startswith("reverse_edge")} == {0}


def test_no_negative_is_told_by_its_reverse_either():
    """If only edges kept their reverse, a reverse among the training pairs would tell non-edges."""
    split = make_split()
    trained = keys(split.train)
    assert not any((t, s) in trained for s, t in keys(split.test))


def test_a_seed_fixes_the_split_and_another_changes_it():
    assert keys(make_split(seed=1).test) == keys(make_split(seed=1).test)
    assert keys(make_split(seed=1).test) != keys(make_split(seed=2).test)


def test_pairs_given_without_their_network_are_recognised():
    split = make_split()
    rest, held = hold_out(split.train, 0.2, rng=np.random.default_rng(0))
    among = [{p for p in keys(part) if p[1] < N_TFS} for part in (rest, held)]
    assert all(part == {p[::-1] for p in part} for part in among)
    _, apart = hold_out(split.train, 0.2, rng=np.random.default_rng(0), reciprocal=False)
    among = {p for p in keys(apart) if p[1] < N_TFS}
    assert among != {p[::-1] for p in among}
