"""What every registered encoder must hold, seen through ``tl.embed``; a user's own encoder is one of them."""

from __future__ import annotations

import warnings

import anndata as ad
import numpy as np
import pytest
import scipy.sparse as sp

import scregnet as sr
from scregnet.encoders import Embedding, GeneVectors, names, register, registry


class MeanAndVariance:
    """A user's own encoder: two numbers per gene."""

    poolings = ()

    def describe(self):
        return {"moments": 2}

    def embed(self, cells, genes, options):
        first = np.zeros((cells.n_groups, len(genes)))
        second, n_cells = np.zeros_like(first), np.zeros(cells.n_groups, dtype=int)
        for block in cells:
            for group in np.unique(block.groups):
                part = block.matrix[block.groups == group]
                n_cells[group] += part.shape[0]
                first[group] += np.asarray(part.sum(axis=0)).ravel()
                second[group] += np.asarray(part.power(2).sum(axis=0)).ravel()
        groups = tuple(
            GeneVectors(np.stack([a, b], axis=1).astype(np.float32) / max(n, 1), a > 0, int(n))
            for a, b, n in zip(first, second, n_cells, strict=True)
        )
        return Embedding(groups, np.ones(len(genes), dtype=bool))


@pytest.fixture(params=[*names(), "geneformer V2", "own"])
def arguments(request, folders, scbert_folder, scfoundation_folder, scgpt_folder, monkeypatch):
    """The arguments of ``tl.embed`` that run an encoder here; an encoder that is registered and not named here fails."""
    monkeypatch.setattr(registry, "_ENTRIES", dict(registry._ENTRIES))
    register("own", MeanAndVariance)
    return {
        "geneformer": {"model": "geneformer", "weights": folders["V1"]},
        "geneformer V2": {"model": "geneformer", "weights": folders["V2"]},
        "scbert": {"model": "scbert", "weights": scbert_folder},
        "scfoundation": {"model": "scfoundation", "weights": scfoundation_folder},
        "scgpt": {"model": "scgpt", "weights": scgpt_folder},
        "svd": {"model": "svd", "n_components": 4},
        "own": {"model": "own"},
    }[request.param] | {"show_progress_bar": False, "device": "cpu"}


@pytest.fixture
def adata(counts, genes):
    adata = ad.AnnData(counts.copy())
    adata.var_names = genes
    adata.obs_names = [f"cell{i}" for i in range(adata.n_obs)]
    adata.obs["cell_type"] = np.where(np.arange(adata.n_obs) % 3 == 0, "B/T", "T cell")
    return adata


def embedded(adata, arguments, **more):
    """The embedding as an array and its mask, of a copy."""
    arguments = arguments | more
    key = arguments.get("key_added") or arguments["model"]
    result = sr.tl.embed(adata, copy=True, **arguments)
    return result.varm[key], result.var[f"{key}_covered"].to_numpy()


def test_shape_type_mask_and_record(adata, arguments):
    key = arguments["model"]
    assert sr.tl.embed(adata, **arguments) is None
    vectors, covered = adata.varm[key], adata.var[f"{key}_covered"]
    assert vectors.dtype == np.float32
    assert vectors.ndim == 2
    assert len(vectors) == adata.n_vars
    assert covered.dtype == bool
    assert 30 < covered.sum() < adata.n_vars
    assert not covered.iloc[3], "no cell has this gene"
    assert not vectors[~covered].any()
    assert vectors[covered].any(axis=1).all()
    assert np.isfinite(vectors).all()
    assert adata.uns[key]["varm_key"] == key
    params = adata.uns[key]["params"]
    assert params["model"] == key
    assert params["n_cells"] == 30
    assert params["n_cells_empty"] == 2
    assert params["n_genes"] == adata.n_vars
    assert params["n_genes_covered"] == covered.sum()
    assert 0.8 < params["share_known"] <= 1
    assert params["versions"]["scregnet"] == sr.__version__


def test_the_same_again(adata, arguments):
    np.testing.assert_array_equal(embedded(adata, arguments)[0], embedded(adata, arguments)[0])


@pytest.mark.parametrize("batch_size", [1, 3, 100])
def test_batch_size_does_not_show(adata, arguments, batch_size):
    expected, covered = embedded(adata, arguments)
    got, got_covered = embedded(adata, arguments, batch_size=batch_size)
    np.testing.assert_allclose(got, expected, atol=2e-6)
    np.testing.assert_array_equal(got_covered, covered)


