from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

import scregnet as sr


@pytest.fixture
def frame():
    rng = np.random.default_rng(0)
    rows = [
        (model, f"TF{tf}", value + 0.1 * rng.standard_normal())
        for model, value in {"joint": 0.7, "label_factors": 0.6, "popularity": 0.65}.items()
        for tf in range(12)
    ]
    table = pd.DataFrame(rows, columns=["model", "tf", "auroc"])
    return table.assign(auprc=table["auroc"] / 3, prevalence=0.2)


def test_a_dot_for_each_tf_and_a_mean_for_each_model(frame):
    ax = sr.pl.validation(frame, show=False)
    dots, means = ax.collections[::2], ax.collections[1::2]
    assert [len(one.get_offsets()) for one in dots] == [12, 12, 12]
    for row, (one, mean) in enumerate(zip(dots, means, strict=True)):
        own = frame[frame["model"] == frame["model"].unique()[row]]["auroc"]
        np.testing.assert_allclose(np.asarray(one.get_offsets())[:, 0], own)
        assert np.abs(np.asarray(one.get_offsets())[:, 1] - row).max() <= 0.26
        np.testing.assert_allclose(np.asarray(mean.get_offsets()), [[own.mean(), row]])
    labels = [text.get_text() for text in ax.get_yticklabels()]
    assert labels == ["joint (12)", "label factors (12)", "popularity (12)"]
    popular = frame[frame["model"] == "popularity"]["auroc"].mean()
    assert [line.get_xdata()[0] for line in ax.lines] == [popular, 0.5]
    # The first model is on top.
    assert ax.get_ylim()[0] > ax.get_ylim()[1]


def test_two_networks_are_not_pooled(frame):
    other = frame.assign(auroc=frame["auroc"] + 0.1)
    with pytest.raises(ValueError, match=r"several figures of the same name \(model='joint', tf="):
        sr.pl.validation(pd.concat([frame, other]), show=False)


def test_chosen_models_and_metric(frame):
    ax = sr.pl.validation(frame, models=["popularity", "joint"], metric="auprc", show=False)
    assert len(ax.collections) == 4
    assert ax.get_yticklabels()[0].get_text() == "popularity (12)"
    assert "AUPRC" in ax.get_xlabel()
    assert ax.lines[-1].get_xdata()[0] == pytest.approx(0.2)
    alone = sr.pl.validation(frame[frame["model"] == "joint"], show=False)
    assert len(alone.lines) == 1, "no popularity, no line of it"


def test_palette(frame):
    ax = sr.pl.validation(frame, palette=["red", "blue"], show=False)
    found = [one.get_facecolor()[0][:3].tolist() for one in ax.collections[::2]]
    assert found == [[1, 0, 0], [0, 0, 1], [0, 0, 1]]


def test_saved(frame, tmp_path):
    assert sr.pl.validation(frame, save=tmp_path / "x.png") is None
    assert (tmp_path / "x.png").stat().st_size > 3000
    assert plt.get_fignums() == []


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"frame": 3}, TypeError, "frame must be what sr.bm.validate"),
        ({"frame": pd.DataFrame({"model": ["x"]})}, ValueError, "lacks the columns 'tf', 'auroc'"),
        ({"metric": "ece"}, ValueError, "metric='ece' is not known"),
        ({"models": ["gnn"]}, ValueError, "models: 'gnn'; the frame has 'joint', 'label_factors'"),
        ({"models": []}, ValueError, "models: none was given"),
        ({"palette": ["red"]}, ValueError, "palette has 1 colours, but needs two"),
        ({"save": True}, TypeError, "save must be the path"),
    ],
)
def test_wrong_arguments(frame, change, error, message):
    with pytest.raises(error, match=message):
        sr.pl.validation(**{"frame": frame, **change})
    assert plt.get_fignums() == []
