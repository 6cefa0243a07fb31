"""Networks from expression alone, and the same methods with labelled pairs."""

import anndata as ad
import matplotlib as mpl
import numpy as np
import pytest

import scregnet as sr
from scregnet._anndata.features import log_normalised

mpl.use("Agg")
QUIET = {"show_progress_bar": False}
JUDGED = {"n_bootstrap": 0, **QUIET}


@pytest.fixture(scope="module")
def simulated():
    return sr.datasets.simulated(n_obs=120, n_vars=60, random_state=1)


@pytest.fixture
def adata(simulated):
    return simulated.copy()


@pytest.fixture
def alone(adata):
    sr.tl.fit_grn(adata, method="pearson", **QUIET)
    return adata


def correlations(adata):
    """|r| of log-normalised expression, NaN with genes that do not vary."""
    cells, _ = log_normalised(adata, None)
    with np.errstate(invalid="ignore"):
        return np.abs(np.corrcoef(cells.toarray(), rowvar=False))


def test_scores_are_those_of_the_cells(alone):
    r = correlations(alone)
    np.fill_diagonal(r, 0)
    found = alone.varp["grn"].toarray()
    varies = np.isfinite(r)
    np.testing.assert_allclose(found[varies], r[varies], atol=1e-5)
    assert found[~varies].max(initial=0) == 0
    entry = alone.uns["grn"]
    assert entry["params"]["values"] == "score"
    assert len(entry["metrics"]) == len(entry["pairs"]) == len(entry["left_out"]) == 0
    assert "grn_null" not in alone.varp


def test_marked_genes_are_the_candidates(adata):
    adata.var["is_tf"] = np.arange(60) < 7
    sr.tl.fit_grn(adata, method="spearman", **QUIET)
    assert set(np.unique(adata.varp["grn"].nonzero()[0])) == set(range(7))


def test_without_a_mark_the_log_says_that_all_are_candidates(adata, caplog):
    with caplog.at_level("INFO", logger="scregnet"), sr.settings.override(verbosity="info"):
        sr.tl.fit_grn(adata, method="pearson", **QUIET)
    assert "no gene is marked as a TF" in caplog.text


def test_links_are_cut_by_score_and_number(adata):
    sr.tl.fit_grn(adata, method="pearson", top_n_targets=4, **QUIET)
    assert np.diff(adata.varp["grn"].indptr).max() == 4
    sr.tl.fit_grn(adata, method="pearson", threshold=0.3, **QUIET)
    assert adata.varp["grn"].data.min() >= np.float32(0.3)
    with pytest.raises(ValueError, match="threshold must lie in"):
        sr.tl.fit_grn(adata, method="pearson", threshold=-1.0, **QUIET)


def test_a_frame_has_scores_and_no_probabilities(alone):
    frame = sr.get.grn(alone, top_n=5)
    columns = ["source", "target", "weight", "score", "in_prior", "split"]
    assert frame.columns.tolist() == columns
    assert frame["score"].is_monotonic_decreasing
    assert not frame["in_prior"].any()
    again = sr.get.score_links(alone, frame[["source", "target"]])
    np.testing.assert_array_equal(again["score"], frame["score"])


def test_decoupler_reads_the_scores_as_weights(alone):
    import decoupler as dc

    frame = sr.get.grn(alone)
    _, _, read = dc.pp.adjmat(np.array(alone.var_names, dtype=object), frame, verbose=False)
    # Without weights, decoupler takes 1 for every link.
    np.testing.assert_array_equal(np.sort(read[read > 0]), np.sort(frame["score"].to_numpy()))


def test_scores_above_1_are_read_and_damaged_ones_are_not(adata):
    # Importances of boosted trees are shares times the number of trees.
    sr.tl.fit_grn(adata, method="grnboost2", max_trees=30, **QUIET)
    best = float(adata.varp["grn"].data.max())
    assert best > 1
    assert sr.get.grn(adata, top_n=1)["score"].item() == best
    assert sr.io.to_beeline(adata, top_n=1)["EdgeWeight"].item() == best
    for wrong in (np.nan, np.inf, -1):
        adata.varp["grn"].data[0] = wrong
        with pytest.raises(ValueError, match=r"no scores \(NaN, infinite, or below 0\)"):
            sr.get.grn(adata)


def test_a_gene_that_is_no_candidate_has_no_score(adata):
    adata.var["is_tf"] = np.arange(60) < 7
    sr.tl.fit_grn(adata, method="pearson", **QUIET)
    names = adata.var_names
    frame = sr.get.score_links(adata, [(names[0], names[9]), (names[8], names[9])])
    assert np.isfinite(frame["score"]).tolist() == [True, False]


@pytest.mark.parametrize(
    "call",
    [
        lambda adata: sr.get.metrics(adata),
        lambda adata: sr.get.curves(adata),
        lambda adata: sr.get.calibration(adata),
        lambda adata: sr.pl.metrics(adata),
        lambda adata: sr.pl.calibration(adata),
        lambda adata: sr.get.grn(adata, max_q=0.1),
        lambda adata: sr.get.grn(adata, by="lift"),
        lambda adata: sr.tl.transfer_grn(adata.copy(), source=adata),
    ],
)
def test_what_needs_probabilities_says_so(alone, call):
    with pytest.raises(ValueError, match=r"needs probabilities, and 'grn' holds the scores.*prior"):
        call(alone)


