"""What every encoder promises (``GeneEncoder``), seen through ``tl.embed``.

All encoders in the registry are tested. One that reads files has ``<name>/small.py`` here, which
writes small ones. One without files runs with its defaults.
"""

from __future__ import annotations

import pickle
import warnings
from concurrent.futures import Future

import anndata as ad
import numpy as np
import pytest
import scipy.sparse as sp
import torch

import scregnet as sr
from scregnet._anndata import shards
from scregnet.encoders import Embedding, GeneVectors, register, registry


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


OWN = {"own": MeanAndVariance}


class Case:
    """An encoder, how ``tl.embed`` runs it here, and what may be asked of it."""

    def __init__(self, name, weights):
        self.key = name
        encoder = registry.find(name)[0].load_class()
        if hasattr(encoder, "from_weights") and weights is None:
            pytest.fail(f"tests/encoders/{name}/small.py must write small files of model={name!r}")
        self.arguments = {"model": name, "show_progress_bar": False, "device": "cpu"}
        if weights is not None:
            self.arguments["weights"] = weights
        # Small files know the genes of the data; what another encoder knows is its own business.
        self.knows_the_genes = weights is not None
        # A pooled vector is a mean over the cells that express the gene.
        self.pools = bool(encoder.poolings)

    def embed(self, adata, **more):
        """Return the vectors and their mask, of a copy."""
        result = sr.tl.embed(adata, copy=True, **self.arguments | more)
        return result.varm[self.key], result.var[f"{self.key}_covered"].to_numpy()

    def assert_close(self, got, expected, atol):
        """Compare vectors; those that are not pooled may be rotated, as those of an SVD are."""
        if not self.pools:
            got, expected = got @ got.T, expected @ expected.T
            atol *= max(1.0, np.abs(expected).max())
        np.testing.assert_allclose(got, expected, atol=atol)


@pytest.fixture
def case(registered, write_small, monkeypatch):
    monkeypatch.setattr(registry, "_ENTRIES", dict(registry._ENTRIES))
    for name, encoder in OWN.items():
        register(name, encoder)
    name, variant = registered
    return Case(name, write_small(name, variant))


@pytest.fixture
def adata(counts, genes):
    adata = ad.AnnData(counts.copy())
    adata.var_names = genes
    adata.obs_names = [f"cell{i}" for i in range(adata.n_obs)]
    adata.obs["cell_type"] = np.where(np.arange(adata.n_obs) % 3 == 0, "B/T", "T cell")
    return adata


def test_shape_type_mask_and_record(adata, case):
    key = case.key
    assert sr.tl.embed(adata, **case.arguments) is None
    vectors, covered = adata.varm[key], adata.var[f"{key}_covered"]
    assert vectors.dtype == np.float32
    assert vectors.ndim == 2
    assert len(vectors) == adata.n_vars
    assert covered.dtype == bool
    assert covered.any()
    assert not vectors[~covered].any()
    assert np.isfinite(vectors).all()
    assert adata.uns[key]["varm_key"] == key
    params = adata.uns[key]["params"]
    assert params["model"] == key
    assert params["n_cells"] == 30
    assert params["n_cells_empty"] == 2
    assert params["n_genes"] == adata.n_vars
    assert params["n_genes_covered"] == covered.sum()
    assert 0 < params["share_known"] <= 1
    assert params["versions"]["scregnet"] == sr.__version__
    if case.knows_the_genes:
        assert 30 < covered.sum() < adata.n_vars
        assert params["share_known"] > 0.8
    if case.pools:
        assert not covered.iloc[3], "no cell has this gene"
        assert vectors[covered].any(axis=1).all()


def test_the_same_again(adata, case):
    np.testing.assert_array_equal(case.embed(adata)[0], case.embed(adata)[0])


def test_the_users_random_numbers_are_left_alone(adata, case):
    numpy_state, torch_state = np.random.get_state()[1].copy(), torch.get_rng_state()  # noqa: NPY002
    case.embed(adata)
    np.testing.assert_array_equal(np.random.get_state()[1], numpy_state)  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), torch_state)


@pytest.mark.parametrize("batch_size", [1, 3, 100])
def test_batch_size_does_not_show(adata, case, batch_size):
    expected, covered = case.embed(adata)
    got, got_covered = case.embed(adata, batch_size=batch_size)
    case.assert_close(got, expected, atol=2e-6)
    np.testing.assert_array_equal(got_covered, covered)


