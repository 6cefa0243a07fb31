"""``client=``: parts of a file that other processes read add up to what one process gives."""

from __future__ import annotations

import multiprocessing
import os
import socket
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch

import scregnet as sr
from scregnet._anndata import shards
from scregnet.encoders import CellTokens, Encoded, GeneMatch, register, registry
from scregnet.encoders.svd import encoder as svd
from scregnet.encoders.token_encoder import TokenEncoder

N_CELLS, N_GENES = 1500, 120


class Powers(TokenEncoder):
    """The vector of a gene in a cell: powers of its count."""

    dimension = 2

    def match(self, genes):
        return GeneMatch(np.arange(len(genes)), np.arange(len(genes)))

    def tokenise(self, block, match):
        found = block.matrix
        return CellTokens(found.indptr, found.indices, found.indices, found.data)

    def encode(self, batch):
        values = torch.as_tensor(batch.values)
        hidden = torch.stack([values.sqrt(), values**2], dim=-1)
        return Encoded(hidden=hidden, slots=torch.as_tensor(batch.slots))

    def to(self, device):
        pass

    def describe(self):
        return {"powers": 2}


@pytest.fixture(scope="module")
def counts():
    rng = np.random.default_rng(0)
    programmes = rng.gamma(0.4, 1, (5, N_GENES)) * rng.gamma(0.6, 1, N_GENES)
    values = rng.poisson(rng.gamma(1, 1, (N_CELLS, 5)) @ programmes)
    values[:, 5] = 60 * (rng.random(N_CELLS) < 0.1)
    values[[3, 700]] = 0
    return values.astype(np.float32)


