from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

import scregnet as sr
from scregnet.encoders import CellBlock, CellStream, EmbedOptions
from scregnet.encoders.svd import encoder as svd
from scregnet.encoders.svd.encoder import SvdEncoder


def run(counts, n_components=5, *, groups=None, n_groups=1, block=None, raw=True, seed=0):
    counts = sp.csr_matrix(counts, dtype=np.float64)
    groups = np.zeros(counts.shape[0], dtype=int) if groups is None else groups
    size = block or counts.shape[0]
    blocks = [
        CellBlock(counts[start : start + size], groups[start : start + size])
        for start in range(0, counts.shape[0], size)
    ]
    stream = CellStream(blocks, counts.shape[0], n_groups, raw)
    genes = np.array([f"g{i}" for i in range(counts.shape[1])])
    return SvdEncoder(n_components=n_components).embed(
        stream, genes, EmbedOptions(random_state=seed)
    )


@pytest.fixture
def counts():
    rng = np.random.default_rng(0)
    counts = rng.poisson(rng.gamma(1, 1, (40, 4)) @ rng.gamma(1, 1, (4, 25)))
    counts[[2, 7]] = 0
    counts[:, 6] = 0
    return counts


def log_normalised(counts):
    totals = counts.sum(axis=1, keepdims=True)
    return np.log1p(counts / np.maximum(totals, 1) * 1e4)


def test_vectors_are_the_scaled_loadings(counts):
    group = run(counts).groups[0]
    expressed = log_normalised(counts)[counts.sum(axis=1) > 0]
    _, singular, loadings = np.linalg.svd(expressed, full_matrices=False)
    sign = np.sign(loadings[np.arange(25), np.abs(loadings).argmax(axis=1)])
    expected = (loadings * (sign * singular / np.sqrt(len(expressed)))[:, None]).T[:, :5]
    assert group.vectors.dtype == np.float32
    assert group.n_cells == 38
    np.testing.assert_allclose(group.vectors, expected, atol=2e-3)
    np.testing.assert_allclose(
        np.linalg.norm(group.vectors, axis=0), singular[:5] / np.sqrt(38), rtol=1e-4
    )
    assert (group.vectors[np.abs(group.vectors).argmax(axis=0), np.arange(5)] > 0).all()


def test_full_rank_inner_products_are_mean_products_over_cells(counts):
    vectors = run(counts, 25).groups[0].vectors
    expressed = log_normalised(counts)[counts.sum(axis=1) > 0]
    np.testing.assert_allclose(vectors @ vectors.T, expressed.T @ expressed / 38, atol=1e-4)


def test_a_gene_without_counts_is_not_covered(counts):
    group = run(counts).groups[0]
    assert group.covered.sum() == 24
    assert not group.covered[6]
    assert not group.vectors[6].any()


def test_neither_blocks_nor_repeats_of_cells_show(counts):
    expected = run(counts).groups[0].vectors
    np.testing.assert_array_equal(run(counts, block=7).groups[0].vectors, expected)
    np.testing.assert_allclose(run(np.vstack([counts] * 3)).groups[0].vectors, expected, atol=1e-4)


def test_seed(counts):
    np.testing.assert_array_equal(
        run(counts, seed=3).groups[0].vectors, run(counts, seed=3).groups[0].vectors
    )
    np.testing.assert_allclose(
        run(counts, seed=4).groups[0].vectors, run(counts, seed=3).groups[0].vectors, atol=2e-3
    )
    assert run(counts, seed=None).groups[0].vectors.shape == (25, 5)


def test_values_that_are_no_counts_are_taken_as_they_are(counts):
    direct = run(log_normalised(counts), raw=False).groups[0].vectors
    np.testing.assert_allclose(direct, run(counts).groups[0].vectors, atol=1e-6)


def test_groups_are_what_each_gives_alone(counts):
    groups = np.repeat([0, 2], 20)
    together = run(counts, groups=groups, n_groups=3)
    for group in (0, 2):
        np.testing.assert_array_equal(
            together.groups[group].vectors, run(counts[groups == group]).groups[0].vectors
        )
    assert together.groups[1].n_cells == 0
    assert not together.groups[1].covered.any()


def test_width_is_what_genes_and_cells_allow(counts, caplog):
    with caplog.at_level("INFO", logger="scregnet"):
        embedding = run(counts, 64)
    assert embedding.groups[0].vectors.shape == (25, 25)
    assert embedding.report["dimension"] == 25
    assert "25 components instead of 64" in caplog.text
    assert run(counts[:4], 64).groups[0].vectors.shape == (25, 3)
    # The smaller group has zeros where it has no component.
    groups = np.array([0] * 30 + [1] * 10)
    small = run(counts, 15, groups=groups, n_groups=2).groups[1]
    assert small.vectors.shape == (25, 15)
    assert not small.vectors[:, 10:].any()
    assert small.vectors[:, :10].any(axis=0).all()


def test_one_cell_and_one_gene(counts):
    one_cell = run(counts[:1], 3).groups[0]
    np.testing.assert_allclose(one_cell.vectors[:, 0], log_normalised(counts[:1])[0], rtol=1e-6)
    one_gene = run(counts[:, :1], 3).groups[0].vectors
    assert one_gene.shape == (1, 1)
    assert one_gene.all()


def test_no_counts_at_all():
    (group,) = run(np.zeros((3, 4))).groups
    assert group.n_cells == 0
    assert not group.covered.any()
    np.testing.assert_array_equal(group.vectors, np.zeros((4, 1)))


@pytest.mark.parametrize(("value", "error"), [(0, ValueError), (2.5, TypeError), (True, TypeError)])
def test_n_components(value, error):
    with pytest.raises(error, match="n_components"):
        SvdEncoder(n_components=value)


@pytest.mark.parametrize("groupby", [None, "part"])
def test_many_cells_are_read_in_passes_and_give_the_same_vectors(groupby, monkeypatch):
    adata = sr.datasets.simulated(n_obs=300, n_vars=60)
    adata.obs["part"] = np.repeat(["a", "b"], 150)
    how = {"model": "svd", "n_components": 8, "groupby": groupby}
    held = sr.tl.embed(adata, **how, copy=True)
    monkeypatch.setattr(svd, "MANY_CELLS", 100)
    streamed = sr.tl.embed(adata, **how, copy=True)
    for key in held.varm:
        np.testing.assert_allclose(
            streamed.varm[key] @ streamed.varm[key].T, held.varm[key] @ held.varm[key].T, atol=0.02
        )
        # Leading components, whose signs are fixed, agree one by one.
        np.testing.assert_allclose(streamed.varm[key][:, :3], held.varm[key][:, :3], atol=0.02)
    assert streamed.uns["svd"]["params"]["passes"] == svd.PASSES
