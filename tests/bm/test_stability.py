"""sr.bm.stability."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

import scregnet as sr
from scregnet._genes.frames import PARTS
from scregnet._genes.split import labelled_pairs
from scregnet.bm._perturbations import PERTURBATIONS, Given, Perturbed, without_edges
from scregnet.bm._refits import Refits
from scregnet.links import get_method
from scregnet.links.methods.degree import Degree
from scregnet.links.methods.joint.method import Joint
from scregnet.links.pairs.reciprocity import concatenate
from scregnet.tl._fit.folds import Folds
from scregnet.tl._fit.task import FitOptions

SMALL = {"n_trees": 3, "n_forest_trees": 5, "top_n": 20, "show_progress_bar": False}
FIT = {"n_trees": 3, "n_forest_trees": 5, "n_bootstrap": 0, "show_progress_bar": False}
COLUMNS = ["perturbation", "repeat", "overlap", "rank_correlation"]


def snapshot(data):
    return list(data.uns), list(data.varp), list(data.varm), list(data.var), list(data.layers)


def perturbed(adata, net, seed=0, n_folds=4, donors=(), **split):
    """Return what the study makes the versions with."""
    data = adata.copy()
    if split:
        sr.pp.split(data, net, random_state=seed, **split)
    labelled = labelled_pairs(data, None if split else net, None, random_state=seed)

    def draw(labelled, seed):
        options = FitOptions(n_folds=n_folds, random_state=seed)
        return Folds.draw(labelled, options, get_method("joint"))

    given = Given(labelled, draw(labelled, seed), None, seed)
    return Perturbed(given, adata.n_obs, adata.n_vars, draw, list(donors))


def all_pairs(given):
    return concatenate([getattr(given.labelled.parts, part) for part in PARTS])


def first_new(fit, by="probability"):
    table = sr.get.grn(fit, new_only=True, top_n=20, by=by)
    return set(zip(table["source"], table["target"], strict=True))


def correlation(one, other, by="weight"):
    """Return the median over TFs of the rank correlation, by another way."""
    both = sr.get.grn(one).merge(sr.get.grn(other), on=["source", "target"])
    groups = both.groupby("source", observed=True)
    return np.median([spearmanr(g[f"{by}_x"], g[f"{by}_y"]).statistic for _, g in groups])


class TestFigures:
    """Each figure is what fits by hand give."""

    @pytest.mark.parametrize(("n_folds", "by"), [(1, "lift"), (4, "probability")])
    def test_another_seed_is_that_seed_of_fit_grn(self, adata, net, n_folds, by):
        before = snapshot(adata)
        table = sr.bm.stability(
            adata,
            net,
            perturbations=["seed"],
            n_repeats=1,
            by=by,
            n_folds=n_folds,
            random_state=4,
            **SMALL,
        )
        assert snapshot(adata) == before
        assert list(table.columns) == COLUMNS
        fits = [
            sr.tl.fit_grn(adata, net, random_state=seed, n_folds=n_folds, copy=True, **FIT)
            for seed in (4, 5)
        ]
        tops = [first_new(fit, by) for fit in fits]
        assert table["overlap"].item() == len(tops[0] & tops[1]) / 20
        wanted = correlation(*fits, "weight" if by == "probability" else "lift")
        assert table["rank_correlation"].item() == pytest.approx(wanted, abs=1e-6)
        assert 0 < wanted < 1

    @pytest.mark.parametrize("name", ["cell", "cells"])
    def test_fewer_cells_are_a_fit_of_those_cells(self, adata, net, name):
        table = sr.bm.stability(
            adata, net, perturbations=[name], n_repeats=1, n_folds=1, random_state=2, **SMALL
        )
        (version,) = perturbed(adata, net, 2).versions(name, 0)
        assert len(version.rows) == {"cell": 119, "cells": 108}[name]
        fits = [
            sr.tl.fit_grn(data, net, random_state=2, n_folds=1, copy=True, **FIT)
            for data in (adata, adata[version.rows])
        ]
        tops = [first_new(fit) for fit in fits]
        assert table["overlap"].item() == len(tops[0] & tops[1]) / 20
        assert table["rank_correlation"].item() == pytest.approx(correlation(*fits), abs=1e-6)

    def test_halves_are_compared_with_each_other(self, adata, net):
        table, links = sr.bm.stability(
            adata,
            net,
            perturbations=["halves"],
            n_repeats=1,
            n_folds=1,
            return_links=True,
            **SMALL,
        )
        halves = perturbed(adata, net).versions("halves", 0)
        assert sorted(np.concatenate([half.rows for half in halves])) == list(range(120))
        full, *fits = (
            sr.tl.fit_grn(data, net, n_folds=1, copy=True, **FIT)
            for data in (adata, *(adata[half.rows] for half in halves))
        )
        tops = [first_new(fit) for fit in fits]
        assert table["overlap"].item() == len(tops[0] & tops[1]) / 20
        assert table["rank_correlation"].item() == pytest.approx(correlation(*fits), abs=1e-6)
        # Links are those of the full fit, each with the share of the two halves that has it.
        pairs = list(zip(links["source"], links["target"], strict=True))
        assert set(pairs) == first_new(full)
        wanted = [sum(pair in top for top in tops) / 2 for pair in pairs]
        assert links["halves"].tolist() == wanted

    def test_links_are_those_of_get_grn_in_its_order(self, adata, net):
        names = ["seed", "edges"]
        table, links = sr.bm.stability(
            adata, net, perturbations=names, n_repeats=2, n_folds=1, return_links=True, **SMALL
        )
        fit = sr.tl.fit_grn(adata, net, n_folds=1, copy=True, **FIT)
        wanted = sr.get.grn(fit, new_only=True, top_n=20)
        assert list(links.columns) == ["source", "target", "probability", *names]
        assert links["source"].tolist() == wanted["source"].tolist()
        assert links["target"].tolist() == wanted["target"].tolist()
        np.testing.assert_array_equal(links["probability"], wanted["weight"])
        for name in names:
            overlaps = table.loc[table["perturbation"] == name, "overlap"]
            assert links[name].mean() == pytest.approx(overlaps.mean())

    def test_a_method_that_reads_no_cells_is_the_same_without_some(self, adata, net):
        table = sr.bm.stability(
            adata, net, "degree", perturbations=["cells", "halves", "fit"], n_repeats=2, top_n=20
        )
        assert (table["overlap"] == 1).all()
        assert table["rank_correlation"].to_numpy() == pytest.approx(1)

    def test_default_perturbations_and_donors(self, adata, net):
        call = {"method": "degree", "n_repeats": 1, "top_n": 20, "show_progress_bar": False}
        table = sr.bm.stability(adata, net, **call)
        assert table["perturbation"].tolist() == list(PERTURBATIONS[:-1])
        adata.obs["donor"] = np.repeat(["a", "b", "c"], 40)
        table = sr.bm.stability(adata, net, donor="donor", **call)
        assert table["perturbation"].tolist() == list(PERTURBATIONS)

    def test_repeats_do_not_depend_on_what_else_is_asked_for(self, adata, net):
        call = {"method": "degree", "top_n": 20, "show_progress_bar": False}
        one = sr.bm.stability(adata, net, perturbations=["edges"], n_repeats=1, **call)
        more = sr.bm.stability(adata, net, perturbations=["seed", "edges"], n_repeats=2, **call)
        pd.testing.assert_frame_equal(
            one, more[more["perturbation"] == "edges"].iloc[:1].reset_index(drop=True)
        )
        drawn = sr.bm.stability(
            adata, net, perturbations=["edges"], n_repeats=1, random_state=None, **call
        )
        assert len(drawn) == 1

    def test_a_collapsed_fit_is_nan_and_the_rest_goes_on(self, adata, net, monkeypatch):
        fit, calls = Degree.fit, []

        def collapse(self, task, **how):
            calls.append(task)
            if len(calls) == 2:
                raise RuntimeError("training collapsed")
            return fit(self, task, **how)

        monkeypatch.setattr(Degree, "fit", collapse)
        call = {"method": "degree", "top_n": 20, "n_folds": 1, "show_progress_bar": False}
        table, links = sr.bm.stability(
            adata, net, perturbations=["fit"], n_repeats=2, return_links=True, **call
        )
        assert table["overlap"].tolist()[1] == 1
        assert table.loc[0, ["overlap", "rank_correlation"]].isna().all()
        assert (links["fit"] == 1).all()
        calls.clear()
        with pytest.raises(RuntimeError, match="training collapsed"):
            sr.bm.stability(adata, net, perturbations=["fit"], n_repeats=1, **call)


class TestFolder:
    how = {"method": "pearson", "top_n": 20, "n_repeats": 1, "show_progress_bar": False}

    @pytest.fixture
    def fitted(self, monkeypatch):
        """Number of networks that were fitted, in a list."""
        made, real = [], Refits.fit
        monkeypatch.setattr(Refits, "fit", lambda *given: made.append(1) or real(*given))
        return made

    @pytest.mark.parametrize("by", ["probability", "lift"])
    def test_a_study_that_was_stopped_goes_on(self, adata, net, tmp_path, fitted, by):
        how = {**self.how, "by": by, "return_links": True}
        whole, links = sr.bm.stability(adata, net, **how)
        n_fits = len(fitted)
        assert n_fits == 1 + 7
        first, _ = sr.bm.stability(adata, net, folder=tmp_path, **how)
        pd.testing.assert_frame_equal(first, whole)
        files = sorted(tmp_path.iterdir())
        assert len(files) == 6
        # One repeat of one fit is not there, one file is damaged.
        files[0].unlink()
        files[1].write_text(files[1].read_text().replace("[[", "[[null, "))
        fitted.clear()
        second, second_links = sr.bm.stability(adata, net, folder=tmp_path, **how)
        assert len(fitted) == 1 + 2
        pd.testing.assert_frame_equal(second, whole)
        pd.testing.assert_frame_equal(second_links, links)

    def test_more_repeats_fit_only_these(self, adata, net, tmp_path, fitted):
        how = {**self.how, "folder": tmp_path, "perturbations": ["cells", "halves"]}
        sr.bm.stability(adata, net, **how)
        fitted.clear()
        table = sr.bm.stability(adata, net, **{**how, "n_repeats": 2})
        assert len(fitted) == 1 + 3
        alone = sr.bm.stability(adata, net, **{**how, "n_repeats": 2, "folder": None})
        pd.testing.assert_frame_equal(table, alone)

    def test_what_decides_it_is_another_study(self, adata, net, tmp_path, fitted):
        adata.obs["who"] = np.arange(adata.n_obs) % 3
        how = {**self.how, "folder": tmp_path, "perturbations": ["donors"], "donor": "who"}

        def is_new(data=adata, net=net, **more):
            fitted.clear()
            sr.bm.stability(data, net, **{**how, **more})
            return len(fitted) == 2

        assert [is_new(), is_new()] == [True, False]
        for more in ({"top_n": 21}, {"by": "lift"}, {"random_state": 1}, {"n_folds": 1}):
            assert [is_new(**more), is_new(**more)] == [True, False], more
        assert is_new(net=net.iloc[1:])
        other = adata.copy()
        other.obs["who"] = np.arange(adata.n_obs) % 4
        assert is_new(other)
        # Which TFs compete for the first places.
        other = adata.copy()
        other.var["is_tf"] = np.arange(adata.n_vars) < 30
        assert is_new(other)

    def test_a_failed_repeat_is_made_again(self, adata, net, tmp_path, monkeypatch):
        real, calls = Refits.fit, []

        def fail(self, given):
            calls.append(1)
            if len(calls) == 2:
                raise RuntimeError("diverged")
            return real(self, given)

        monkeypatch.setattr(Refits, "fit", fail)
        how = {**self.how, "folder": tmp_path, "perturbations": ["cell", "edges"]}
        table = sr.bm.stability(adata, net, **how)
        assert table["overlap"].isna().tolist() == [True, False]
        assert len(list(tmp_path.iterdir())) == 1
        assert sr.bm.stability(adata, net, **how)["overlap"].notna().all()
        assert len(calls) == 3 + 2


STORED = {"perturbations": ["seed", "halves"], "n_repeats": 2, "n_folds": 1, **SMALL}


@pytest.fixture(scope="module")
def stored(_simulated):
    data, net = _simulated.copy(), _simulated.uns["network"]
    sr.tl.fit_grn(data, net, n_folds=1, **FIT)
    call = {"key_added": "grn", "return_links": True, "random_state": 0, **STORED}
    return data, *sr.bm.stability(data, net, **call)


class TestStored:
    """What is kept next to the fitted network."""

    def test_every_link_has_its_share_of_the_refits(self, stored):
        data, _, links = stored
        found = sr.get.grn(data)
        columns = list(found.columns)
        assert columns[columns.index("stability") + 1 :] == ["q", "in_prior", "split"]
        assert found["stability"].isna().equals(found["in_prior"])
        # Two fits with another seed, and twice two halves.
        share = found.set_index(["source", "target"])["stability"].dropna()
        assert set(np.round(share * 6)) <= set(range(7))
        np.testing.assert_allclose(share * 6, np.round(share * 6), atol=1e-5)
        # Each refit has top_n first new links, all of them stored.
        assert share.sum() == pytest.approx(20, abs=1e-4)
        wanted = (2 * links["seed"] + 4 * links["halves"]) / 6
        first = pd.MultiIndex.from_frame(links[["source", "target"]].astype(str))
        share.index = pd.MultiIndex.from_frame(share.index.to_frame().astype(str))
        np.testing.assert_allclose(share[first], wanted, atol=1e-6)
        assert 0 < share[first].mean() < 1

    def test_places_are_those_of_the_network(self, stored):
        data = stored[0]
        network, values = data.varp["grn"], data.varp["grn_stability"]
        assert values.dtype == np.float32
        for part in ("indptr", "indices"):
            np.testing.assert_array_equal(getattr(values, part), getattr(network, part))
            assert not np.shares_memory(getattr(values, part), getattr(network, part))

    def test_record_says_what_was_asked_for(self, stored):
        data, table, _ = stored
        record = data.uns["grn"]["stability"]
        pd.testing.assert_frame_equal(record["table"], table, check_dtype=False)
        params = dict(record["params"])
        assert params.pop("perturbations").tolist() == ["seed", "halves"]
        assert params == {
            "n_repeats": 2,
            "top_n": 20,
            "by": "probability",
            "donor": None,
            "random_state": 0,
            "n_fits": 6,
        }

    def test_it_survives_a_file_and_is_replaced_there(self, stored, tmp_path):
        data = stored[0]
        data.write_h5ad(tmp_path / "file.h5ad")
        again = ad.read_h5ad(tmp_path / "file.h5ad")
        pd.testing.assert_frame_equal(sr.get.grn(again), sr.get.grn(data), check_dtype=False)
        assert again.uns["grn"]["stability"]["params"]["n_fits"] == 6
        net = again.uns["network"]
        sr.bm.stability(again, net, key_added="grn", **{**STORED, "perturbations": ["fit"]})
        assert again.uns["grn"]["stability"]["params"]["n_fits"] == 2

    def test_another_fit_of_that_name_removes_it(self, stored, net):
        data = stored[0].copy()
        sr.tl.fit_grn(data, net, "degree", n_folds=1, n_bootstrap=0, key_added="other")
        assert "grn_stability" in data.varp
        sr.tl.fit_grn(data, net, "degree", n_folds=1, n_bootstrap=0)
        assert "grn_stability" not in data.varp
        assert "stability" not in data.uns["grn"]
        assert "stability" not in sr.get.grn(data)

    def test_a_network_of_some_links_gets_theirs(self, adata, net):
        sr.tl.fit_grn(adata, net, "degree", n_bootstrap=0, top_n_targets=30)
        # It reads no cells, so what says which ones are read is of no matter.
        call = {"perturbations": ["edges"], "n_repeats": 2, "top_n": 20, "max_cells": 50}
        sr.bm.stability(adata, net, "degree", key_added="grn", **call)
        found = sr.get.grn(adata)
        assert len(found) == adata.varp["grn"].nnz == adata.varp["grn_stability"].nnz
        assert found["stability"].max() == 1

    def test_a_network_of_another_fit_is_refused_before_the_first_fit(
        self, adata, net, monkeypatch
    ):
        sr.tl.fit_grn(adata, net, "degree", n_bootstrap=0)
        adata.obs["half"] = np.repeat(["a", "b"], 60)
        sr.tl.fit_grn(adata, net, "degree", n_bootstrap=0, groupby="half", key_added="by")
        before = snapshot(adata)
        monkeypatch.setattr(Degree, "fit", lambda *_, **__: pytest.fail("a fit was begun"))

        def refused(error, message, prior=net, method="degree", key="grn", **how):
            with pytest.raises(error, match=message):
                sr.bm.stability(adata, prior, method, key_added=key, top_n=20, **how)

        refused(KeyError, r"adata.uns\['none'\] is not there: call sr.tl.fit_grn", key="none")
        for key in ("by", "by_a"):
            refused(ValueError, f"key_added='{key}' is of a fit with groupby=", key=key)
        refused(ValueError, "fitted with method='degree', and .* method='joint'", method="joint")
        other = {"n_folds": 1, "n_models": 2}
        refused(ValueError, "fitted otherwise .*: n_models=1, not 2; n_folds=5, not 1", **other)
        refused(ValueError, "with other known edges", prior=net.iloc[:-3])
        assert snapshot(adata) == before


class TestPerturbations:
    def test_the_fit_seed_changes_nothing_else(self, adata, net):
        made = perturbed(adata, net)
        one, other = (made.versions("fit", repeat)[0] for repeat in (0, 1))
        assert (one.random_state, other.random_state) == (1, 2)
        assert one.labelled is other.labelled is made.given.labelled
        assert one.folds is other.folds is made.given.folds
        assert one.rows is None

    def test_another_seed_draws_split_and_folds(self, adata, net):
        made = perturbed(adata, net)
        (other,) = made.versions("seed", 0)
        assert other.random_state == 1
        assert not np.array_equal(all_pairs(made.given).targets, all_pairs(other).targets)
        wanted = perturbed(adata, net, seed=1).given
        for name in ("sources", "targets", "labels"):
            np.testing.assert_array_equal(
                getattr(all_pairs(other), name), getattr(all_pairs(wanted), name)
            )
        np.testing.assert_array_equal(other.folds.folds, wanted.folds.folds)

    def test_cells_differ_between_repeats_and_pairs_do_not(self, adata, net):
        made = perturbed(adata, net)
        one, other = (made.versions("cells", repeat)[0] for repeat in (0, 1))
        assert not np.array_equal(one.rows, other.rows)
        assert (np.diff(one.rows) > 0).all()
        assert one.labelled is made.given.labelled
        assert one.folds is made.given.folds
        assert one.random_state == 0

    def test_donors_come_whole(self, adata, net):
        donors = [np.arange(0, 30), np.arange(30, 70), np.arange(70, 120)]
        made = perturbed(adata, net, donors=donors)
        seen = set()
        for repeat in range(10):
            (version,) = made.versions("donors", repeat)
            times = np.bincount(version.rows, minlength=120)
            of_donors = [np.unique(times[cells]) for cells in donors]
            assert all(len(own) == 1 for own in of_donors)
            assert sum(int(own[0]) for own in of_donors) == 3
            seen.add(tuple(int(own[0]) for own in of_donors))
        assert len(seen) > 2

    def test_dropped_edges_of_a_closed_world_are_non_edges(self, adata, net):
        given = perturbed(adata, net).given
        less = without_edges(given, np.random.default_rng(0))
        before, after = all_pairs(given), all_pairs(less)
        lost = np.setdiff1d(before.sources[before.labels], after.sources)
        kept = ~np.isin(before.sources, lost)
        np.testing.assert_array_equal(after.sources, before.sources[kept])
        np.testing.assert_array_equal(after.targets, before.targets[kept])
        np.testing.assert_array_equal(less.folds.folds, given.folds.folds[kept])
        np.testing.assert_array_equal(less.folds.is_test, given.folds.is_test[kept])
        np.testing.assert_array_equal(less.folds.pairs.labels, after.labels)
        assert not (after.labels & ~before.labels[kept]).any()
        for part in PARTS:
            n = [getattr(one.labelled.parts, part).n_positive for one in (given, less)]
            assert n[0] - n[1] == int(0.1 * n[0])

    def test_a_tf_without_edges_is_in_no_pair(self, adata):
        genes = adata.var_names
        # Five TFs with one edge each and one with many: some of the five lose theirs.
        edges = [(genes[i], genes[i + 20]) for i in range(5)] + [
            (genes[10], gene) for gene in genes[20:60]
        ]
        given = perturbed(adata, pd.DataFrame(edges, columns=["source", "target"])).given
        found = [all_pairs(without_edges(given, np.random.default_rng(seed))) for seed in range(10)]
        n_tfs = [len(np.unique(pairs.sources)) for pairs in found]
        assert min(n_tfs) < 6
        assert all(set(pairs.sources) == set(pairs.sources[pairs.labels]) for pairs in found)

    def test_dropped_edges_among_sampled_negatives_are_no_pairs(self, adata, net):
        given = perturbed(adata, net, negatives="sampled").given
        less = without_edges(given, np.random.default_rng(0))
        before, after = all_pairs(given), all_pairs(less)
        n = [getattr(given.labelled.parts, part).n_positive for part in PARTS]
        assert before.n_positive - after.n_positive == sum(int(0.1 * one) for one in n)
        lost = np.setdiff1d(before.sources, after.sources)
        others = ~before.labels & ~np.isin(before.sources, lost)
        assert others.sum() == len(after) - after.n_positive
        assert len(less.folds.folds) == len(after)

    def test_dropped_edges_are_not_new(self, adata, net, monkeypatch):
        # A dropped edge that the refit finds again must not take the place of a new link.
        tops = []
        from scregnet.bm import _refits

        first = _refits.first_new
        monkeypatch.setattr(
            _refits, "first_new", lambda *args: tops.append(first(*args)) or tops[-1]
        )
        call = {"perturbations": ["edges"], "n_repeats": 2, "n_folds": 1, **SMALL}
        sr.bm.stability(adata, net, "degree", **{k: call[k] for k in call if "trees" not in k})
        pairs = all_pairs(perturbed(adata, net).given)
        known = pairs.sources[pairs.labels] * adata.n_vars + pairs.targets[pairs.labels]
        assert len(tops) == 3
        assert not np.isin(np.concatenate(tops), known).any()


def test_wrong_calls_fail_before_the_first_fit(adata, net, monkeypatch):
    monkeypatch.setattr(Joint, "fit", lambda *_, **__: pytest.fail("a fit was begun"))
    monkeypatch.setattr(Joint, "fit_folds", lambda *_, **__: pytest.fail("a fit was begun"))
    call = lambda **how: sr.bm.stability(adata, net, **how)
    with pytest.raises(ValueError, match="perturbations='cel' is not known.*Did you mean 'cell'"):
        call(perturbations=["cel"])
    with pytest.raises(ValueError, match="perturbations must be a sequence"):
        call(perturbations="cell")
    with pytest.raises(ValueError, match="perturbations must be a sequence"):
        call(perturbations=())
    with pytest.raises(ValueError, match="'donors' needs donor="):
        call(perturbations=["donors"])
    with pytest.raises(KeyError, match="donor='who' is not a column of adata.obs"):
        call(donor="who")
    adata.obs["who"] = "a"
    with pytest.raises(ValueError, match=r"needs two or more, adata.obs\['who'\] has 1"):
        call(donor="who")
    adata.obs["who"] = np.repeat(["a", "b"], 60)
    with pytest.raises(ValueError, match="donor='who' is for 'donors', which perturbations"):
        call(donor="who", perturbations=["cell"])
    with pytest.raises(ValueError, match="takes all .* new links, which are the same"):
        call(top_n=10_000)
    with pytest.raises(ValueError, match="top_n must be at least 1"):
        call(top_n=0)
    with pytest.raises(ValueError, match="n_repeats must be at least 1"):
        call(n_repeats=0)
    with pytest.raises(ValueError, match="by='weight' is not known"):
        call(by="weight")
    with pytest.raises(ValueError, match="method='degree' is one itself"):
        call(method="degree", by="lift")
    with pytest.raises(TypeError, match="folder must be the path of a folder"):
        call(folder=3)
    with pytest.raises(TypeError, match="sets 'threshold', which the study sets itself"):
        call(threshold=0.5)
    with pytest.raises(TypeError, match="'n_tree' is not a parameter of method='joint'"):
        call(n_tree=3)
