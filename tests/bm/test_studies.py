import anndata as ad
import numpy as np
import pandas as pd
import pytest

import scregnet as sr
from scregnet._genes.frames import pairs_frame
from scregnet.bm._studies import Study
from scregnet.links import get_method
from scregnet.links.methods.joint.method import Joint
from scregnet.links.methods.scregnet.method import ScRegNet
from scregnet.tl._fit.task import FitOptions

QUICK = {
    "method": "scregnet",
    "gnn_dims": (8,),
    "mlp_dims": (8,),
    "max_epochs": 2,
    "show_progress_bar": False,
    "device": "cpu",
}
NULLS = {"degree", "label_factors"}


@pytest.fixture
def embedded(adata):
    sr.tl.embed(adata, model="svd", n_components=4, show_progress_bar=False)
    return adata


def snapshot(data):
    return list(data.uns), list(data.varp), list(data.varm), list(data.var), list(data.layers)


def value(table, **where):
    for column, wanted in where.items():
        table = table[table[column] == wanted]
    assert len(table) == 1
    return table["value"].item()


@pytest.fixture(scope="module")
def study(_simulated):
    data = _simulated.copy()
    sr.tl.embed(data, model="svd", n_components=4, show_progress_bar=False)
    before = snapshot(data)
    table = sr.bm.ablation_study(data, data.uns["network"], n_seeds=2, random_state=5, **QUICK)
    assert snapshot(data) == before
    return data, table


