"""Mutual information and its partial decomposition, next to plain sums over tables."""

import itertools

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import mutual_info_score

from scregnet.links import LinkTask, Pairs, get_method
from scregnet.links.methods import pidc
from scregnet.links.methods.information.blocks import block_levels, width_levels
from scregnet.links.methods.information.compiled import mutual_information, unique_shares
from scregnet.links.methods.levels import binned

NONE = Pairs(np.zeros(0, int), np.zeros(0, int), np.zeros(0, bool))


def fitted(name, expression, regulators=None, **parameters):
    task = LinkTask(len(expression), NONE, NONE, np.float32(expression), regulators=regulators)
    return get_method(name, **parameters).fit(task, rng=np.random.default_rng(0)).links


@pytest.fixture
def levels():
    rng = np.random.default_rng(2)
    levels = rng.integers(0, 3, (6, 90)).astype(np.uint8)
    levels[1] = (levels[0] + (rng.random(90) < 0.2)) % 3
    levels[4] = np.minimum(levels[0], levels[2])
    return levels


def specific(target, source):
    """What a gene says about each level of another, and how frequent the levels are."""
    shares, said = [], []
    for x in np.unique(target):
        here = target == x
        total = 0.0
        for y in np.unique(source[here]):
            p = np.mean(source[here] == y)
            total += p * np.log(p / np.mean(source == y))
        shares.append(here.mean())
        said.append(total)
    return np.array(shares), np.array(said)


def by_definition(levels):
    """Proportional unique contributions by a loop over all sets of three genes."""
    n = len(levels)
    found = np.zeros((n, n))
    for x in range(n):
        for y in range(n):
            for z in range(n):
                if len({x, y, z}) < 3:
                    continue
                p, of_y = specific(levels[x], levels[y])
                _, of_z = specific(levels[x], levels[z])
                information = (p * of_y).sum()
                if information > 1e-12:
                    found[x, y] += 1 - (p * np.minimum(of_y, of_z)).sum() / information
    return found


def test_information_less_the_bias_of_counts_is_that_of_scikit_learn(levels):
    n_levels = np.full(6, 3)
    found = mutual_information(levels[0], levels, 3, n_levels)
    plain = [mutual_info_score(levels[0], other) for other in levels]
    np.testing.assert_allclose(found, np.maximum(np.array(plain) - 4 / 180, 0), atol=1e-6)


def test_both_estimators_of_information_rank_alike():
    rng = np.random.default_rng(0)
    signal = rng.normal(size=400)
    strength = np.linspace(0, 2, 9)[:, None]
    expression = np.concatenate([signal[None], strength * signal + rng.normal(size=(9, 400))])
    one = fitted("mutual_info", expression, np.array([0])).values[0, 1:]
    other = fitted("mutual_info", expression, np.array([0]), estimator="neighbours").values[0, 1:]
    assert stats.spearmanr(one, other).statistic > 0.9
    # Of two normal variables of known correlation.
    r2 = strength[-1, 0] ** 2 / (1 + strength[-1, 0] ** 2)
    assert other[-1] == pytest.approx(-np.log(1 - r2) / 2, abs=0.15)


def test_information_of_unrelated_genes_is_about_zero():
    expression = np.random.default_rng(0).normal(size=(20, 300))
    table = fitted("mutual_info", expression).values
    assert np.median(table[~np.eye(20, dtype=bool)]) < 0.02


def test_sorted_sums_are_those_of_the_definition(levels):
    found = np.stack([unique_shares(x, levels, np.full(6, 3)) for x in range(6)])
    np.testing.assert_allclose(found, by_definition(levels), atol=1e-5)


def test_an_and_gate_has_no_unique_information():
    """Both inputs say 0.311 bits about the output, and the same ones (Williams and Beer)."""
    one, other = np.array([0, 0, 1, 1] * 25), np.array([0, 1, 0, 1] * 25)
    gate = np.stack([one, other, one & other]).astype(np.uint8)
    p, said = specific(gate[2], gate[0])
    assert (p * said).sum() / np.log(2) == pytest.approx(0.311, abs=1e-3)
    about_output = unique_shares(2, gate, np.full(3, 2))
    np.testing.assert_allclose(about_output, 0, atol=1e-6)
    # About an input the output knows something, and the other input nothing.
    np.testing.assert_allclose(unique_shares(0, gate, np.full(3, 2)), [0, 0, 1], atol=1e-6)
    np.testing.assert_allclose(
        pidc.contributions(gate), [[0, 0, 1], [0, 0, 1], [1, 1, 0]], atol=1e-6
    )


def test_contributions_of_many_genes_are_symmetric(levels):
    many = np.concatenate([levels] * 50)
    shares = pidc.contributions(many)
    np.testing.assert_array_equal(shares, shares.T)
    whole = np.stack([unique_shares(x, many, np.full(300, 3)) for x in (0, 299)])
    np.testing.assert_allclose(shares[0, 299], whole[0, 299] + whole[1, 0], rtol=1e-6)


def test_confidence_is_a_sum_of_two_distributions():
    rng = np.random.default_rng(0)
    shares = rng.gamma(3, 2, (40, 40)).astype(np.float32)
    shares = shares + shares.T
    np.fill_diagonal(shares, 0)
    found = pidc.confidence(shares, np.array([3]))[0]
    of = lambda gene: stats.gamma(*stats.gamma.fit(np.delete(shares[gene], gene), floc=0))
    expected = [of(3).cdf(shares[3, gene]) + of(gene).cdf(shares[3, gene]) for gene in range(40)]
    np.testing.assert_allclose(np.delete(found, 3), np.delete(expected, 3), atol=1e-4)


