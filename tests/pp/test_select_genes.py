from __future__ import annotations

import logging

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import scregnet as sr

N_CELLS, N_GENES = 300, 120
VARYING = np.arange(0, N_GENES, 3)


def _simulate(seed: int = 0) -> ad.AnnData:
    """Poisson counts of uneven depth.

    Every third gene follows pseudotime; every fourth of all genes is a TF.
    """
    rng = np.random.default_rng(seed)
    time = rng.random(N_CELLS)
    rate = rng.gamma(2, 1, N_GENES)[None, :] * np.ones((N_CELLS, 1))
    # Half of them rise where the others fall. Together they keep their share of the reads, or the
    # other genes would vary too.
    wave = np.sin(np.pi * time[:, None] + np.pi / 2 * (np.arange(len(VARYING)) % 2)) ** 2
    share = rate[:, VARYING].sum(axis=1, keepdims=True)
    rate[:, VARYING] *= 0.1 + 2 * wave
    rate[:, VARYING] *= share / rate[:, VARYING].sum(axis=1, keepdims=True)
    depth = rng.lognormal(0, 0.4, N_CELLS)
    counts = rng.poisson(depth[:, None] * rate).astype(np.float32)
    counts[:, -1] = 0
    counts[7] = 0
    adata = ad.AnnData(
        sp.csr_matrix(counts),
        obs=pd.DataFrame({"time": time}, index=[f"c{i}" for i in range(N_CELLS)]),
        var=pd.DataFrame(
            {"is_tf": np.arange(N_GENES) % 4 == 0}, index=[f"g{i}" for i in range(N_GENES)]
        ),
    )
    log = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1) * 1e4
    adata.layers["log"] = sp.csr_matrix(np.log1p(log))
    return adata


@pytest.fixture
def adata() -> ad.AnnData:
    return _simulate()


def _expected(
    variance: np.ndarray, passes: np.ndarray, is_tf: np.ndarray, n_top: int
) -> np.ndarray:
    """BEELINE's rule in the steps of its script: drop, set the TFs apart, sort by variance."""
    genes = pd.DataFrame({"variance": variance, "tf": is_tf})[passes]
    top = genes[~genes["tf"]].sort_values("variance", ascending=False).index[:n_top]
    chosen = np.zeros(len(variance), dtype=bool)
    chosen[[*genes.index[genes["tf"]], *top]] = True
    return chosen


def test_beelines_rule_on_given_p_values(adata):
    rng = np.random.default_rng(1)
    p = 10 ** rng.uniform(-8, 0, N_GENES)
    p[:5] = np.nan
    adata.var["VGAMpValue"] = p
    assert sr.pp.select_genes(adata, 15, p_values="VGAMpValue", layer="log") is None
    variance = adata.layers["log"].toarray().var(axis=0, ddof=1)
    np.testing.assert_allclose(adata.var["selected_variance"], variance, rtol=1e-5)
    np.testing.assert_array_equal(adata.var["selected_p_value"], p)
    passes = p < 0.01 / (N_GENES - 5)
    expected = _expected(variance, passes, adata.var["is_tf"].to_numpy(), 15)
    np.testing.assert_array_equal(adata.var["selected"], expected)
    report = adata.uns["selected"]
    assert report["test"] == "p_values"
    assert report["n_tested"] == N_GENES - 5
    assert report["threshold"] == 0.01 / (N_GENES - 5)
    assert report["n_passed"] == passes.sum()
    assert report["n_others_selected"] == 15
    assert report["n_tfs_selected"] == (passes & adata.var["is_tf"]).sum()


def test_a_p_value_at_the_threshold_does_not_pass(adata):
    adata.var["p"] = 1.0
    adata.var.loc[["g0", "g4"], "p"] = [0.01 / N_GENES, np.nextafter(0.01 / N_GENES, 0)]
    sr.pp.select_genes(adata, 0, p_values="p")
    assert adata.var_names[adata.var["selected"]].tolist() == ["g4"]


