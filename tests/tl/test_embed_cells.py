"""``sr.tl.embed(of="cells")``: against a plain loop, in parts, stopped, and what is refused."""

from __future__ import annotations

import json
import logging
import shutil
from concurrent.futures import ThreadPoolExecutor

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch

import scregnet as sr
from scregnet._anndata import shards
from scregnet.encoders import CellBlock, create, partial, register, registry
from scregnet.encoders.svd import encoder as svd_module
from small_models import GENES, small

QUIET = {"device": "cpu", "show_progress_bar": False}
# Every model with files, and every way that it gives cells a vector.
WAYS = [
    ("geneformer", "V1", "mean"),
    ("geneformer", "V2", "cls"),
    ("geneformer", "V2", "mean"),
    ("scbert", "", "mean"),
    ("scbert", "", "mean_all"),
    ("scfoundation", "", "all"),
    ("scfoundation", "", "max"),
    ("scgpt", "", "cls"),
    ("scgpt", "", "cls_unit"),
    ("scgpt", "", "mean"),
]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Small files of each model."""
    found = {}
    for name, variant in {(name, variant) for name, variant, _ in WAYS}:
        folder = tmp_path_factory.mktemp(name) / "weights"
        found[name, variant] = small(name).write(folder, GENES, *([variant] if variant else []))
    return found


@pytest.fixture
def adata():
    rng = np.random.default_rng(3)
    dense = rng.poisson(rng.gamma(0.6, 3, (30, 42)) * rng.uniform(0.2, 2, (30, 1)))
    dense[[4, 11]] = 0
    found = ad.AnnData(sp.csr_matrix(dense, dtype=np.float32))
    found.var_names = [*GENES, "unknown", "other"]
    found.obs["half"] = pd.Categorical(["a", "b"] * 15)
    return found


def plain(encoder, adata, pooling):
    """The vector of each cell, encoded alone: a loop over the tokens that the encoder gives."""
    match = encoder.match(adata.var_names.to_numpy(str))
    rows = np.zeros((adata.n_obs, encoder.cell_width(pooling)))
    for cell in range(adata.n_obs):
        block = CellBlock(sp.csr_matrix(adata.X[cell], dtype=float), np.zeros(1, int))
        tokens = encoder.tokenise(block, match)
        if len(tokens.ids) == 0:
            continue
        ids, values = torch.as_tensor(np.array(tokens.ids, int)), tokens.values
        is_gene = tokens.slots >= 0
        with torch.inference_mode():
            name = type(encoder).__name__
            if name == "GeneformerEncoder":
                hidden = encoder.network(input_ids=ids[None], lengths=(len(ids),))[0][0]
            elif name == "ScGptEncoder":
                hidden = encoder.network(ids, torch.as_tensor(values), (len(ids),))
            elif name == "ScBertEncoder":
                bins = torch.zeros(1, len(encoder.genes) + 1, dtype=torch.int64)
                bins[0, ids] = torch.as_tensor(values).long()
                hidden = encoder.network(bins)[0][0]
                at = ids.numpy() if pooling == "mean" else np.arange(len(encoder.genes))
                rows[cell] = hidden.numpy()[at].mean(axis=0)
                continue
            else:
                mask = torch.ones(1, len(ids), dtype=torch.bool)
                hidden = encoder.network.encode(torch.as_tensor(values)[None], ids[None], mask)[0]
                genes = hidden[:-2].numpy()
                parts = [hidden[-1], hidden[-2], genes.max(axis=0), genes.mean(axis=0)]
                rows[cell] = np.concatenate(parts) if pooling == "all" else hidden.numpy().max(0)
                continue
        hidden = hidden.numpy()
        rows[cell] = hidden[is_gene].mean(axis=0) if pooling == "mean" else hidden[0]
        if pooling == "cls_unit":
            rows[cell] /= np.linalg.norm(rows[cell])
    return rows


@pytest.mark.parametrize(("name", "variant", "pooling"), WAYS)
def test_cells_are_those_of_a_plain_loop(name, variant, pooling, folders, adata):
    told = {"weights": folders[name, variant], "cell_pooling": pooling, **QUIET}
    more = {"section": "gene", "target_resolution": "t4"} if name == "scfoundation" else {}
    sr.tl.embed(adata, name, of="both", **told, **more)
    both = adata.obsm[name]
    sr.tl.embed(adata, name, of="cells", batch_size=3, key_added="alone", **told, **more)
    encoder = create(name, weights=folders[name, variant], **more)
    expected = plain(encoder, adata, pooling)
    assert both.dtype == np.float32
    np.testing.assert_allclose(both, expected, atol=3e-6)
    np.testing.assert_allclose(adata.obsm["alone"], expected, atol=3e-6)
    covered = adata.obs[f"{name}_covered"]
    assert np.flatnonzero(~covered).tolist() == [4, 11]
    assert not both[[4, 11]].any()
    params = adata.uns["alone"]["cell_params"]
    assert params["cell_pooling"] == pooling
    assert params["n_cells_used"] == 28
    assert params["cell_dimension"] == expected.shape[1]
    assert "varm_key" not in adata.uns["alone"]
    assert "alone" not in adata.varm
    # Genes come out as without cells.
    genes = sr.tl.embed(
        adata, name, weights=folders[name, variant], copy=True, key_added="g", **QUIET, **more
    )
    np.testing.assert_allclose(adata.varm[name], genes.varm["g"], atol=1e-6)


def test_scfoundation_takes_its_weights_and_depth_for_cells(folders, adata, tmp_path):
    folder = shutil.copytree(folders["scfoundation", ""], tmp_path / "w")
    (path,) = folder.glob("*.ckpt")
    content = torch.load(path, weights_only=True)
    state = {
        k: v + 0.01 if v.is_floating_point() else v
        for k, v in content["gene"]["state_dict"].items()
    }
    torch.save({**content, "cell": {**content["gene"], "state_dict": state}}, path)
    for of, section, depth in (("cells", "cell", "t4"), ("both", "gene", "f1")):
        sr.tl.embed(adata, "scfoundation", weights=folder, of=of, key_added=of, **QUIET)
        params = adata.uns[of]["cell_params"]
        assert (params["section"], params["target_resolution"]) == (section, depth)
    assert np.abs(adata.obsm["cells"] - adata.obsm["both"]).max() > 0.01


def test_genes_and_cells_keep_each_other(folders, adata):
    told = {"weights": folders["scgpt", ""], "key_added": "e", **QUIET}
    sr.tl.embed(adata, "scgpt", **told)
    genes, params = adata.varm["e"].copy(), dict(adata.uns["e"]["params"])
    sr.tl.embed(adata, "scgpt", of="cells", **told)
    assert set(adata.uns["e"]) == {"varm_key", "params", "obsm_key", "cell_params"}
    assert adata.uns["e"]["params"]["pooling"] == params["pooling"] == "mean"
    np.testing.assert_array_equal(adata.varm["e"], genes)
    cells = adata.obsm["e"].copy()
    sr.tl.embed(adata, "svd", n_components=2, key_added="e", **QUIET)
    np.testing.assert_array_equal(adata.obsm["e"], cells)
    assert adata.uns["e"]["params"]["model"] == "svd"
    assert adata.uns["e"]["cell_params"]["model"] == "scgpt"


@pytest.mark.parametrize("many", [False, True])
def test_svd_scores_are_expression_times_loadings(adata, many, monkeypatch):
    if many:
        monkeypatch.setattr(svd_module, "MANY_CELLS", 0)
    sr.tl.embed(adata, "svd", of="both", n_components=5, **QUIET)
    counts = adata.X.toarray().astype(float)
    totals = counts.sum(axis=1, keepdims=True)
    logged = np.log1p(1e4 * counts / np.where(totals > 0, totals, 1))
    filled = logged[totals[:, 0] > 0]
    left, sizes, right = np.linalg.svd(filled, full_matrices=False)
    sign = np.sign(right[np.arange(5), np.abs(right[:5]).argmax(axis=1)])
    expected = (left[:, :5] * sizes[:5]) * sign
    found = adata.obsm["svd"][totals[:, 0] > 0]
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3 * sizes[4])
    assert adata.obs["svd_covered"].sum() == 28


def test_a_neighbour_graph_of_them(folders, adata):
    import scanpy as sc

    sr.tl.embed(adata, "geneformer", of="cells", weights=folders["geneformer", "V2"], **QUIET)
    seen = adata[adata.obs["geneformer_covered"]].copy()
    # Neither umap nor pynndescent, which take half a minute to import.
    told = {"method": "gauss", "transformer": "sklearn"}
    sc.pp.neighbors(seen, use_rep="geneformer", n_neighbors=5, **told)
    assert seen.obsp["connectivities"].nnz > 28


def test_workers_give_the_cells_in_their_order(adata, folders, tmp_path, monkeypatch):
    monkeypatch.setattr(shards, "SHARD", 7)
    adata.write_h5ad(tmp_path / "cells.h5ad")
    backed = ad.read_h5ad(tmp_path / "cells.h5ad", backed="r")
    told = {"of": "both", "max_cells": 19, **QUIET}
    with ThreadPoolExecutor(2) as pool:
        for name, more in (
            ("svd", {"n_components": 3}),
            ("scgpt", {"weights": folders["scgpt", ""]}),
        ):
            monkeypatch.setattr(svd_module, "MANY_CELLS", 0)
            sr.tl.embed(backed, name, key_added="one", **told, **more)
            sr.tl.embed(backed, name, key_added="parts", client=pool, **told, **more)
            np.testing.assert_allclose(backed.obsm["parts"], backed.obsm["one"], atol=1e-5)
            np.testing.assert_allclose(backed.varm["parts"], backed.varm["one"], atol=1e-5)
            assert np.array_equal(backed.obs["parts_covered"], backed.obs["one_covered"])
            assert (
                backed.obs["one_covered"].sum() == backed.uns["one"]["cell_params"]["n_cells_used"]
            )
    backed.file.close()


@pytest.mark.parametrize("of", ["cells", "both"])
def test_a_run_that_was_stopped_continues(adata, folders, of, tmp_path, monkeypatch, caplog):
    from scregnet.encoders.scgpt.encoder import ScGptEncoder

    caplog.set_level(logging.INFO, logger="scregnet")
    monkeypatch.setattr(partial, "INTERVAL", 0)
    monkeypatch.setattr(partial, "_SHARE", 0)
    told = {"weights": folders["scgpt", ""], "of": of, "batch_size": 4, **QUIET}
    sr.tl.embed(adata, "scgpt", key_added="whole", resume=False, **told)
    encode, calls = ScGptEncoder.encode, []

    def failing(self, batch):
        calls.append(len(batch.cells))
        if len(calls) == 4:
            msg = "power cut"
            raise RuntimeError(msg)
        return encode(self, batch)

    with sr.settings.override(cache_dir=tmp_path):
        monkeypatch.setattr(ScGptEncoder, "encode", failing)
        with pytest.raises(RuntimeError, match="power cut"):
            sr.tl.embed(adata, "scgpt", key_added="parts", **told)
        assert "parts" not in adata.obsm
        sr.tl.embed(adata, "scgpt", key_added="parts", **told)
    assert "continuing from cell 12 of 30" in caplog.text
    assert sum(calls) == 28 + 4
    np.testing.assert_array_equal(adata.obsm["parts"], adata.obsm["whole"])
    if of == "both":
        np.testing.assert_array_equal(adata.varm["parts"], adata.varm["whole"])


def test_what_is_refused(adata, folders, monkeypatch):
    weights = folders["scgpt", ""]
    for told, words in (
        ({"of": "cell"}, "of='cell' is not known"),
        ({"of": "cells", "groupby": "half"}, "groupby='half' is about vectors of genes"),
        ({"of": "cells", "pooling": "attentive"}, "pooling='attentive' is about"),
        ({"cell_pooling": "cls"}, "cell_pooling='cls' is about vectors of cells"),
        ({"of": "cells", "cell_pooling": "max"}, "cell_pooling='max' is not known; .*cls_unit"),
        ({"of": "cells", "gene_vectors": "static"}, "makes vectors of genes alone"),
    ):
        with pytest.raises(ValueError, match=words):
            sr.tl.embed(adata, "scgpt", weights=weights, **told, **QUIET)
    with pytest.raises(ValueError, match="axes of its own for each category"):
        sr.tl.embed(adata, "svd", of="both", groupby="half", min_cells=1)
    adata.obsm["mine"] = np.zeros((30, 2))
    with pytest.raises(ValueError, match=r"adata.obsm\['mine'\] is there"):
        sr.tl.embed(adata, "svd", of="cells", key_added="mine")
    assert list(adata.obsm) == ["mine"]
    assert list(adata.obs) == ["half"]
    monkeypatch.setattr(registry, "_ENTRIES", dict(registry._ENTRIES))

    class Nothing:
        poolings = ()

        def describe(self):
            return {}

        def embed(self, cells, genes, options):
            raise AssertionError

    register("nothing", Nothing)
    with pytest.raises(ValueError, match="makes vectors of genes alone"):
        sr.tl.embed(adata, "nothing", of="both")


def test_groups_of_genes_and_one_matrix_of_cells(adata, folders):
    told = {"weights": folders["geneformer", "V1"], "key_added": "e", **QUIET}
    sr.tl.embed(adata, "geneformer", of="both", groupby="half", min_cells=2, **told)
    assert set(adata.varm) == {"e_a", "e_b"}
    assert list(adata.obsm) == ["e"]
    one = sr.tl.embed(adata, "geneformer", of="cells", copy=True, **told)
    np.testing.assert_allclose(adata.obsm["e"], one.obsm["e"], atol=1e-6)


@pytest.mark.filterwarnings("ignore:From 0.4:FutureWarning")
def test_a_file_and_a_mudata_keep_them(adata, folders, tmp_path):
    import mudata as md

    both = md.MuData({"rna": adata.copy()})
    told = {"weights": folders["scbert", ""], "of": "cells", **QUIET}
    sr.tl.embed(both, "scbert", **told)
    sr.tl.embed(adata, "scbert", **told)
    np.testing.assert_array_equal(both["rna"].obsm["scbert"], adata.obsm["scbert"])
    adata.write_h5ad(tmp_path / "a.h5ad")
    again = ad.read_h5ad(tmp_path / "a.h5ad")
    np.testing.assert_array_equal(again.obsm["scbert"], adata.obsm["scbert"])
    assert json.dumps(again.uns["scbert"]["cell_params"]["cell_pooling"]) == '"mean"'
    # A genes' embedding is asked for by its own record.
    with pytest.raises(KeyError, match="scbert"):
        sr.tl.fit_grn(adata, dict.fromkeys(GENES[:4], GENES[4:20]), embedding="scbert")