def test_a_gene_with_zeros_has_a_normal_distribution():
    shares = np.array([[0, 1, 0, 2], [1, 0, 3, 0], [0, 3, 0, 1], [2, 0, 1, 0]], np.float32)
    found = pidc.confidence(shares, np.array([0]))[0]
    own, other = shares[0, 1:], shares[3, :3]
    expected = stats.norm.cdf(2, own.mean(), own.std()) + stats.norm.cdf(2, 1, other.std())
    assert found[3] == pytest.approx(expected, abs=1e-6)


def best_division(values, prior):
    """The best of all divisions of values into blocks; ``prior`` is of the ends of blocks."""
    distinct, times = np.unique(values, return_counts=True)
    middle = (distinct[1:] + distinct[:-1]) / 2
    edges = np.concatenate([distinct[:1], middle, distinct[-1:]])
    best, found = -np.inf, None
    for inner in itertools.product([False, True], repeat=len(distinct) - 1):
        starts = np.flatnonzero([True, *inner])
        ends = np.append(starts[1:], len(distinct))
        number = np.array([times[i:j].sum() for i, j in zip(starts, ends, strict=True)])
        fitness = (number * np.log(number / (edges[ends] - edges[starts])) - prior(ends)).sum()
        if fitness > best:
            best, found = fitness, np.cumsum([True, *inner]) - 1
    return found[np.searchsorted(distinct, values)]


@pytest.mark.parametrize("seed", [0, 6, 8])
def test_blocks_are_the_best_of_all_divisions(seed):
    """By equations 19 and 21 of Scargle et al., at one false block in twenty."""
    rng = np.random.default_rng(seed)
    values = np.concatenate([rng.uniform(0, 1, 8), rng.uniform(0.4, 0.5, 4), np.full(3, 1.2)])
    levels = block_levels(values[None])[0]
    of_number = lambda ends: 4 - np.log(73.53 * 0.05 * ends**-0.478)
    np.testing.assert_array_equal(levels, best_division(values, of_number))
    assert levels.max() == {0: 0, 6: 1, 8: 1}[seed]
    if seed == 6:
        # A prior that is the same at every place finds no block here.
        assert best_division(values, lambda ends: np.full(len(ends), 4)).max() == 0


def test_a_gene_of_one_level_is_no_third_gene(levels):
    """It has scores of 0, and those of the others are what they are without it."""
    silent = np.zeros((2, 90), np.uint8)
    regulators = np.arange(8)
    found = pidc.scores(np.concatenate([levels[:3], silent, levels[3:]]), regulators)
    kept = np.array([0, 1, 2, 5, 6, 7])
    plain = pidc.scores(levels, np.arange(6))
    np.testing.assert_array_equal(found[np.ix_(kept, kept)], plain)
    assert not found[3:5].any()
    assert not found[:, 3:5].any()
    assert plain.max() > 1
    # Two genes that vary have no third one.
    assert not pidc.scores(np.concatenate([levels[:2], silent]), np.arange(4)).any()


def test_bins_of_one_width_are_as_many_as_the_root_of_the_cells():
    values = np.stack([np.linspace(0, 1, 100), np.full(100, 3.0)])
    levels = width_levels(values)
    assert np.bincount(levels[0]).tolist() == [10] * 10
    assert (levels[1] == 0).all()


def test_a_chain_has_direct_links_above_the_indirect_one():
    rng = np.random.default_rng(0)
    chain = np.empty((8, 600))
    chain[0] = rng.normal(size=600)
    chain[1] = chain[0] + 0.5 * rng.normal(size=600)
    chain[2] = chain[1] + 0.5 * rng.normal(size=600)
    chain[3:] = rng.normal(size=(5, 600))
    for discretiser in pidc.DISCRETISERS:
        table = fitted("pidc", chain, discretiser=discretiser).values
        assert table[0, 1] > table[0, 2]
        assert table[1, 2] > table[0, 2]


def test_too_many_genes_are_refused(monkeypatch):
    monkeypatch.setattr(pidc, "MOST_GENES", 5)
    with pytest.raises(ValueError, match="takes 5 at most; there are 6. Select genes first"):
        fitted("pidc", np.random.default_rng(0).normal(size=(6, 20)))


def test_levels_of_ranks_hold_about_as_many_cells_each():
    levels, _ = binned(np.random.default_rng(0).normal(size=(1, 1000)), 10)
    assert np.bincount(levels[0]).min() > 60


def test_fewer_than_three_genes_that_vary_are_refused():
    expression = np.random.default_rng(0).exponential(size=(4, 60)) ** 4
    expression[2:] = 0
    with pytest.raises(ValueError, match="more than one level of expression; 2 of 4 have"):
        fitted("pidc", expression)


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        ("mutual_info", {"estimator": "ksg"}, "estimator='ksg' is not known"),
        ("mutual_info", {"n_bins": 300}, "n_bins must lie in"),
        ("pidc", {"discretiser": "quantiles"}, "discretiser='quantiles' is not known"),
    ],
)
def test_bad_hyper_parameters_are_named(name, parameters, message):
    with pytest.raises(ValueError, match=message):
        get_method(name, **parameters)