@pytest.mark.parametrize(
    "how", [{}, {"pseudotime": "time"}, {"pseudotime": "time", "layer": "log"}]
)
def test_genes_that_vary_are_told_from_those_that_do_not(how, adata):
    sr.pp.select_genes(adata, 1000, **how)
    truth = np.isin(np.arange(N_GENES), VARYING)
    # Bonferroni at 0.01: a false gene in one data set of a hundred.
    np.testing.assert_array_equal(adata.var["selected"] & ~truth, False)
    assert adata.var["selected"][truth].mean() > 0.9


def test_counts_are_normalised_in_memory_only(adata, snapshot, caplog):
    before = adata.X.copy()
    with caplog.at_level(logging.INFO, "scregnet"):
        sr.pp.select_genes(adata, 10)
    assert (before != adata.X).nnz == 0
    np.testing.assert_allclose(
        adata.var["selected_variance"], adata.layers["log"].toarray().var(axis=0, ddof=1), rtol=1e-5
    )
    report = adata.uns["selected"]
    assert report["test"] == "poisson"
    assert report["log_normalised_here"] is True
    assert report["n_genes_never_seen"] == 1
    assert report["n_empty_cells"] == 1
    assert report["n_tested"] == N_GENES - 1
    assert np.isnan(adata.var["selected_p_value"].iloc[-1])
    assert (
        "select_genes: X holds raw counts; variances are of log1p of counts per 10,000"
        in caplog.messages
    )
    assert (
        "select_genes: 1 genes do not vary (never seen, mostly) and 1 cells are empty"
        in caplog.messages
    )


def test_poisson_p_values_hold_their_level():
    rng = np.random.default_rng(0)
    depth = rng.lognormal(0, 0.7, 400)
    rate = rng.lognormal(-2, 1.5, 4000)
    null = ad.AnnData(sp.csr_matrix(rng.poisson(depth[:, None] * rate).astype(np.float32)))
    sr.pp.select_genes(null, 10, tfs=None, alpha=1)
    p = null.var["selected_p_value"].dropna()
    for level in (0.5, 0.1, 0.01):
        assert abs((p < level).mean() - level) < 0.1 * level + 3 * np.sqrt(level / len(p))


def test_poisson_moments_are_exact():
    # All ways in which 3 reads fall on 3 cells, against the formula behind the p-values.
    from itertools import product

    from scregnet.pp._moments import Moments
    from scregnet.pp._variation import poisson_p_values

    shares = np.array([0.5, 0.3, 0.2])
    values, weights = [], []
    for cells in product(range(3), repeat=3):
        x = np.bincount(cells, minlength=3)
        values.append((x**2 / shares).sum() / 3 - 3)
        weights.append(shares[list(cells)].prod())
    values, weights = np.array(values), np.array(weights)
    mean = (weights * values).sum()
    variance = (weights * (values - mean) ** 2).sum()
    skewness = (weights * (values - mean) ** 3).sum() / variance**1.5
    from scipy import stats

    for value in values:
        sums = (1 / shares).sum(), (1 / shares**2).sum()
        found = Moments(3, 0, *np.ones((2, 1)), np.array([3.0]), np.array([value]), *sums)
        expected = stats.pearson3.sf(value, skewness, mean, np.sqrt(variance))
        np.testing.assert_allclose(poisson_p_values(found), expected, rtol=1e-6)


def test_pseudotime_p_values_are_those_of_the_f_test(adata):
    from scipy import stats

    sr.pp.select_genes(adata, 10, pseudotime="time", layer="log")
    time, log = adata.obs["time"].to_numpy(), adata.layers["log"].toarray()
    knots = np.quantile(time, [1 / 3, 2 / 3])
    design = np.stack(
        [time**power for power in range(4)] + [np.maximum(time - knot, 0) ** 3 for knot in knots],
        axis=1,
    )
    for gene in (0, 1, 50):
        _, (rss,), rank, _ = np.linalg.lstsq(design, log[:, gene], rcond=None)
        total = ((log[:, gene] - log[:, gene].mean()) ** 2).sum()
        p = stats.f.sf(
            (total - rss) / (rank - 1) / (rss / (N_CELLS - rank)), rank - 1, N_CELLS - rank
        )
        np.testing.assert_allclose(adata.var["selected_p_value"].iloc[gene], p, rtol=1e-3)


