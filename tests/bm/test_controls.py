"""sr.bm.controls."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

import scregnet as sr
from coexpressed_modules import modules
from scregnet.bm._controlled import permuted_genes
from scregnet.bm._studies import Study
from scregnet.links import LinkTask
from scregnet.links.methods.joint.method import Joint
from scregnet.links.methods.scregnet.method import ScRegNet

SMALL = {"n_trees": 0, "n_forest_trees": 20, "n_folds": 1, "show_progress_bar": False}
METRICS = [
    *("auroc", "auprc", "auprc_ratio", "epr", "per_tf_auroc", "per_tf_auprc"),
    *("per_tf_auroc_5", "per_tf_auprc_5", "brier", "ece", "prevalence", "n_tfs_5"),
]
SHOWN = ["difference", "difference_low", "difference_high", "top_overlap", "top_overlap_lift"]


@pytest.fixture(scope="module")
def study():
    data = modules()
    before = data.copy()
    table = sr.bm.controls(data, n_top=40, random_state=3, **SMALL)
    assert list(data.uns) == list(before.uns)
    assert not len(data.varp)
    assert (data.X != before.X).nnz == 0
    return data, table


class TestTable:
    def test_rows_and_columns(self, study):
        _, table = study
        assert list(table.index) == [
            "full",
            "shuffled cells",
            "permuted genes",
            "no forest",
            "no similarity",
            "no families",
            "degree",
            "label_factors",
        ]
        assert list(table.columns) == [*METRICS, *SHOWN]
        rest = table.drop(index="full")
        assert rest.drop(columns="top_overlap_lift").notna().all(axis=None)
        # A null model has no lift over itself.
        assert rest.index[rest["top_overlap_lift"].isna()].tolist() == ["degree", "label_factors"]

    @pytest.mark.parametrize(
        "row, method, keywords",
        [
            ("full", "joint", {}),
            ("shuffled cells", "joint", {"shuffle_expression": True}),
            ("no similarity", "joint", Joint.ablations["no similarity"]),
            ("degree", "degree", None),
        ],
    )
    def test_every_row_is_that_of_the_fit(self, study, row, method, keywords):
        data, table = study
        how = {} if keywords is None else {**SMALL, **keywords}
        fit = sr.tl.fit_grn(data, method=method, random_state=3, **{"n_folds": 1, **how}, copy=True)
        wanted = sr.get.metrics(fit, split="test", wide=True).loc[method]
        pd.testing.assert_series_equal(
            table.loc[row, METRICS], wanted[METRICS], check_names=False, check_exact=True
        )

    def test_differences_are_those_to_the_full_fit(self, study):
        data, table = study
        expected = table.loc["full", "per_tf_auroc"] - table["per_tf_auroc"]
        for row, value in table["difference"].drop("full").items():
            assert value == pytest.approx(expected[row], abs=1e-12), row
        assert table.loc["full", SHOWN].isna().tolist() == [*[True] * 3, False, False]
        # The paired interval of the fit itself, to the better null model.
        fit = sr.tl.fit_grn(data, random_state=3, copy=True, **SMALL)
        own = sr.get.metrics(fit, split="test").query("model == 'joint'").set_index("metric")
        own = own.loc["per_tf_auroc"]
        found = table.loc[own["best_null"], SHOWN[:3]]
        assert found.tolist() == own[["difference", "difference_low", "difference_high"]].tolist()

    def test_what_the_cells_say_is_lost_by_the_controls(self, study):
        _, table = study
        assert table.loc["full", "per_tf_auroc"] > 0.95
        for row in ("shuffled cells", "permuted genes", "no similarity", "degree"):
            assert table.loc[row, "difference_low"] > 0.2, row
            assert table.loc[row, "per_tf_auroc"] == pytest.approx(0.5, abs=0.15), row
        # No symbol of this data is of a family: that part of the method adds nothing.
        difference, low, high, overlap, by_lift = table.loc["no families", SHOWN]
        assert difference == pytest.approx(0, abs=0.01)
        assert low <= 0 <= high
        assert min(overlap, by_lift) >= 0.8

    @pytest.mark.parametrize(
        "by, column", [("probability", "top_overlap"), ("lift", "top_overlap_lift")]
    )
    def test_overlap_is_that_of_the_first_new_links(self, study, by, column):
        data, table = study
        first = {}
        for row, keywords in (("full", {}), ("shuffled cells", {"shuffle_expression": True})):
            fit = sr.tl.fit_grn(data, random_state=3, n_bootstrap=0, copy=True, **SMALL, **keywords)
            tfs = None
            if by == "lift":
                # Only TFs with a known edge count.
                every = sr.get.grn(fit)
                tfs = every.loc[every["in_prior"], "source"].unique().tolist()
            links = sr.get.grn(fit, sources=tfs, new_only=True, top_n=40, by=by)
            first[row] = set(zip(links["source"], links["target"], strict=True))
        assert table.loc["full", column] == 1
        shared = len(first["full"] & first["shuffled cells"])
        assert table.loc["shuffled cells", column] == shared / 40 < 1


def test_out_of_fold_and_long():
    data = modules()
    how = {**SMALL, "n_folds": 2, "n_bootstrap": 20}
    table = sr.bm.controls(data, wide=False, **how)
    assert list(table.columns) == ["control", "split", "metric", "value", "low", "high", *SHOWN]
    assert set(table["split"]) == {"folds"}
    fit = sr.tl.fit_grn(data, copy=True, **how)
    wanted = sr.get.metrics(fit, split="folds").query("model == 'joint'").set_index("metric")
    full = table[table["control"] == "full"].set_index("metric")
    columns = ["value", "low", "high"]
    pd.testing.assert_frame_equal(
        full[columns], wanted[columns], check_exact=True, check_index_type=False
    )
    for metric in set(METRICS) - {"prevalence", "n_tfs_5"}:
        null = wanted.loc[metric, "best_null"]
        row = table[(table["control"] == null) & (table["metric"] == metric)][SHOWN[:3]].iloc[0]
        own = wanted.loc[metric, ["difference", "difference_low", "difference_high"]]
        assert row.tolist() == own.tolist(), metric
    assert not table.duplicated(["control", "metric"]).any()


def test_without_n_folds_the_figures_are_those_of_five(adata, net):
    how = {"method": "pearson", "n_bootstrap": 0, "n_top": 5, "show_progress_bar": False}
    table = sr.bm.controls(adata, net, wide=False, **how)
    assert set(table["split"]) == {"folds"}
    pd.testing.assert_frame_equal(table, sr.bm.controls(adata, net, wide=False, n_folds=5, **how))


def test_an_embedding_has_a_control_of_its_own(adata, net):
    rng = np.random.default_rng(0)
    adata.varm["mine"] = rng.normal(size=(adata.n_vars, 4)).astype(np.float32)
    table = sr.bm.controls(
        adata, net, embedding="mine", metric="auroc", n_bootstrap=5, n_top=10, **SMALL
    )
    assert list(table.index)[:4] == ["full", "shuffled cells", "permuted genes", "random embedding"]
    assert table.loc["random embedding", "auroc"] != table.loc["full", "auroc"]
    expected = table.loc["full", "auroc"] - table.loc["random embedding", "auroc"]
    assert table.loc["random embedding", "difference"] == pytest.approx(expected, abs=1e-12)


def test_no_gene_keeps_its_own_features():
    rng = np.random.default_rng(0)
    expression, embedding, summary = (rng.normal(size=(50, n)) for n in (7, 4, 3))
    families = np.arange(50)
    task = LinkTask(50, None, None, expression, embedding, summary, families)
    found = permuted_genes(task, 0)
    giver = [int(np.flatnonzero((expression == row).all(axis=1))[0]) for row in found.expression]
    assert sorted(giver) == list(range(50))
    assert not (np.array(giver) == np.arange(50)).any()
    # Expression, its summary and the embedding come from one gene; the symbols stay.
    np.testing.assert_array_equal(found.embedding, embedding[giver])
    np.testing.assert_array_equal(found.summary, summary[giver])
    assert found.families is families
    again, other = permuted_genes(task, 0), permuted_genes(task, 1)
    np.testing.assert_array_equal(found.expression, again.expression)
    assert not np.array_equal(found.expression, other.expression)
    bare = permuted_genes(LinkTask(50, None, None), 0)
    assert bare.expression is None
    assert bare.embedding is None


QUICK = {
    "gnn_dims": (8,),
    "mlp_dims": (8,),
    "max_epochs": 2,
    "n_folds": 1,
    "n_bootstrap": 5,
    "show_progress_bar": False,
    "device": "cpu",
}


def test_a_collapsed_control_is_nan_and_a_collapsed_method_an_error(adata, net, monkeypatch):
    fit = ScRegNet.fit

    def collapse(self, task, **how):
        if self.gnn is None:
            raise RuntimeError("training collapsed")
        return fit(self, task, **how)

    monkeypatch.setattr(ScRegNet, "fit", collapse)
    table = sr.bm.controls(adata, net, "scregnet", embedding=None, **QUICK)
    assert table.loc["no graph network"].isna().all()
    rest = table.drop(index=["full", "no graph network"], columns="top_overlap_lift")
    assert rest.notna().all(axis=None)
    with pytest.raises(RuntimeError, match="training collapsed"):
        sr.bm.controls(adata, net, "scregnet", embedding=None, gnn=None, **QUICK)


def test_wrong_calls_fail_before_the_first_fit(adata, net, monkeypatch):
    monkeypatch.setattr(Joint, "fit", lambda *_, **__: pytest.fail("a fit was begun"))
    with pytest.raises(ValueError, match="method='degree' is a null model"):
        sr.bm.controls(adata, net, "degree")
    with pytest.raises(ValueError, match="metric='auc' is not known.*Did you mean 'auroc'"):
        sr.bm.controls(adata, net, metric="auc")
    with pytest.raises(ValueError, match="n_top must be at least 1"):
        sr.bm.controls(adata, net, n_top=0)
    with pytest.raises(TypeError, match="sets 'shuffle_expression', which the study"):
        sr.bm.controls(adata, net, shuffle_expression=True)
    with pytest.raises(TypeError, match="'groupby' is not a parameter of method='joint'"):
        sr.bm.controls(adata, net, groupby="cell_type")


class TestFolder:
    @pytest.fixture
    def fitted(self, monkeypatch):
        """Names of the versions that were fitted, null models left out."""
        made, real = [], Study.fit

        def fit(self, title, name, *given, **how):
            if name not in ("degree", "label_factors"):
                made.append(title)
            return real(self, title, name, *given, **how)

        monkeypatch.setattr(Study, "fit", fit)
        return made

    def test_what_is_there_is_not_fitted_again(self, study, tmp_path, fitted):
        data, table = study
        how = {"n_top": 40, "random_state": 3, "folder": tmp_path, **SMALL}
        first = sr.bm.controls(data, **how)
        pd.testing.assert_frame_equal(first, table, check_exact=True)
        files = sorted(tmp_path.iterdir())
        assert len(files) == len(fitted) == 6
        fitted.clear()
        # One is not there, and one is damaged: it lacks its links.
        files[0].unlink()
        record = json.loads(files[1].read_text())
        files[1].write_text(json.dumps({**record, "top": None}))
        again = sr.bm.controls(data, **how)
        pd.testing.assert_frame_equal(again, table, check_exact=True)
        assert len(fitted) == 2
        fitted.clear()
        long = sr.bm.controls(data, **how, wide=False)
        assert not fitted
        assert long.query("control == 'full' and metric == 'auroc'")["value"].notna().all()
        for more in ({"n_top": 41}, {"n_bootstrap": 20}, {"random_state": 4}):
            fitted.clear()
            sr.bm.controls(data, **{**how, **more})
            assert len(fitted) == 6, more

    def test_a_failed_version_is_made_again(self, study, tmp_path, monkeypatch, fitted):
        data, table = study
        how = {"n_top": 40, "random_state": 3, "folder": tmp_path, **SMALL}

        def collapse(self, *_, **__):
            raise RuntimeError("training collapsed")

        with monkeypatch.context() as patch:
            patch.setattr(Joint, "fit", collapse)
            with pytest.raises(RuntimeError, match="training collapsed"):
                sr.bm.controls(data, **how)
        assert not list(tmp_path.iterdir())
        pd.testing.assert_frame_equal(sr.bm.controls(data, **how), table, check_exact=True)
