"""Every method on every data set, split and seed."""

import json
import logging
import subprocess
import sys
from dataclasses import dataclass
from functools import partialmethod
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
from anndata import read_h5ad
from mudata import MuData

import scregnet as sr
from scregnet.bm._grid import fit as fit_of_cells
from scregnet.bm._grid.measure import measured
from scregnet.links import LINK_METHODS, LinkMethod, register_method
from scregnet.links.forms.additive import AdditiveLinks
from scregnet.links.registry import method_class


@pytest.fixture(scope="module")
def adata():
    return sr.datasets.simulated(n_obs=150, n_vars=80)


@dataclass(frozen=True)
class Failing(LinkMethod):
    summary: ClassVar[str] = "fails"
    fitted: ClassVar[type] = AdditiveLinks

    def fit(self, task, *, rng, device=None, progress=None):
        msg = "cannot be fitted"
        raise RuntimeError(msg)


@pytest.fixture
def failing():
    register_method("failing", Failing)
    yield "failing"
    del LINK_METHODS["failing"]


def values(table, **which):
    for name, value in which.items():
        table = table[table[name] == value]
    return table.set_index("metric")["value"]


def test_one_row_a_metric_of_each_cell_and_both_null_models(adata):
    table = sr.bm.run({"a": adata, "b": adata}, ["pearson"], splits=["pairs", "tfs"], seeds=[3, 5])
    cells = table[["data", "method", "split", "seed"]].drop_duplicates()
    assert len(cells) == 2 * 3 * 2 * 2
    assert set(table["method"]) == {"pearson", "degree", "label_factors"}
    assert (table["error"] == "").all()
    assert table["value"].notna().any()
    assert (table["cpu_seconds"] >= 0).all()
    assert table["versions"].str.startswith("scregnet ").all()
    one = table[(table["data"] == "a") & (table["split"] == "pairs") & (table["seed"] == 3)]
    # The difference is to the better null model of the same pairs.
    auroc = one[one["metric"] == "auroc"].set_index("method")
    best = auroc.loc[["degree", "label_factors"], "value"]
    assert auroc.loc["pearson", "best_null"] == best.idxmax()
    assert auroc.loc["pearson", "difference"] == pytest.approx(
        auroc.loc["pearson", "value"] - best.max()
    )
    assert auroc["difference"].notna().tolist() == [True, False, False]


def test_figures_are_those_of_fit_grn(adata):
    table = sr.bm.run(
        adata, {"few pairs added": {"method": "degree", "pseudo_count": 0.3}}, seeds=[4]
    )
    data = adata.copy()
    sr.pp.split(data, adata.uns["network"], random_state=4)
    sr.tl.fit_grn(data, method="degree", pseudo_count=0.3, n_folds=1, random_state=4)
    wanted = sr.get.metrics(data, split="test", wide=True)
    for label, model in (("few pairs added", "degree"), ("label_factors", "label_factors")):
        found = values(table, method=label)
        np.testing.assert_allclose(found[wanted.columns], wanted.loc[model], rtol=1e-6)


def test_what_is_there_is_not_fitted_again(adata, tmp_path, monkeypatch):
    asked = {"methods": ["pearson"], "splits": ["pairs"], "seeds": 2, "folder": tmp_path}
    # A layer and vectors of one name are two things.
    adata.layers["same"], adata.varm["same"] = adata.X.copy(), np.ones((adata.n_vars, 2))
    first = sr.bm.run(adata, **asked)
    files = sorted(tmp_path.iterdir())
    assert len(files) == 6
    # A run that was stopped: some cells are there, one file is damaged.
    files[0].unlink()
    files[1].write_text("{")
    fitted = []
    real = fit_of_cells.fit_cell
    monkeypatch.setattr(
        "scregnet.bm._run.fit_cell", lambda cell, device: fitted.append(cell) or real(cell, device)
    )
    second = sr.bm.run(adata, **asked)
    assert len(fitted) == 2
    same = ["data", "method", "split", "seed", "metric", "value", "best_null", "difference"]
    pd.testing.assert_frame_equal(first[same], second[same])
    assert not list(tmp_path.glob("*.part"))
    # Other data, arguments or seeds are other cells.
    other = adata.copy()
    other.X = other.X * 2
    sr.bm.run(other, **asked)
    assert len(fitted) == 2 + 6


