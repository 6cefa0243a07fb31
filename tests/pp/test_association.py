from __future__ import annotations

import tracemalloc

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
import scipy.sparse as sp

import scregnet as sr
from scregnet.pp import _association


@pytest.fixture
def tfs(net):
    return net["source"].astype(str).unique()[:4]


def correlations(adata):
    cells = adata.copy()
    sc.pp.normalize_total(cells, target_sum=1e4)
    sc.pp.log1p(cells)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.abs(np.nan_to_num(np.corrcoef(cells.X.toarray().T)))


def test_slots_hold_the_correlations(adata, tfs):
    assert sr.pp.association(adata, tfs) is None
    where = adata.var_names.get_indexer(tfs)
    wanted = np.zeros((adata.n_vars, adata.n_vars))
    wanted[where] = correlations(adata)[where]
    np.fill_diagonal(wanted, 0)
    np.testing.assert_allclose(adata.varp["association"].toarray(), wanted, atol=1e-5)
    assert adata.uns["association"]["kind"] == "evidence"
    assert adata.uns["association"]["n_tfs"] == 4
    assert adata.var["association_n_experiments"].sum() == 4


def test_many_values_are_cut_at_two_standard_errors(adata, tfs, monkeypatch):
    sr.pp.association(adata, tfs, key_added="all")
    monkeypatch.setattr(_association, "MOST_VALUES", 0)
    sr.pp.association(adata, tfs, key_added="some")
    whole, cut = adata.varp["all"].toarray(), adata.varp["some"].toarray()
    least = 2 / np.sqrt(adata.n_obs)
    np.testing.assert_array_equal(cut, np.where(whole < least, 0, whole))
    assert 0 < (cut > 0).sum() < (whole > 0).sum()


def test_blocks_of_tfs_make_no_difference(adata, tfs, monkeypatch):
    sr.pp.association(adata, tfs, key_added="at_once")
    monkeypatch.setattr(_association, "BLOCK", 3)
    sr.pp.association(adata, tfs, key_added="blocks")
    np.testing.assert_allclose(
        adata.varp["at_once"].toarray(), adata.varp["blocks"].toarray(), atol=1e-6
    )


def test_cells_of_a_file_are_read_in_blocks(tmp_path):
    rng = np.random.default_rng(0)
    # A gene that hardly varies beside its mean is told from the rest to the last digits.
    values = rng.gamma(0.3, 1, (20_000, 80)) * (rng.random((20_000, 80)) < 0.3)
    values[:, 3] = 9 + 0.01 * values[:, 5]
    values[:, 7] = 2.5
    names = [f"G{number}" for number in range(80)]
    cells = sp.csr_matrix(values.astype(np.float32))
    ad.AnnData(cells, var=pd.DataFrame(index=names)).write_h5ad(tmp_path / "cells.h5ad")
    backed = ad.read_h5ad(tmp_path / "cells.h5ad", backed="r")
    tracemalloc.start()
    sr.pp.association(backed, names[:10])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    backed.file.close()
    # All cells take 6.4 MB dense; a block and what is made of it, 2 MB.
    assert peak < 3e6
    with np.errstate(invalid="ignore", divide="ignore"):
        wanted = np.abs(np.corrcoef(cells.toarray().T.astype(np.float64)))[:10]
    wanted[np.arange(10), np.arange(10)] = 0
    found = backed.varp["association"].toarray()[:10]
    assert not found[7].any()
    assert not found[:, 7].any()
    np.testing.assert_allclose(found, np.nan_to_num(wanted) * (np.arange(80) != 7), atol=1e-6)


def test_marked_tfs_are_the_default(adata, net):
    with pytest.raises(KeyError, match="is_tf.*sr.pp.tfs first, or name the TFs"):
        sr.pp.association(adata)
    sr.pp.prior(adata, net)
    sr.pp.association(adata)
    assert adata.uns["association"]["n_tfs"] == adata.var["is_tf"].sum()


def test_it_helps_unseen_targets_of_a_simulated_network():
    data = sr.datasets.simulated(n_obs=400, n_vars=300, n_tfs=30, random_state=1)
    sr.pp.association(data, data.uns["network"]["source"].astype(str).unique())
    sr.pp.split(data, data.uns["network"], kind="targets")
    how = {"split": "split", "n_folds": 1, "n_bootstrap": 0, "show_progress_bar": False}
    figures = []
    for evidence in (None, "association"):
        sr.tl.fit_grn(data, evidence=evidence, **how)
        figures.append(sr.get.metrics(data, split="test", wide=True)["per_tf_auroc"])
    without, with_it = figures
    assert with_it["joint"] > without["joint"] + 0.04
    assert with_it["joint"] > with_it["evidence:association"]


def test_bad_input(adata, tfs):
    with pytest.raises(ValueError, match="tfs: every TF must be in adata.var_names; missing: 'x'"):
        sr.pp.association(adata, [*tfs, "x"])
    with pytest.raises(TypeError, match="tfs must be a sequence of names"):
        sr.pp.association(adata, "TF1")
    with pytest.raises(ValueError, match="none was given"):
        sr.pp.association(adata, [])
    adata.uns["association"] = 1
    with pytest.raises(ValueError, match="key='association' is taken"):
        sr.pp.association(adata, tfs)
