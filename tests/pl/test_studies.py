import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

import scregnet as sr

VARIANTS = ["whole model", "no graph network", "no embedding"]
MODELS = ["scregnet", "degree", "label_factors"]


@pytest.fixture
def ablation():
    rows = []
    for v, variant in enumerate(VARIANTS):
        for seed in range(3):
            for m, model in enumerate(MODELS):
                for split in ("validation", "test"):
                    for metric, base in (("auroc", 0.8), ("auprc", 0.5), ("per_tf_auroc", 0.6)):
                        low = 0.1 * v if model == "scregnet" else 0.01 * m
                        shift = 0.0 if split == "test" else 0.05
                        rows.append(
                            (
                                variant,
                                seed,
                                model,
                                split,
                                metric,
                                base - low + 0.02 * (seed - 1) + shift,
                            )
                        )
    return pd.DataFrame(rows, columns=["variant", "seed", "model", "split", "metric", "value"])


@pytest.fixture
def robustness():
    rows = [
        (noise, prior, model, metric, 0.9 - noise - 0.05 * m + 0.01 * (prior - 1 if noise else 0))
        for noise in (0.0, 0.01, 0.05)
        for prior in range(3 if noise else 1)
        for m, model in enumerate(MODELS)
        for metric in ("auroc", "auprc")
    ]
    return pd.DataFrame(rows, columns=["noise", "prior", "model", "metric", "value"])


def heights(ax):
    return [
        round(bar.get_y() + bar.get_height(), 6) for bar in ax.patches if hasattr(bar, "get_height")
    ]


class TestAblation:
    def test_bars_dots_spread_and_null_models(self, ablation):
        roc, precision_recall = sr.pl.ablation(ablation, show=False)
        assert heights(roc)[:3] == [0.8, 0.7, 0.6]
        assert [bar.get_y() for bar in roc.patches[:3]] == [0.5] * 3
        assert [bar.get_y() for bar in precision_recall.patches[:3]] == [0.0] * 3
        assert [t.get_text().replace("\n", " ") for t in roc.get_xticklabels()] == VARIANTS
        dots = [c.get_offsets() for c in roc.collections if len(c.get_offsets()) == 3]
        np.testing.assert_allclose(dots[0][:, 1], [0.78, 0.8, 0.82])
        levels = [
            line.get_ydata()[0] for line in roc.lines if (line.get_label() or "").startswith("null")
        ]
        np.testing.assert_allclose(levels, [0.79, 0.78])
        spread = [c for c in roc.collections if hasattr(c, "get_segments")]
        np.testing.assert_allclose(spread[0].get_segments()[0][:, 1], [0.78, 0.82])
        assert {t.get_text() for t in roc.texts} == {"0.800", "0.700", "0.600"}
        legend = roc.figure.legends[0]
        assert [t.get_text() for t in legend.get_texts()] == [
            "null model: degree",
            "null model: label factors",
        ]

    def test_split_and_metrics(self, ablation):
        ax = sr.pl.ablation(ablation, metrics=["per_tf_auroc"], split="validation", show=False)
        assert heights(ax)[0] == 0.65
        assert ax.get_ylabel() == "AUROC per TF"

    def test_groups(self, ablation):
        both = pd.concat(
            [ablation.assign(data="a"), ablation.assign(data="b", value=ablation["value"] + 0.1)]
        )
        ax = sr.pl.ablation(both, metrics=["auroc"], groupby="data", show=False)
        assert heights(ax)[:6] == [0.8, 0.7, 0.6, 0.9, 0.8, 0.7]
        assert [t.get_text() for t in ax.get_xticklabels()] == ["a", "b"]
        assert [t.get_text() for t in ax.figure.legends[0].get_texts()][-3:] == VARIANTS

    def test_failed_fits_are_named(self, ablation):
        own = ablation["model"] == "scregnet"
        ablation.loc[own & (ablation["variant"] == "no embedding"), "value"] = np.nan
        ablation.loc[
            own & (ablation["variant"] == "whole model") & (ablation["seed"] == 0), "value"
        ] = np.nan
        ax = sr.pl.ablation(ablation, metrics=["auroc"], show=False)
        assert [t.get_text() for t in ax.texts] == ["0.810\n1 failed", "0.700", "failed"]

    def test_the_legend_names_what_failed_in_the_first_group(self, ablation):
        failed = ablation.assign(data="a")
        own = failed["model"] == "scregnet"
        failed.loc[own & (failed["variant"] == "no embedding"), "value"] = np.nan
        both = pd.concat([failed, ablation.assign(data="b")])
        ax = sr.pl.ablation(both, metrics=["auroc"], groupby="data", show=False)
        texts = [t.get_text() for t in ax.figure.legends[0].get_texts()]
        assert texts == ["null model: degree", "null model: label factors", *VARIANTS]

    def test_a_null_model_may_be_one_of_the_methods(self, ablation):
        null = ablation[ablation["model"] == "degree"].assign(method="degree")
        both = pd.concat([ablation.assign(method="scregnet"), null])
        roc, _ = sr.pl.ablation(both, groupby="method", show=False)
        assert heights(roc)[3:] == [0.79] * 3
        # A group that lacks a metric has no bars there.
        lacks = (both["method"] == "degree") & (both["metric"] == "auprc")
        _, precision_recall = sr.pl.ablation(both[~lacks], groupby="method", show=False)
        assert len(heights(precision_recall)) == 3

    def test_a_null_model_may_be_the_method(self, ablation):
        ax = sr.pl.ablation(ablation[ablation["model"] == "degree"], metrics=["auroc"], show=False)
        assert heights(ax)[:3] == [0.79] * 3
        assert ax.figure.legends == []

    def test_errors(self, ablation):
        with pytest.raises(ValueError, match="lacks the columns 'variant', 'seed'"):
            sr.pl.ablation(ablation.drop(columns=["variant", "seed"]))
        with pytest.raises(
            TypeError, match="must be the frame that sr.bm.ablation_study returns, got str"
        ):
            sr.pl.ablation("a")
        with pytest.raises(
            ValueError, match="metrics: 'f1' not in the frame; it has 'auprc', 'auroc'"
        ):
            sr.pl.ablation(ablation, metrics=["f1"])
        with pytest.raises(ValueError, match="metrics must be a sequence"):
            sr.pl.ablation(ablation, metrics="auroc")
        with pytest.raises(ValueError, match="no rows with split='train'"):
            sr.pl.ablation(ablation, split="train")
        with pytest.raises(ValueError, match="palette has 1 colours, but there are 3 variants"):
            sr.pl.ablation(ablation, palette=["red"])
        with pytest.raises(ValueError, match="lacks the columns 'data'"):
            sr.pl.ablation(ablation, groupby="data")
        with pytest.raises(ValueError, match="frame is empty"):
            sr.pl.ablation(ablation.iloc[:0])
        assert plt.get_fignums() == []


