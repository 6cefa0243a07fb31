import numpy as np
import pytest

from scregnet import metrics

LABELS = np.array([1, 0, 0, 1, 0, 0, 0, 0], bool)
SCORES = np.array([0.9, 0.9, 0.4, 0.3, 0.3, 0.2, 0.1, 0.05])
TFS = np.array(["A", "A", "A", "B", "B", "B", "C", "C"])


def test_auroc_counts_ties_as_half():
    # Of the 2 × 2 pairs of an edge and a non-edge three are in order and one is tied.
    assert metrics.auroc([1, 0, 1, 0], [0.9, 0.1, 0.4, 0.4]) == pytest.approx(3.5 / 4)


def test_auprc_is_average_precision():
    # Edges at ranks 1 and 3: (1/1 + 2/3) / 2.
    assert metrics.auprc([1, 0, 1, 0], [0.9, 0.8, 0.4, 0.1]) == pytest.approx((1 + 2 / 3) / 2)


@pytest.mark.parametrize("digits", [0, 1, 8])
def test_areas_are_those_of_scikit_learn(digits):
    from sklearn.metrics import average_precision_score, roc_auc_score

    rng = np.random.default_rng(0)
    labels = rng.random(200) < 0.3
    scores = (labels + rng.normal(size=200)).round(digits)
    assert metrics.auroc(labels, scores) == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)
    wanted = average_precision_score(labels, scores)
    assert metrics.auprc(labels, scores) == pytest.approx(wanted, abs=1e-12)


def test_epr_is_precision_among_k_best_over_prevalence():
    labels = np.array([1, 1, 0, 0, 0, 0, 0, 0])
    assert metrics.epr(labels, -np.arange(8.0)) == pytest.approx(1 / 0.25)
    assert metrics.epr(labels, np.arange(8.0)) == 0


def test_epr_shares_ties_whatever_the_order():
    labels = np.array([1, 0, 0, 1])
    scores = np.array([0.5, 0.5, 0.1, 0.9])
    # One sure hit, and one place left for two tied pairs of which half are edges.
    assert metrics.epr(labels, scores) == pytest.approx((1 + 0.5) / 2 / 0.5)
    assert metrics.epr(labels[::-1], scores[::-1]) == metrics.epr(labels, scores)


def test_constant_scores_are_chance():
    labels = np.array([1, 0, 0, 1, 0])
    figures = metrics.evaluate(labels, np.zeros(5), ["A", "A", "A", "B", "B"])
    assert figures["auroc"] == 0.5
    assert figures["auprc"] == pytest.approx(0.4)
    assert figures["epr"] == pytest.approx(1)
    assert figures["per_tf_auroc"] == 0.5
    assert figures["prevalence"] == pytest.approx(0.4)


def test_tf_popularity_is_worth_nothing_per_tf():
    tfs = np.repeat(["many", "few"], 10)
    labels = np.r_[np.ones(8), np.zeros(2), np.ones(2), np.zeros(8)]
    popularity = np.repeat([0.8, 0.2], 10)
    assert metrics.auroc(labels, popularity) == pytest.approx(0.8)
    assert metrics.per_tf(labels, popularity, tfs) == 0.5


def test_per_tf_is_the_mean_over_tfs_that_have_both_labels():
    labels = [1, 0, 1, 0, 1, 1]
    scores = [0.9, 0.1, 0.2, 0.3, 0.4, 0.5]
    assert metrics.per_tf(labels, scores, ["A", "A", "B", "B", "C", "C"]) == pytest.approx(0.5)
    assert metrics.per_tf(
        labels, scores, ["A", "A", "B", "B", "C", "C"], metrics.auprc
    ) == pytest.approx((1 + 0.5) / 2)
    assert np.isnan(metrics.per_tf([1, 1], [0.1, 0.2], ["A", "A"]))


