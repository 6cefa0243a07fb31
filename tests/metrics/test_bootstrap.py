import time

import numpy as np
import pytest

from scregnet import metrics
from scregnet.metrics import _bootstrap
from scregnet.metrics._metrics import METRICS
from scregnet.metrics._weighted import WeightedMetrics


def drawn(labels, tfs, rng):
    """Rows of a resample with replacement among each TF's edges and among its non-edges."""
    stratum = 2 * np.unique(tfs, return_inverse=True)[1] + labels
    order = np.argsort(stratum, kind="stable")
    _, first, sizes = np.unique(stratum[order], return_index=True, return_counts=True)
    first, sizes = np.repeat(first, sizes), np.repeat(sizes, sizes)
    return order[first + (rng.random(len(order)) * sizes).astype(int)]


def of_resample(data, rng):
    rows = drawn(data[0], data[2], rng)
    return metrics.evaluate(*(values[rows] for values in data))


def make(n=400, n_tfs=7, decimals=1, seed=0):
    """Pairs with many ties, one TF without edges and one with nothing else."""
    rng = np.random.default_rng(seed)
    tfs = rng.integers(n_tfs, size=n)
    labels = rng.random(n) < 0.1 + 0.5 * tfs / n_tfs
    labels[tfs == 0], labels[tfs == n_tfs - 1] = False, True
    scores = np.round(labels + rng.normal(size=n), decimals)
    return (
        labels,
        scores,
        np.array([f"TF{tf}" for tf in tfs]),
        np.round(1 / (1 + np.exp(-scores)), 2),
    )


@pytest.mark.parametrize("decimals", [0, 1, 12])
def test_weights_of_one_give_the_plain_metrics(decimals):
    data = make(decimals=decimals)
    found = WeightedMetrics(*data).figures()
    expected = metrics.evaluate(*data)
    assert found.keys() == expected.keys()
    assert found == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("decimals", [0, 1, 12])
def test_a_resample_is_that_of_its_pairs(decimals):
    data = make(decimals=decimals)
    weighted = WeightedMetrics(*data)
    ours, plain = np.random.default_rng(1), np.random.default_rng(1)
    for _ in range(5):
        assert weighted.resample(ours) == pytest.approx(of_resample(data, plain), rel=1e-12)


def test_threads_draw_what_one_does(monkeypatch):
    data = make(3_000)
    one, several = np.random.default_rng(2), np.random.default_rng(2)
    # Half of a number of 64 bits is left over.
    one.integers(9, dtype=np.int32), several.integers(9, dtype=np.int32)
    expected = metrics.bootstrap(*data, n_bootstrap=7, rng=one)
    monkeypatch.setattr(_bootstrap, "PARALLEL_PAIRS", 100)
    found = metrics.bootstrap(*data, n_bootstrap=7, rng=several)
    np.testing.assert_array_equal(list(found.values()), list(expected.values()))
    assert several.bit_generator.state == one.bit_generator.state


def test_many_pairs_have_the_same_figures(monkeypatch):
    data = make(5_000, decimals=2)
    expected = metrics.evaluate(*data)
    monkeypatch.setattr(metrics._evaluate, "MANY_PAIRS", 1_000)
    found = metrics.evaluate(*data)
    assert list(found) == list(expected)
    assert found == pytest.approx(expected, rel=1e-12)


def test_constant_scores_stay_chance():
    labels, _, tfs, _ = make()
    intervals = metrics.bootstrap(
        labels, np.zeros(len(labels)), tfs, n_bootstrap=20, rng=np.random.default_rng(0)
    )
    assert intervals["auroc"] == (0.5, 0.5)
    assert intervals["auprc_ratio"] == pytest.approx((1, 1))
    assert intervals["epr"] == pytest.approx((1, 1))


def test_draws_keep_the_edges_and_non_edges_of_every_tf():
    labels, _, tfs, _ = make()
    codes = 2 * np.unique(tfs, return_inverse=True)[1] + labels
    rows = drawn(labels, tfs, np.random.default_rng(0))
    np.testing.assert_array_equal(np.bincount(codes[rows]), np.bincount(codes))
    # About a share 1/e of the pairs is left out.
    assert 1 - len(np.unique(rows)) / len(rows) == pytest.approx(np.exp(-1), abs=0.06)


