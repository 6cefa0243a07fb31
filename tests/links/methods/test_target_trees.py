"""Trees that predict a gene from the TFs, next to those of scikit-learn."""

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.ensemble import GradientBoostingRegressor, RandomForestRegressor
from sklearn.tree import DecisionTreeRegressor

import scregnet as sr
from scregnet.links import LinkTask, Pairs, get_method
from scregnet.links.methods.levels import binned
from scregnet.links.methods.target_trees.compiled import boosted, forest

# What arboreto 0.1.6 made of these cells: benchmarks/trees.py --write.
ARBORETO = Path(__file__).parents[2] / "data" / "arboreto.npz"
NONE = Pairs(np.zeros(0, int), np.zeros(0, int), np.zeros(0, bool))


def make_cells(n_tfs=12, n_cells=150, seed=0):
    """TFs with many zeros, and genes that the first ones regulate."""
    rng = np.random.default_rng(seed)
    tfs = np.log1p(rng.poisson(rng.gamma(2, 1, (n_tfs, n_cells))))
    noise = 0.4 * rng.normal(size=(4, n_cells))
    genes = np.stack([tfs[0], tfs[1] * tfs[2], -tfs[3], np.zeros(n_cells)]) + noise
    return np.concatenate([tfs, genes]).astype(np.float32)


def fitted(name, expression, n_tfs=12, seed=0, **parameters):
    task = LinkTask(len(expression), NONE, NONE, expression, regulators=np.arange(n_tfs))
    return get_method(name, **parameters).fit(task, rng=np.random.default_rng(seed)).links


def test_few_distinct_values_keep_their_order():
    values = np.array([[0.0, 2.5, 0.0, -1.0], [1, 1, 1, 1]])
    levels, n_levels = binned(values, 255)
    assert levels.tolist() == [[1, 2, 1, 0], [0, 0, 0, 0]]
    assert n_levels.tolist() == [3, 1]


def test_many_distinct_values_are_cut_at_quantiles_and_zeros_stay_apart():
    rng = np.random.default_rng(0)
    values = np.where(rng.random(2000) < 0.6, 0, rng.gamma(2, 1, 2000))[None]
    levels, n_levels = binned(values, 16)
    assert n_levels[0] <= 16
    assert (levels[0] == levels[0][values[0] == 0][0]).sum() == (values == 0).sum()
    order = np.argsort(values[0], kind="stable")
    assert (np.diff(levels[0][order].astype(int)) >= 0).all()
    sizes = np.bincount(levels[0][values[0] > 0])[1:]
    assert sizes.max() < 4 * np.median(sizes)


def test_a_tree_with_all_features_cuts_as_scikit_learn():
    """Boosting of one round on all cells but one is one tree; its gains are determined."""
    expression = make_cells()
    y = expression[13].astype(float)
    levels, n_levels = binned(expression[:12], 64)
    gains = np.zeros(12)
    # Deeper, nodes are so small that cuts by two features are equally good.
    n = boosted(levels, n_levels, y, 0.1, 1, 12, len(y), 2, 25, 7, gains)
    tree = DecisionTreeRegressor(max_depth=2).fit(levels.T, y)
    assert n == 1
    np.testing.assert_allclose(gains / gains.sum(), tree.feature_importances_, atol=1e-9)
    whole = tree.tree_.compute_feature_importances(normalize=False).sum()
    assert gains.sum() / len(y) == pytest.approx(whole)


def test_the_best_of_sixty_four_levels_is_that_of_a_plain_loop():
    """More levels than cells in most nodes, and all of them filled in the first one."""
    rng = np.random.default_rng(3)
    levels = np.stack([rng.permutation(np.arange(128) % 64) for _ in range(2)])
    y = rng.normal(size=128) + (levels[0] >= 63) + (levels[1] > 40)
    gains = np.zeros(2)
    boosted(levels.astype(np.uint8), np.array([64, 64]), y, 0.1, 1, 2, 128, 1, 25, 7, gains)

    def gain(feature, cut):
        left = levels[feature] <= cut
        sides = [y[side] for side in (left, ~left)]
        return sum(len(side) * (side.mean() - y.mean()) ** 2 for side in sides)

    best = [max(gain(feature, cut) for cut in range(63)) for feature in range(2)]
    feature = int(np.argmax(best))
    np.testing.assert_allclose(gains[feature], best[feature])
    assert gains[1 - feature] == 0


def test_trees_of_any_depth_take_no_more_memory_than_cells():
    expression = make_cells(n_cells=40)
    deep = fitted("grnboost2", expression, max_trees=5, max_depth=200)
    same = fitted("grnboost2", expression, max_trees=5, max_depth=39)
    np.testing.assert_array_equal(deep.values, same.values)


def test_boosting_of_all_cells_and_features_is_that_of_scikit_learn():
    expression = make_cells()
    y = expression[12].astype(float)
    levels, n_levels = binned(expression[:12], 64)
    gains = np.zeros(12)
    assert boosted(levels, n_levels, y, 0.1, 30, 12, len(y), 2, 31, 7, gains) == 30
    model = GradientBoostingRegressor(learning_rate=0.1, n_estimators=30, max_depth=2)
    model.fit(levels.T, y)
    np.testing.assert_allclose(gains / gains.sum(), model.feature_importances_, atol=1e-6)