def test_cells_of_a_file_are_known_again(adata, tmp_path, monkeypatch):
    adata.write_h5ad(tmp_path / "a.h5ad")
    # More rows than are read at a time.
    monkeypatch.setattr("scregnet.bm._kept.digest.BLOCK", 64)
    asked = {"methods": ["degree"], "seeds": 1, "folder": tmp_path / "cells"}
    names = []
    for _ in range(2):
        backed = read_h5ad(tmp_path / "a.h5ad", backed="r")
        sr.bm.run(backed, **asked)
        names.append(sorted((tmp_path / "cells").iterdir()))
    assert names[0] == names[1]
    assert len(names[0]) == 2
    changed = adata.copy()
    changed.X = changed.X * 2
    changed.write_h5ad(tmp_path / "b.h5ad")
    sr.bm.run(read_h5ad(tmp_path / "b.h5ad", backed="r"), **asked)
    assert len(list((tmp_path / "cells").iterdir())) == 4


def test_a_cell_that_fails_is_recorded_and_the_others_go_on(adata, failing, tmp_path, monkeypatch):
    asked = {"methods": ["failing"], "seeds": 2, "folder": tmp_path}
    table = sr.bm.run(adata, **asked)
    wrong = table[table["method"] == "failing"]
    assert wrong["error"].tolist() == ["RuntimeError: cannot be fitted"] * 2
    assert wrong["value"].isna().all()
    assert (table.loc[table["method"] == "degree", "error"] == "").all()
    monkeypatch.setattr(Failing, "fit", lambda *_, **__: pytest.fail("fitted again"))
    assert len(sr.bm.run(adata, **asked)) == len(table)
    from scregnet.links.methods.degree import Degree

    monkeypatch.setattr(Failing, "fit", lambda _, task, **how: Degree().fit(task, **how))
    again = sr.bm.run(adata, **asked, retry_failed=True)
    assert (again["error"] == "").all()


def test_all_failed_raises_with_the_first_error(adata, failing, monkeypatch):
    monkeypatch.setattr("scregnet.bm._grid.fit.judge_nulls", lambda *_, **__: 1 / 0)
    with pytest.raises(RuntimeError, match="every fit failed; the first one: ZeroDivisionError"):
        sr.bm.run(adata, [failing], seeds=1)


def test_processes_give_the_same_figures(adata):
    one, two = (sr.bm.run(adata, ["pearson"], seeds=2, n_jobs=n) for n in (1, 2))
    same = ["data", "method", "split", "seed", "metric", "value", "best_null", "difference"]
    pd.testing.assert_frame_equal(one[same], two[same])


def test_files_stored_splits_and_arguments_of_a_split(adata, tmp_path):
    data = adata.copy()
    sr.pp.split(data, adata.uns["network"], random_state=1)
    data.uns["splits"] = {"published": data.uns["split"]["pairs"]}
    path = tmp_path / "data.h5ad"
    data.write_h5ad(path)
    splits = {"published": "published", "few": {"kind": "pairs", "negatives": "sampled"}}
    table = sr.bm.run(path, ["degree"], splits=splits, seeds=2)
    assert table["data"].unique().tolist() == ["data.h5ad"]
    # A published split is the same for all seeds, a drawn one is not.
    for split, n in (("published", 1), ("few", 2)):
        found = table[(table["split"] == split) & (table["method"] == "degree")]
        assert found[found["metric"] == "auroc"]["value"].nunique() == n
    # As many non-edges as edges: half of the pairs.
    assert values(table, split="few", seed=0, method="degree")["prevalence"] == pytest.approx(
        0.5, abs=0.02
    )


def test_priors_by_data_set(adata):
    network = adata.uns["network"]
    bare = adata.copy()
    del bare.uns["network"]
    with pytest.raises(KeyError, match=r"data\['a'\] has no known network"):
        sr.bm.run({"a": bare}, ["degree"], seeds=1, folder=None)
    table = sr.bm.run({"a": bare}, ["degree"], seeds=1, prior={"a": network})
    assert (table["error"] == "").all()


