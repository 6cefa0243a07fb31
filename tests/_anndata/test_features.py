import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from anndata import AnnData

from scregnet._anndata.features import embedding_features, expression_features, log_normalised


@pytest.fixture
def adata():
    counts = np.random.default_rng(0).poisson(np.linspace(0.2, 4, 12), (40, 12)).astype(np.float32)
    counts[0] = 0
    counts[:, 3] = 0
    data = AnnData(sp.csr_matrix(counts), var=pd.DataFrame(index=[f"g{i}" for i in range(12)]))
    data.layers["scaled"] = counts - 1.5
    return data


def by_hand(adata):
    counts = adata.X.toarray().astype(float)
    totals = counts.sum(axis=1, keepdims=True)
    return np.log1p(np.divide(counts, totals, out=np.zeros_like(counts), where=totals > 0) * 1e4)


def test_counts_become_log1p_of_counts_per_ten_thousand(adata):
    cells, counts = log_normalised(adata, None)
    assert counts
    np.testing.assert_allclose(cells.toarray(), by_hand(adata), rtol=1e-6)
    assert cells[0].nnz == 0


def test_other_values_are_taken_as_they_are(adata):
    adata.layers["halves"] = adata.X.toarray() / 2
    cells, counts = log_normalised(adata, "halves")
    assert not counts
    np.testing.assert_allclose(cells.toarray(), adata.layers["halves"], rtol=1e-6)


def test_scaled_values_are_refused(adata):
    with pytest.raises(ValueError, match=r"layers\['scaled'\] holds negative values .*layer="):
        log_normalised(adata, "scaled")


def test_some_cells_only_and_the_users_matrix_untouched(adata):
    before = adata.X.toarray()
    cells, _ = log_normalised(adata, None, np.array([5, 2]))
    np.testing.assert_allclose(cells.toarray(), by_hand(adata)[[2, 5]], rtol=1e-6)
    np.testing.assert_array_equal(adata.X.toarray(), before)


def test_genes_are_standardised_over_cells(adata):
    values, summary, record = expression_features(
        adata, None, n_pcs=None, rows=None, random_state=0
    )
    expected = by_hand(adata).T
    spread = expected.std(axis=1, keepdims=True)
    expected = np.divide(
        expected - expected.mean(axis=1, keepdims=True),
        spread,
        out=np.zeros_like(expected),
        where=spread > 0,
    )
    assert values.dtype == np.float32
    np.testing.assert_allclose(values, expected, atol=1e-4)
    assert not values[3].any()
    np.testing.assert_allclose(
        summary,
        np.stack([by_hand(adata).mean(0), spread.ravel(), (by_hand(adata) > 0).mean(0)], axis=1),
        atol=1e-5,
    )
    assert record == {
        "expression": "counts, log1p of counts per 10,000",
        "n_cells": 40,
        "n_cells_empty": 1,
        "n_genes_never_seen": 1,
    }


def test_principal_axes_are_those_of_the_dense_matrix(adata):
    full, _, _ = expression_features(adata, None, n_pcs=None, rows=None, random_state=0)
    axes, _, _ = expression_features(adata, None, n_pcs=5, rows=None, random_state=0)
    left, values, _ = np.linalg.svd(full.astype(float), full_matrices=False)
    expected = left[:, :5] * values[:5] / np.sqrt(40) * np.sqrt(5)
    np.testing.assert_allclose(np.abs(axes), np.abs(expected), atol=1e-4)
    # The largest entry of every axis is positive: the sign does not depend on the solver.
    assert (axes[np.abs(axes).argmax(axis=0), np.arange(5)] > 0).all()


def test_embedding_of_varm_in_every_form(adata):
    vectors = np.random.default_rng(1).normal(size=(12, 4)).astype(np.float32)
    vectors[2] = 0
    adata.varm["array"] = vectors
    adata.varm["sparse"] = sp.csr_matrix(vectors)
    adata.varm["frame"] = pd.DataFrame(vectors, index=adata.var_names, columns=list("abcd"))
    for key in ("array", "sparse", "frame"):
        found, record = embedding_features(adata, key)
        np.testing.assert_array_equal(found, vectors)
        assert record == {"embedding": key, "n_genes_embedded": 11}


def test_auto_without_any_is_none(adata):
    assert embedding_features(adata, "auto") == (None, {"embedding": "none"})


def test_an_embedding_with_nan_is_refused(adata):
    adata.varm["bad"] = np.full((12, 2), np.nan)
    with pytest.raises(ValueError, match="must be a finite matrix"):
        embedding_features(adata, "bad")
