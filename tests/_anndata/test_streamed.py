import anndata as ad
import numpy as np
import pytest
import scipy.sparse as sp

from scregnet._anndata.features import expression_features, log_normalised, moments
from scregnet._anndata.streamed import GeneSums, draw_cells, gene_sums


@pytest.fixture(scope="module")
def adata():
    rng = np.random.default_rng(0)
    means = rng.gamma(0.5, 1, 40)
    counts = rng.poisson(means * rng.gamma(2, 0.5, (3000, 1)))
    return ad.AnnData(sp.csr_matrix(counts.astype(np.float32)))


def test_sums_give_the_summary_of_all_cells(adata):
    cells, _ = log_normalised(adata, None)
    np.testing.assert_allclose(gene_sums(adata, None).summary(), moments(cells)[2], rtol=5e-5)


@pytest.mark.parametrize("n_shards", [1, 2, 5])
def test_sums_of_shards_add_up_to_the_whole(adata, n_shards):
    cells, _ = log_normalised(adata, None)
    rows = np.array_split(np.random.default_rng(1).permutation(cells.shape[0]), n_shards)
    total = GeneSums.of(cells[:0])
    for part in rows:
        total += GeneSums.of(cells[part])
    whole = GeneSums.of(cells)
    assert (total.n_cells, total.n_empty) == (whole.n_cells, whole.n_empty)
    for name in ("total", "squares", "n_seen"):
        np.testing.assert_allclose(getattr(total, name), getattr(whole, name), rtol=1e-6)


def test_cells_are_drawn_once_ascending_and_by_the_seed():
    assert draw_cells(10, 10, 0) is None
    assert draw_cells(10, None, 0) is None
    drawn = draw_cells(1000, 100, 0)
    assert len(np.unique(drawn)) == 100
    assert (np.diff(drawn) > 0).all()
    np.testing.assert_array_equal(drawn, draw_cells(1000, 100, 0))
    assert not np.array_equal(drawn, draw_cells(1000, 100, 1))


@pytest.mark.parametrize("rows", [None, np.arange(0, 3000, 2)])
def test_features_of_some_cells_tell_those_of_all(adata, rows):
    how = {"n_pcs": None, "rows": rows, "random_state": 0}
    whole, summary, _ = expression_features(adata, None, **how)
    drawn, same_summary, record = expression_features(adata, None, **how, max_cells=1000)
    assert drawn.shape == (40, 1000)
    assert record["n_cells"] == (3000 if rows is None else 1500)
    assert record["n_cells_drawn"] == 1000
    # The summary is that of all cells.
    np.testing.assert_allclose(same_summary, summary, rtol=5e-5)
    # Standardised by the drawn cells, so that correlations are sound.
    varies = drawn.any(axis=1)
    np.testing.assert_allclose(np.square(drawn[varies]).mean(axis=1), 1, rtol=1e-3)
    difference = np.corrcoef(drawn[varies]) - np.corrcoef(whole[varies])
    assert np.abs(difference).max() < 0.13
    assert np.sqrt(np.square(difference).mean()) < 0.03


def test_drawn_cells_do_not_depend_on_how_the_matrix_is_stored(adata, tmp_path):
    adata.write_h5ad(tmp_path / "cells.h5ad")
    backed = ad.read_h5ad(tmp_path / "cells.h5ad", backed="r")
    how = {"n_pcs": None, "rows": None, "random_state": 0, "max_cells": 500}
    one, two = (expression_features(data, None, **how)[0] for data in (adata, backed))
    np.testing.assert_array_equal(one, two)
    backed.file.close()