@pytest.mark.parametrize(
    ("changed", "error", "text"),
    [
        ({"methods": ["jont"]}, ValueError, "method"),
        ({"methods": []}, ValueError, "methods is empty"),
        ({"methods": None}, TypeError, "methods must be a list of names, or a mapping .*got None"),
        ({"methods": [["joint"]]}, TypeError, "methods must be a list of names"),
        ({"n_jobs": 0}, ValueError, "n_jobs must be at least 1, or -1 for all cores, got 0"),
        ({"folder": 3}, TypeError, "folder must be the path of a folder, or None; got 3"),
        ({"folder": ""}, TypeError, "folder must be the path of a folder, or None; got ''"),
        ({"seeds": "12"}, TypeError, "seeds must be an integer, got '12'"),
        ({"splits": 3}, TypeError, "splits must be a list of names, or a mapping .* got 3"),
        ({"splits": [None]}, TypeError, "splits must be a list of names"),
        ({"methods": {"joint": 3}}, TypeError, r"methods\['joint'\] must be keyword"),
        ({"methods": {"degree": {"pseudo": 1}}}, TypeError, "'pseudo' is not a parameter"),
        ({"methods": ["degree"], "n_folds": 3}, TypeError, r"methods\['degree'\] sets 'n_folds'"),
        ({"splits": ["pears"]}, ValueError, "splits: 'pears' is no kind of split"),
        ({"splits": {"a": {"kinds": "pairs"}}}, TypeError, "'kinds' not among"),
        ({"splits": {"a": 3}}, TypeError, r"splits\['a'\] must be"),
        ({"seeds": 0}, ValueError, "seeds"),
        ({"seeds": [1, 1]}, ValueError, "different numbers"),
        ({"data": {}}, ValueError, "data is empty"),
        ({"data": {"a": {"n": 3}}}, TypeError, r"data\['a'\] must be an AnnData, .* got {'n': 3}"),
        ({"data": 3}, TypeError, r"data\['data'\] must be an AnnData"),
        ({"data": "nowhere.h5ad"}, FileNotFoundError, "nowhere.h5ad does not exist"),
        ({"n_jobs": 1.5}, TypeError, "n_jobs"),
    ],
)
def test_wrong_arguments_raise_before_any_fit(adata, monkeypatch, changed, error, text):
    monkeypatch.setattr("scregnet.bm._run.fit_cell", lambda *_: pytest.fail("fitted"))
    with pytest.raises(error, match=text):
        sr.bm.run(**{"data": adata, "methods": ["degree"]} | changed)


@pytest.mark.filterwarnings("ignore:Writing zarr v2", "ignore:From 0.4:FutureWarning")
def test_files_of_several_kinds_are_read(adata, tmp_path):
    paths = {name: tmp_path / f"cells.{name}" for name in ("h5ad", "h5mu", "zarr")}
    adata.write_h5ad(paths["h5ad"])
    adata.write_zarr(paths["zarr"])
    MuData({"rna": adata}).write(paths["h5mu"])
    table = sr.bm.run(paths, ["degree"], seeds=1)
    values = table[table["metric"] == "auroc"].pivot(index="data", columns="method", values="value")
    assert set(values.index) == set(paths)
    assert (values.nunique() == 1).all()
    with pytest.raises(KeyError, match=r"data\['h5mu'\]: mod='prot' is not a modality"):
        sr.bm.run({"h5mu": paths["h5mu"]}, ["degree"], mod="prot")
    (tmp_path / "x.h5ad").write_text("none")
    with pytest.raises(ValueError, match=r"data\['b'\]: .*x.h5ad cannot be read as h5ad, h5mu"):
        sr.bm.run({"a": adata, "b": tmp_path / "x.h5ad"}, ["degree"])


def test_a_known_network_is_told_of_once(adata, caplog):
    with caplog.at_level(logging.INFO, logger="scregnet"):
        sr.bm.run(adata, ["degree"], splits=["pairs", "targets"], seeds=2)
    assert caplog.text.count("edges") == 1


def test_the_data_set_that_is_wrong_is_named(adata):
    twice = adata.copy()
    twice.var_names = ["A", *twice.var_names[1:-1], "A"]
    with pytest.raises(ValueError, match=r"^data\['twice'\]: adata.var_names are not unique: 'A'"):
        sr.bm.run({"one": adata, "twice": twice}, ["degree"])
    with pytest.raises(ValueError, match=r"^data\['none'\]: adata is empty: 0 cells × 80 genes"):
        sr.bm.run({"none": adata[:0]}, ["degree"])


