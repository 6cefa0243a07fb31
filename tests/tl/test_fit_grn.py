import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from mudata import MuData

import scregnet as sr
from scregnet.links import null_models

QUICK = {
    "n_folds": 1,
    "method": "scregnet",
    "gnn_dims": (8,),
    "mlp_dims": (8,),
    "max_epochs": 4,
    "n_bootstrap": 10,
    "show_progress_bar": False,
    "device": "cpu",
}
METRICS = {
    "auroc",
    "auprc",
    "auprc_ratio",
    "epr",
    "per_tf_auroc",
    "per_tf_auprc",
    "per_tf_auroc_5",
    "per_tf_auprc_5",
    "brier",
    "ece",
    "prevalence",
    "n_tfs_5",
}
NULLS = list(null_models())


def probabilities(adata, key="grn"):
    return adata.varp[key].toarray()


def test_the_network_holds_every_link_of_every_candidate_tf(fitted, net):
    matrix = fitted.varp["grn"]
    assert isinstance(matrix, sp.csr_matrix)
    assert matrix.dtype == np.float32
    assert matrix.shape == (80, 80)
    is_source = fitted.var_names.isin(net["source"])
    np.testing.assert_array_equal(np.diff(matrix.indptr), np.where(is_source, 79, 0))
    assert matrix.diagonal().sum() == 0
    assert 0 < matrix.data.min() < matrix.data.max() < 1


def test_row_is_regulator_and_column_is_target(adata):
    # TF001 regulates much and nothing regulates it: its row is high and its column is empty.
    net = pd.DataFrame(
        {
            "source": ["TF001"] * 40 + ["TF002"] * 4,
            "target": [f"G{i:04d}" for i in (*range(1, 41), *range(1, 5))],
        }
    )
    sr.tl.fit_grn(adata, net, "degree", n_folds=1)
    matrix = probabilities(adata)
    row, column = adata.var_names.get_loc("TF001"), adata.var_names.get_loc("TF002")
    assert matrix[row].sum() > matrix[column].sum() > 0
    assert matrix[:, row].sum() == pytest.approx(matrix[column, row])


def test_pairs_are_the_universe_with_their_probabilities(fitted, net):
    pairs = fitted.uns["grn"]["pairs"]
    assert list(pairs) == [
        "source",
        "target",
        "label",
        "split",
        "probability",
        *(f"probability_{n}" for n in NULLS),
    ]
    assert len(pairs) == net["source"].nunique() * 79
    assert not pairs.duplicated(["source", "target"]).any()
    positive = pairs[pairs["label"] == 1]
    assert set(zip(positive["source"], positive["target"], strict=True)) == set(
        zip(net["source"], net["target"], strict=True)
    )
    rows, columns = (
        fitted.var_names.get_indexer(pairs[c].astype(str)) for c in ("source", "target")
    )
    np.testing.assert_allclose(
        probabilities(fitted)[rows, columns], pairs["probability"], rtol=1e-6
    )


def test_metrics_are_those_of_the_pairs(fitted):
    table = sr.get.metrics(fitted)
    assert list(table["model"].unique()) == ["scregnet", *NULLS]
    assert set(table["metric"]) == METRICS
    assert len(table) == (1 + len(NULLS)) * 2 * len(METRICS)
    pairs = fitted.uns["grn"]["pairs"]
    test = pairs[pairs["split"] == "test"]
    for model in ("scregnet", *NULLS):
        column = "probability" if model == "scregnet" else f"probability_{model}"
        found = table[(table["model"] == model) & (table["split"] == "test")].set_index("metric")
        expected = sr.metrics.evaluate(
            test["label"], test[column], test["source"].astype(str), test[column]
        )
        for metric, value in expected.items():
            wanted = pytest.approx(value, abs=1e-6, nan_ok=True)
            assert found.loc[metric, "value"] == wanted, metric
    inside = table[table["metric"] == "auroc"]
    assert (inside["low"] <= inside["value"]).all()
    assert (inside["high"] >= inside["value"]).all()
    assert table.loc[table["metric"] == "prevalence", ["low", "high"]].isna().all(axis=None)


def test_no_resamples_no_intervals(adata, net):
    sr.tl.fit_grn(adata, net, "degree", n_folds=1, n_bootstrap=0)
    assert sr.get.metrics(adata)[["low", "high"]].isna().all(axis=None)
    with pytest.raises(ValueError, match="n_bootstrap must be at least 0"):
        sr.tl.fit_grn(adata, net, "degree", n_folds=1, n_bootstrap=-1)


