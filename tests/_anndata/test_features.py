import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from anndata import AnnData

from scregnet._anndata.features import (
    embedding_features,
    expression_features,
    log_normalised,
    reduced,
)


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


def test_where_no_gene_varies_the_axes_are_zero():
    data = AnnData(sp.csr_matrix(np.zeros((9, 6), np.float32)))
    axes, _, _ = expression_features(data, None, n_pcs=3, rows=None, random_state=0)
    assert axes.shape == (6, 3)
    assert not axes.any()
    np.testing.assert_array_equal(reduced(np.zeros((6, 9), np.float32), 3, 0), np.zeros((6, 3)))
    with pytest.raises(ValueError, match="n_pcs=6 is more than 9 cells × 6 genes allow; at most 5"):
        expression_features(data, None, n_pcs=6, rows=None, random_state=0)


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


class TestShuffle:
    @pytest.mark.parametrize("dense", [False, True])
    @pytest.mark.parametrize("rows", [None, np.arange(5, 35)])
    def test_values_of_a_gene_stay_and_cells_change(self, adata, dense, rows):
        if dense:
            adata.X = adata.X.toarray()
        call = {"n_pcs": None, "rows": rows, "random_state": 0}
        plain, summary, record = expression_features(adata, None, **call)
        values, again, same_record = expression_features(adata, None, shuffle=True, **call)
        np.testing.assert_array_equal(again, summary)
        assert same_record == record
        np.testing.assert_array_equal(np.sort(values, axis=1), np.sort(plain, axis=1))
        assert (values != plain).any(axis=1).sum() == 11
        # What all cells are given does not follow one permutation of the cells.
        orders = {tuple(np.argsort(row, kind="stable")) for row in values[values.any(axis=1)]}
        assert len(orders) > 5

    def test_co_expression_is_gone(self):
        rng = np.random.default_rng(0)
        # Two modules of six genes: high correlation within, none between.
        level = np.repeat(rng.gamma(1.0, 3.0, (500, 2)), 6, axis=1)
        data = AnnData(sp.csr_matrix(np.log1p(rng.poisson(level)).astype(np.float32)))
        call = {"n_pcs": None, "rows": None, "random_state": 0}
        plain, _, _ = expression_features(data, None, **call)
        values, _, _ = expression_features(data, None, shuffle=True, **call)
        within = np.triu(np.ones((6, 6), bool), 1)
        assert np.corrcoef(plain)[:6, :6][within].min() > 0.5
        # 66 correlations of 500 cells: their standard error is 0.045.
        off_diagonal = np.corrcoef(values)[np.triu_indices(12, 1)]
        assert np.abs(off_diagonal).max() < 0.17
        # The first principal axis: about half of the variance, and no more than chance, 1 / 12.
        shares = []
        for shuffle, of_all in ((False, plain), (True, values)):
            axes, _, _ = expression_features(data, None, shuffle=shuffle, **{**call, "n_pcs": 3})
            shares.append((axes[:, 0] ** 2).sum() / 3 / 12)
            largest = np.linalg.eigvalsh(np.corrcoef(of_all))[-1]
            assert shares[-1] == pytest.approx(largest / 12, rel=1e-4)
        assert shares[0] > 3 * shares[1]

    def test_a_seed_fixes_the_permutation(self, adata):
        draws = [
            expression_features(
                adata, None, n_pcs=None, rows=None, random_state=seed, shuffle=True
            )[0]
            for seed in (0, 0, 1)
        ]
        np.testing.assert_array_equal(draws[0], draws[1])
        assert not np.array_equal(draws[0], draws[2])
