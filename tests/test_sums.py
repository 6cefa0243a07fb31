"""Sums over cells: parts are the whole, also by way of files, and files are checked."""

from __future__ import annotations

import zipfile
from functools import reduce
from operator import add
from pathlib import Path

import anndata as ad
import numpy as np
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import scregnet as sr
from scregnet._anndata.streamed import GeneSums
from scregnet._sums import load_sums, save_sums
from scregnet.encoders.pooling import PooledSums, StreamingPooler
from scregnet.encoders.protocol import Encoded
from scregnet.encoders.svd.gram_sketch import GramSketch
from scregnet.pp._moments import MomentSums, moment_sums

N_GENES = 12
BASIS = GramSketch.start(N_GENES, 3, np.random.default_rng(0))


def pooled(cells):
    pooler = StreamingPooler(2, N_GENES, 3, pooling="attentive")
    slots = torch.arange(N_GENES).repeat(cells.shape[0], 1)
    slots[torch.as_tensor(cells.toarray() == 0)] = -1
    values = torch.as_tensor(cells.toarray(), dtype=torch.float32)
    hidden = torch.stack([values, values.sqrt(), -values], dim=-1)
    pooler.add(Encoded(hidden, slots, values), np.arange(cells.shape[0]) % 2)
    return pooler.pooled()


SUMS = {
    GeneSums: GeneSums.of,
    MomentSums: lambda cells: moment_sums([(np.arange(cells.shape[0]), cells)], counts=True),
    GramSketch: BASIS.with_rows,
    PooledSums: pooled,
}


@st.composite
def shards(draw):
    """Counts, and some shards of them; a shard may be one cell, and cells may be empty."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    n_cells = draw(st.integers(1, 40))
    counts = rng.poisson(rng.gamma(0.3, 10.0 ** draw(st.integers(-1, 4)), (n_cells, N_GENES)))
    # An even number of cells each, so that groups alternate as they do in the whole.
    cuts = sorted(draw(st.sets(st.integers(1, max(n_cells // 2, 1)), max_size=6)))
    matrix = sp.csr_matrix(counts.astype(np.float64))
    edges = [0, *(2 * cut for cut in cuts if 2 * cut < n_cells), n_cells]
    return matrix, [matrix[a:b] for a, b in zip(edges[:-1], edges[1:], strict=True)]


@pytest.mark.parametrize("kind", SUMS, ids=lambda kind: kind.__name__)
@settings(max_examples=25, deadline=None)
@given(shards())
def test_shards_in_files_are_the_whole(tmp_path_factory, kind, cells):
    whole, parts = cells
    folder = tmp_path_factory.mktemp("sums")
    for number, part in enumerate(parts):
        save_sums(folder / f"{number}.npz", SUMS[kind](part))
    found = reduce(add, (load_sums(folder / f"{n}.npz", kind) for n in range(len(parts))))
    wanted = SUMS[kind](whole)
    for name in kind.FORMS:
        one, all_ = getattr(found, name), getattr(wanted, name)
        assert np.asarray(one).dtype == np.asarray(all_).dtype
        np.testing.assert_allclose(one, all_, rtol=1e-6, atol=1e-9 * np.abs(all_).max(initial=1))
    assert not list(folder.glob("*.part"))


@pytest.fixture
def saved(tmp_path):
    counts = np.random.default_rng(0).poisson(2, (9, N_GENES))
    save_sums(tmp_path / "sums.npz", GeneSums.of(sp.csr_matrix(counts)))
    return tmp_path / "sums.npz"


def rewritten(path, how=np.savez, **changes):
    with np.load(path) as file:
        arrays = dict(file.items()) | changes
    how(path, allow_pickle=True, **{k: v for k, v in arrays.items() if v is not None})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"of": np.array("Other")}, "it holds 'Other'"),
        ({"total": None}, "instead of"),
        ({"more": np.ones(1)}, "instead of"),
        ({"total": np.ones(5)}, "5 genes|12 genes"),
        ({"total": np.ones((12, 1))}, "2 dimensions"),
        ({"total": np.full(12, np.nan)}, "total holds NaN"),
        ({"n_cells": np.array(2.5)}, "n_cells has the type float64"),
        ({"total": np.array([{}] * 12)}, "is not of the size|pickle"),
    ],
)
def test_a_file_of_something_else_is_refused(saved, changes, message):
    rewritten(saved, **changes)
    with pytest.raises(ValueError, match=rf"sums.npz' does not hold GeneSums: .*({message})"):
        load_sums(saved, GeneSums)


def read_or_refused(path):
    try:
        return load_sums(path, GeneSums)
    except ValueError as error:
        if "does not hold GeneSums" not in str(error):
            raise
        return None


def test_a_damaged_file_is_refused(saved):
    whole, intact = saved.read_bytes(), load_sums(saved, GeneSums)
    for cut in range(0, len(whole), 97):
        saved.write_bytes(whole[:cut])
        with pytest.raises(ValueError, match="does not hold GeneSums"):
            load_sums(saved, GeneSums)
    for place in range(0, len(whole), 53):
        saved.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
        found = read_or_refused(saved)
        # The archive has a checksum of every array; the rest of it says nothing of them.
        for name in GeneSums.FORMS if found else ():
            np.testing.assert_array_equal(getattr(found, name), getattr(intact, name))


def test_a_size_that_is_only_stated_takes_no_memory(saved):
    rewritten(saved, how=np.savez_compressed)
    with pytest.raises(ValueError, match="is compressed"):
        load_sums(saved, GeneSums)
    with zipfile.ZipFile(saved, "w") as file:
        header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (4000000000000,), }"
        file.writestr(
            "total.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header
        )
    with pytest.raises(ValueError, match="is not of the size that it states"):
        load_sums(saved, GeneSums)


def test_sketches_of_two_bases_do_not_add_up():
    other = GramSketch.start(N_GENES, 3, np.random.default_rng(1))
    with pytest.raises(ValueError, match="the sketches are not of one basis"):
        BASIS + other


def test_the_example_of_the_page_runs(tmp_path, monkeypatch):
    """Files of shards, as a job array writes them, give the vectors of one process."""
    page = (Path(__file__).resolve().parents[1] / "docs" / "scaling.md").read_text("utf-8")
    section = page[page.index("(shard-files)=") :]
    example = section[section.index("```python\n") + 10 :].partition("```")[0]
    monkeypatch.chdir(tmp_path)
    cells = sr.datasets.simulated(n_obs=300, n_vars=60, random_state=0)
    network = cells.uns.pop("network")
    cells = cells[np.asarray(cells.X.sum(axis=1)).ravel() > 0].copy()
    ad.AnnData(cells.X, obs=cells.obs, var=cells.var).write_h5ad("cells.h5ad")
    names = {"network": network}
    with sr.settings.override(progress_bar=False):
        exec(compile(example, "docs/scaling.md", "exec"), names)
    sr.tl.embed(cells, "svd", n_components=16, show_progress_bar=False)
    # Up to the sign of a component.
    found, wanted = np.abs(names["vectors"].to_numpy()), np.abs(cells.varm["svd"])
    np.testing.assert_allclose(found[:, :4], wanted[:, :4], atol=2e-3)
    assert names["adata"].uns["grn"]["params"]["embedding"] != "none"
    names["adata"].file.close()