class TestAblation:
    def test_frame(self, study):
        _, table = study
        assert list(table.columns) == ["variant", "seed", "model", "split", "metric", "value"]
        assert list(table["variant"].unique()) == [
            "whole model",
            "no graph network",
            "shuffled cells",
            "no embedding",
            "random embedding",
        ]
        assert set(table["seed"]) == {5, 6}
        assert set(table["model"]) == {"scregnet"} | NULLS
        assert set(table["split"]) == {"validation", "test"}
        assert not table.duplicated(["variant", "seed", "model", "split", "metric"]).any()

    @pytest.mark.parametrize(
        "variant, keywords",
        [
            ("whole model", {}),
            ("no graph network", {"gnn": None}),
            ("shuffled cells", {"shuffle_expression": True}),
            ("no embedding", {"embedding": None}),
            ("random embedding", {"random_embedding": True}),
        ],
    )
    def test_every_figure_is_that_of_the_fit(self, study, variant, keywords, same_frames):
        data, table = study
        fit = sr.tl.fit_grn(
            data,
            data.uns["network"],
            random_state=6,
            n_folds=1,
            n_bootstrap=0,
            copy=True,
            **{**QUICK, **keywords},
        )
        wanted = sr.get.metrics(fit)
        here = table[(table["variant"] == variant) & (table["seed"] == 6)]
        same_frames(
            here[["model", "split", "metric", "value"]].reset_index(drop=True),
            wanted[["model", "split", "metric", "value"]],
            check_exact=True,
        )

    def test_versions_of_a_seed_have_the_same_pairs_and_seeds_have_others(self, study):
        _, table = study
        null = table[
            (table["model"] == "degree") & (table["split"] == "test") & (table["metric"] == "auroc")
        ]
        assert null.groupby("seed")["value"].nunique().tolist() == [1, 1]
        assert null["value"].nunique() == 2

    def test_own_variants_of_any_method(self, adata, net):
        variants = {
            "little": {"pseudo_count": 0.3},
            "much": {"pseudo_count": 30.0},
        }
        table = sr.bm.ablation_study(
            adata,
            net,
            "degree",
            variants=variants,
            n_seeds=1,
            show_progress_bar=False,
        )
        assert list(table["variant"].unique()) == list(variants)
        auprc = table.query("model == 'degree' and split == 'test' and metric == 'auprc'")["value"]
        assert auprc.nunique() == 2

    def test_seeds_that_are_drawn_are_reported(self, adata, net):
        call = {"variants": {"all": {}}, "n_seeds": 1, "show_progress_bar": False}
        table = sr.bm.ablation_study(adata, net, "degree", random_state=None, **call)
        seed = int(table["seed"].iloc[0])
        again = sr.bm.ablation_study(adata, net, "degree", random_state=seed, **call)
        pd.testing.assert_frame_equal(table, again)

    @pytest.mark.parametrize(
        "method, how, without",
        [
            ("scregnet", {"gnn": "graphsage"}, {"no graph network": {"gnn": None}}),
            ("sctransnet", {}, {"no graph network": {"graph_dims": ()}}),
            ("scregnet", {"gnn": None}, {}),
            (
                "joint",
                {},
                {
                    "no boosted trees": {"n_trees": 0},
                    "no forest": {"n_forest_trees": 0},
                    "no similarity": dict.fromkeys(
                        ("target_smooth", "own", "similar", "joint_smooth"), 0.0
                    )
                    | {"n_forest_trees": 0},
                    "no families": {"family": 0.0},
                },
            ),
        ],
    )
    def test_default_variants(self, embedded, net, monkeypatch, method, how, without):
        asked = []

        def spy(self, title, name, method, labelled, options):
            asked.append((name, method, options))
            return pd.DataFrame({"model": ["a"], "split": "test", "metric": "b", "value": 1})

        monkeypatch.setattr(Study, "figures", spy)
        table = sr.bm.ablation_study(
            embedded, net, method, n_seeds=1, show_progress_bar=False, **how
        )
        wanted = {
            "whole model": (how, {}),
            **{name: ({**how, **keywords}, {}) for name, keywords in without.items()},
            "shuffled cells": (how, {"shuffle_expression": True}),
            "no embedding": (how, {"embedding": None}),
            "random embedding": (how, {"random_embedding": True}),
        }
        assert list(table["variant"]) == list(wanted)
        for (name, made, options), (own, more) in zip(asked, wanted.values(), strict=True):
            assert name == method
            assert made == get_method(method, **own)
            assert options == FitOptions(n_bootstrap=0, random_state=0, **more)

    def test_a_split_of_pp_is_drawn_anew_for_each_seed(self, adata, net, monkeypatch):
        seen = []

        def spy(self, title, name, method, labelled, options):
            seen.append(labelled)
            return pd.DataFrame({"model": ["a"], "split": "test", "metric": "b", "value": 1})

        monkeypatch.setattr(Study, "figures", spy)
        sr.pp.split(adata, net, kind="both", test_fraction=0.3, random_state=4)
        call = {"variants": {"all": {}}, "n_seeds": 2, "show_progress_bar": False}
        sr.bm.ablation_study(adata, None, "degree", random_state=4, **call)
        frames = [pairs_frame(labelled.parts, adata.var_names) for labelled in seen]
        pd.testing.assert_frame_equal(frames[0], adata.uns["split"]["pairs"])
        assert not frames[0].equals(frames[1])
        expected = sr.pp.split(
            adata, net, kind="both", test_fraction=0.3, random_state=5, copy=True
        )
        pd.testing.assert_frame_equal(frames[1], expected.uns["split"]["pairs"])

    def test_a_collapsed_fit_is_nan_and_the_rest_goes_on(self, embedded, net, monkeypatch):
        fit = ScRegNet.fit

        def collapse(self, task, **how):
            if self.gnn is None:
                raise RuntimeError("training collapsed")
            return fit(self, task, **how)

        monkeypatch.setattr(ScRegNet, "fit", collapse)
        table = sr.bm.ablation_study(embedded, net, n_seeds=1, **QUICK)
        lost = table[(table["variant"] == "no graph network") & (table["model"] == "scregnet")]
        assert lost["value"].isna().all()
        assert len(lost) == len(
            table[(table["variant"] == "whole model") & (table["model"] == "scregnet")]
        )
        kept = table.drop(index=lost.index)
        # No TF has five edges among the validation pairs.
        few = kept["metric"].isin(["per_tf_auroc_5", "per_tf_auprc_5"])
        assert (kept["value"].isna() == (few & (kept["split"] == "validation"))).all()
        # Its null models are on the same pairs all the same.
        where = {"model": "label_factors", "split": "test", "metric": "auroc"}
        assert value(table, variant="no graph network", **where) == value(
            table, variant="whole model", **where
        )
        with pytest.raises(RuntimeError, match="training collapsed"):
            sr.bm.ablation_study(
                embedded, net, n_seeds=1, variants={"none": {"gnn": None}}, **QUICK
            )

    @pytest.mark.parametrize(
        ("method", "parts"),
        [
            ({"method": "joint", "n_trees": 5, "n_forest_trees": 5}, list(Joint.ablations)),
            # Without embedding and graph network nothing is left.
            (QUICK, []),
            ({"method": "sctransnet", "max_epochs": 2, "device": "cpu"}, []),
        ],
        ids=["joint", "scregnet", "sctransnet"],
    )
    def test_without_an_embedding_the_other_parts_are_taken_away(
        self, adata, net, caplog, method, parts
    ):
        table = sr.bm.ablation_study(adata, net, n_seeds=1, **method)
        variants = table["variant"].unique().tolist()
        assert variants == ["whole model", *parts, "shuffled cells"]
        assert "so none is taken away; call sr.tl.embed" in caplog.text

    def test_wrong_calls_fail_before_the_first_fit(self, embedded, net, monkeypatch):
        for method in (Joint, ScRegNet):
            monkeypatch.setattr(method, "fit", lambda *_, **__: pytest.fail("a fit was begun"))
        with pytest.raises(TypeError, match="'gn' is not a parameter of method='scregnet'.*'gnn'"):
            sr.bm.ablation_study(embedded, net, "scregnet", variants={"a": {}, "b": {"gn": None}})
        with pytest.raises(
            TypeError, match=r"variants\['b'\] sets 'random_state', 'threshold', which the study"
        ):
            sr.bm.ablation_study(embedded, net, variants={"b": {"random_state": 1, "threshold": 0}})
        with pytest.raises(TypeError, match="'groupby' is not a parameter of method='joint'"):
            sr.bm.ablation_study(embedded, net, groupby="cell_type")
        with pytest.raises(ValueError, match="variants is empty"):
            sr.bm.ablation_study(embedded, net, variants={})
        with pytest.raises(
            ValueError, match="method='degree' names no part that could be taken away"
        ):
            sr.bm.ablation_study(embedded, net, "degree")
        with pytest.raises(ValueError, match="n_seeds must be at least 1"):
            sr.bm.ablation_study(embedded, net, n_seeds=0)