@pytest.mark.parametrize("form", ["csc", "dense", "float32", "int64", "explicit zeros", "backed"])
def test_the_form_of_the_matrix_does_not_show(adata, case, form, tmp_path):
    expected, covered = case.embed(adata)
    other = adata.copy()
    if form == "backed":
        other.write_h5ad(tmp_path / "cells.h5ad")
        other = ad.read_h5ad(tmp_path / "cells.h5ad", backed="r")
        sr.tl.embed(other, **case.arguments)
        got, got_covered = other.varm[case.key], other.var[f"{case.key}_covered"].to_numpy()
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
        got, got_covered = case.embed(other)
    np.testing.assert_array_equal(got, expected)
    np.testing.assert_array_equal(got_covered, covered)


def test_the_order_of_cells_and_genes_does_not_show(adata, case):
    expected, covered = case.embed(adata)
    rng = np.random.default_rng(0)
    cells, order = rng.permutation(adata.n_obs), rng.permutation(adata.n_vars)
    got, got_covered = case.embed(adata[cells][:, order].copy())
    case.assert_close(got, expected[order], atol=5e-6)
    np.testing.assert_array_equal(got_covered, covered[order])


def test_groups(adata, case):
    key = case.key
    sr.tl.embed(adata, min_cells=1, groupby="cell_type", **case.arguments)
    assert adata.uns[key]["groups"].tolist() == ["B/T", "T cell"]
    assert adata.uns[key]["varm_keys"].tolist() == [f"{key}_B_T", f"{key}_T cell"]
    assert key not in adata.varm
    for name, slot in zip(adata.uns[key]["groups"], adata.uns[key]["varm_keys"], strict=True):
        alone, covered = case.embed(adata[adata.obs["cell_type"] == name].copy())
        case.assert_close(adata.varm[slot], alone, atol=5e-6)
        np.testing.assert_array_equal(adata.var[f"{slot}_covered"], covered)


def test_one_cell(adata, case):
    one = adata[:1].copy()
    vectors, covered = case.embed(one)
    assert covered.any()
    assert np.isfinite(vectors).all()
    if case.pools:
        # These two are the same gene to a model that knows the alias.
        twins = adata.var_names.isin(["ENSG00000000100", "ENSG00000000901"])
        assert not covered[(one.X.toarray()[0] == 0) & ~twins].any()
        assert vectors[covered].any(axis=1).all()


def test_one_gene(adata, case):
    vectors, covered = case.embed(adata[:, :1].copy())
    assert len(vectors) == 1
    assert covered.all()
    assert np.isfinite(vectors).all()
    if case.pools:
        assert vectors.any()


@pytest.mark.parametrize("format", ["h5ad", "zarr"])
@pytest.mark.parametrize("groupby", [None, "cell_type"])
def test_survives_writing_and_reading(adata, case, tmp_path, format, groupby):
    key = case.key
    sr.tl.embed(adata, min_cells=1, groupby=groupby, **case.arguments)
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
def test_wrong_values_leave_the_data_alone(adata, case, value, message):
    adata.X[20, 5] = value
    before = adata.copy()
    with pytest.raises(ValueError, match=message):
        sr.tl.embed(adata, **case.arguments)
    assert list(adata.varm) == list(before.varm) == []
    assert list(adata.var.columns) == []
    assert list(adata.uns) == []


def test_no_counts_at_all(adata, case):
    adata.X = sp.csr_matrix(adata.shape)
    with pytest.raises(ValueError, match="none of the 30 cells"):
        sr.tl.embed(adata, **case.arguments)
    assert list(adata.uns) == []


class Elsewhere:
    """An executor that sends tasks through pickle, as those of other processes do."""

    def submit(self, function, *args):
        future = Future()
        function, args = pickle.loads(pickle.dumps((function, args)))
        future.set_result(pickle.loads(pickle.dumps(function(*args))))
        return future


def test_parts_that_others_read_are_the_whole(adata, case, monkeypatch, tmp_path):
    encoder = registry.find(case.key)[0].load_class()
    adata.write_h5ad(tmp_path / "cells.h5ad")
    backed = ad.read_h5ad(tmp_path / "cells.h5ad", backed="r")
    monkeypatch.setattr(shards, "SHARD", 13)
    if not getattr(encoder, "sums_parts", False):
        with pytest.raises(ValueError, match="does not add up parts of the cells"):
            sr.tl.embed(backed, **case.arguments, client=Elsewhere())
        backed.file.close()
        return
    expected, covered = case.embed(adata)
    sr.tl.embed(backed, **case.arguments, client=Elsewhere())
    np.testing.assert_array_equal(backed.var[f"{case.key}_covered"], covered)
    case.assert_close(backed.varm[case.key], expected, 1e-5)
    assert backed.uns[case.key]["params"]["n_cells_empty"] == 2
    backed.file.close()
