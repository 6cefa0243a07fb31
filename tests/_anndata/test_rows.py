from __future__ import annotations

import warnings

import anndata as ad
import numpy as np
import pytest
import scipy.sparse as sp

from scregnet._anndata import rows as _rows
from scregnet._anndata.access import blocks
from scregnet._anndata.rows import BackedCscRows, CscRows, DaskRows

DENSE = np.random.default_rng(0).poisson(0.4, (50, 9)).astype(np.float32)
DENSE[7:12] = 0
DENSE[:, 4] = 0
ROWS = [
    slice(0, 50),
    slice(0, 1),
    slice(49, 50),
    slice(8, 11),
    slice(13, 31),
    np.array([0, 3, 4, 49]),
    np.array([20]),
]


def untidy(form=sp.csc_matrix):
    """Columns whose values do not lie in the order of rows."""
    matrix = form(DENSE)
    for a, b in zip(matrix.indptr[:-1], matrix.indptr[1:], strict=True):
        matrix.indices[a:b], matrix.data[a:b] = (
            matrix.indices[a:b][::-1].copy(),
            matrix.data[a:b][::-1].copy(),
        )
    matrix.has_sorted_indices = False
    return matrix


@pytest.mark.parametrize("rows", ROWS, ids=str)
@pytest.mark.parametrize(
    "make", [lambda: sp.csc_matrix(DENSE), lambda: sp.csc_array(DENSE), untidy]
)
def test_csc_in_memory(make, rows):
    part = CscRows(make())[rows]
    assert part.format == "csr"
    np.testing.assert_array_equal(part.toarray(), DENSE[rows])


def test_a_csc_matrix_is_never_sliced_whole(monkeypatch):
    adata = ad.AnnData(sp.csc_matrix(DENSE))
    monkeypatch.setattr(sp.csc_matrix, "__getitem__", None)
    monkeypatch.setattr(sp.csc_matrix, "_getrow", None, raising=False)
    got = sp.vstack([block for _, block in blocks(adata, None, block_size=7)])
    np.testing.assert_array_equal(got.toarray(), DENSE)


@pytest.mark.parametrize(("strip", "values"), [(8192, 2**23), (6, 100), (1, 1)])
def test_csc_in_a_file(strip, values, tmp_path, monkeypatch):
    monkeypatch.setattr(_rows, "_STRIP", strip)
    monkeypatch.setattr(_rows, "_VALUES", values)
    ad.AnnData(sp.csc_matrix(DENSE)).write_h5ad(tmp_path / "a.h5ad")
    adata = ad.read_h5ad(tmp_path / "a.h5ad", backed="r")
    monkeypatch.setattr(type(adata.X), "to_memory", None)
    for rows in ROWS:
        np.testing.assert_array_equal(BackedCscRows(adata.X)[rows].toarray(), DENSE[rows])
    got = sp.vstack([block for _, block in blocks(adata, None, block_size=7)])
    np.testing.assert_array_equal(got.toarray(), DENSE)
    adata.file.close()


def test_a_slow_file_is_told(tmp_path, monkeypatch, caplog):
    ad.AnnData(sp.csc_matrix(DENSE)).write_h5ad(tmp_path / "a.h5ad")
    adata = ad.read_h5ad(tmp_path / "a.h5ad", backed="r")
    next(blocks(adata, None))
    assert not caplog.records
    monkeypatch.setattr(_rows, "_STRIP", 20)
    next(blocks(adata, None))
    assert "read once for every 20 cells; written as CSR" in caplog.text
    adata.file.close()


@pytest.mark.parametrize("form", [np.asarray, sp.csr_matrix], ids=["dense", "csr"])
def test_dask(form):
    with warnings.catch_warnings():
        # What dask says of its own optional parts is not ours.
        warnings.simplefilter("ignore")
        da = pytest.importorskip("dask.array")
    computed = []

    def read(block):
        computed.append(len(block))
        return form(block)

    chunks = da.from_array(DENSE, chunks=(11, -1)).map_blocks(
        read, dtype=DENSE.dtype, meta=form(DENSE[:0])
    )
    for rows in ROWS:
        np.testing.assert_array_equal(DaskRows(chunks)[rows].toarray(), DENSE[rows])
    computed.clear()
    adata = ad.AnnData(chunks)
    got = list(blocks(adata, None, block_size=4))
    np.testing.assert_array_equal(sp.vstack([block for _, block in got]).toarray(), DENSE)
    assert [block.shape[0] for _, block in got] == [4] * 12 + [2]
    assert computed == [11, 11, 11, 11, 6]
