"""Several fits that differ in their seed."""

import anndata as ad
import numpy as np
import pytest

import scregnet as sr

QUICK = {
    "n_folds": 1,
    "method": "scregnet",
    "gnn_dims": (8,),
    "mlp_dims": (8,),
    "max_epochs": 4,
    "n_bootstrap": 0,
    "show_progress_bar": False,
    "device": "cpu",
}


@pytest.fixture(scope="module")
def _ensemble():
    data = sr.datasets.simulated(n_obs=120, n_vars=80, random_state=3)
    sr.tl.fit_grn(data, data.uns["network"], n_models=3, **QUICK)
    return data


@pytest.fixture
def ensemble(_ensemble):
    return _ensemble.copy()


def test_deviations_lie_where_the_probabilities_are(ensemble):
    network, deviation = ensemble.varp["grn"], ensemble.varp["grn_sd"]
    np.testing.assert_array_equal(network.indptr, deviation.indptr)
    np.testing.assert_array_equal(network.indices, deviation.indices)
    assert deviation.dtype == np.float32
    assert 0 < deviation.data.mean() < 0.3
    pairs = ensemble.uns["grn"]["pairs"]
    rows, columns = (
        ensemble.var_names.get_indexer(pairs[c].astype(str)) for c in ("source", "target")
    )
    np.testing.assert_allclose(
        deviation.toarray()[rows, columns], pairs["probability_sd"], rtol=1e-5, atol=1e-7
    )
    assert list(sr.get.metrics(ensemble)["model"].unique()) == [
        "scregnet",
        "degree",
        "label_factors",
    ]


def test_history_has_every_member(ensemble):
    history = ensemble.uns["grn"]["history"]
    assert history.columns[0] == "model"
    assert history["model"].tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert history.groupby("model")["train_loss"].first().nunique() == 3
    assert len(ensemble.uns["grn"]["params"]["best_epoch"]) == 3
    axes = sr.pl.history(ensemble, show=False)
    assert len(axes[0].get_legend_handles_labels()[1]) == 3


def test_the_first_member_is_the_single_fit(ensemble, net, adata):
    sr.tl.fit_grn(adata, net, **QUICK)
    assert "model" not in adata.uns["grn"]["history"]
    assert "probability_sd" not in adata.uns["grn"]["pairs"]
    assert "grn_sd" not in adata.varp
    members, single = ensemble.uns["grn"]["model"]["state"], adata.uns["grn"]["model"]["state"]
    for name, value in single.items():
        np.testing.assert_array_equal(members[f"0_{name}"], value)
    # The mean over members is not the first one.
    assert not np.array_equal(ensemble.varp["grn"].data, adata.varp["grn"].data)


def test_a_single_fit_under_the_same_name_takes_the_deviations_away(ensemble, net):
    sr.tl.fit_grn(ensemble, net, "degree", n_folds=1, n_bootstrap=0)
    assert "grn_sd" not in ensemble.varp


@pytest.mark.filterwarnings("ignore:Writing zarr v2 data:UserWarning")
@pytest.mark.parametrize("form", [None, "h5ad", "zarr"])
def test_links_are_scored_again_from_the_state(ensemble, form, tmp_path):
    again = ensemble
    if form is not None:
        getattr(ensemble, f"write_{form}")(tmp_path / f"a.{form}")
        again = getattr(ad, f"read_{form}")(tmp_path / f"a.{form}")
        np.testing.assert_array_equal(
            again.varp["grn_sd"].toarray(), ensemble.varp["grn_sd"].toarray()
        )
    pairs = ensemble.uns["grn"]["pairs"]
    scored = sr.get.score_links(again, pairs[["source", "target"]])
    for column in ("probability", "probability_sd"):
        np.testing.assert_allclose(scored[column], pairs[column], rtol=1e-6, atol=1e-7)


def test_top_n_targets_keeps_the_same_deviations(ensemble, net):
    sr.tl.fit_grn(ensemble, net, n_models=2, top_n_targets=5, key_added="top", **QUICK)
    sr.tl.fit_grn(ensemble, net, n_models=2, key_added="all", **QUICK)
    rows, columns = ensemble.varp["top"].nonzero()
    assert len(rows) == 5 * net["source"].nunique()
    for suffix in ("", "_sd"):
        np.testing.assert_array_equal(
            ensemble.varp[f"top{suffix}"].toarray()[rows, columns],
            ensemble.varp[f"all{suffix}"].toarray()[rows, columns],
        )


def test_a_method_that_draws_nothing_has_no_deviation(adata, net):
    sr.tl.fit_grn(adata, net, "degree", n_models=2, n_folds=1, n_bootstrap=0)
    assert (adata.varp["grn_sd"].data == 0).all()
    assert adata.varp["grn_sd"].nnz == adata.varp["grn"].nnz


def test_the_number_must_be_one_or_more(adata, net):
    with pytest.raises(ValueError, match="n_models must be at least 1, got 0"):
        sr.tl.fit_grn(adata, net, n_models=0)
