import numpy as np
import pytest
import scipy.sparse as sp
from scipy.optimize import linprog

from scregnet import metrics
from scregnet.links import LinkTask, Pairs, choose_negatives, get_method, split_pairs
from scregnet.links.pairs.negatives import match_degrees

PARTS = ("train", "validation", "test")
KINDS = ("pairs", "targets", "tfs", "both")


@pytest.fixture(scope="module")
def network():
    """TFs and targets of very different degree; hubs regulate most genes."""
    rng = np.random.default_rng(0)
    logit = np.linspace(-3, 1.5, 24)[:, None] + 1.2 * rng.normal(size=240)
    edges = rng.random(logit.shape) < 1 / (1 + np.exp(-logit))
    edges[np.arange(24), np.arange(24)] = False
    return np.nonzero(edges)


def split_of(network, kind, seed=0):
    return split_pairs(*network, 240, rng=np.random.default_rng(seed), kind=kind)


def keys(pairs):
    return pairs.sources.astype(int) * 1000 + pairs.targets


def test_all_is_all(network):
    split = split_of(network, "pairs")
    assert choose_negatives(split, "all", rng=np.random.default_rng(0)) is split


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("negatives", ["sampled", "hard"])
def test_edges_stay_and_negatives_are_non_edges_of_the_same_part(network, kind, negatives):
    split = split_of(network, kind)
    chosen = choose_negatives(split, negatives, 0.5, rng=np.random.default_rng(1))
    for part in PARTS:
        before, after = getattr(split, part), getattr(chosen, part)
        assert after.n_positive == before.n_positive
        assert len(np.unique(keys(after))) == len(after)
        label = dict(zip(keys(before), before.labels, strict=True))
        assert [label[key] for key in keys(after)] == after.labels.tolist()


@pytest.mark.parametrize("ratio", [0.5, 1.0, 2.0])
def test_as_many_negatives_as_asked_for(network, ratio):
    split = split_of(network, "pairs")
    sampled = choose_negatives(split, "sampled", ratio, rng=np.random.default_rng(1))
    for part in PARTS:
        n_edges, n_others = (
            getattr(split, part).n_positive,
            len(getattr(split, part)) - getattr(split, part).n_positive,
        )
        got = len(getattr(sampled, part)) - n_edges
        assert abs(got - min(ratio * n_edges, n_others)) <= 1
    hard = choose_negatives(split, "hard", ratio, rng=np.random.default_rng(1))
    edges = np.bincount(split.train.sources[split.train.labels], minlength=24)
    others = np.bincount(split.train.sources[~split.train.labels], minlength=24)
    got = np.bincount(hard.train.sources[~hard.train.labels], minlength=24)
    assert (np.abs(got - np.minimum(ratio * edges, others)) < 1).all()
    assert (others < ratio * edges).any()


def test_sampled_negatives_are_spread_evenly(network):
    split = split_of(network, "pairs")
    taken = np.zeros(24 * 1000)
    for seed in range(200):
        pairs = choose_negatives(split, "sampled", 0.2, rng=np.random.default_rng(seed)).train
        taken += np.bincount(keys(pairs)[~pairs.labels], minlength=len(taken))
    of_others = taken[keys(split.train)[~split.train.labels]]
    share = 0.2 * split.train.n_positive / len(of_others)
    # Binomial counts over 200 seeds: all of some thousands lie within five standard deviations.
    assert of_others.mean() == pytest.approx(200 * share, rel=0.01)
    assert of_others.max() < 200 * share + 5 * np.sqrt(200 * share)


def test_hard_negatives_make_the_source_tell_nothing(network):
    thin = np.bincount(network[0], minlength=24)[network[0]] < 110
    split = split_pairs(network[0][thin], network[1][thin], 240, rng=np.random.default_rng(0))
    for negatives, low, high in (("sampled", 0.6, 0.9), ("hard", 0.48, 0.52)):
        pairs = choose_negatives(split, negatives, rng=np.random.default_rng(0)).test
        out_degree = np.bincount(split.train.sources[split.train.labels], minlength=24)
        assert low < metrics.auroc(pairs.labels, out_degree[pairs.sources]) < high


def matched(network, kind, seed=0):
    rng = np.random.default_rng(seed)
    return choose_negatives(
        split_of(network, kind, seed), "degree_matched", rng=rng, scattered=kind == "pairs"
    )


