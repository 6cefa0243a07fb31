"""``tl.embed`` takes any number of cells in any form in the same memory; stopped runs continue."""

from __future__ import annotations

import tracemalloc
import warnings

import anndata as ad
import numpy as np
import pytest
import scipy.sparse as sp
import torch

import scregnet as sr
from scregnet.encoders import CellTokens, Encoded, GeneMatch, partial, register, registry
from scregnet.encoders.token_encoder import TokenEncoder

N_GENES = 400


class Square(TokenEncoder):
    """The vector of a gene in a cell: powers of its count."""

    dimension = 2
    fail_at = None
    calls = 0

    def match(self, genes):
        return GeneMatch(np.arange(len(genes)), np.arange(len(genes)))

    def tokenise(self, block, match):
        return CellTokens(
            block.matrix.indptr, block.matrix.indices, block.matrix.indices, block.matrix.data
        )

    def encode(self, batch):
        Square.calls += 1
        if Square.calls == Square.fail_at:
            msg = "power cut"
            raise RuntimeError(msg)
        values = torch.as_tensor(batch.values)
        return Encoded(
            hidden=torch.stack([values.sqrt(), values**2], dim=-1),
            slots=torch.as_tensor(batch.slots),
        )

    def to(self, device):
        pass

    def describe(self):
        return {"powers": 2}


@pytest.fixture(autouse=True)
def square(monkeypatch):
    monkeypatch.setattr(registry, "_ENTRIES", dict(registry._ENTRIES))
    monkeypatch.setattr(Square, "calls", 0)
    monkeypatch.setattr(Square, "fail_at", None)
    register("square", Square)


def counts(n_cells, seed=0):
    rng = np.random.default_rng(seed)
    matrix = sp.random(
        n_cells, N_GENES, density=0.3, format="csr", random_state=rng, dtype=np.float32
    )
    matrix.data = rng.integers(1, 20, matrix.nnz).astype(np.float32)
    return matrix


def embed(adata, **more):
    sr.tl.embed(adata, "square", device="cpu", show_progress_bar=False, **more)
    return adata.varm["square"]


def backed(matrix, path):
    ad.AnnData(matrix).write_h5ad(path)
    return ad.read_h5ad(path, backed="r")


@pytest.mark.parametrize(
    "form", ["csc", "dense", "backed csr", "backed csc", "backed dense", "dask"]
)
def test_every_form_gives_the_same_numbers(form, tmp_path):
    matrix = counts(2500)
    expected = embed(ad.AnnData(matrix.copy()))
    kind = form.rpartition(" ")[2]
    if kind == "dask":
        with warnings.catch_warnings():
            # What dask says of its own optional parts is not ours.
            warnings.simplefilter("ignore")
            da = pytest.importorskip("dask.array")
        other = da.from_array(matrix.toarray(), chunks=(700, -1))
    else:
        other = {"csr": matrix, "csc": matrix.tocsc(), "dense": matrix.toarray()}[kind]
    adata = backed(other, tmp_path / "a.h5ad") if "backed" in form else ad.AnnData(other)
    np.testing.assert_array_equal(embed(adata), expected)
    if "backed" in form:
        adata.file.close()


@pytest.mark.parametrize("form", ["csr", "csc"])
def test_ten_times_the_cells_take_no_more_memory(form, tmp_path):
    peaks = []
    for n_cells in (2000, 20_000):
        adata = backed(counts(n_cells).asformat(form), tmp_path / f"{n_cells}.h5ad")
        tracemalloc.start()
        embed(adata)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        adata.file.close()
    # What the matrix takes, for scale: the whole of it must not have been in memory.
    whole = 20_000 * N_GENES * 0.3 * 12
    if form == "csr":
        # A position, a group and the like for each cell, 38 bytes, and up to 0.3 MB that depend on
        # when Python collects its garbage. A cell's counts take 1,400 bytes.
        assert peaks[1] - peaks[0] < 100 * 18_000
        assert peaks[1] < 0.5 * whole
    else:
        # Below 1.5 times the matrix with anndata 0.12, 1.7 times with 0.13.
        assert peaks[1] < 2 * whole


def test_a_run_that_was_killed_goes_on(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(partial, "INTERVAL", 0)
    monkeypatch.setattr(partial, "_SHARE", 0)
    whole = embed(ad.AnnData(counts(3000)))
    total = Square.calls
    with sr.settings.override(cache_dir=tmp_path):
        Square.calls, Square.fail_at = 0, total // 2
        adata = ad.AnnData(counts(3000))
        with pytest.raises(RuntimeError, match="power cut"):
            embed(adata)
        assert list(adata.varm) == list(adata.uns) == []
        (saved,) = (tmp_path / "embed").iterdir()
        Square.calls, Square.fail_at = 0, None
        with caplog.at_level("INFO", logger="scregnet"):
            np.testing.assert_array_equal(embed(adata), whole)
        assert Square.calls == total - total // 2 + 1
        assert "continuing from cell" in caplog.text
        assert not saved.exists()
        # The counts of all cells were read, those of the first half too.
        assert adata.uns["square"]["params"]["n_cells_used"] == 3000
        assert adata.uns["square"]["params"]["share_known"] == 1


@pytest.mark.parametrize("field", ["place", "digest", "sums"])
def test_partial_sums_without_a_field_are_a_fresh_start(field, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(partial, "INTERVAL", 0)
    monkeypatch.setattr(partial, "_SHARE", 0)
    whole = embed(ad.AnnData(counts(2500)))
    with sr.settings.override(cache_dir=tmp_path):
        Square.calls, Square.fail_at = 0, 2
        with pytest.raises(RuntimeError, match="power cut"):
            embed(ad.AnnData(counts(2500)))
        Square.calls, Square.fail_at = 0, None
        (saved,) = (tmp_path / "embed").iterdir()
        with np.load(saved) as file:
            arrays = dict(file.items())
        del arrays[field]
        np.savez(saved, **arrays)
        with caplog.at_level("WARNING", logger="scregnet"):
            np.testing.assert_array_equal(embed(ad.AnnData(counts(2500))), whole)
    assert "starting from the first cell" in caplog.text


def test_resume_false_keeps_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(partial, "INTERVAL", 0)
    Square.fail_at = 5
    with sr.settings.override(cache_dir=tmp_path), pytest.raises(RuntimeError):
        embed(ad.AnnData(counts(3000)), resume=False)
    assert list(tmp_path.iterdir()) == []


def test_precision_is_checked_before_anything_else():
    with pytest.raises(ValueError, match="precision='half' is not known"):
        embed(ad.AnnData(counts(30)), precision="half")
    adata = ad.AnnData(counts(30))
    embed(adata)
    assert adata.uns["square"]["params"]["precision"] == "float32"
