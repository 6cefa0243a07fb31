import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

import scregnet as sr
from scregnet.get._explained.card import LinkEvidence


@pytest.fixture
def card():
    return LinkEvidence(
        "SOX2",
        "NANOG",
        pd.Series({"probability": 0.7, "null": 0.2, "in_prior": False}, dtype=object),
        pd.DataFrame(
            {
                "part": ["baseline", "tf_popularity", "trees", "forest"],
                "logit": [-1.0, 1.5, 0.35, 0.0],
            }
        ),
        pd.DataFrame({"gene": ["A", "B"], "similarity": [0.9, 0.4], "label": [True, False]}),
        pd.DataFrame({"tf": ["C"], "similarity": [0.3], "label": [True]}),
        pd.DataFrame(
            {
                "group": ["T", "B"],
                "n_cells": [30, 20],
                "tf_mean": [1.0, 0.0],
                "tf_share": [0.5, 0.0],
                "target_mean": [2.0, 1.0],
                "target_share": [1.0, 0.5],
                "correlation": [0.25, np.nan],
                "tf_expressed": [True, False],
            }
        ),
    )


def test_terms_follow_each_other(card):
    terms, alike, expression = sr.pl.evidence(card, show=False)
    bars = [(bar.get_x(), bar.get_width()) for bar in terms.patches]
    # A term of zero is left out.
    np.testing.assert_allclose(bars, [(0, -1.0), (-1.0, 1.5), (0.5, 0.35)])
    assert [label.get_text() for label in terms.get_yticklabels()] == [
        "baseline",
        "TF popularity",
        "trees",
    ]
    assert terms.get_title() == "SOX2 → NANOG: probability 0.70, null model 0.20"
    assert [label.get_text() for label in alike.get_yticklabels()] == ["A", "B", "C"]
    texts = [text.get_text() for text in expression.texts]
    assert texts == ["+0.25", "TF not seen"]
    assert [label.get_text() for label in expression.get_yticklabels()] == ["T (30)", "B (20)"]


def test_without_similar_genes(card):
    empty = LinkEvidence(
        card.source,
        card.target,
        card.summary,
        card.parts,
        card.similar_targets.iloc[:0],
        card.similar_tfs.iloc[:0],
        card.expression,
    )
    alike = sr.pl.evidence(empty, show=False)[1]
    assert [text.get_text() for text in alike.texts] == ["none"]


def test_given_axes_colours_and_file(card, tmp_path):
    figure, axes = plt.subplots(1, 3)
    sr.pl.evidence(card, ax=axes, palette=["green", "red"], save=tmp_path / "card.png")
    assert (tmp_path / "card.png").stat().st_size > 0
    assert axes[0].patches[1].get_facecolor() == (0.0, 0.5019607843137255, 0.0, 1.0)
    with pytest.raises(TypeError, match=r"frame must be what sr.get.evidence"):
        sr.pl.evidence(card.parts)
    with pytest.raises(ValueError, match="palette has 1 colours"):
        sr.pl.evidence(card, palette=["green"])