@pytest.fixture(scope="module", params=["csr", "csc", "dense"])
def path(request, counts, tmp_path_factory):
    values = counts if request.param == "dense" else sp.csr_array(counts).asformat(request.param)
    obs = pd.DataFrame({"type": pd.Categorical(["a", "b", "b"] * (N_CELLS // 3))})
    obs.index = obs.index.astype(str)
    names = [f"G{number}" for number in range(N_GENES)]
    adata = ad.AnnData(values, obs=obs, var=pd.DataFrame(index=names))
    where = tmp_path_factory.mktemp("cells") / "cells.h5ad"
    adata.write_h5ad(where)
    return where


@pytest.fixture
def backed(path):
    adata = ad.read_h5ad(path, backed="r")
    yield adata
    adata.file.close()


@pytest.fixture
def threads(monkeypatch):
    """Workers that take no time to start, and shards smaller than the data."""
    monkeypatch.setattr(shards, "SHARD", 400)
    with ThreadPoolExecutor(2) as pool:
        yield pool


@pytest.mark.parametrize("counted", [True, False])
def test_genes_are_selected_alike(backed, threads, counted, tmp_path):
    if not counted:
        logged = ad.AnnData(np.log1p(backed.to_memory().X), var=backed.var)
        logged.write_h5ad(tmp_path / "log.h5ad")
        backed = ad.read_h5ad(tmp_path / "log.h5ad", backed="r")
    sr.pp.select_genes(backed, 20, tfs=None)
    sr.pp.select_genes(backed, 20, tfs=None, client=threads, key_added="parts")
    one, parts = backed.uns["selected"], backed.uns["parts"]
    assert one["test"] == parts["test"] == ("poisson" if counted else "trend")
    assert one["n_empty_cells"] == parts["n_empty_cells"] == 2
    np.testing.assert_array_equal(backed.var["selected"], backed.var["parts"])
    for name in ("variance", "p_value"):
        np.testing.assert_allclose(
            backed.var[f"selected_{name}"], backed.var[f"parts_{name}"], rtol=1e-6
        )
    if not counted:
        backed.file.close()


@pytest.mark.parametrize("how", [{}, {"groupby": "type", "max_cells": 450}])
def test_svd_is_that_of_one_process(backed, threads, how, monkeypatch):
    monkeypatch.setattr(svd, "MANY_CELLS", 0)
    told = {"model": "svd", "n_components": 4, "show_progress_bar": False, **how}
    sr.tl.embed(backed, **told)
    sr.tl.embed(backed, **told, key_added="parts", client=threads)
    suffixes = ["_a", "_b"] if how else [""]
    for suffix in suffixes:
        np.testing.assert_allclose(
            backed.varm[f"parts{suffix}"], backed.varm[f"svd{suffix}"], atol=1e-6
        )
    one, parts = backed.uns["svd"]["params"], backed.uns["parts"]["params"]
    assert one.keys() == parts.keys()
    assert {k for k in one if np.any(one[k] != parts[k])} == set()


def test_a_pooled_model_is_that_of_one_process(backed, threads, monkeypatch):
    monkeypatch.setattr(registry, "_ENTRIES", dict(registry._ENTRIES))
    register("powers", Powers)
    told = {"show_progress_bar": False, "device": "cpu", "groupby": "type"}
    sr.tl.embed(backed, "powers", **told)
    sr.tl.embed(backed, "powers", **told, key_added="parts", client=threads)
    for group in "ab":
        np.testing.assert_allclose(
            backed.varm[f"parts_{group}"], backed.varm[f"powers_{group}"], rtol=1e-6
        )
        np.testing.assert_array_equal(
            backed.var[f"parts_{group}_covered"], backed.var[f"powers_{group}_covered"]
        )


@pytest.mark.parametrize("path", ["csr"], indirect=True)
def test_two_processes_of_dask(backed, monkeypatch):
    with warnings.catch_warnings():
        # What dask says of its own optional parts is not ours.
        warnings.simplefilter("ignore")
        distributed = pytest.importorskip("distributed", reason="the extra dask is not installed")
        monkeypatch.setattr(shards, "SHARD", 400)
        cluster = distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        )
        with cluster, distributed.Client(cluster) as client:
            sr.pp.select_genes(backed, 20, tfs=None, client=client, key_added="parts")
            told = {"model": "svd", "n_components": 4, "show_progress_bar": False}
            sr.tl.embed(backed, **told, key_added="apart", client=client)
            assert len(client.ncores()) == 2
    sr.pp.select_genes(backed, 20, tfs=None)
    np.testing.assert_array_equal(backed.var["selected"], backed.var["parts"])
    monkeypatch.setattr(svd, "MANY_CELLS", 0)
    sr.tl.embed(backed, **told)
    np.testing.assert_allclose(backed.varm["apart"], backed.varm["svd"], atol=1e-6)


@pytest.mark.parametrize("path", ["csr"], indirect=True)
def rank(number, port, path, out):
    """One of two processes that make the same calls."""
    os.environ |= {"RANK": str(number), "LOCAL_RANK": str(number), "WORLD_SIZE": "2"}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    torch.set_num_threads(1)
    shards.SHARD = 400
    adata = ad.read_h5ad(path, backed="r")
    told = {"show_progress_bar": False, "device": "cpu", "client": "torchrun"}
    sr.tl.embed(adata, "powers", **told)
    seen = []
    whole = shards.Shard.blocks
    shards.Shard.blocks = lambda self, **more: (seen.append(len(self.rows)), whole(self, **more))[1]
    sr.pp.select_genes(adata, 20, tfs=None, client="torchrun")
    adata.file.close()
    np.savez(
        f"{out}/{number}.npz", powers=adata.varm["powers"], chosen=adata.var["selected"], seen=seen
    )
    Powers.encode = None
    with pytest.raises(TypeError, match="not callable"):
        sr.tl.embed(ad.read_h5ad(path, backed="r"), "powers", **told)


@pytest.mark.parametrize("path", ["csr"], indirect=True)
def test_two_processes_of_torchrun(backed, path, tmp_path, monkeypatch):
    """Each reads a part of the cells, and both end with the vectors of all."""
    monkeypatch.setattr(registry, "_ENTRIES", dict(registry._ENTRIES))
    register("powers", Powers)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    context = multiprocessing.get_context("fork")
    both = [context.Process(target=rank, args=(at, port, path, tmp_path)) for at in (0, 1)]
    for process in both:
        process.start()
    for process in both:
        process.join()
    assert [process.exitcode for process in both] == [0, 0]
    sr.tl.embed(backed, "powers", show_progress_bar=False, device="cpu")
    sr.pp.select_genes(backed, 20, tfs=None)
    read = []
    for at in (0, 1):
        with np.load(tmp_path / f"{at}.npz") as found:
            np.testing.assert_allclose(found["powers"], backed.varm["powers"], rtol=1e-6)
            np.testing.assert_array_equal(found["chosen"], backed.var["selected"])
            read.append(found["seen"].tolist())
    assert 0 < sum(read[0]) < 2 * N_CELLS
    assert sum(map(sum, read)) == 2 * N_CELLS


@pytest.mark.parametrize("path", ["csr"], indirect=True)
def test_torchrun_without_it(backed, monkeypatch):
    monkeypatch.delenv("RANK", raising=False)
    with pytest.raises(ValueError, match="torchrun --nproc-per-node=2 script.py. RANK"):
        sr.pp.select_genes(backed, 20, tfs=None, client="torchrun")


def test_a_worker_reads_no_other_file(backed, threads):
    first, *others = shards.shards(backed)
    assert [len(shard.rows) for shard in (first, *others)] == [400, 400, 400, 300]
    with pytest.raises(FileNotFoundError, match="a worker of client= finds another file at"):
        list(replace(first, n_bytes=1).blocks())
    with pytest.raises(FileNotFoundError, match="finds no file at '/nowhere'; all workers must"):
        list(replace(first, path="/nowhere").blocks())


def test_what_a_worker_raises_comes_back(counts, threads, tmp_path):
    counts = counts.copy()
    counts[-1, 0] = 0.5
    ad.AnnData(counts).write_h5ad(tmp_path / "cells.h5ad")
    backed = ad.read_h5ad(tmp_path / "cells.h5ad", backed="r")
    with pytest.raises(ValueError, match="raw counts are needed, but adata.X holds values"):
        sr.tl.embed(backed, "svd", client=threads, show_progress_bar=False)
    assert list(backed.uns) == list(backed.varm) == []
    backed.file.close()


@pytest.mark.parametrize("path", ["csr"], indirect=True)
def test_bad_clients(backed, threads, path, monkeypatch):
    with pytest.raises(TypeError, match="client must be a dask.distributed.Client.*got str"):
        sr.pp.select_genes(backed, tfs=None, client="tcp://localhost:8786")
    with pytest.raises(ValueError, match="client= needs cells in a file, which each worker opens"):
        sr.tl.embed(backed.to_memory(), "svd", client=threads)
    backed.layers["counts"] = sp.csr_matrix((N_CELLS, N_GENES), dtype=np.float32)
    with pytest.raises(ValueError, match="layer='counts': client= reads X of the file only"):
        sr.tl.embed(backed, "svd", layer="counts", client=threads)
    monkeypatch.setattr(svd.SvdEncoder, "sums_parts", False)
    with pytest.raises(ValueError, match="model='svd' does not add up parts"):
        sr.tl.embed(backed, "svd", client=threads)
    backed.file.close()
    writable = ad.read_h5ad(path, backed="r+")
    with pytest.raises(ValueError, match="opened for 'r\\+'; open it with backed='r'"):
        sr.tl.embed(writable, "svd", client=threads)
    writable.file.close()