def test_labels_and_other_folders_are_no_data(tmp_path):
    labels = tmp_path / "yeast_chipunion.txt.gz"
    pd.DataFrame({"TF": ["A"], "gene": ["B"]}).to_csv(labels, sep="\t", index=False)
    with pytest.raises(ValueError, match=r"no cells: pass cells as data, and labels as prior="):
        sr.bm.run({"yeast": labels}, ["degree"])
    with pytest.raises(ValueError, match=r"none of DREAM4, with 'expression.tsv.gz'"):
        sr.bm.run(tmp_path, ["degree"])


def test_peak_memory_is_that_of_the_call():
    large = measured(lambda: np.ones(30_000_000).sum())[1].peak_gib
    small = measured(lambda: 0)[1].peak_gib
    if np.isnan(large):
        pytest.skip("this system does not tell the peak memory of a call")
    assert large - small > 0.15


def test_peak_memory_is_that_of_all_of_a_call():
    def work():
        np.ones(30_000_000).sum()
        return measured(lambda: None, inside=True)

    (_, inner), outer = measured(work)
    if np.isnan(outer.peak_gib):
        pytest.skip("the system does not tell peak memory")
    _, small = measured(lambda: None)
    assert outer.peak_gib > small.peak_gib + 0.15
    assert inner.peak_gib <= outer.peak_gib


def test_beeline_folders(shared):
    path = shared / "data" / "beeline" / "mDC" / "TFs+500"
    table = sr.bm.run({"mDC": path}, ["degree"], splits=["sample1"], seeds=1)
    # Two rates of the labels: ../shared/measured.md has .81 / .17 (five splits).
    assert values(table, method="degree")["auroc"] == pytest.approx(0.81, abs=0.04)


def test_a_prior_of_no_data_set_is_named(adata):
    priors = {"mine": adata.uns["network"], "other": adata.uns["network"]}
    with pytest.raises(ValueError, match="prior: 'other' is no data set; data has 'mine'"):
        sr.bm.run({"mine": adata}, ["degree"], seeds=1, prior=priors)


class TestRankTurns:
    def frame(self, rows):
        names = ["data", "split", "seed", "method", "value"]
        return pd.DataFrame(rows, columns=names).assign(metric="auprc")

    def test_by_hand(self):
        # A is ahead in three of four contexts; it turns between the seeds of x and of no others.
        ahead = {("x", 0): 0.6, ("x", 1): 0.3, ("y", 0): 0.9, ("y", 1): 0.7}
        rows = [(d, "pairs", s, "A", v) for (d, s), v in ahead.items()]
        rows += [(d, "pairs", s, "B", 0.5) for d, s in ahead]
        (found,) = sr.bm.rank_turns(self.frame(rows)).to_dict("records")
        assert (found["first"], found["second"], found["n"]) == ("A", "B", 4)
        assert found["ahead"] == 0.75
        assert found["turned_seeds"] == 0.5
        # Means over seeds: .45 in x, behind; .8 in y, ahead.
        assert found["turned_data"] == 1.0
        assert np.isnan(found["turned_splits"])

    def test_a_method_that_was_run_on_an_easy_set_alone_is_not_first_for_that(self):
        rows = [("easy", "pairs", 0, "A", 0.9), ("hard", "pairs", 0, "A", 0.6)]
        rows += [("easy", "pairs", 0, "B", 0.85)]
        (found,) = sr.bm.rank_turns(self.frame(rows)).to_dict("records")
        assert (found["first"], found["n"], found["ahead"]) == ("A", 1, 1.0)

    def test_a_tie_is_no_order_and_no_turn(self):
        # A is ahead in two splits; in the third, both have .5, as null models have there.
        values = {"pairs": (0.9, 0.8), "tfs": (0.8, 0.7), "targets": (0.5, 0.5)}
        rows = [
            ("x", split, seed, method, value)
            for split, both in values.items()
            for seed in (0, 1)
            for method, value in zip("AB", both, strict=True)
        ]
        (found,) = sr.bm.rank_turns(self.frame(rows)).to_dict("records")
        assert found["n"] == 6
        assert found["tied"] == pytest.approx(1 / 3)
        assert found["ahead"] == 1.0
        assert (found["turned_seeds"], found["turned_splits"]) == (0.0, 0.0)

    def test_ties_alone_have_no_order(self):
        rows = [("x", split, 0, method, 0.5) for split in ("pairs", "tfs") for method in "AB"]
        (found,) = sr.bm.rank_turns(self.frame(rows)).to_dict("records")
        assert (found["n"], found["tied"]) == (2, 1.0)
        assert np.isnan([found["ahead"], found["turned_splits"]]).all()

    def test_of_an_error_less_is_better(self):
        rows = [("x", "pairs", 0, "A", 0.1), ("x", "pairs", 0, "B", 0.2)]
        frame = self.frame(rows).assign(metric="brier")
        assert sr.bm.rank_turns(frame, metric="brier")["first"].tolist() == ["A"]

    def test_wrong_frames_raise(self):
        with pytest.raises(ValueError, match="what sr.bm.run returns"):
            sr.bm.rank_turns(pd.DataFrame({"a": [1]}))
        one = self.frame([("x", "pairs", 0, "A", 0.1)])
        with pytest.raises(ValueError, match="an order needs two"):
            sr.bm.rank_turns(one)