def test_cells_without_pseudotime_are_left_out(adata):
    late = adata[adata.obs["time"] > 0.5].copy()
    sr.pp.select_genes(late, 10, pseudotime="time", layer="log")
    adata.obs["time"] = adata.obs["time"].where(adata.obs["time"] > 0.5)
    sr.pp.select_genes(adata, 10, pseudotime="time", layer="log")
    np.testing.assert_allclose(
        adata.var["selected_p_value"], late.var["selected_p_value"], rtol=1e-6
    )


def test_pseudotime_of_few_time_points(adata):
    adata.obs["time"] = (adata.obs["time"] * 3).astype(int)
    sr.pp.select_genes(adata, 1000, pseudotime="time")
    from scipy import stats

    log, groups = adata.layers["log"].toarray()[:, 0], adata.obs["time"]
    expected = stats.f_oneway(*(log[groups == g] for g in range(3))).pvalue
    np.testing.assert_allclose(adata.var["selected_p_value"].iloc[0], expected, rtol=1e-4)


def test_trend_test_finds_genes_above_the_trend():
    rng = np.random.default_rng(0)
    mean = rng.uniform(0.5, 3, 600)
    log = rng.gamma(4, mean / 4, (500, 600))
    log[:, :5] *= rng.choice([0.2, 1.8], (500, 1))
    adata = ad.AnnData(
        log,
        var=pd.DataFrame(
            {"is_tf": [True] * 3 + [False] * 597}, index=[f"g{i}" for i in range(600)]
        ),
    )
    sr.pp.select_genes(adata, 50)
    assert adata.uns["selected"]["test"] == "trend"
    assert adata.var_names[adata.var["selected"]].tolist() == [f"g{i}" for i in range(5)]


def test_fewer_than_asked_for_is_warned_of(adata, caplog):
    sr.pp.select_genes(adata, 1000)
    assert "fewer than n_top=1000." in caplog.text
    assert "pass the poisson test at 0.01 / 119" in caplog.text


def test_no_test_at_all(adata):
    sr.pp.select_genes(adata, 20, alpha=None)
    variance = adata.layers["log"].toarray().var(axis=0, ddof=1)
    expected = _expected(variance, variance > 0, adata.var["is_tf"].to_numpy(), 20)
    np.testing.assert_array_equal(adata.var["selected"], expected)
    assert adata.uns["selected"]["test"] == "none"
    assert adata.uns["selected"]["threshold"] is None


def test_tfs_come_in_addition_to_the_top_genes_and_are_optional(adata):
    sr.pp.select_genes(adata, 5)
    with_tfs = set(adata.var_names[adata.var["selected"]])
    sr.pp.select_genes(adata, 5, tfs=None, key_added="top")
    assert adata.var["top"].sum() == 5
    assert len(with_tfs) > 5
    adata.var["mine"] = False
    sr.pp.select_genes(adata, 5, tfs="mine", key_added="again")
    assert adata.var["again"].equals(adata.var["top"].rename("again"))


FORMS = {
    "dense": lambda x: x.toarray(),
    "csr": sp.csr_matrix,
    "csc": sp.csc_matrix,
    "csr_array": sp.csr_array,
    "float64": lambda x: x.astype(np.float64),
    "int32": lambda x: x.astype(np.int32),
}


@pytest.mark.parametrize("how", [{}, {"pseudotime": "time"}])
@pytest.mark.parametrize("backed", [False, True])
@pytest.mark.parametrize("form", FORMS)
def test_the_same_result_for_every_form(form, backed, how, adata, tmp_path):
    other = ad.AnnData(FORMS[form](adata.X), obs=adata.obs.copy(), var=adata.var.copy())
    if backed:
        other.write_h5ad(tmp_path / "a.h5ad")
        other = ad.read_h5ad(tmp_path / "a.h5ad", backed="r")
    sr.pp.select_genes(adata, 15, **how)
    sr.pp.select_genes(other, 15, **how)
    pd.testing.assert_frame_equal(other.var, adata.var, check_index_type=False)
    if backed:
        other.file.close()


