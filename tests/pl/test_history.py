"""sr.pl.history."""

from __future__ import annotations

import logging

import numpy as np
import pytest

import scregnet as sr


def _lines(ax):
    return {line.get_label(): line for line in ax.lines}


def test_curves_are_those_of_the_frame(fitted_adata):
    table = fitted_adata.uns["grn"]["history"]
    losses, scores = sr.pl.history(fitted_adata, show=False)
    drawn = _lines(losses) | _lines(scores)
    for label, column in {
        "training": "train_loss",
        "validation": "validation_loss",
        "AUROC": "validation_auroc",
        "AUPRC": "validation_auprc",
    }.items():
        np.testing.assert_array_equal(drawn[label].get_xdata(), table["epoch"])
        np.testing.assert_array_equal(drawn[label].get_ydata(), table[column])


def test_the_kept_epoch_is_marked(fitted_adata):
    for ax in sr.pl.history(fitted_adata, show=False):
        assert _lines(ax)["kept: epoch 23"].get_xdata() == [23, 23]
        assert "kept: epoch 23" in [text.get_text() for text in ax.get_legend().get_texts()]
    fitted_adata.uns["grn"]["params"]["best_epoch"] = -1
    for ax in sr.pl.history(fitted_adata, show=False):
        assert len(ax.lines) == 2


def test_a_method_without_epochs_says_so_on_empty_axes(fitted_adata, caplog):
    results = fitted_adata.uns["grn"]
    results["history"] = results["history"].iloc[:0]
    results["params"]["method"] = "degree"
    with caplog.at_level(logging.INFO, "scregnet"):
        losses, scores = sr.pl.history(fitted_adata, show=False)
    line = "Method 'degree' is not trained in epochs: there is no history."
    assert caplog.messages == [line]
    assert [text.get_text().replace("\n", " ") for text in losses.texts] == [line]
    for ax in (losses, scores):
        assert len(ax.lines) == 0
        assert ax.get_legend() is None
    # The text fits into its axes.
    losses.figure.canvas.draw()
    frame, text = losses.get_window_extent(), losses.texts[0].get_window_extent()
    assert frame.x0 < text.x0 < text.x1 < frame.x1


def test_one_epoch_is_seen(fitted_adata):
    fitted_adata.uns["grn"]["history"] = fitted_adata.uns["grn"]["history"].iloc[:1]
    losses, _ = sr.pl.history(fitted_adata, show=False)
    assert _lines(losses)["training"].get_marker() == "o"


def test_palette(fitted_adata):
    losses, scores = sr.pl.history(fitted_adata, palette=["black", "red"], show=False)
    assert [_lines(losses)[name].get_color() for name in ("training", "validation")] == [
        "black",
        "red",
    ]
    assert _lines(scores)["AUPRC"].get_color() == "red"
    with pytest.raises(ValueError, match="palette has 1 colours, but there are 2 curves"):
        sr.pl.history(fitted_adata, palette=["black"])