def test_a_forest_agrees_with_scikit_learn():
    expression = make_cells()
    y = expression[13].astype(float)
    levels, n_levels = binned(expression[:12], 64)
    gains = np.zeros(12)
    forest(levels, n_levels, y, 400, 3, 7, gains)
    models = [
        RandomForestRegressor(400, max_features=3, random_state=seed).fit(levels.T, y)
        for seed in range(2)
    ]
    one, other = (model.feature_importances_ for model in models)
    ours = gains / gains.sum()
    np.testing.assert_allclose(ours, one, atol=0.02)
    assert abs(ours - one).max() < 3 * abs(one - other).max()


def test_boosting_stops_where_left_out_cells_gain_nothing():
    rng = np.random.default_rng(0)
    levels, n_levels = binned(make_cells()[:12], 255)
    noise = [
        boosted(
            levels, n_levels, rng.normal(size=150), 0.01, 900, 4, 120, 3, 25, seed, np.zeros(12)
        )
        for seed in range(5)
    ]
    y = levels[0].astype(float)
    signal = boosted(levels, n_levels, y, 0.01, 900, 4, 120, 3, 25, 1, np.zeros(12))
    assert min(noise) >= 25
    assert 2 * np.median(noise) < signal


@pytest.mark.parametrize("name", ["grnboost2", "genie3"])
def test_regulators_are_found_and_no_gene_predicts_itself(name):
    links = fitted(name, make_cells(), **({"n_estimators": 100} if name == "genie3" else {}))
    table = links.values
    assert table[:, 12].argmax() == 0
    assert set(np.argsort(-table[:, 13])[:2]) == {1, 2}
    assert table[:, 14].argmax() == 3
    assert (np.diag(table) == 0).all()


def test_importances_are_shares_of_a_gene():
    table = fitted("genie3", make_cells(), n_estimators=30).values
    np.testing.assert_allclose(table.sum(axis=0), 1, atol=1e-5)
    table = fitted("grnboost2", make_cells(), max_trees=40).values
    # Times the number of trees, a whole number of at most 40.
    totals = table.sum(axis=0)
    np.testing.assert_allclose(totals, np.rint(totals), atol=1e-3)
    assert totals.max() <= 40 + 1e-3


def test_a_gene_that_does_not_vary_has_no_regulator():
    expression = make_cells()
    expression[5], expression[12] = 0, 0
    table = fitted("grnboost2", expression, max_trees=60).values
    assert (table[:, 12] == 0).all()
    assert (table[5] == 0).all()


@pytest.mark.parametrize("name", ["grnboost2", "genie3"])
def test_threads_change_no_bit(name):
    expression = make_cells()
    tables = []
    for n_jobs in (1, 3):
        with sr.settings.override(n_jobs=n_jobs):
            tables.append(fitted(name, expression, **SMALL[name]).values)
    np.testing.assert_array_equal(*tables)


SMALL = {"grnboost2": {"max_trees": 60}, "genie3": {"n_estimators": 20}}


@pytest.mark.parametrize("name", ["grnboost2", "genie3"])
def test_another_seed_gives_other_trees_and_a_mean_agrees_better(name):
    expression = make_cells()
    tables = [fitted(name, expression, seed=seed, **SMALL[name]).values for seed in range(7)]
    agree = lambda one, other: spearmanr(one.ravel(), other.ravel()).statistic
    assert 0.3 < agree(tables[0], tables[1]) < 0.999
    assert agree(np.mean(tables[1:], axis=0), tables[0]) > agree(tables[1], tables[0])


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        ("grnboost2", {"subsample": 1.0}, "subsample must lie in"),
        ("grnboost2", {"n_bins": 65}, "n_bins must lie in"),
        ("grnboost2", {"max_trees": 0}, "max_trees"),
        ("genie3", {"max_features": "log2"}, "max_features='log2' is not known"),
        ("genie3", {"max_features": 0.0}, "max_features must lie in"),
    ],
)
def test_bad_hyper_parameters_are_named(name, parameters, message):
    with pytest.raises(ValueError, match=message):
        get_method(name, **parameters)


def agreement(one, other):
    return spearmanr(one.ravel(), other.ravel()).statistic


@pytest.mark.parametrize(
    ("name", "parameters", "alone", "together"),
    # Boosting: as many trees as arboreto's rule grows under the scikit-learn of today.
    [("grnboost2", {"max_trees": 26}, 0.6, 0.7), ("genie3", {"n_estimators": 300}, 0.985, 0.985)],
)
def test_edges_are_ranked_as_by_arboreto(name, parameters, alone, together):
    kept = np.load(ARBORETO)
    expression, regulators = kept["expression"], kept["regulators"]
    published = [kept[f"{name}_{seed}"] for seed in (0, 1)]
    task = LinkTask(len(expression), NONE, NONE, expression, regulators=regulators)
    own = [
        get_method(name, **parameters).fit(task, rng=np.random.default_rng(seed)).links.values
        for seed in range(3)
    ]
    for table in published:
        assert agreement(own[0], table) > alone
        # Of random trees, a mean over seeds agrees better, and better than arboreto with itself.
        mean = agreement(np.mean(own, axis=0), table)
        assert mean > together
        if name == "grnboost2":
            assert mean > agreement(*published)