def test_several_blocks_give_what_one_gives(adata, monkeypatch):
    from scregnet._anndata import access as _adata
    from scregnet.pp import _moments, _variation

    sr.pp.select_genes(adata, 15, pseudotime="time")
    sr.pp.select_genes(adata, 15, key_added="counts")
    small = lambda *args, **kwargs: _adata.blocks(*args, block_size=37, **kwargs)
    for module in (_moments, _variation):
        monkeypatch.setattr(module, "blocks", small)
    sr.pp.select_genes(adata, 15, pseudotime="time", key_added="b")
    sr.pp.select_genes(adata, 15, key_added="b_counts")
    for one, many in (("selected", "b"), ("counts", "b_counts")):
        np.testing.assert_array_equal(adata.var[one], adata.var[many])
        np.testing.assert_allclose(
            adata.var[f"{one}_p_value"], adata.var[f"{many}_p_value"], rtol=1e-9
        )


def test_subset(adata):
    kept = sr.pp.select_genes(adata, 10, copy=True)
    names = kept.var_names[kept.var["selected"]].tolist()
    assert sr.pp.select_genes(adata, 10, subset=True) is None
    assert adata.var_names.tolist() == names
    assert adata.var["selected"].all()
    assert adata.layers["log"].shape == (N_CELLS, len(names))


def test_subset_of_a_mudata_or_a_backed_file_is_refused(adata, mudata_of, tmp_path):
    with pytest.raises(ValueError, match="subset=True needs an AnnData in memory"):
        sr.pp.select_genes(mudata_of(rna=adata), subset=True)
    adata.write_h5ad(tmp_path / "a.h5ad")
    backed = ad.read_h5ad(tmp_path / "a.h5ad", backed="r")
    with pytest.raises(ValueError, match="subset=True needs an AnnData in memory"):
        sr.pp.select_genes(backed, subset=True)
    assert backed.n_vars == N_GENES
    backed.file.close()


def test_copy_view_and_mudata(adata, snapshot, mudata_of):
    before = snapshot(adata)
    changed = sr.pp.select_genes(adata, 10, copy=True)
    assert snapshot(adata) == before
    view = adata[:, :100]
    with pytest.warns(ad.ImplicitModificationWarning):
        sr.pp.select_genes(view, 10)
    assert view.var["selected"].sum() > 10
    assert snapshot(adata) == before
    mdata = mudata_of(rna=adata)
    sr.pp.select_genes(mdata, 10)
    np.testing.assert_array_equal(mdata.mod["rna"].var["selected"], changed.var["selected"])


def test_round_trip(adata, round_trip):
    sr.pp.select_genes(adata, 10)
    back = round_trip(adata)
    for column in ("selected", "selected_variance", "selected_p_value"):
        np.testing.assert_array_equal(back.var[column], adata.var[column])
    assert back.uns["selected"]["n_tfs_selected"] == adata.uns["selected"]["n_tfs_selected"]
    assert back.uns["selected"]["layer"] is None


def _negative(adata):
    adata.X = adata.X.toarray() - 1


def _nan(adata):
    adata.X = adata.X.toarray()
    adata.X[3, 3] = np.nan


def _text_p(adata):
    adata.var["p"] = "0.1"


