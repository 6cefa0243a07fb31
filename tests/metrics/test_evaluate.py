import numpy as np
import pytest

from scregnet import metrics

LABELS = np.array([1, 0, 0, 1, 0, 0, 0, 0], bool)
SCORES = np.array([0.9, 0.9, 0.4, 0.3, 0.3, 0.2, 0.1, 0.05])
TFS = np.array(["A", "A", "A", "B", "B", "B", "C", "C"])


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
        "brier": metrics.brier(LABELS, probabilities),
        "ece": metrics.ece(LABELS, probabilities),
        "prevalence": 0.25,
    }


def test_chance_has_an_auprc_ratio_of_1():
    assert metrics.evaluate(LABELS, np.zeros(8), TFS)["auprc_ratio"] == pytest.approx(1)


def test_without_probabilities_there_is_no_calibration():
    assert not {"brier", "ece"} & set(metrics.evaluate(LABELS, SCORES, TFS))