class TestCommand:
    @pytest.fixture
    def path(self, adata, tmp_path):
        adata.write_h5ad(tmp_path / "cells.h5ad")
        return tmp_path / "cells.h5ad"

    def call(self, *arguments):
        from scregnet.bm._command import main

        return main([str(argument) for argument in arguments])

    def test_a_run_with_a_file_of_options(self, path, tmp_path):
        config = tmp_path / "run.toml"
        config.write_text(
            f'data = {{mine = "{path}"}}\nseeds = 3\nfolder = "{tmp_path / "cells"}"\n'
            '[methods.degree]\n[methods."shrunk"]\nmethod = "degree"\npseudo_count = 30.0\n'
        )
        out, turns, plot = (tmp_path / name for name in ("t.csv", "r.csv", "p.png"))
        # The command line comes first: one seed.
        more = ("--seeds", 1, "--turns", turns, "--plot", plot)
        assert self.call("run", "--config", config, "--out", out, *more) == 0
        table = pd.read_csv(out)
        assert set(table["method"]) == {"degree", "shrunk", "label_factors"}
        assert table["seed"].unique().tolist() == [0]
        assert table["data"].unique().tolist() == ["mine"]
        assert len(list((tmp_path / "cells").glob("*.json"))) == 3
        assert len(pd.read_csv(turns)) == 3
        assert plot.stat().st_size > 1000

    def test_names_of_the_command_line_take_what_the_file_says_of_them(self, path, tmp_path):
        config, out = tmp_path / "run.toml", tmp_path / "t.csv"
        config.write_text(
            f'data = {{mine = "{path}", other = "nowhere.h5ad"}}\n[methods.degree]\n'
            '[methods."shrunk"]\nmethod = "degree"\npseudo_count = 3000.0\n'
        )
        told = ("--config", config, "--methods", "shrunk", "--out", out)
        assert self.call("run", "mine", *told, "--seeds", 1) == 0
        table = pd.read_csv(out)
        assert table["data"].unique().tolist() == ["mine"]
        values = table[table["metric"] == "brier"].set_index("method")["value"]
        assert set(values.index) == {"shrunk", "degree", "label_factors"}
        own = {"shrunk": {"method": "degree", "pseudo_count": 3000.0}}
        alone = sr.bm.run({"mine": path}, own, seeds=1, show_progress_bar=False)
        alone = alone[alone["metric"] == "brier"].set_index("method")["value"]
        assert values["shrunk"] == pytest.approx(alone["shrunk"], rel=1e-9)
        assert values["shrunk"] != pytest.approx(values["degree"], rel=1e-3)
        more = ("--noise", 0.05, "--n-priors", 1)
        assert self.call("noise", "mine", *told, *more) == 0
        assert pd.read_csv(out)["method"].unique().tolist() == ["shrunk"]

    def test_failed_fits_are_exit_code_1(self, path, tmp_path, failing):
        assert (
            self.call("run", path, "--methods", failing, "--seeds", 1, "--out", tmp_path / "t") == 1
        )

    def test_wrong_calls_are_exit_code_2_and_one_line(self, path, capsys, tmp_path, monkeypatch):
        # What is wrong is found before any fit.
        monkeypatch.setattr("scregnet.bm._run.fit_cell", lambda *_: pytest.fail("fitted"))
        monkeypatch.setattr("scregnet.bm._studies.fit_links", lambda *_: pytest.fail("fitted"))
        assert self.call("run", "nowhere.h5ad") == 2
        assert self.call("run") == 2
        (tmp_path / "bad.toml").write_text("= 3")
        assert self.call("run", path, "--config", tmp_path / "bad.toml") == 2
        assert self.call("run", path, "--methods", "jont") == 2
        for command in ("run", "noise"):
            assert self.call(command, path, "--out", tmp_path / "no" / "t.csv") == 2
        assert self.call("run", path, "--turns", tmp_path) == 2
        assert self.call("run", path, "--plot", tmp_path / "p.foo") == 2
        assert self.call("run", path, "--turns-metric", "aurco") == 2
        assert self.call("ablation", path, "--plot", tmp_path / "p.foo") == 2
        assert self.call("noise", path, "--methods", "degree", "jont") == 2
        assert self.call("noise", path, "--n-priors", 0) == 2
        (tmp_path / "of_run.toml").write_text('seeds = 2\nturns = "t.csv"\nn_priors = 3\n')
        assert self.call("noise", path, "--config", tmp_path / "of_run.toml") == 2
        lines = capsys.readouterr().err.strip().splitlines()
        assert lines[-1].endswith("of_run.toml: 'seeds', 'turns' cannot be set for 'noise'.")
        assert len(lines) == 13
        assert all(line.startswith("scregnet.bm: ") for line in lines)

    def test_studies_of_several_methods(self, path, tmp_path):
        out = tmp_path / "noise.csv"
        how = ("--noise", 0.05, "--n-priors", 1, "--out", out)
        assert self.call("noise", path, "--methods", "degree", "label_factors", *how) == 0
        assert set(pd.read_csv(out)["method"]) == {"degree", "label_factors"}

    def test_two_versions_of_a_method_are_two_models_of_a_study(self, path, tmp_path):
        config, out, plot = (tmp_path / name for name in ("c.toml", "n.csv", "n.png"))
        config.write_text(
            '[methods.degree]\n[methods."shrunk"]\nmethod = "degree"\npseudo_count = 30.0\n'
        )
        how = ("--config", config, "--noise", 0.05, "--n-priors", 1, "--out", out, "--plot", plot)
        assert self.call("noise", path, *how) == 0
        assert set(pd.read_csv(out)["model"]) == {"degree", "shrunk", "label_factors"}
        assert plot.stat().st_size > 1000

    def test_an_ablation_has_a_picture_for_each_data_set(self, path, adata, tmp_path):
        other, out, plot = (tmp_path / name for name in ("my other.h5ad", "a.csv", "a.png"))
        adata.write_h5ad(other)
        how = ("--methods", "pearson", "degree", "--n-seeds", 1, "--out", out, "--plot", plot)
        assert self.call("ablation", path, other, *how) == 0
        pictures = sorted(one.name for one in tmp_path.glob("*.png"))
        assert pictures == ["a-cells_h5ad.png", "a-my_other_h5ad.png"]
        # Drawn at once, a bar would be the mean of both methods and data sets.
        frame = pd.read_csv(out)
        with pytest.raises(ValueError, match="several values of 'data'.*groupby='data'"):
            sr.pl.ablation(frame, groupby="method")

    def test_ctrl_c_says_how_to_go_on(self, path, capsys, monkeypatch):
        def stopped(*_):
            raise KeyboardInterrupt

        monkeypatch.setattr("scregnet.bm._run.fit_cell", stopped)
        assert self.call("run", path, "--methods", "degree", "--seeds", 1) == 130
        assert "stopped. The same command with --folder goes on" in capsys.readouterr().err

    def test_turns_of_another_metric(self, path, tmp_path):
        out, turns = tmp_path / "t.csv", tmp_path / "turns.csv"
        how = ("--methods", "degree", "--splits", "targets", "--seeds", 1, "--out", out)
        metric = ("--turns", turns, "--turns-metric", "per_tf_auroc")
        assert self.call("run", path, *how, *metric) == 0
        # Null models cannot order the targets of a TF.
        assert pd.read_csv(turns)["tied"].tolist() == [1.0]

    def test_a_file_that_fails_after_the_fits_is_no_wrong_call(
        self, path, tmp_path, capsys, monkeypatch
    ):
        def full(*_, **__):
            msg = "No space left on device"
            raise OSError(msg)

        out = tmp_path / "t.csv"
        monkeypatch.setattr("scregnet.pl.benchmark", full)
        how = ("--methods", "degree", "--seeds", 1, "--out", out, "--plot", tmp_path / "p.png")
        assert self.call("run", path, *how) == 1
        assert "scregnet.bm: No space left" in capsys.readouterr().err
        assert "degree" in set(pd.read_csv(out)["method"])

    def test_options_that_a_command_lacks_are_told_with_those_it_has(self, path, capsys):
        with pytest.raises(SystemExit):
            self.call("noise", path, "--seeds", 3)
        assert "--n-priors" in (told := capsys.readouterr().err)
        assert "unrecognized arguments: --seeds 3" in told

    def test_a_study_that_fails_spares_the_others(self, path, tmp_path, caplog):
        out = tmp_path / "noise.csv"
        how = ("--noise", 0.05, "--n-priors", 1, "--out", out)
        # Without a pseudotime scode cannot be fitted.
        with caplog.at_level(logging.WARNING, logger="scregnet"):
            assert self.call("noise", path, "--methods", "scode", "degree", *how) == 1
        assert "failed: ValueError: pseudotime=None" in caplog.text
        assert "scode on cells.h5ad" in caplog.text
        assert set(pd.read_csv(out)["method"]) == {"degree"}

    @pytest.mark.parametrize("command", ["noise", "ablation"])
    def test_a_study_keeps_its_fits(self, path, tmp_path, monkeypatch, command):
        from scregnet.bm._studies import Study

        fits = tmp_path / "fits"
        few = ("--noise", 0.05, "--n-priors", 1) if command == "noise" else ("--n-seeds", 1)
        how = (command, path, "--methods", "pearson", *few, "--folder", fits, "--out")
        assert self.call(*how, tmp_path / "first.csv") == 0
        assert len(list(fits.iterdir())) == 2
        monkeypatch.setattr(Study, "fit", lambda *_, **__: pytest.fail("fitted again"))
        assert self.call(*how, tmp_path / "second.csv") == 0
        assert (tmp_path / "first.csv").read_text() == (tmp_path / "second.csv").read_text()

    def test_an_ablation_of_methods_with_and_without_parts(self, path, tmp_path):
        out = tmp_path / "ablation.csv"
        methods = ("degree", "pearson", "joint")
        assert self.call("ablation", path, "--methods", *methods, "--n-seeds", 1, "--out", out) == 0
        found = pd.read_csv(out).groupby("method")["variant"].unique()
        assert found["degree"].tolist() == ["whole model"]
        assert found["pearson"].tolist() == ["whole model", "shuffled cells"]
        assert found["joint"].tolist()[:2] == ["whole model", "no boosted trees"]

    def test_help_of_the_module(self):
        found = subprocess.run(
            [sys.executable, "-m", "scregnet.bm", "--help"],
            capture_output=True,
            text=True,
            check=True,
        )
        assert "python -m scregnet.bm run" in found.stdout