@pytest.mark.parametrize("kind", KINDS)
def test_matched_pairs_have_every_gene_as_often_on_either_side(network, kind):
    split, whole = matched(network, kind), split_of(network, kind)
    known = set(zip(network[0].tolist(), network[1].tolist(), strict=True))
    for part in PARTS:
        pairs = getattr(split, part)
        assert pairs.n_positive * 2 == len(pairs) > 0
        assert len(np.unique(keys(pairs))) == len(pairs)
        for role in ("sources", "targets"):
            of = getattr(pairs, role)
            np.testing.assert_array_equal(
                np.bincount(of[pairs.labels], minlength=240),
                np.bincount(of[~pairs.labels], minlength=240),
            )
        pairs_known = [
            (s, t) in known
            for s, t in zip(pairs.sources.tolist(), pairs.targets.tolist(), strict=True)
        ]
        assert pairs_known == pairs.labels.tolist()
        if kind != "pairs":
            assert set(keys(pairs)) <= set(keys(getattr(whole, part)))
    codes = [set(keys(getattr(split, part))) for part in PARTS]
    assert len(set.union(*codes)) == sum(map(len, codes))


@pytest.mark.parametrize("kind", KINDS)
def test_a_degree_model_scores_one_half_on_matched_pairs(network, kind):
    """Even one that learned degrees from all training pairs, and is good on unmatched ones."""
    whole = split_of(network, kind)
    task = LinkTask(240, whole.train, whole.validation)
    links = get_method("degree").fit(task, rng=np.random.default_rng(0), device=None).links
    everything = metrics.auroc(
        whole.test.labels, links.score(whole.test.sources, whole.test.targets)
    )
    assert everything > 0.7 or kind == "both"
    for seed in range(3):
        test = match_degrees(whole.test, rng=np.random.default_rng(seed))[0]
        score = links.score(test.sources, test.targets)
        assert score[test.labels].mean() == pytest.approx(score[~test.labels].mean(), abs=1e-5)
        assert metrics.auroc(test.labels, score) == pytest.approx(0.5, abs=0.04)
    split = matched(network, kind)
    own = (
        get_method("degree")
        .fit(LinkTask(240, split.train, split.validation), rng=np.random.default_rng(0))
        .links
    )
    assert metrics.auroc(
        split.test.labels, own.score(split.test.sources, split.test.targets)
    ) == pytest.approx(0.5, abs=0.02)


def test_most_edges_that_can_be_matched_are(network):
    """The largest set with equal degrees is a linear programme with whole numbers as corners."""
    pairs = split_of(network, "targets").train
    sign, each = np.where(pairs.labels, 1.0, -1.0), np.arange(len(pairs))
    balance = sp.vstack(
        [
            sp.csr_matrix((sign, (of, each)), shape=(240, len(pairs)))
            for of in (pairs.sources, pairs.targets)
        ]
    )
    most = -linprog(
        -pairs.labels.astype(float), A_eq=balance, b_eq=np.zeros(480), bounds=(0, 1)
    ).fun
    kept = match_degrees(pairs, rng=np.random.default_rng(0))[0].n_positive
    assert 0.75 * most < kept <= most


def test_parts_of_matched_pairs_keep_their_proportions(network):
    split = matched(network, "pairs")
    n = np.array([len(getattr(split, part)) for part in PARTS])
    np.testing.assert_allclose(n / n.sum(), [0.603, 0.067, 0.33], atol=0.01)


def test_nothing_to_match():
    lone = Pairs(
        np.zeros(3, np.int32), np.arange(1, 4, dtype=np.int32), np.array([True, False, False])
    )
    assert len(match_degrees(lone, rng=np.random.default_rng(0))[0]) == 0
    full = Pairs(np.zeros(3, np.int32), np.arange(1, 4, dtype=np.int32), np.ones(3, bool))
    assert len(match_degrees(full, rng=np.random.default_rng(0))[0]) == 0


@pytest.mark.parametrize("negatives", ["sampled", "hard", "degree_matched"])
def test_a_seed_fixes_the_choice(network, negatives):
    split = split_of(network, "pairs")
    first, again, other = (
        choose_negatives(split, negatives, rng=np.random.default_rng(seed), scattered=True)
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(keys(first.train), keys(again.train))
    assert set(keys(first.train)) != set(keys(other.train))


def test_an_unknown_kind_lists_the_valid_ones(network):
    with pytest.raises(ValueError, match="negatives='degree' is not known.*'degree_matched'"):
        choose_negatives(split_of(network, "pairs"), "degree", rng=np.random.default_rng(0))