class TestRobustness:
    def study(self, adata, net, method="degree", **how):
        call = {"noise": (0.05, 0.2), "n_priors": 2, "show_progress_bar": False}
        return sr.bm.robustness_study(adata, net, method, **{**call, **how})

    def test_frame(self, adata, net):
        before = snapshot(adata)
        table = self.study(adata, net)
        assert snapshot(adata) == before
        assert list(table.columns) == ["noise", "prior", "model", "metric", "value"]
        runs = table.drop_duplicates(["noise", "prior"])[["noise", "prior"]]
        assert runs.to_numpy().tolist() == [[0, 0], [0.05, 0], [0.05, 1], [0.2, 0], [0.2, 1]]
        assert set(table["model"]) == NULLS
        assert not table.duplicated(["noise", "prior", "model", "metric"]).any()
        auroc = table[(table["model"] == "degree") & (table["metric"] == "auroc")]
        assert auroc["value"].nunique() == 5

    def test_without_noise_it_is_the_fit(self, embedded, net, same_frames):
        table = self.study(embedded, net, noise=(0.0,), **QUICK)
        sr.tl.fit_grn(embedded, net, n_bootstrap=0, **QUICK)
        wanted = sr.get.metrics(embedded)
        wanted = wanted[wanted["split"] == "test"][["model", "metric", "value"]].reset_index(
            drop=True
        )
        same_frames(table[["model", "metric", "value"]], wanted, check_exact=True)

    @pytest.mark.parametrize("flip_validation", [True, False])
    @pytest.mark.parametrize("flip", ["pairs", "edges"])
    def test_which_labels_are_wrong(self, adata, net, monkeypatch, flip, flip_validation):
        seen = []

        def spy(self, title, name, method, labelled, options):
            seen.append(pairs_frame(labelled.parts, adata.var_names))
            return pd.DataFrame({"model": ["a"], "split": "test", "metric": "b", "value": 1})

        monkeypatch.setattr(Study, "figures", spy)
        self.study(adata, net, flip=flip, flip_validation=flip_validation)
        clean, low, other, high, _ = seen
        for part in ("train", "validation", "test"):
            here = (clean["split"] == part).to_numpy()
            truth = clean["label"].to_numpy(int)[here]
            wrong = {
                name: truth != s["label"].to_numpy(int)[here]
                for name, s in (("l", low), ("o", other), ("h", high))
            }
            if part == "test" or (part == "validation" and not flip_validation):
                assert not any(w.any() for w in wrong.values())
                continue
            n = len(truth) if flip == "pairs" else 2 * truth.sum()
            for name, share in (("l", 0.05), ("o", 0.05), ("h", 0.2)):
                assert wrong[name].sum() == pytest.approx(share * n, abs=1.01)
            assert (wrong["l"] <= wrong["h"]).all()
            if part == "train":
                assert (wrong["l"] != wrong["o"]).any()
            if flip == "edges":
                assert low["label"].to_numpy(int)[here].sum() == truth.sum()

    def test_priors_do_not_depend_on_the_other_levels(self, adata, net):
        all_levels = self.study(adata, net, n_priors=1)
        one = self.study(adata, net, noise=[0.2], n_priors=1)
        pick = lambda table: table[(table["noise"] == 0.2) & (table["prior"] == 0)][
            "value"
        ].to_numpy()
        np.testing.assert_array_equal(pick(all_levels), pick(one))

    def test_much_noise_hurts(self, adata, net):
        table = self.study(adata, net, noise=(0.45,), n_priors=3)
        auroc = (
            table[(table["model"] == "degree") & (table["metric"] == "auroc")]
            .groupby("noise")["value"]
            .mean()
        )
        assert auroc[0.45] < auroc[0.0] - 0.02

    def test_backed(self, adata, net, tmp_path):
        table = self.study(adata, net, noise=(0.1,), n_priors=1)
        adata.write_h5ad(tmp_path / "a.h5ad")
        backed = ad.read_h5ad(tmp_path / "a.h5ad", backed="r")
        pd.testing.assert_frame_equal(self.study(backed, net, noise=(0.1,), n_priors=1), table)

    def test_wrong_calls(self, adata, net):
        with pytest.raises(ValueError, match=r"noise must lie in \[0, 0.5\], got 5"):
            self.study(adata, net, noise=(5,))
        with pytest.raises(ValueError, match="noise must be a sequence"):
            self.study(adata, net, noise=0.05)
        with pytest.raises(ValueError, match="noise must be a sequence"):
            self.study(adata, net, noise=())
        with pytest.raises(ValueError, match="noise=1e-06 flips none of"):
            self.study(adata, net, noise=(1e-6,))
        with pytest.raises(ValueError, match="flip='labels' is not known"):
            self.study(adata, net, flip="labels")
        with pytest.raises(TypeError, match="'layers' is not .*Did you mean 'layer'"):
            self.study(adata, net, layers="counts")
        with pytest.raises(TypeError, match="'droput' is not a parameter"):
            self.study(adata, net, droput=1)


