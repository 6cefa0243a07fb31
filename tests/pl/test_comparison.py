"""The picture of a comparison: volcano and TFs, or counts of all pairs."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

import scregnet as sr


@pytest.fixture
def links():
    """Links of three pairs of groups; TF0 loses two in the first, TF1 gains one."""
    rng = np.random.default_rng(0)
    frames = []
    for a, b in (("x", "y"), ("x", "z"), ("y", "z")):
        frame = pd.DataFrame(
            {
                "group_a": a,
                "group_b": b,
                "source": np.repeat(["TF0", "TF1"], 20),
                "target": [f"G{i}" for i in range(20)] * 2,
                "correlation_a": 0.1,
                "correlation_b": 0.1,
                "difference": rng.normal(0, 0.1, 40),
                "p": rng.uniform(0.01, 1, 40),
                "q": 0.9,
            }
        )
        frames.append(frame)
    first = frames[0]
    first.loc[[0, 1], ["correlation_b", "difference", "p", "q"]] = [0.0, -0.8, 1e-4, 0.01]
    first.loc[20, ["correlation_b", "difference", "p", "q"]] = [-0.9, -1.5, 1e-5, 0.01]
    return pd.concat(frames, ignore_index=True)


def test_volcano_and_bars(links):
    volcano, bars = sr.pl.comparison(links[links["group_b"] == "y"], show=False)
    sizes = [len(dots.get_offsets()) for dots in volcano.collections]
    assert sizes == [37, 2, 1]
    names = {text.get_text() for text in volcano.texts}
    assert names == {"TF0→G0", "TF0→G1", "TF1→G0"}
    assert [text.get_text() for text in bars.get_yticklabels()] == ["TF0", "TF1"]
    # Gained first, then lost, to the left. A correlation that turned is one that is stronger.
    assert [bar.get_width() for bar in bars.patches] == [0, 1, -2, 0]
    plt.close("all")


def test_nothing_that_differs(links):
    volcano, bars = sr.pl.comparison(links[links["group_b"] == "y"], max_q=0.001, show=False)
    assert [bar.get_width() for bar in bars.patches] == []
    assert bars.get_xlim() == (-1.1, 1.1)
    assert len(volcano.collections[0].get_offsets()) == 40
    plt.close("all")


def test_counts_of_all_pairs(links):
    pairs, tfs = sr.pl.comparison(links, show=False)
    shown = pairs.images[0].get_array()
    assert shown[0, 1] == shown[1, 0] == 3
    assert shown[0, 2] == 0
    assert np.isnan(np.ma.filled(shown, np.nan)[0, 0])
    assert tfs.images[0].get_array().tolist() == [[2, 0, 0], [1, 0, 0]]
    plt.close("all")


def test_nothing_found_is_said(links):
    _, bars = sr.pl.comparison(links.assign(q=0.5), show=False)
    assert bars.texts[0].get_text() == "no link with q ≤ 0.1"
    plt.close("all")


def test_other_frames(links):
    with pytest.raises(TypeError, match="got dict"):
        sr.pl.comparison({})
    with pytest.raises(ValueError, match="lacks the columns 'q'"):
        sr.pl.comparison(links.drop(columns="q"))
    with pytest.raises(ValueError, match="is empty"):
        sr.pl.comparison(links[:0])


def test_targets_of_one_tf_side_by_side(links):
    pair = links[links["group_b"] == "y"]
    first, second = sr.pl.comparison(pair, source="TF0", n_targets=5, show=False)
    assert [ax.get_title() for ax in (first, second)] == ["x", "y"]
    # Those that changed come first, then others by their names where all are alike.
    assert [text.get_text() for text in first.get_yticklabels()] == [
        "G0",
        "G1",
        "G10",
        "G11",
        "G12",
    ]
    assert [bar.get_width() for bar in first.patches] == [0.1] * 5
    assert [bar.get_width() for bar in second.patches] == [0, 0, 0.1, 0.1, 0.1]
    told = [text.get_text() for text in second.get_legend().get_texts()]
    assert told == ["lost (2)", "no change found (18)"]
    first, second = sr.pl.comparison(pair, source="TF1", show=False)
    assert second.get_legend().get_texts()[0].get_text() == "gained (1)"
    assert second.patches[0].get_width() == -0.9
    plt.close("all")


def test_side_by_side_needs_one_pair_and_a_tf_that_is_there(links):
    with pytest.raises(ValueError, match="frame has 3 pairs.*groups= of sr.get.comparison"):
        sr.pl.comparison(links, source="TF0")
    with pytest.raises(KeyError, match="its TFs: 'TF0', 'TF1'"):
        sr.pl.comparison(links[links["group_b"] == "y"], source="GATA1")


def test_names_with_dollar_signs_are_no_formulas(links):
    links["group_a"] = links["group_a"].replace("x", "$_{")
    links["group_b"] = links["group_b"].replace("y", "up$ to$^")
    for source in (None, "TF0"):
        first = links[links["group_b"] == "up$ to$^"]
        figure = sr.pl.comparison(first, source=source, return_fig=True)
        figure.canvas.draw()
    assert figure.axes[0].get_title() == r"\$_{"
    sr.pl.comparison(links, return_fig=True).canvas.draw()


def test_a_course_has_ends_and_no_groups(links):
    own = links[links["group_b"] == "y"].assign(correlation_1=0.1, correlation_2=0.1, tau=1.0)
    volcano, bars = sr.pl.comparison(own, show=False)
    assert volcano.get_xlabel().endswith("along the bins,\nfrom x, to y")
    told = [text.get_text() for text in volcano.get_legend().get_texts()]
    assert told == ["weaker at the end (2)", "stronger at the end (1)"]
    assert bars.get_xlabel() == "links: weaker at the end  |  stronger at the end"
    # Two TFs take a third of the height: their bars do not fill the picture.
    assert bars.get_ylim() == (5.6, -0.6)
    plt.close("all")