def test_regulons_need_a_number_of_targets(alone):
    with pytest.raises(ValueError, match="0.5 says nothing: give top_n_targets="):
        sr.get.regulons(alone)
    sets = sr.get.regulons(alone, top_n_targets=3)
    assert max(map(len, sets.values())) == 3
    best = sr.get.grn(alone, top_n=1)["score"].item()
    assert sum(map(len, sr.get.regulons(alone, threshold=best).values())) >= 1


def test_activities_take_the_best_links_of_each_tf(alone):
    sr.tl.tf_activity(alone, new_tfs=True, top_n_targets=8, tmin=2)
    links = alone.uns["grn_ulm"]["regulons"]
    assert links.groupby("source")["weight"].max().eq(1).all()
    assert links["weight"].between(0, 1).all()


def test_pictures_name_scores(alone):
    ax = sr.pl.grn(alone, top_n=12, show=False)
    texts = [text.get_text() for text in ax.get_legend().get_texts()]
    assert any(text.startswith("score") for text in texts)
    assert not any("probability" in text for text in texts)
    assert sr.pl.grn(alone, show=False) is not None


def test_groups_have_the_correlations_of_their_own_cells(adata):
    adata.obs["kind"] = np.where(np.arange(120) < 60, "a", "b")
    sr.tl.fit_grn(adata, method="pearson", groupby="kind", **QUIET)
    here = adata[:60].copy()
    sr.tl.fit_grn(here, method="pearson", **QUIET)
    np.testing.assert_allclose(adata.varp["grn_a"].toarray(), here.varp["grn"].toarray(), atol=1e-6)
    assert sr.get.grn(adata, top_n=2)["group"].tolist() == ["a", "a", "b", "b"]
    with pytest.raises(KeyError, match="has no differences of groups.*reads labels"):
        sr.get.group_differences(adata)


def test_a_file_gives_the_same_scores(alone, tmp_path):
    alone.write_h5ad(tmp_path / "alone.h5ad")
    again = ad.read_h5ad(tmp_path / "alone.h5ad")
    links = sr.get.grn(alone, top_n=4)
    assert sr.get.grn(again, top_n=4).equals(links)
    np.testing.assert_array_equal(sr.get.score_links(again, links)["score"], links["score"])


def test_shuffled_cells_leave_nothing(alone):
    before = alone.varp["grn"].toarray().ravel()
    sr.tl.fit_grn(alone, method="pearson", shuffle_expression=True, **QUIET)
    after = alone.varp["grn"].toarray().ravel()
    assert (after > 0).mean() > 0.8
    assert abs(np.corrcoef(before, after)[0, 1]) < 0.3


def test_arguments_about_a_known_network_are_refused(adata):
    with pytest.raises(ValueError, match="label_frequency=0.5 is about a known network"):
        sr.tl.fit_grn(adata, method="pearson", label_frequency=0.5, **QUIET)
    with pytest.raises(ValueError, match="n_pcs=5 replaces cells by components"):
        sr.tl.fit_grn(adata, method="pearson", n_pcs=5, **QUIET)
    with pytest.raises(ValueError, match="pseudotime='time' is read by methods that need it"):
        sr.tl.fit_grn(adata, method="pearson", pseudotime="time", **QUIET)
    with pytest.raises(KeyError, match="prior is None"):
        sr.tl.fit_grn(adata, method="joint", **QUIET)


def test_a_known_network_is_used_where_there_is_one(adata):
    sr.pp.prior(adata, adata.uns["network"])
    sr.tl.fit_grn(adata, method="pearson", **JUDGED)
    table = sr.get.metrics(adata, split="test", wide=True)
    assert list(table.index) == ["pearson", "degree", "label_factors"]
    assert adata.uns["grn"]["params"]["values"] == "probability"


def test_folds_calibrate_one_fit(adata):
    sr.tl.fit_grn(adata, adata.uns["network"], method="pearson", n_folds=4, **JUDGED)
    entry = adata.uns["grn"]
    state = entry["model"]["state"]
    # One table of scores for the four folds, and a calibration each.
    assert [name for name in state if name.endswith("values")] == ["shared_values"]
    assert len(state["slopes"]) == 4
    assert len(np.unique(state["slopes"])) > 1
    pairs = entry["pairs"]
    r = correlations(adata)
    row, column = (adata.var_names.get_indexer(pairs[end]) for end in ("source", "target"))
    fold = pairs["fold_1"].to_numpy()
    logit = np.log(pairs["out_of_fold"] / (1 - pairs["out_of_fold"]))
    score = np.nan_to_num(r[row, column])
    expected = state["slopes"][fold] * score + state["intercepts"][fold]
    np.testing.assert_allclose(logit, expected, atol=1e-3)


def test_a_stored_ensemble_scores_as_the_network(adata, tmp_path):
    """Folds of a member share its arrays in the file; two members do not share theirs."""
    sr.tl.fit_grn(
        adata, adata.uns["network"], method="grnboost2", n_models=2, max_trees=30, **JUDGED
    )
    adata.write_h5ad(tmp_path / "two.h5ad")
    again = ad.read_h5ad(tmp_path / "two.h5ad")
    state = again.uns["grn"]["model"]["state"]
    assert state["alike"].tolist() == [0] * 5 + [5] * 5
    assert [name for name in state if name.endswith("_values")] == ["0_values", "5_values"]
    links = sr.get.grn(adata, top_n=200)
    scored = sr.get.score_links(again, links[["source", "target"]])
    np.testing.assert_allclose(scored["probability"], links["weight"], rtol=1e-6)
    assert (scored["probability_sd"] > 0).any()