def test_intervals_are_quantiles_of_the_centred_replicates():
    data = make()
    found = metrics.bootstrap(*data, n_bootstrap=50, rng=np.random.default_rng(3), level=0.8)
    rng = np.random.default_rng(3)
    values = [of_resample(data, rng)["epr"] for _ in range(50)]
    shift = metrics.epr(*data[:2]) - np.mean(values)
    assert found["epr"] == pytest.approx(tuple(np.quantile(values, [0.1, 0.9]) + shift))
    assert found.keys() == metrics.evaluate(*data).keys()
    assert np.isnan(found["prevalence"]).all()
    assert np.isnan(found["n_tfs_5"]).all()


def test_the_interval_is_as_wide_as_the_spread_over_new_pairs():
    # One TF, so that new pairs of the same kind are all that differs.
    def draw(seed):
        rng = np.random.default_rng(seed)
        labels = np.arange(600) < 150
        return labels, labels + rng.normal(size=600), np.zeros(600, int)

    spread = np.std([metrics.auroc(*draw(seed)[:2]) for seed in range(150)])
    widths = []
    for seed in range(8):
        low, high = metrics.bootstrap(*draw(seed), rng=np.random.default_rng(seed))["auroc"]
        widths.append(high - low)
    assert np.mean(widths) == pytest.approx(2 * 1.96 * spread, rel=0.15)


def test_the_figure_lies_in_its_interval_though_resampling_raises_it():
    # Many TFs with three edges each: the mean over TFs hardly varies, but an edge that is drawn
    # twice raises the average precision of its TF.
    rng = np.random.default_rng(0)
    tfs, labels = np.repeat(np.arange(100), 60), np.tile(np.arange(60) < 3, 100)
    scores = labels + rng.normal(size=len(labels))
    figure = metrics.per_tf(labels, scores, tfs, metrics.auprc)
    weighted = WeightedMetrics(labels, scores, tfs)
    plain = np.quantile([weighted.resample(rng)["per_tf_auprc"] for _ in range(100)], 0.025)
    low, high = metrics.bootstrap(labels, scores, tfs, n_bootstrap=100, rng=rng)["per_tf_auprc"]
    assert plain > figure
    assert low < figure < high


def test_intervals_stay_where_the_metrics_live():
    intervals = metrics.bootstrap(
        *make(80, 4, seed=2), n_bootstrap=50, rng=np.random.default_rng(0)
    )
    for metric, (low, high) in intervals.items():
        if metric not in ("prevalence", "n_tfs_5", "auprc_ratio", "epr"):
            assert 0 <= low <= high <= 1, metric


def test_a_seed_fixes_the_intervals():
    data = make()
    first, again, other = (
        metrics.bootstrap(*data, n_bootstrap=20, rng=np.random.default_rng(s)) for s in (0, 0, 1)
    )
    assert first["auroc"] == again["auroc"] != other["auroc"]


def test_no_tf_with_both_labels_has_no_per_tf_interval():
    intervals = metrics.bootstrap(
        [1, 1, 0], [0.3, 0.2, 0.1], ["A", "A", "B"], rng=np.random.default_rng(0)
    )
    for metric in ("per_tf_auroc", "per_tf_auroc_5"):
        assert np.isnan(intervals[metric]).all()
    assert intervals["auroc"] == (1, 1)


def test_intervals_of_tfs_with_five_pairs_are_about_them_alone():
    # Ten TFs with 40 edges and 40 non-edges, and thirty with one edge and one non-edge each.
    rng = np.random.default_rng(0)
    tfs = np.r_[np.repeat(np.arange(10), 80), np.repeat(np.arange(10, 40), 2)]
    labels = np.arange(len(tfs)) % 2 == 0
    scores = labels + rng.normal(size=len(labels))
    figures = metrics.evaluate(labels, scores, tfs)
    large = tfs < 10
    assert figures["n_tfs_5"] == 10
    assert figures["per_tf_auroc_5"] == metrics.per_tf(labels[large], scores[large], tfs[large])
    assert figures["per_tf_auroc"] == metrics.per_tf(labels, scores, tfs)
    found = metrics.bootstrap(labels, scores, tfs, rng=rng)
    for metric in ("per_tf_auroc_5", "per_tf_auprc_5"):
        low, high = found[metric]
        assert low < figures[metric] < high