# In a robustness study, each method is a model with a line of its own.
@pytest.mark.parametrize(
    ("name", "column"), [("ablation", "data"), ("ablation", "method"), ("robustness", "data")]
)
def test_rows_of_several_methods_or_data_sets_are_not_pooled(name, column, request):
    one, draw = request.getfixturevalue(name), getattr(sr.pl, name)
    both = pd.concat([one.assign(**{column: label}) for label in ("x", "y")])
    with pytest.raises(ValueError, match=f"several values of '{column}'.*groupby='{column}'"):
        draw(both, show=False)
    draw(both, groupby=column, show=False)
    draw(both[both[column] == "x"], show=False)


class TestRobustness:
    def test_lines_over_noise(self, robustness):
        roc, _ = sr.pl.robustness(robustness, show=False)
        lines = list(roc.containers)
        assert [c.get_label() for c in lines] == [
            "scregnet",
            "null model: degree",
            "null model: label factors",
        ]
        np.testing.assert_allclose(lines[0].lines[0].get_ydata(), [0.9, 0.89, 0.85])
        np.testing.assert_allclose(lines[1].lines[0].get_ydata(), [0.85, 0.84, 0.8])
        np.testing.assert_allclose(lines[0].lines[2][0].get_segments()[2][:, 1], [0.84, 0.86])
        assert [t.get_text() for t in roc.get_xticklabels()] == ["0", "1", "5"]

    def test_groups_are_columns(self, robustness):
        both = pd.concat(
            [
                robustness.assign(data="a"),
                robustness.assign(data="b", value=robustness["value"] - 0.1),
            ]
        )
        axes = sr.pl.robustness(both, groupby="data", show=False)
        assert [ax.get_title() for ax in axes] == ["a", "b", "a", "b"]
        assert [ax.get_ylabel() for ax in axes] == ["AUROC", "AUROC", "AUPRC", "AUPRC"]
        assert axes[0].get_subplotspec().rowspan.start == 0
        assert axes[2].get_subplotspec().rowspan.start == 1
        np.testing.assert_allclose(axes[1].containers[0].lines[0].get_ydata()[0], 0.8)

    def test_methods_come_before_null_models_and_failures_are_counted(self, robustness):
        more = pd.concat(
            [robustness, robustness[robustness["model"] == "scregnet"].assign(model="other")]
        )
        more.loc[
            (more["model"] == "other") & (more["noise"] == 0.05) & (more["prior"] == 0), "value"
        ] = np.nan
        ax = sr.pl.robustness(more, metrics=["auroc"], show=False)
        assert [c.get_label() for c in ax.containers][:2] == ["scregnet", "other"]
        assert ax.get_xlabel() == "Wrong labels (%); 1 fits failed"

    def test_errors(self, robustness):
        with pytest.raises(ValueError, match="it must be what sr.bm.robustness_study returns"):
            sr.pl.robustness(robustness.drop(columns="noise"))
        with pytest.raises(ValueError, match="palette has 2 colours, but there are 3 models"):
            sr.pl.robustness(robustness, palette=["red", "blue"])
        assert plt.get_fignums() == []