def test_records_hold_plain_numbers(adata, tmp_path):
    sr.bm.run(adata, ["degree"], seeds=1, folder=tmp_path)
    for path in tmp_path.iterdir():
        record = json.loads(path.read_text())
        assert isinstance(record["figures"][0][1], float)


def test_what_reads_no_label_is_fitted_once_for_all_splits(adata, monkeypatch):
    from scregnet.links.methods.pearson import Pearson

    splits = ["pairs", "targets"]
    fitted, real = [], Pearson.table

    def table(self, *given):
        fitted.append(given[-1])
        return real(self, *given)

    monkeypatch.setattr(Pearson, "table", table)
    alone = pd.concat(sr.bm.run(adata, ["pearson"], splits=[s], seeds=[7, 8]) for s in splits)
    assert len(fitted) == 4
    both = sr.bm.run(adata, ["pearson"], splits=splits, seeds=[7, 8])
    assert len(fitted) == 4 + 2
    same = ["data", "method", "split", "seed", "metric", "value", "best_null", "difference"]
    pd.testing.assert_frame_equal(alone[same].reset_index(drop=True), both[same])
    # Other arguments are another fit.
    adata.layers["mixed"] = np.random.default_rng(0).permuted(adata.X.toarray(), axis=0)
    methods = {"pearson": {}, "of a layer": {"method": "pearson", "layer": "mixed"}}
    found = sr.bm.run(adata, methods, splits=splits, seeds=[9])
    assert len(fitted) == 6 + 2
    of_split = found[found["split"] == "pairs"]
    assert set(values(of_split, method="pearson")) != set(values(of_split, method="of a layer"))