def test_wrong_input_is_an_error():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="groups must name the TF of each of the 2 pairs"):
        metrics.bootstrap([1, 0], [0.1, 0.2], ["A"], rng=rng)
    with pytest.raises(ValueError, match="n_bootstrap must be at least 1"):
        metrics.bootstrap([1, 0], [0.1, 0.2], ["A", "A"], n_bootstrap=0, rng=rng)
    with pytest.raises(ValueError, match="level must lie in"):
        metrics.bootstrap([1, 0], [0.1, 0.2], ["A", "A"], level=1, rng=rng)
    with pytest.raises(ValueError, match="between 0 and 1"):
        metrics.bootstrap([1, 0], [0.1, 0.2], ["A", "A"], [2, 0], rng=rng)


def test_thirty_thousand_pairs_take_less_than_two_seconds():
    data = make(30_000, 90, decimals=12)
    start = time.process_time()
    metrics.bootstrap(*data, rng=np.random.default_rng(0))
    # Measured 0.3 s on one core; the bound leaves room for a slow or busy machine.
    assert time.process_time() - start < 2


class TestDifference:
    def test_it_is_that_of_the_figures_and_of_the_same_resamples(self):
        labels, scores, tfs, probabilities = make()
        other = scores + np.random.default_rng(5).normal(size=len(scores))
        turned = 1 - probabilities
        found = metrics.bootstrap_difference(
            labels,
            scores,
            other,
            tfs,
            probabilities=probabilities,
            other_probabilities=turned,
            n_bootstrap=40,
            rng=np.random.default_rng(3),
        )
        first = metrics.evaluate(labels, scores, tfs, probabilities)
        second = metrics.evaluate(labels, other, tfs, turned)
        assert found.keys() == first.keys() == set(METRICS)
        for metric, (difference, *_) in found.items():
            assert difference == pytest.approx(first[metric] - second[metric], abs=1e-12), metric
        # By hand: both models weighted by the same draws.
        rng = np.random.default_rng(3)
        values = []
        for _ in range(40):
            rows = drawn(labels, tfs, rng)
            one, two = (
                metrics.evaluate(labels[rows], given[rows], tfs[rows])["per_tf_auroc"]
                for given in (scores, other)
            )
            values.append(one - two)
        difference, low, high = found["per_tf_auroc"]
        shift = difference - np.mean(values)
        expected = np.quantile(values, [0.025, 0.975]) + shift
        assert (low, high) == pytest.approx(tuple(expected))
        for metric in ("prevalence", "n_tfs_5"):
            assert np.isnan(found[metric][1:]).all()

    def test_the_same_scores_do_not_differ(self):
        labels, scores, tfs, probabilities = make()
        found = metrics.bootstrap_difference(
            labels, scores, 2 * scores + 1, tfs, rng=np.random.default_rng(0), n_bootstrap=20
        )
        assert "brier" not in found
        for metric in ("prevalence", "n_tfs_5"):
            assert found.pop(metric)[0] == 0
        for metric, ends in found.items():
            assert ends == (0, 0, 0), metric

    def test_pairing_makes_it_narrower_than_two_intervals(self):
        labels, scores, tfs, _ = make(decimals=12)
        other = scores + 0.3 * np.random.default_rng(5).normal(size=len(scores))
        rng = np.random.default_rng
        low, high = metrics.bootstrap(labels, scores, tfs, rng=rng(0))["auroc"]
        _, below, above = metrics.bootstrap_difference(labels, scores, other, tfs, rng=rng(0))[
            "auroc"
        ]
        assert above - below < 0.6 * (high - low)

    def test_turned_scores_change_the_sign_only(self):
        labels, scores, tfs, _ = make()
        other = np.roll(scores, 7)
        one = metrics.bootstrap_difference(labels, scores, other, tfs, rng=np.random.default_rng(1))
        two = metrics.bootstrap_difference(labels, other, scores, tfs, rng=np.random.default_rng(1))
        for metric in ("auroc", "auprc_ratio", "per_tf_auprc"):
            difference, low, high = one[metric]
            assert two[metric] == pytest.approx((-difference, -high, -low)), metric