@pytest.mark.parametrize("name", ["ablation", "robustness"])
class TestReturns:
    def test_what_comes_back(self, name, request, tmp_path):
        frame, draw = request.getfixturevalue(name), getattr(sr.pl, name)
        before = frame.copy()
        assert draw(frame) is None
        assert draw(frame, return_fig=True, dpi=50, figsize=(6, 3)).dpi == 50
        assert draw(frame, save=tmp_path / "a.png") is None
        assert (tmp_path / "a.png").stat().st_size > 1000
        assert isinstance(draw(frame, metrics=["auroc"], show=False), plt.Axes)
        pd.testing.assert_frame_equal(frame, before)

    def test_given_axes(self, name, request):
        frame, draw = request.getfixturevalue(name), getattr(sr.pl, name)
        figure, axes = plt.subplots(1, 2)
        assert draw(frame, ax=axes, show=False).tolist() == axes.tolist()
        assert axes[0].get_legend() is not None
        assert figure.legends == []
        with pytest.raises(ValueError, match="ax must be a sequence of 2"):
            draw(frame, ax=axes[0])


class TestBenchmark:
    @pytest.fixture
    def frame(self):
        of = {"joint": 0.8, "pearson": 0.55, "degree": 0.7, "label_factors": 0.72}
        rows = [
            (data, method, "pairs", seed, metric, value - 0.1 * (data == "mDC") + 0.02 * seed)
            for data in ("hESC", "mDC")
            for method, value in of.items()
            for seed in range(3)
            for metric in ("auroc", "auprc")
        ]
        rows += [("hESC", "broken", "pairs", 0, "auroc", np.nan)]
        names = ["data", "method", "split", "seed", "metric", "value"]
        return pd.DataFrame(rows, columns=names)

    def test_null_models_alone_are_lines(self, frame):
        nulls = frame[frame["method"].isin(["degree", "label_factors"])]
        axes = np.ravel(sr.pl.benchmark(nulls, show=False))
        assert [len(one.get_yticks()) for one in axes] == [0] * len(axes)
        assert all(one.get_ylim() == (0.5, -0.5) for one in axes)

    def test_dots_bars_and_lines_of_each_data_set(self, frame):
        axes = sr.pl.benchmark(frame, show=False)
        first = axes[0]
        assert [ax.get_title() for ax in axes] == ["hESC", "mDC", "", ""]
        # The best one at the top; one without any figure at the bottom, and it says so.
        assert [t.get_text() for t in first.get_yticklabels()] == ["joint", "pearson", "broken"]
        assert [t.get_text() for t in first.texts] == ["failed"]
        # It was not run on the second set.
        assert [t.get_text() for t in axes[1].texts] == ["not run"]
        dots = [line for line in first.lines if line.get_marker() == "o"]
        assert [float(dot.get_xdata()[0]) for dot in dots] == pytest.approx([0.82, 0.57])
        bars = [line.get_xdata() for line in first.lines if len(line.get_xdata()) == 2]
        assert any(np.allclose(bar, [0.8, 0.84]) for bar in bars)
        nulls = [line.get_xdata()[0] for line in first.lines if line.get_label().startswith("null")]
        assert nulls == pytest.approx([0.72, 0.74])

    def test_two_runs_of_one_name_are_not_pooled(self, frame):
        # As of two calls with an AnnData each, which has no name.
        both = pd.concat([frame, frame.assign(value=frame["value"] + 0.1)])
        for call in (lambda rows: sr.pl.benchmark(rows, show=False), sr.bm.rank_turns):
            with pytest.raises(ValueError, match=r"several figures.*data='hESC'"):
                call(both)
            # The same rows twice, as null models of two calls are, are no other figures.
            call(pd.concat([frame, frame]))

    def test_a_method_that_was_not_run_on_an_easy_set_is_not_behind_for_that(self, frame):
        easy = (frame["method"] == "joint") & (frame["data"] == "hESC")
        frame.loc[frame["method"] == "pearson", "value"] += 0.22
        (first, *_) = sr.pl.benchmark(frame[~easy], show=False)
        labels = [t.get_text() for t in first.get_yticklabels()]
        assert labels == ["joint", "pearson", "broken"]

    def test_a_method_with_fewer_seeds_has_a_hollow_dot(self, frame):
        late = (frame["method"] == "pearson") & (frame["data"] == "mDC") & (frame["seed"] > 0)
        figure = sr.pl.benchmark(frame[~late], metrics=["auroc"], return_fig=True)
        filled = [
            {
                line.get_ydata()[0]: line.get_markerfacecolor()
                for line in ax.lines
                if line.get_marker() == "o"
            }
            for ax in figure.axes
        ]
        own = filled[0][0]
        assert filled == [{0: own, 1: own}, {0: own, 1: "white"}]
        named = [text.get_text() for text in figure.legends[0].texts]
        assert named[:2] == ["method", "null model: degree"]
        assert "method, fewer seeds" in named

    def test_a_split_must_be_named_if_there_are_several(self, frame):
        both = pd.concat([frame, frame.assign(split="tfs")])
        with pytest.raises(
            ValueError, match="split=None, and the frame has several: 'pairs', 'tfs'"
        ):
            sr.pl.benchmark(both, show=False)
        assert len(sr.pl.benchmark(both, split="tfs", metrics=["auprc"], show=False)) == 2