STUDIES = {
    "ablation": lambda adata, **how: sr.bm.ablation_study(
        adata, adata.uns["network"], "pearson", n_seeds=2, show_progress_bar=False, **how
    ),
    "robustness": lambda adata, **how: sr.bm.robustness_study(
        adata,
        adata.uns["network"],
        "pearson",
        **{"noise": (0.05, 0.2), "n_priors": 2, "show_progress_bar": False, **how},
    ),
}


@pytest.fixture
def fitted(monkeypatch):
    """Titles of the fits that are made."""
    made, real = [], Study.fit

    def fit(self, title, *given, **how):
        made.append(title)
        return real(self, title, *given, **how)

    monkeypatch.setattr(Study, "fit", fit)
    return made


class TestFolder:
    @pytest.mark.parametrize("name", STUDIES)
    def test_a_study_that_was_stopped_goes_on(self, adata, tmp_path, fitted, name):
        study = STUDIES[name]
        whole = study(adata)
        titles, n = list(fitted), len(fitted)
        pd.testing.assert_frame_equal(study(adata, folder=tmp_path), whole)
        files = sorted(tmp_path.iterdir())
        assert len(files) == n
        # Some fits are there, one file is damaged, and one lacks its figures.
        files[0].unlink()
        files[1].write_text("{")
        files[2].write_text('{"title": "a"}')
        fitted.clear()
        pd.testing.assert_frame_equal(study(adata, folder=tmp_path), whole)
        assert len(fitted) == 3
        assert set(fitted) < set(titles)
        assert sorted(tmp_path.iterdir()) == files

    @pytest.mark.parametrize("name", STUDIES)
    def test_a_kill_loses_one_fit(self, adata, tmp_path, fitted, monkeypatch, name):
        real = Study.fit

        def killed(self, *given, **how):
            if len(fitted) == 2:
                raise KeyboardInterrupt
            return real(self, *given, **how)

        with monkeypatch.context() as patch:
            patch.setattr(Study, "fit", killed)
            with pytest.raises(KeyboardInterrupt):
                STUDIES[name](adata, folder=tmp_path)
        first = list(fitted)
        STUDIES[name](adata, folder=tmp_path)
        assert len(first) == 2
        assert len(fitted) == len(set(fitted)) > 2

    def test_other_data_arguments_or_labels_are_fits_of_their_own(self, adata, tmp_path, fitted):
        study = STUDIES["robustness"]
        sr.tl.embed(adata, model="svd", n_components=4, show_progress_bar=False)
        adata.obs["time"] = np.arange(adata.n_obs)
        adata.var["is_tf"] = np.arange(adata.n_vars) < 20
        how = {"noise": (0.1,), "n_priors": 1, "folder": tmp_path}

        def n_new(data=adata, **more):
            fitted.clear()
            study(data, **how, **more)
            return len(fitted)

        assert [n_new(), n_new()] == [2, 0]
        assert [n_new(random_state=1), n_new(random_state=1)] == [2, 0]
        assert [n_new(label_frequency=0.5), n_new(label_frequency=0.5)] == [2, 0]
        # Test labels are the same; those of validation are not.
        assert n_new(flip_validation=False) == 1
        for change in ("X", "varm", "is_tf", "name", "split"):
            other = adata.copy()
            if change == "X":
                other.X = other.X * 2
            elif change == "varm":
                other.varm["svd"] = other.varm["svd"] * 2
            elif change == "is_tf":
                other.var["is_tf"] = np.arange(other.n_vars) < 21
            elif change == "name":
                other.var_names = [f"{name}b" for name in other.var_names]
                other.uns["network"] = other.uns["network"].assign(
                    source=lambda edges: edges["source"] + "b",
                    target=lambda edges: edges["target"] + "b",
                )
            else:
                other.uns["network"] = other.uns["network"].iloc[1:]
            assert n_new(other) == 2, change

    def test_more_levels_fit_only_these(self, adata, tmp_path, fitted):
        study = STUDIES["robustness"]
        study(adata, noise=(0.05,), folder=tmp_path)
        fitted.clear()
        wider = study(adata, noise=(0.05, 0.2), folder=tmp_path)
        assert fitted == ["noise 0.2, prior 0", "noise 0.2, prior 1"]
        pd.testing.assert_frame_equal(wider, study(adata, noise=(0.05, 0.2)))

    def test_a_file_is_the_same_cells(self, adata, tmp_path, fitted):
        """Also in another session: nothing of where they lie in memory counts."""
        study, how = STUDIES["robustness"], {"noise": (0.1,), "n_priors": 1}
        adata.write_h5ad(tmp_path / "a.h5ad")
        for _ in range(2):
            backed = ad.read_h5ad(tmp_path / "a.h5ad", backed="r")
            table = study(backed, folder=tmp_path / "fits", **how)
        assert len(fitted) == 2
        pd.testing.assert_frame_equal(table, study(adata, **how))

    def test_a_failed_fit_is_made_again(self, adata, tmp_path, monkeypatch, fitted):
        from scregnet.links.methods.pearson import Pearson

        def fail(self, *_, **__):
            raise RuntimeError("diverged")

        study = STUDIES["ablation"]
        with monkeypatch.context() as patch:
            patch.setattr(Pearson, "fit", fail)
            with pytest.raises(RuntimeError, match="diverged"):
                study(adata, folder=tmp_path)
        assert not list(tmp_path.iterdir())
        fitted.clear()
        table = study(adata, folder=tmp_path)
        assert len(fitted) == len(list(tmp_path.iterdir())) == 4
        assert table.loc[table["metric"] == "auroc", "value"].notna().all()

    def test_the_log_says_which_member_failed(self, adata, monkeypatch, caplog):
        from scregnet.links.methods.pearson import Pearson

        real, calls = Pearson.fit, []

        def fail(self, *given, **how):
            calls.append(1)
            if len(calls) == 2:
                raise RuntimeError("diverged.")
            return real(self, *given, **how)

        monkeypatch.setattr(Pearson, "fit", fail)
        STUDIES["robustness"](adata, n_models=3)
        lines = [line for line in caplog.messages if "Its figures are NaN" in line]
        assert len(lines) == 1
        assert "RuntimeError: diverged. (" in lines[0]
        assert "2 of 3" in lines[0]
        assert "in the fit 'noise 0, prior 0'" in lines[0]

    @pytest.mark.parametrize("name", STUDIES)
    def test_wrong_folders_fail_before_the_first_fit(self, adata, fitted, name, tmp_path):
        with pytest.raises(TypeError, match="folder must be the path of a folder, or None; got 3"):
            STUDIES[name](adata, folder=3)
        (tmp_path / "file").write_text("")
        with pytest.raises(FileExistsError, match=r"folder: .*file cannot be made: File exists"):
            STUDIES[name](adata, folder=tmp_path / "file")
        assert not fitted


def test_fits_share_a_seed_that_is_drawn(adata, net, monkeypatch):
    seeds = []

    def spy(self, title, name, method, labelled, options):
        seeds.append(options.random_state)
        return pd.DataFrame({"model": ["a"], "split": "test", "metric": "b", "value": 1})

    monkeypatch.setattr(Study, "figures", spy)
    for _ in range(2):
        sr.bm.robustness_study(adata, net, "degree", noise=(0.1,), n_priors=1, random_state=None)
    assert seeds[0] == seeds[1] != seeds[2] == seeds[3]
    assert all(isinstance(seed, int) for seed in seeds)
