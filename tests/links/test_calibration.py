import numpy as np
import pytest
from scipy.special import expit, logit

from scregnet.links import PlattCalibration, calibration


def test_recovers_the_curve_that_made_the_labels():
    rng = np.random.default_rng(0)
    scores = rng.normal(3, 5, 200_000)
    labels = rng.random(len(scores)) < expit(0.4 * scores - 2)
    found = PlattCalibration.fit(scores, labels)
    assert found.slope == pytest.approx(0.4, rel=0.02)
    assert found.intercept == pytest.approx(-2, rel=0.02)


def test_mean_probability_is_the_share_of_edges():
    rng = np.random.default_rng(1)
    scores, labels = rng.normal(size=5000), rng.random(5000) < 0.2
    probabilities = PlattCalibration.fit(scores, labels)(scores)
    assert probabilities.dtype == np.float32
    assert probabilities.mean() == pytest.approx(labels.mean(), abs=1e-3)


def test_order_is_kept_even_where_scores_point_the_wrong_way():
    scores = np.linspace(-1, 1, 200)
    found = PlattCalibration.fit(scores, scores < 0)
    assert found.slope > 0


def test_separable_classes_stay_finite():
    scores = np.r_[np.full(50, -30.0), np.full(10, 40.0)]
    probabilities = PlattCalibration.fit(scores, scores > 0)(scores)
    # Platt's smoothed targets: (10 + 1) / (10 + 2) and 1 / (50 + 2).
    assert probabilities[-1] == pytest.approx(11 / 12, abs=1e-3)
    assert logit(probabilities[0]) == pytest.approx(logit(1 / 52), abs=1e-2)


def test_constant_scores_give_the_share_of_edges():
    labels = np.arange(100) < 30
    assert PlattCalibration.fit(np.ones(100), labels)(np.ones(1))[0] == pytest.approx(0.3, abs=0.01)


def test_one_kind_of_label_is_an_error():
    with pytest.raises(ValueError, match="found 3 and 0"):
        PlattCalibration.fit(np.arange(3.0), np.ones(3))


class TestHiddenPositives:
    """Only a share of the edges is labelled, at random."""

    @staticmethod
    def draw(share, n=200_000):
        rng = np.random.default_rng(4)
        scores = rng.normal(3, 5, n)
        edges = rng.random(n) < expit(0.4 * scores - 2)
        return scores, edges, edges & (rng.random(n) < share)

    @pytest.mark.parametrize("share", [0.2, 0.5, 1.0])
    def test_probabilities_are_those_of_the_edges(self, share):
        scores, edges, listed = self.draw(share)
        found = PlattCalibration.fit(scores, listed, label_frequency=share)
        assert found.slope == pytest.approx(0.4, rel=0.05)
        assert found.intercept == pytest.approx(-2, rel=0.05)
        probability = found(scores)
        for low, high in ((0, 0.2), (0.4, 0.6), (0.8, 1)):
            inside = (probability >= low) & (probability < high)
            assert probability[inside].mean() == pytest.approx(edges[inside].mean(), abs=0.015)

    def test_without_it_they_are_those_of_being_listed(self):
        scores, edges, listed = self.draw(0.3)
        probability = PlattCalibration.fit(scores, listed)(scores)
        assert probability.mean() == pytest.approx(0.3 * edges.mean(), rel=0.03)
        # Being an edge reaches 0.95 where being listed cannot pass 0.3.
        sure = expit(0.4 * scores - 2) > 0.95
        assert probability[sure].mean() < 0.75

    def test_dividing_by_the_share_is_not_the_same(self):
        scores, edges, listed = self.draw(0.3)
        truth = expit(0.4 * scores - 2)
        fitted = PlattCalibration.fit(scores, listed, label_frequency=0.3)(scores)
        divided = np.minimum(PlattCalibration.fit(scores, listed)(scores) / 0.3, 1)
        assert np.abs(fitted - truth).mean() < 0.01 < np.abs(divided - truth).mean()

    def test_an_extreme_score_stays_finite(self):
        scores = np.r_[np.full(50, -3000.0), np.full(10, 4000.0), 0.0]
        found = PlattCalibration.fit(scores, scores > 1, label_frequency=0.5)
        assert np.isfinite([found.slope, found.intercept]).all()
        assert 0 <= found(scores).min() < 0.5 < found(scores).max() <= 1


@pytest.mark.parametrize("mean", [1e-4, 0.3, 0.999])
def test_another_level_keeps_the_slope_and_has_the_mean_that_was_asked_for(mean):
    scores = np.random.default_rng(0).normal(scale=3, size=500)
    calibration = PlattCalibration(0.7, -1.0, 0.5)
    other = calibration.at_level(scores, mean)
    assert (other.slope, other.loss) == (0.7, 0.5)
    assert other(scores).mean(dtype=float) == pytest.approx(mean, rel=1e-4)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("label_frequency", [1.0, 0.5])
def test_many_pairs_are_calibrated_alike(monkeypatch, weighted, label_frequency):
    rng = np.random.default_rng(5)
    labels = rng.random(20_000) < 0.02
    scores = rng.standard_t(4, 20_000) + 2 * labels
    more = {
        "weights": np.where(labels, 1.0, 7.5) if weighted else None,
        "label_frequency": label_frequency,
    }
    plain = PlattCalibration.fit(scores, labels, **more)
    monkeypatch.setattr(calibration, "MANY_PAIRS", 10_000)
    found = PlattCalibration.fit(scores, labels, **more)
    for name in ("slope", "intercept", "loss"):
        assert getattr(found, name) == pytest.approx(getattr(plain, name), rel=1e-5)
        assert getattr(found, name) != getattr(plain, name)