def test_another_pseudotime_is_another_fit(adata, tmp_path):
    data = adata.copy()
    data.obs["time"] = np.random.default_rng(0).random(data.n_obs)
    turned = data.copy()
    turned.obs["time"] = turned.obs["time"].to_numpy()[::-1]
    methods = {"scode": {"pseudotime": "time", "n_runs": 1, "n_draws": 5}}
    # The same cells: in one call, in the next one, and in a folder.
    both = sr.bm.run({"one": data, "other": turned}, methods, seeds=1)
    for name, cells in (("one", data), ("other", turned)):
        expected = values(both, data=name, method="scode")
        alone = sr.bm.run(cells, methods, seeds=1, folder=tmp_path)
        pd.testing.assert_series_equal(values(alone, method="scode"), expected)
        how = {"n_folds": 1, "n_bootstrap": 0, **methods["scode"]}
        sr.tl.fit_grn(cells, cells.uns["network"], method="scode", **how)
        found = sr.get.metrics(cells).query("model == 'scode' and split == 'test'")
        assert found.set_index("metric")["value"]["auroc"] == pytest.approx(expected["auroc"])
    assert values(both, data="one", method="scode")["auroc"] != expected["auroc"]


def test_other_marked_tfs_are_another_fit(adata, tmp_path):
    data = adata.copy()
    found = {}
    for n_marked in (0, 40):
        data.var["is_tf"] = np.arange(data.n_vars) < n_marked
        table = sr.bm.run(data, {"grnboost2": {"max_trees": 20}}, seeds=1, folder=tmp_path)
        found[n_marked] = values(table, method="grnboost2")["auroc"]
    assert found[0] != found[40]