def test_tfs_with_few_pairs_can_be_left_out():
    # A has 5 edges and 6 non-edges, B 4 edges, C 4 non-edges; B and C are ranked the wrong way.
    tfs = np.repeat(["A", "B", "C"], [11, 20, 20])
    labels = np.concatenate([np.arange(n) < k for n, k in ((11, 5), (20, 4), (20, 16))])
    scores = np.where(tfs == "A", labels, ~labels) + np.arange(51) / 100
    for metric in (metrics.auroc, metrics.auprc):
        of_a = metric(labels[:11], scores[:11])
        assert metrics.per_tf(labels, scores, tfs, metric, min_pairs=5) == of_a
        assert metrics.per_tf(labels, scores, tfs, metric, min_pairs=4) < of_a - 0.2
        assert np.isnan(metrics.per_tf(labels, scores, tfs, metric, min_pairs=6))
        assert metrics.evaluate(labels, scores, tfs)[f"per_tf_{metric.__name__}_5"] == of_a
    assert metrics.evaluate(labels, scores, tfs)["n_tfs_5"] == 1
    with pytest.raises(ValueError, match="min_pairs must be at least 1, got 0"):
        metrics.per_tf(labels, scores, tfs, min_pairs=0)


@pytest.mark.parametrize("name", ["auroc", "auprc", "epr"])
def test_what_cannot_be_ranked_is_an_error(name):
    metric = getattr(metrics, name)
    with pytest.raises(ValueError, match="all 2 labels are True"):
        metric([1, 1], [0.1, 0.2])
    with pytest.raises(ValueError, match="NaN"):
        metric([1, 0], [np.nan, 0.2])
    with pytest.raises(ValueError, match="one length"):
        metric([1, 0], [0.2])


def test_brier_is_the_mean_squared_difference():
    assert metrics.brier([1, 0, 0], [0.5, 0.1, 0.0]) == pytest.approx((0.25 + 0.01) / 3)


def test_ece_is_the_mean_gap_of_bins_of_equal_width():
    # Bin 3 of 15 holds 0.21 and 0.25, bin 13 holds 0.9: gaps (0.46 - 1) and (0.9 - 1).
    assert metrics.ece([1, 0, 1], [0.21, 0.25, 0.9]) == pytest.approx((0.54 + 0.1) / 3)


def test_ece_equals_a_loop_over_bins():
    rng = np.random.default_rng(0)
    probabilities = np.r_[rng.random(500), 0.0, 1.0, 1.0]
    labels = rng.random(len(probabilities)) < probabilities**2
    expected, edges = 0.0, np.linspace(0, 1, 16)
    for i in range(15):
        last = i == 14
        inside = (probabilities >= edges[i]) & ((probabilities < edges[i + 1]) | last)
        expected += inside.mean() * abs(labels[inside].mean() - probabilities[inside].mean())
    assert metrics.ece(labels, probabilities) == pytest.approx(expected)
    assert expected > 0.1


def test_perfect_probabilities_of_certain_labels_are_0():
    assert metrics.brier([1, 0, 1], [1.0, 0.0, 1.0]) == 0
    assert metrics.ece([1, 0, 1], [1.0, 0.0, 1.0]) == 0


def test_probabilities_of_one_kind_of_label_are_fine():
    assert metrics.brier([0, 0], [0.1, 0.3]) == pytest.approx(0.05)
    assert metrics.ece([0, 0], [0.1, 0.3]) == pytest.approx(0.2)


@pytest.mark.parametrize("name", ["brier", "ece"])
def test_what_is_no_probability_is_an_error(name):
    metric = getattr(metrics, name)
    with pytest.raises(ValueError, match=r"between 0 and 1, got values from -0.5 to 0.2"):
        metric([1, 0], [-0.5, 0.2])
    with pytest.raises(ValueError, match="between 0 and 1"):
        metric([1, 0], [np.nan, 0.2])
    with pytest.raises(ValueError, match="one length"):
        metric([1, 0], [0.2])
    with pytest.raises(ValueError, match="empty"):
        metric([], [])


