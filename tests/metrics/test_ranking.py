import numpy as np
import pytest

from scregnet import metrics


def test_auroc_counts_ties_as_half():
    # Of the 2 × 2 pairs of an edge and a non-edge three are in order and one is tied.
    assert metrics.auroc([1, 0, 1, 0], [0.9, 0.1, 0.4, 0.4]) == pytest.approx(3.5 / 4)


def test_auprc_is_average_precision():
    # Edges at ranks 1 and 3: (1/1 + 2/3) / 2.
    assert metrics.auprc([1, 0, 1, 0], [0.9, 0.8, 0.4, 0.1]) == pytest.approx((1 + 2 / 3) / 2)


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


@pytest.mark.parametrize("name", ["auroc", "auprc", "epr"])
def test_what_cannot_be_ranked_is_an_error(name):
    metric = getattr(metrics, name)
    with pytest.raises(ValueError, match="all 2 labels are True"):
        metric([1, 1], [0.1, 0.2])
    with pytest.raises(ValueError, match="NaN"):
        metric([1, 0], [np.nan, 0.2])
    with pytest.raises(ValueError, match="one length"):
        metric([1, 0], [0.2])