def test_probabilities_are_calibrated_on_validation_pairs(fitted):
    pairs = fitted.uns["grn"]["pairs"]
    check = pairs[pairs["split"] == "validation"]
    for column in ("probability", *(f"probability_{n}" for n in NULLS)):
        assert check[column].mean() == pytest.approx(check["label"].mean(), abs=0.02)


def test_params_record_what_was_done(fitted):
    params = fitted.uns["grn"]["params"]
    assert params["method"] == "scregnet"
    assert params["embedding"] == "svd"
    assert params["expression"] == "counts, log1p of counts per 10,000"
    assert params["random_state"] == 0
    assert 0 <= params["best_epoch"] < 4
    assert len(fitted.uns["grn"]["history"]) == 4
    assert params["prior"]["n_edges_matched"] == len(fitted.uns["network"])


def test_a_null_model_as_the_method_stands_alone(adata, net):
    sr.tl.fit_grn(adata, net, method="degree", n_folds=1)
    assert list(sr.get.metrics(adata)["model"].unique()) == NULLS
    assert "probability_degree" not in adata.uns["grn"]["pairs"]
    assert adata.uns["grn"]["params"]["best_epoch"] == -1
    assert len(adata.uns["grn"]["history"]) == 0


@pytest.mark.parametrize(
    "quick", [{"method": "degree"}, {"method": "joint", "n_trees": 20, "n_folds": 1}, QUICK]
)
def test_a_seed_fixes_everything(adata, net, quick):
    first, second, other = (
        sr.tl.fit_grn(adata, net, random_state=seed, copy=True, **quick) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(probabilities(first), probabilities(second))
    pd.testing.assert_frame_equal(first.uns["grn"]["pairs"], second.uns["grn"]["pairs"])
    assert not np.array_equal(probabilities(first), probabilities(other))


def test_a_given_split_is_taken_as_it_is(adata, net):
    sr.tl.fit_grn(adata, net, "degree", n_folds=1, random_state=5)
    split = (
        adata.uns["grn"]["pairs"][["source", "target", "label", "split"]]
        .astype(str)
        .sample(frac=1, random_state=0)
    )
    again = sr.tl.fit_grn(adata, split=split, method="degree", n_folds=1, copy=True)
    merged = (
        again.uns["grn"]["pairs"]
        .astype({"source": str, "target": str})
        .merge(split, on=["source", "target"])
    )
    assert len(merged) == len(split)
    assert (merged["split_x"].astype(str) == merged["split_y"]).all()
    assert (merged["label_x"] == merged["label_y"].astype(int)).all()
    # Which pairs a resample draws depends on the order of the frame's rows.
    pd.testing.assert_frame_equal(
        *(
            sr.get.metrics(data).drop(columns=["low", "high", "difference_low", "difference_high"])
            for data in (again, adata)
        )
    )


def test_a_split_without_validation_gets_it_from_training(adata, net):
    sr.tl.fit_grn(adata, net, "degree", n_folds=1)
    split = adata.uns["grn"]["pairs"][["source", "target", "label", "split"]].astype({"split": str})
    split["split"] = split["split"].replace("validation", "train")
    sr.tl.fit_grn(adata, split=split, method="degree", n_folds=1)
    sizes = adata.uns["grn"]["pairs"]["split"].value_counts()
    assert sizes["test"] == (split["split"] == "test").sum()
    assert sizes["validation"] == pytest.approx(
        0.1 * (sizes["train"] + sizes["validation"]), rel=0.1
    )


def test_prior_in_varp_is_the_default(adata, net):
    sr.pp.prior(adata, net)
    sr.tl.fit_grn(adata, method="degree", n_folds=1, key_added="from_varp")
    sr.tl.fit_grn(adata, net, method="degree", n_folds=1, key_added="from_frame")
    np.testing.assert_array_equal(
        probabilities(adata, "from_varp"), probabilities(adata, "from_frame")
    )


def test_tfs_without_edges_are_candidates_when_marked(adata, net):
    adata.var["is_tf"] = adata.var_names.isin(["G0001", *net["source"]])
    sr.tl.fit_grn(adata, net, "degree", n_folds=1)
    row = adata.var_names.get_loc("G0001")
    assert np.diff(adata.varp["grn"].indptr)[row] == 79


def test_threshold_and_top_n_targets_write_only_what_is_kept(adata, net):
    sr.tl.fit_grn(adata, net, "degree", n_folds=1, key_added="all")
    every = probabilities(adata, "all")
    sr.tl.fit_grn(adata, net, "degree", n_folds=1, threshold=0.3)
    np.testing.assert_array_equal(probabilities(adata), np.where(every >= 0.3, every, 0))
    sr.tl.fit_grn(adata, net, "degree", n_folds=1, top_n_targets=5, key_added="top")
    top = probabilities(adata, "top")
    for row in np.flatnonzero(every.any(axis=1)):
        assert (top[row] > 0).sum() == 5
        assert top[row].max() == every[row].max()
        assert top[row][top[row] > 0].min() >= np.sort(every[row])[-5]
    sr.tl.fit_grn(adata, net, "degree", n_folds=1, threshold=0.3, top_n_targets=5)
    np.testing.assert_array_equal(probabilities(adata), np.where(every >= 0.3, top, 0))


def test_a_split_is_made_once_for_all(adata, net):
    sr.pp.split(adata, net, kind="targets", test_fraction=0.25, random_state=4)
    columns = ["source", "target", "label", "split"]
    for method, key in (("degree", "a"), ("label_factors", "b")):
        sr.tl.fit_grn(adata, method=method, key_added=key, random_state=1)
        pd.testing.assert_frame_equal(adata.uns[key]["pairs"][columns], adata.uns["split"]["pairs"])
        assert adata.uns[key]["params"]["split"]["kind"] == "targets"
        assert adata.uns[key]["params"]["split"]["key"] == "split"
    # A prior that is named draws its own split.
    sr.tl.fit_grn(adata, net, "degree", n_folds=1, key_added="c")
    assert adata.uns["c"]["params"]["split"] == {
        "kind": "pairs",
        "negatives": "all",
        "negative_ratio": 1.0,
        "test_fraction": 0.33,
        "validation_fraction": None,
        "max_pairs": 500_000,
        "share": 1.0,
        "random_state": 0,
        "key": None,
    }


def test_the_default_split_is_that_of_pp_split(adata, net):
    sr.pp.split(adata, net, key_added="mine")
    one = sr.tl.fit_grn(adata, net, "degree", n_folds=1, copy=True)
    other = sr.tl.fit_grn(adata, split="mine", method="degree", n_folds=1, copy=True)
    np.testing.assert_array_equal(probabilities(one), probabilities(other))
    pd.testing.assert_frame_equal(one.uns["grn"]["pairs"], other.uns["grn"]["pairs"])
    pd.testing.assert_frame_equal(one.uns["grn"]["metrics"], other.uns["grn"]["metrics"])
    assert one.uns["grn"]["params"]["prior"] == other.uns["grn"]["params"]["prior"]


def test_defaults_are_those_of_the_options():
    import inspect

    from scregnet._genes.split import SplitOptions
    from scregnet.tl._fit.task import FitOptions

    for function, options in ((sr.tl.fit_grn, FitOptions()), (sr.pp.split, SplitOptions())):
        parameters = inspect.signature(function).parameters
        for name, value in vars(options).items():
            assert parameters[name].default == value, name


class TestEmbedding:
    def test_auto_takes_the_only_one_and_asks_where_there_are_two(self, fitted, net):
        assert fitted.uns["grn"]["params"]["embedding"] == "svd"
        sr.tl.embed(fitted, model="svd", n_components=4, key_added="other", show_progress_bar=False)
        with pytest.raises(ValueError, match="several embeddings.*choose one with embedding="):
            sr.tl.fit_grn(fitted, net, **QUICK)

    def test_none_fits_without(self, fitted, net):
        sr.tl.fit_grn(fitted, net, embedding=None, key_added="bare", **QUICK)
        assert fitted.uns["bare"]["params"]["embedding"] == "none"
        assert not np.array_equal(probabilities(fitted, "bare"), probabilities(fitted))

    def test_a_frame_is_aligned_by_gene(self, fitted, net):
        frame = pd.DataFrame(fitted.varm["svd"], index=fitted.var_names).sample(
            frac=1, random_state=1
        )
        sr.tl.fit_grn(fitted, net, embedding=frame, key_added="frame", **QUICK)
        np.testing.assert_array_equal(probabilities(fitted, "frame"), probabilities(fitted))
        sr.tl.fit_grn(fitted, net, embedding=frame.iloc[:30], key_added="part", **QUICK)
        assert fitted.uns["part"]["params"]["n_genes_embedded"] == 30

    def test_what_is_wrong_is_said(self, fitted, net):
        with pytest.raises(
            KeyError,
            match=r"'geneformer' is not in adata.varm.*sr.tl.embed\(adata, model='geneformer'\)",
        ):
            sr.tl.fit_grn(fitted, net, embedding="geneformer")
        with pytest.raises(ValueError, match="none of its 2 rows is in adata.var_names"):
            sr.tl.fit_grn(fitted, net, embedding=pd.DataFrame(np.ones((2, 3)), index=["x", "y"]))
        with pytest.raises(ValueError, match="'G0001' have several rows"):
            sr.tl.fit_grn(
                fitted, net, embedding=pd.DataFrame(np.ones((2, 3)), index=["G0001", "G0001"])
            )
        with pytest.raises(TypeError, match="embedding must be"):
            sr.tl.fit_grn(fitted, net, embedding=3)


class TestMatrix:
    @pytest.mark.parametrize("form", ["csc", "dense", "float64", "int", "log", "layer", "backed"])
    def test_every_form_of_the_same_counts_gives_the_same(self, adata, net, form, tmp_path):
        expected = sr.tl.fit_grn(adata, net, copy=True, **QUICK)
        layer = None
        if form == "csc":
            adata.X = adata.X.tocsc()
        elif form == "dense":
            adata.X = adata.X.toarray()
        elif form == "float64":
            adata.X = adata.X.astype(np.float64)
        elif form == "int":
            adata.X = adata.X.astype(np.int64)
        elif form == "log":
            totals = np.asarray(adata.X.sum(axis=1)).ravel()
            adata.X = sp.csr_matrix(np.log1p(adata.X.toarray() / totals[:, None] * 1e4))
        elif form == "layer":
            adata.layers["counts"], layer = adata.X.copy(), "counts"
            adata.X = None
        elif form == "backed":
            adata.write_h5ad(tmp_path / "a.h5ad")
            adata = ad.read_h5ad(tmp_path / "a.h5ad", backed="r")
        sr.tl.fit_grn(adata, net, layer=layer, **QUICK)
        np.testing.assert_allclose(probabilities(adata), probabilities(expected), atol=2e-4)

    def test_empty_cells_and_unseen_genes_are_counted(self, adata, net):
        dense = adata.X.toarray()
        dense[:3] = 0
        dense[:, 7] = 0
        adata.X = dense
        sr.tl.fit_grn(adata, net, **QUICK)
        params = adata.uns["grn"]["params"]
        assert params["n_cells_empty"] == 3
        assert params["n_genes_never_seen"] >= 1
        assert np.isfinite(adata.varp["grn"].data).all()

    def test_principal_components_stand_in_for_cells(self, adata, net):
        sr.tl.fit_grn(adata, net, n_pcs=10, **QUICK)
        assert adata.uns["grn"]["params"]["n_pcs"] == 10
        with pytest.raises(
            ValueError, match="n_pcs=500 is more than 120 cells × 80 genes allow; at most 79"
        ):
            sr.tl.fit_grn(adata, net, n_pcs=500, **QUICK)


def test_one_network_a_group_on_the_same_pairs(adata, net):
    sr.tl.embed(
        adata,
        model="svd",
        n_components=4,
        min_cells=1,
        groupby="cell_type",
        show_progress_bar=False,
    )
    sr.tl.fit_grn(adata, net, groupby="cell_type", min_cells=1, embedding="svd", **QUICK)
    groups = sorted(adata.obs["cell_type"].unique())
    assert list(adata.uns["grn"]["groups"]) == groups
    first, second = (f"grn_{group}" for group in groups[:2])
    assert adata.uns[first]["params"]["embedding"] == f"svd_{groups[0]}"
    assert adata.uns[first]["params"]["n_cells"] == (adata.obs["cell_type"] == groups[0]).sum()
    columns = ["source", "target", "label", "split", "probability_degree"]
    pd.testing.assert_frame_equal(
        adata.uns[first]["pairs"][columns], adata.uns[second]["pairs"][columns]
    )
    assert not np.array_equal(probabilities(adata, first), probabilities(adata, second))
    assert len(sr.get.grn(adata, key=first, top_n=3)) == 3
    with pytest.raises(
        KeyError, match="embedding='svd' was made for the groups.*fit with the same groupby"
    ):
        sr.tl.fit_grn(adata, net, **QUICK)
    assert sr.get.grn(adata, top_n=3)["group"].tolist() == [
        group for group in groups for _ in "123"
    ]
    with pytest.raises(ValueError, match=f"one network per group.*group=, of {groups[0]!r}"):
        sr.get.graph(adata)


@pytest.mark.filterwarnings("ignore:From 0.4:FutureWarning")
def test_copy_mudata_and_view(adata, net):
    before = set(adata.uns)
    changed = sr.tl.fit_grn(adata, net, "degree", n_folds=1, copy=True)
    assert set(adata.uns) == before
    assert "grn" not in adata.varp
    assert "grn" in changed.varp
    mdata = MuData({"rna": adata.copy()})
    assert sr.tl.fit_grn(mdata, net, "degree", n_folds=1) is None
    np.testing.assert_array_equal(probabilities(mdata.mod["rna"]), probabilities(changed))
    assert isinstance(sr.tl.fit_grn(mdata, net, "degree", n_folds=1, copy=True), MuData)
    with pytest.raises(KeyError, match="mod='atac' is not a modality"):
        sr.tl.fit_grn(mdata, net, mod="atac")
    view = adata[:100]
    with pytest.warns(ad.ImplicitModificationWarning):
        sr.tl.fit_grn(view, net, "degree", n_folds=1)
    assert not view.is_view
    assert "grn" not in adata.varp


@pytest.mark.filterwarnings("ignore:Writing zarr v2 data:UserWarning")
@pytest.mark.parametrize("form", ["h5ad", "zarr"])
def test_everything_survives_a_file(fitted, form, tmp_path):
    path = tmp_path / f"fitted.{form}"
    getattr(fitted, f"write_{form}")(path)
    again = ad.read_h5ad(path) if form == "h5ad" else ad.read_zarr(path)
    np.testing.assert_array_equal(probabilities(again), probabilities(fitted))
    for part in ("metrics", "history", "pairs"):
        pd.testing.assert_frame_equal(
            again.uns["grn"][part],
            fitted.uns["grn"][part],
            check_categorical=False,
            check_index_type=False,
            check_dtype=False,
        )
    pd.testing.assert_frame_equal(sr.get.grn(again, top_n=20), sr.get.grn(fitted, top_n=20))
    pairs = fitted.uns["grn"]["pairs"][["source", "target"]]
    np.testing.assert_array_equal(
        sr.get.score_links(again, pairs)["probability"], fitted.uns["grn"]["pairs"]["probability"]
    )


class TestNamesThatAreTaken:
    """A fit replaces what an earlier one of its name wrote, and nothing else."""

    @pytest.fixture
    def one(self):
        adata = sr.datasets.simulated(n_obs=60, n_vars=60)
        self.fit(adata, key_added="grn")
        return adata

    @staticmethod
    def fit(adata, **how):
        net = adata.uns["network"]
        sr.tl.fit_grn(adata, net, method="degree", n_folds=1, n_bootstrap=0, **how)

    @pytest.mark.parametrize("key", ["grn_sd", "grn_null", "grn_sign", "grn_stability"])
    def test_a_slot_of_another_network(self, one, key):
        kept = one.varp["grn"].copy()
        with pytest.raises(ValueError, match=f"'{key}' is the name of a slot of 'grn'"):
            self.fit(one, key_added=key)
        assert (one.varp["grn"] != kept).nnz == 0
        assert key not in one.uns

    def test_a_network_whose_name_would_be_a_slot(self):
        adata = sr.datasets.simulated(n_obs=60, n_vars=60)
        self.fit(adata, key_added="mine_sd")
        with pytest.raises(ValueError, match="'mine_sd' is the name of a slot of 'mine'"):
            self.fit(adata, key_added="mine")
        assert "mine_sd" in adata.varp
        assert "mine" not in adata.varp

    @pytest.mark.parametrize("key", ["network", "simulation"])
    def test_what_is_no_network_of_a_fit(self, one, key):
        before = one.uns[key]
        with pytest.raises(ValueError, match=f"key_added='{key}' is taken: adata.uns"):
            self.fit(one, key_added=key)
        assert one.uns[key] is before

    def test_the_same_name_again(self, one):
        self.fit(one, key_added="grn")
        self.fit(one, key_added="grn2")
        assert {"grn", "grn2"} <= set(one.varp)

    def test_the_key_of_a_group(self, one):
        one.obs["kind"] = pd.Categorical(["sd", "B"] * 30)
        one.varp["grn_B"] = one.varp["network"].copy()
        with pytest.raises(ValueError, match="name slots of other networks: 'grn_sd'"):
            self.fit(one, groupby="kind", min_cells=5)
        one.obs["kind"] = pd.Categorical(["A", "B"] * 30)
        with pytest.raises(ValueError, match=r"key_added='grn_B' is taken: adata.varp\['grn_B'\]"):
            self.fit(one, groupby="kind", min_cells=5)