@pytest.mark.parametrize("form", ["csc", "dense", "float32", "int64", "explicit zeros", "backed"])
def test_the_form_of_the_matrix_does_not_show(adata, arguments, form, tmp_path):
    expected, covered = embedded(adata, arguments)
    other = adata.copy()
    if form == "backed":
        other.write_h5ad(tmp_path / "cells.h5ad")
        other = ad.read_h5ad(tmp_path / "cells.h5ad", backed="r")
        sr.tl.embed(other, **arguments)
        got, got_covered = (
            other.varm[arguments["model"]],
            other.var[f"{arguments['model']}_covered"].to_numpy(),
        )
        other.file.close()
    else:
        other.X = {
            "csc": lambda x: x.tocsc(),
            "dense": lambda x: x.toarray(),
            "float32": lambda x: x.astype(np.float32),
            "int64": lambda x: x.astype(np.int64),
            "explicit zeros": lambda x: sp.csr_matrix(
                (np.r_[x.data, 0], np.r_[x.indices, 3], np.r_[x.indptr[:-1], x.nnz + 1])
            ),
        }[form](other.X)
        got, got_covered = embedded(other, arguments)
    np.testing.assert_array_equal(got, expected)
    np.testing.assert_array_equal(got_covered, covered)


def test_the_order_of_cells_and_genes_does_not_show(adata, arguments):
    expected, covered = embedded(adata, arguments)
    rng = np.random.default_rng(0)
    cells, order = rng.permutation(adata.n_obs), rng.permutation(adata.n_vars)
    got, got_covered = embedded(adata[cells][:, order].copy(), arguments)
    np.testing.assert_allclose(
        got, expected[order], atol=1e-3 if arguments["model"] == "svd" else 5e-6
    )
    np.testing.assert_array_equal(got_covered, covered[order])


def test_groups(adata, arguments):
    key = arguments["model"]
    sr.tl.embed(adata, groupby="cell_type", **arguments)
    assert adata.uns[key]["groups"].tolist() == ["B/T", "T cell"]
    assert adata.uns[key]["varm_keys"].tolist() == [f"{key}_B_T", f"{key}_T cell"]
    assert key not in adata.varm
    for name, slot in zip(adata.uns[key]["groups"], adata.uns[key]["varm_keys"], strict=True):
        alone, covered = embedded(adata[adata.obs["cell_type"] == name].copy(), arguments)
        np.testing.assert_allclose(adata.varm[slot], alone, atol=5e-6)
        np.testing.assert_array_equal(adata.var[f"{slot}_covered"], covered)


def test_one_cell(adata, arguments):
    one = adata[:1].copy()
    vectors, covered = embedded(one, arguments)
    has = one.X.toarray()[0] > 0
    assert covered.any()
    assert not covered[
        ~has & (adata.var_names != "ENSG00000000100") & (adata.var_names != "ENSG00000000901")
    ].any()
    assert vectors[covered].any(axis=1).all()


def test_one_gene(adata, arguments):
    vectors, covered = embedded(adata[:, :1].copy(), arguments)
    assert len(vectors) == 1
    assert covered.all()
    assert vectors.any()


@pytest.mark.parametrize("format", ["h5ad", "zarr"])
@pytest.mark.parametrize("groupby", [None, "cell_type"])
def test_survives_writing_and_reading(adata, arguments, tmp_path, format, groupby):
    key = arguments["model"]
    sr.tl.embed(adata, groupby=groupby, **arguments)
    path = tmp_path / f"cells.{format}"
    with warnings.catch_warnings():
        # anndata and zarr warn of the future of their formats on every write.
        warnings.simplefilter("ignore")
        getattr(adata, f"write_{format}")(path)
    back = getattr(ad, f"read_{format}")(path)
    assert back.varm.keys() == adata.varm.keys()
    for slot in adata.varm:
        np.testing.assert_array_equal(back.varm[slot], adata.varm[slot])
        assert back.varm[slot].dtype == np.float32
        np.testing.assert_array_equal(back.var[f"{slot}_covered"], adata.var[f"{slot}_covered"])
    written, read = adata.uns[key]["params"], back.uns[key]["params"]
    assert read.keys() == written.keys()
    for name, value in written.items():
        np.testing.assert_array_equal(read[name], value, err_msg=name)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.nan, "NaN or infinite"),
        (np.inf, "NaN or infinite"),
        (-1, "negative"),
        (0.5, "not integers.*layer=.*counts=False"),
    ],
)
def test_wrong_values_leave_the_data_alone(adata, arguments, value, message):
    adata.X[20, 5] = value
    before = adata.copy()
    with pytest.raises(ValueError, match=message):
        sr.tl.embed(adata, **arguments)
    assert list(adata.varm) == list(before.varm) == []
    assert list(adata.var.columns) == []
    assert list(adata.uns) == []


def test_no_counts_at_all(adata, arguments):
    adata.X = sp.csr_matrix(adata.shape)
    with pytest.raises(ValueError, match="none of the 30 cells"):
        sr.tl.embed(adata, **arguments)
    assert list(adata.uns) == []