def test_all_arguments_tell_a_fit_defaults_too(adata, tmp_path, monkeypatch):
    def kept(**arguments):
        sr.bm.run(adata, {"gnnlink": {"max_epochs": 1, **arguments}}, seeds=1, folder=tmp_path)
        return len(list(tmp_path.glob("*gnnlink*")))

    own = method_class("gnnlink")
    usual = own().patience
    assert kept() == kept(patience=usual) == 1
    # Another default, as another state of the code has it, is another fit.
    other = partialmethod(own.__init__, patience=usual + 1)
    monkeypatch.setattr(own, "__init__", other)
    assert kept() == 2


def test_null_models_are_those_of_the_pairs_and_not_of_their_name(adata):
    for kind in ("pairs", "targets"):
        table = sr.bm.run(adata, ["pearson"], splits={"mine": {"kind": kind}}, seeds=1)
        auroc = table[table["metric"] == "auroc"].set_index("method")
        best = auroc.loc[["degree", "label_factors"], "value"].max()
        expected = auroc.loc["pearson", "value"] - best
        assert auroc.loc["pearson", "difference"] == pytest.approx(expected, abs=1e-12)


def test_null_models_have_the_label_frequency_of_the_method(adata):
    half = {"half": {"method": "pearson", "label_frequency": 0.5}}
    alone = values(sr.bm.run(adata, half, seeds=1), method="half")
    fit_of_cells._last_nulls.clear()
    table = sr.bm.run(adata, {"pearson": {}, **half}, seeds=1)
    pd.testing.assert_series_equal(values(table, method="half"), alone)
    differences = table[table["metric"] == "brier"].set_index("method")["difference"]
    alone = sr.bm.run(adata, half, seeds=1).query("metric == 'brier' and method == 'half'")
    assert differences["half"] == pytest.approx(alone["difference"].item(), abs=1e-12)
    # Of all methods: the rows of the null models too.
    shared = sr.bm.run(adata, ["pearson"], seeds=1, label_frequency=0.5)
    brier = shared[shared["metric"] == "brier"].set_index("method")
    best = brier.loc[["degree", "label_factors"], "value"].min()
    expected = brier.loc["pearson", "value"] - best
    assert brier.loc["pearson", "difference"] == pytest.approx(expected, abs=1e-12)


def test_another_stored_split_is_another_fit(adata, tmp_path):
    data = adata.copy()
    found = []
    for kind in ("pairs", "targets"):
        sr.pp.split(data, data.uns["network"], kind=kind, key_added="mine")
        table = sr.bm.run(data, ["degree"], splits=["mine"], seeds=1, folder=tmp_path)
        found.append(values(table, method="degree")["auroc"])
    assert found[0] != found[1]
    assert len(list(tmp_path.iterdir())) == 2 * 2