def test_every_figure_is_that_of_its_own_function():
    probabilities = SCORES / 2
    figures = metrics.evaluate(LABELS, SCORES, TFS, probabilities)
    assert figures == {
        "auroc": metrics.auroc(LABELS, SCORES),
        "auprc": metrics.auprc(LABELS, SCORES),
        "auprc_ratio": metrics.auprc(LABELS, SCORES) / 0.25,
        "epr": metrics.epr(LABELS, SCORES),
        "per_tf_auroc": metrics.per_tf(LABELS, SCORES, TFS),
        "per_tf_auprc": metrics.per_tf(LABELS, SCORES, TFS, metrics.auprc),
        # No TF has five edges.
        "per_tf_auroc_5": pytest.approx(np.nan, nan_ok=True),
        "per_tf_auprc_5": pytest.approx(np.nan, nan_ok=True),
        "brier": metrics.brier(LABELS, probabilities),
        "ece": metrics.ece(LABELS, probabilities),
        "prevalence": 0.25,
        "n_tfs_5": 0,
    }


def test_chance_has_an_auprc_ratio_of_1():
    assert metrics.evaluate(LABELS, np.zeros(8), TFS)["auprc_ratio"] == pytest.approx(1)


def test_without_probabilities_there_is_no_calibration():
    assert not {"brier", "ece"} & set(metrics.evaluate(LABELS, SCORES, TFS))


def test_a_pair_of_weight_n_counts_as_n_pairs():
    rng = np.random.default_rng(0)
    labels, tfs = rng.random(60) < 0.3, rng.integers(0, 3, 60)
    scores, probabilities = rng.normal(size=60).round(1), rng.random(60)
    counts = rng.integers(1, 5, 60)
    weighted = metrics.evaluate(labels, scores, tfs, probabilities, weights=counts)
    repeated = metrics.evaluate(
        *(np.repeat(values, counts) for values in (labels, scores, tfs, probabilities))
    )
    for name in ("auroc", "auprc", "auprc_ratio", "epr", "per_tf_auroc", "brier", "ece"):
        assert weighted[name] == pytest.approx(repeated[name]), name
    assert metrics.auroc(labels, scores, counts) == pytest.approx(repeated["auroc"])
    assert metrics.auprc(labels, scores, counts) == pytest.approx(repeated["auprc"])
    # A sample of one TF's non-edges does not tell its precision.
    assert np.isnan([weighted["per_tf_auprc"], weighted["per_tf_auprc_5"]]).all()


@pytest.mark.parametrize("weights", [[1, 1], [1, 0, 1, 1], [1, np.nan, 1, 1], [1, -1, 1, 1]])
def test_bad_weights_are_named(weights):
    labels, scores = [1, 0, 1, 0], [0.9, 0.1, 0.4, 0.4]
    with pytest.raises(ValueError, match="weights must be 4 positive"):
        metrics.evaluate(labels, scores, ["A"] * 4, weights=weights)
    with pytest.raises(ValueError, match="weights must be 4 positive"):
        metrics.auroc(labels, scores, weights)
    with pytest.raises(ValueError, match="weights must be 4 positive"):
        metrics.bootstrap(
            labels, scores, ["A"] * 4, rng=np.random.default_rng(0), n_bootstrap=2, weights=weights
        )


def test_a_sample_of_non_edges_tells_the_figures_of_all():
    rng = np.random.default_rng(0)
    tfs = np.repeat(np.arange(30), 2000)
    labels = rng.random(60_000) < 0.02
    scores = labels + rng.normal(size=60_000)
    probabilities = 1 / (1 + np.exp(4.4 - scores))
    kept = labels | (rng.random(60_000) < 0.1)
    data = (labels, scores, tfs, probabilities)
    whole = metrics.evaluate(*data)
    sample = metrics.evaluate(
        *(values[kept] for values in data), weights=np.where(labels, 1, 10)[kept]
    )
    for name, off in {"auroc": 0.01, "auprc": 0.02, "per_tf_auroc": 0.01, "ece": 0.002}.items():
        assert sample[name] == pytest.approx(whole[name], abs=off), name