@pytest.mark.parametrize(
    "spoil, arguments, error, message",
    [
        (None, {"n_top": -1}, ValueError, "n_top must be at least 0, got -1"),
        (None, {"n_top": 2.5}, TypeError, "n_top must be an integer"),
        (None, {"alpha": 0}, ValueError, r"alpha must lie in \(0, 1\], got 0"),
        (None, {"tfs": "absent"}, KeyError, r"adata.var has no column 'absent'. Call sr.pp.tfs"),
        (
            None,
            {"layer": "absent"},
            KeyError,
            "layer='absent' is not in adata.layers; it has 'log'",
        ),
        (None, {"p_values": "absent"}, KeyError, "p_values='absent' is not a column of adata.var"),
        (
            None,
            {"pseudotime": "absent"},
            KeyError,
            "pseudotime='absent' is not a column of adata.obs; its numeric columns: 'time'",
        ),
        (None, {"p_values": "a", "pseudotime": "time"}, ValueError, "both given"),
        (_text_p, {"p_values": "p"}, ValueError, "not numbers"),
        (
            lambda a: a.var.insert(0, "p", 2.0),
            {"p_values": "p"},
            ValueError,
            "numbers between 0 and 1",
        ),
        (
            lambda a: a.var.insert(0, "p", np.nan),
            {"p_values": "p"},
            ValueError,
            "numbers between 0 and 1",
        ),
        (
            lambda a: a.obs.insert(0, "t", 1.0),
            {"pseudotime": "t"},
            ValueError,
            "300 cells with 1 distinct values",
        ),
        (
            lambda a: a.obs.insert(0, "t", np.nan),
            {"pseudotime": "t"},
            ValueError,
            "0 cells with 0 distinct values",
        ),
        (_negative, {}, ValueError, "adata.X holds negative values .*, as scaled data do.*layer="),
        (_nan, {}, ValueError, "adata.X holds NaN or infinite"),
        (
            lambda a: a.var.insert(0, "p", 1.0),
            {"p_values": "p"},
            ValueError,
            "no gene is selected: of 120 genes tested, 0 pass",
        ),
        (lambda a: setattr(a, "X", a.X * 0), {}, ValueError, "no gene is selected"),
        (None, {"key_added": "a/b"}, ValueError, "cannot be stored"),
    ],
)
def test_bad_input_changes_nothing(spoil, arguments, error, message, adata, snapshot):
    if spoil is not None:
        spoil(adata)
    before = snapshot(adata)
    with pytest.raises(error, match=message):
        sr.pp.select_genes(adata, **arguments)
    assert snapshot(adata) == before


def test_too_few_genes_for_a_trend(adata):
    few = adata[:, :20].copy()
    with pytest.raises(ValueError, match="only 20 genes vary, too few to fit a trend.*alpha=None"):
        sr.pp.select_genes(few, layer="log")


@pytest.mark.shared
def test_pbmc_counts_and_scaled_data(shared):
    import scanpy as sc

    adata = sc.datasets.pbmc68k_reduced()
    adata.layers["counts"] = sp.load_npz(shared / "data/counts/10x_pbmc68k_reduced_counts.npz")
    sr.pp.tfs(adata, shared / "data/priors/tfs_human_lambert2018.txt", organism="human")
    with pytest.raises(ValueError, match="negative values .*, as scaled data do"):
        sr.pp.select_genes(adata)
    sr.pp.select_genes(adata, 300, layer="counts")
    report = adata.uns["selected"]
    assert (report["test"], report["n_others_selected"]) == ("poisson", 300)
    assert {"LYZ", "CST3", "NKG7", "GNLY", "CD74"} <= set(adata.var_names[adata.var["selected"]])


@pytest.mark.parametrize("name", ["highly_variable", "mine", "notes"])
def test_what_others_wrote_is_not_overwritten(name, adata):
    adata.var["highly_variable"], adata.var["mine_variance"] = True, "text"
    adata.uns["notes"] = {"made": "by hand"}
    with pytest.raises(ValueError, match=f"key_added='{name}' is taken: adata.* is there and"):
        sr.pp.select_genes(adata, 10, tfs=None, key_added=name)
    assert adata.var["highly_variable"].all()
    assert set(adata.var["mine_variance"]) == {"text"}
    assert adata.uns["notes"] == {"made": "by hand"}
    for n_top in (10, 5):
        sr.pp.select_genes(adata, n_top, tfs=None)
    assert adata.var["selected"].sum() == 5
