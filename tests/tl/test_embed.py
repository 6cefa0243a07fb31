from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import scregnet as sr
from scregnet.encoders import Embedding, GeneVectors, register, registry


@pytest.fixture
def adata():
    rng = np.random.default_rng(0)
    counts = rng.poisson(rng.gamma(1, 1, (60, 4)) @ rng.gamma(1, 1, (4, 20))).astype(np.float32)
    counts[10] = 0
    counts[:, 7] = 0
    adata = ad.AnnData(counts)
    adata.var_names = [f"G{i}" for i in range(20)]
    adata.obs_names = [f"c{i}" for i in range(60)]
    adata.obs["kind"] = pd.Categorical(["a", "b", "b"] * 20, categories=["b", "a", "never"])
    adata.layers["counts"] = adata.X.copy()
    return adata


class Spy:
    """Keeps what it was given; answers with the sum of each gene per group."""

    poolings = ("mean", "max")
    seen: dict = {}
    answer = None

    def describe(self):
        return {"versions": {"spy": "1"}}

    def embed(self, cells, genes, options):
        blocks = list(cells)
        matrix = np.vstack([block.matrix.toarray() for block in blocks])
        groups = np.concatenate([block.groups for block in blocks])
        Spy.seen = {
            "genes": genes,
            "options": options,
            "matrix": matrix,
            "groups": groups,
            "cells": cells,
        }
        sums = [matrix[groups == group].sum(axis=0) for group in range(cells.n_groups)]
        vectors = tuple(
            GeneVectors(total[:, None].astype(np.float32), total > 0, int((groups == g).sum()))
            for g, total in enumerate(sums)
        )
        known = ~np.isin(genes, ["G1", "G2"])
        return (
            Embedding(vectors, known, {"noted": 3})
            if self.answer is None
            else self.answer(vectors, known)
        )


@pytest.fixture
def spy(monkeypatch):
    monkeypatch.setattr(registry, "_ENTRIES", dict(registry._ENTRIES))
    monkeypatch.setattr(Spy, "answer", None)
    register("spy", Spy)
    return Spy


def untouched(adata):
    return not (
        list(adata.varm)
        or list(adata.uns)
        or [name for name in adata.var if name.endswith("_covered")]
    )


def test_slots(adata):
    assert sr.tl.embed(adata, "svd", n_components=3) is None
    assert adata.varm["svd"].shape == (20, 3)
    assert adata.varm["svd"].dtype == np.float32
    assert adata.var["svd_covered"].tolist() == [i != 7 for i in range(20)]
    assert set(adata.uns["svd"]) == {"varm_key", "params"}
    params = adata.uns["svd"]["params"]
    assert params["n_components"] == 3
    assert params["n_cells"] == 60
    assert params["n_cells_empty"] == 1
    assert params["n_cells_used"] == 59
    assert params["n_genes_known"] == 20
    assert params["n_genes_covered"] == 19
    assert params["counts"] is True
    assert params["layer"] is None
    assert params["pooling"] == "none"
    assert set(params["versions"]) == {"scregnet", "scikit-learn"}


def test_key_added_renames_all_slots(adata):
    sr.tl.embed(adata, "svd", key_added="mine")
    assert list(adata.varm) == ["mine"]
    assert list(adata.var) == ["mine_covered"]
    assert adata.uns["mine"]["varm_key"] == "mine"
    with pytest.raises(ValueError, match="key_added"):
        sr.tl.embed(adata, "svd", key_added="a/b")


def test_what_is_no_embedding_is_not_overwritten(adata):
    sr.pp.evidence(adata, {"TF_x": adata.var_names[:3], "TF_y": adata.var_names[1:5]}, key="chip")
    profile = adata.varm["chip"].copy()
    with pytest.raises(ValueError, match="key_added='chip' is taken"):
        sr.tl.embed(adata, model="svd", n_components=2, key_added="chip")
    np.testing.assert_array_equal(adata.varm["chip"], profile)

    mine = np.ones((adata.n_vars, 2))
    adata.varm["svd"] = mine
    for of in ("genes", "both"):
        with pytest.raises(ValueError, match=r"adata.varm\['svd'\] is there and is not an embed"):
            sr.tl.embed(adata, model="svd", of=of, n_components=4)
    # Vectors of cells are elsewhere, and make it no embedding of genes.
    sr.tl.embed(adata, model="svd", of="cells", n_components=4)
    with pytest.raises(ValueError, match=r"adata.varm\['svd'\] is there"):
        sr.tl.embed(adata, model="svd", n_components=4)
    np.testing.assert_array_equal(adata.varm["svd"], mine)
    # What a call wrote, the next one replaces.
    del adata.varm["svd"]
    for n_components in (4, 5):
        sr.tl.embed(adata, model="svd", n_components=n_components)
    assert adata.varm["svd"].shape[1] == 5


def test_what_the_encoder_is_given(adata, spy):
    with sr.settings.override(progress_bar=False):
        sr.tl.embed(adata, "spy", pooling="max", batch_size=3, device="cpu", random_state=9)
    assert spy.seen["genes"].tolist() == adata.var_names.tolist()
    np.testing.assert_array_equal(spy.seen["matrix"], adata.X)
    options = spy.seen["options"]
    assert (options.pooling, options.batch_size, options.device) == ("max", 3, "cpu")
    assert (options.random_state, options.progress) == (9, False)
    assert spy.seen["cells"].counts is True
    params = adata.uns["spy"]["params"]
    assert params["noted"] == 3
    assert params["pooling"] == "max"
    assert params["versions"] == {"scregnet": sr.__version__, "spy": "1"}
    assert params["n_genes_known"] == 18
    known = ~adata.var_names.isin(["G1", "G2"])
    assert params["share_known"] == pytest.approx(adata.X[:, known].sum() / adata.X.sum())
    sr.tl.embed(adata, "spy", show_progress_bar=True)
    assert spy.seen["options"].progress is True


def test_cells_pass_in_blocks_that_can_be_read_again(spy):
    rng = np.random.default_rng(1)
    adata = ad.AnnData(rng.poisson(1, (9000, 3)).astype(np.float32))
    sr.tl.embed(adata, "spy")
    cells = spy.seen["cells"]
    assert [block.matrix.shape[0] for block in cells] == [1024] * 8 + [808]
    assert sum(block.matrix.sum() for block in cells) == adata.X.sum()
    assert cells.n_cells == 9000


def test_layer(adata):
    adata.layers["counts"] = adata.X.copy()
    adata.X = np.log1p(adata.X)
    expected = adata.copy()
    expected.X = expected.layers["counts"]
    sr.tl.embed(expected, "svd")
    sr.tl.embed(adata, "svd", layer="counts")
    np.testing.assert_array_equal(adata.varm["svd"], expected.varm["svd"])
    assert adata.uns["svd"]["params"]["layer"] == "counts"
    with pytest.raises(KeyError, match="layer='raw' is not in adata.layers; it has 'counts'"):
        sr.tl.embed(adata, "svd", layer="raw")


def test_values_that_are_no_counts_need_a_word(adata, spy):
    adata.X = np.log1p(adata.X)
    with pytest.raises(
        ValueError,
        match=r"adata.X holds values that are not integers.*layer='counts'.*counts=False",
    ):
        sr.tl.embed(adata, "spy")
    assert untouched(adata)
    sr.tl.embed(adata, "spy", counts=False)
    assert adata.uns["spy"]["params"]["counts"] is False
    assert spy.seen["cells"].counts is False
    np.testing.assert_allclose(spy.seen["matrix"], adata.X)
    adata.X[3, 3] = -0.1
    with pytest.raises(ValueError, match=r"negative values \(lowest -0.1\), as scaled data"):
        sr.tl.embed(adata, "spy", counts=False)
    adata.X[3, 3] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        sr.tl.embed(adata, "spy", counts=False)


def test_wrong_input_is_told_before_weights_are_looked_for(adata, monkeypatch):
    def no_hub(**_):
        raise AssertionError("asked for weights")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", no_hub)
    adata.X[0, 0] = 0.5
    with pytest.raises(ValueError, match="not integers"):
        sr.tl.embed(adata)


def test_without_weights_the_message_tells_both_ways(adata, monkeypatch, tmp_path):
    from huggingface_hub.errors import LocalEntryNotFoundError

    def offline(**_):
        raise LocalEntryNotFoundError("no")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", offline)
    with sr.settings.override(cache_dir=tmp_path), pytest.raises(FileNotFoundError) as caught:
        sr.tl.embed(adata)
    message = str(caught.value)
    assert "model='geneformer:V1-10M'" in message
    assert "Run once with internet access: 45 MB" in message
    assert "ctheodoris/Geneformer" in message
    assert "be98543e20667a871836dd5912b547f6f41365b7" in message
    assert "Geneformer-V1-10M/model.safetensors" in message
    assert "weights=" in message
    assert untouched(adata)


def test_gene_ids(adata, spy):
    adata.var["ensembl"] = pd.Series(
        [f"ENSG{i}" for i in range(19)] + [None], index=adata.var_names
    )
    sr.tl.embed(adata, "spy", gene_ids="ensembl")
    assert spy.seen["genes"].tolist() == [f"ENSG{i}" for i in range(19)] + [""]
    assert adata.uns["spy"]["params"]["gene_ids"] == "ensembl"
    adata.var["ensembl"] = adata.var["ensembl"].astype("category")
    sr.tl.embed(adata, "spy", gene_ids="ensembl")
    assert spy.seen["genes"][-1] == ""
    with pytest.raises(
        KeyError, match="gene_ids='id' is not a column of adata.var; it has 'ensembl'"
    ):
        sr.tl.embed(adata, "spy", gene_ids="id")


def test_groupby(adata, spy, caplog):
    adata.obs.loc["c0", "kind"] = None
    with caplog.at_level("INFO", logger="scregnet"):
        sr.tl.embed(adata, "spy", min_cells=1, groupby="kind")
    assert "1 cells without kind are left out" in caplog.text
    assert adata.uns["spy"]["groups"].tolist() == ["b", "a"]
    assert adata.uns["spy"]["varm_keys"].tolist() == ["spy_b", "spy_a"]
    assert set(adata.varm) == {"spy_b", "spy_a"}
    np.testing.assert_array_equal(adata.varm["spy_a"][:, 0], adata.X[3::3].sum(axis=0))
    np.testing.assert_array_equal(
        adata.varm["spy_b"][:, 0], np.delete(adata.X, np.s_[::3], axis=0).sum(axis=0)
    )
    assert adata.uns["spy"]["params"]["n_cells_used"].tolist() == [40, 19]
    assert adata.uns["spy"]["params"]["n_cells"] == 59


def test_small_categories_are_named_and_left_out(adata, caplog):
    adata.obs["by"] = ["many"] * 50 + ["few"] * 10
    with caplog.at_level("INFO", logger="scregnet"):
        sr.tl.embed(adata, "svd", groupby="by")
    assert "fewer than min_cells=50 cells are left out: 'few' (10)" in caplog.text
    assert adata.uns["svd"]["groups"].tolist() == ["many"]
    assert adata.uns["svd"]["params"]["groups_left_out"].tolist() == ["few"]
    assert adata.uns["svd"]["params"]["n_cells"] == 50
    with pytest.raises(ValueError, match=r"min_cells=51 cells: 'few' \(10\), 'many' \(50\)"):
        sr.tl.embed(adata, "svd", groupby="by", min_cells=51)


@pytest.mark.parametrize("values", [["x", "y"] * 30, [True, False] * 30, [1, 2] * 30])
def test_groupby_any_kind_of_column(adata, values):
    adata.obs["by"] = values
    sr.tl.embed(adata, "svd", min_cells=1, groupby="by", n_components=2)
    assert adata.uns["svd"]["groups"].tolist() == sorted({str(value) for value in values})


def test_groupby_that_cannot_be(adata):
    with pytest.raises(
        KeyError, match="groupby='type' is not a column of adata.obs; it has 'kind'"
    ):
        sr.tl.embed(adata, "svd", min_cells=1, groupby="type")
    adata.obs["none"] = np.nan
    with pytest.raises(ValueError, match="no category"):
        sr.tl.embed(adata, "svd", min_cells=1, groupby="none")
    adata.obs["twins"] = ["T/B", "T_B"] * 30
    with pytest.raises(ValueError, match="differ only in '/' and '_'.*'svd_T_B'"):
        sr.tl.embed(adata, "svd", min_cells=1, groupby="twins")
    assert untouched(adata)


def test_a_group_of_empty_cells(adata, caplog):
    adata.obs["by"] = ["full"] * 60
    adata.obs.loc["c10", "by"] = "hollow"
    sr.tl.embed(adata, "svd", min_cells=1, groupby="by")
    assert not adata.varm["svd_hollow"].any()
    assert not adata.var["svd_hollow_covered"].any()
    assert "no cell of 'hollow' could be used" in caplog.text


def test_max_cells(adata, spy):
    sr.tl.embed(adata, "spy", max_cells=10)
    first = spy.seen["matrix"]
    assert first.shape == (10, 20)
    sr.tl.embed(adata, "spy", max_cells=10)
    np.testing.assert_array_equal(spy.seen["matrix"], first)
    sr.tl.embed(adata, "spy", max_cells=10, random_state=1)
    assert (spy.seen["matrix"] != first).any()
    sr.tl.embed(adata, "spy", max_cells=25, min_cells=1, groupby="kind")
    assert np.bincount(spy.seen["groups"]).tolist() == [25, 20]
    sr.tl.embed(adata, "spy", max_cells=1000)
    np.testing.assert_array_equal(spy.seen["matrix"], adata.X)
    assert adata.uns["spy"]["params"]["max_cells"] == 1000
    with pytest.raises(ValueError, match="max_cells must be at least 1"):
        sr.tl.embed(adata, "spy", max_cells=0)


def test_copy(adata):
    changed = sr.tl.embed(adata, "svd", copy=True)
    assert "svd" in changed.varm
    assert untouched(adata)


def test_view(adata):
    view = adata[:30, :15]
    with pytest.warns(ad.ImplicitModificationWarning):
        sr.tl.embed(view, "svd", n_components=3)
    assert view.varm["svd"].shape == (15, 3)
    assert untouched(adata)
    alone = sr.tl.embed(adata[:30, :15].copy(), "svd", n_components=3, copy=True)
    np.testing.assert_array_equal(view.varm["svd"], alone.varm["svd"])


@pytest.mark.filterwarnings("ignore:From 0.4:FutureWarning")
def test_mudata(adata):
    from mudata import MuData

    both = MuData({"rna": adata, "protein": ad.AnnData(np.ones((60, 2), dtype=np.float32))})
    changed = sr.tl.embed(both, "svd", copy=True)
    assert isinstance(changed, MuData)
    assert "svd" in changed.mod["rna"].varm
    assert untouched(both.mod["rna"])
    sr.tl.embed(both, "svd")
    assert "svd" in both.mod["rna"].varm
    assert untouched(both.mod["protein"])
    with pytest.raises(KeyError, match="mod='gex'"):
        sr.tl.embed(both, "svd", mod="gex")


def test_wrong_arguments(adata):
    with pytest.raises(
        ValueError, match="model='scvi' is not known; valid values: 'geneformer', .*'svd'"
    ):
        sr.tl.embed(adata, "scvi")
    with pytest.raises(TypeError, match="takes no parameter 'n_component'.*mean 'n_components'"):
        sr.tl.embed(adata, "svd", n_component=3)
    with pytest.raises(TypeError, match="takes no parameter 'seed'.*Did you mean 'random_state'"):
        sr.tl.embed(adata, "svd", seed=3)
    with pytest.raises(ValueError, match="'svd' does not pool"):
        sr.tl.embed(adata, "svd", pooling="max")
    with pytest.raises(ValueError, match="batch_size must be at least 1"):
        sr.tl.embed(adata, "svd", batch_size=0)
    with pytest.raises(TypeError, match="AnnData or a MuData"):
        sr.tl.embed(np.ones((2, 2)), "svd")
    adata.var_names = ["G0", *adata.var_names[:-1]]
    with pytest.raises(ValueError, match="var_names are not unique: 'G0'"):
        sr.tl.embed(adata, "svd")
    assert untouched(adata)


def test_pooling_that_the_encoder_does_not_offer(adata, spy):
    with pytest.raises(
        ValueError, match="pooling='median' is not known; valid values: 'mean', 'max'"
    ):
        sr.tl.embed(adata, "spy", pooling="median")


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (
            lambda vectors, known: Embedding(vectors * 2, known),
            "2 groups of 20 genes instead of 1 of 20",
        ),
        (lambda vectors, known: Embedding(vectors, known[1:]), "1 groups of 19 genes"),
        (
            lambda vectors, known: Embedding(
                (GeneVectors(vectors[0].vectors[1:], known, 1),), known
            ),
            "shape",
        ),
        (
            lambda vectors, known: Embedding(
                (GeneVectors(vectors[0].vectors.astype(int), known, 1),), known
            ),
            "int64 vectors",
        ),
        (
            lambda vectors, known: Embedding(
                (GeneVectors(vectors[0].vectors * np.nan, known, 1),), known
            ),
            "NaN",
        ),
        (
            lambda vectors, known: Embedding(
                (GeneVectors(vectors[0].vectors, known & False, 1),), known
            ),
            "not covered",
        ),
    ],
)
def test_an_encoder_that_breaks_its_promise_is_named(adata, spy, monkeypatch, answer, message):
    monkeypatch.setattr(spy, "answer", staticmethod(answer))
    with pytest.raises(ValueError, match=f"model='spy' returned .*{message}"):
        sr.tl.embed(adata, "spy")
    assert untouched(adata)


def test_no_cell_could_be_used(adata, spy, monkeypatch):
    unused = GeneVectors(np.zeros((20, 1), dtype=np.float32), np.zeros(20, dtype=bool), 0)
    monkeypatch.setattr(
        spy, "answer", staticmethod(lambda vectors, known: Embedding((unused,), known))
    )
    with pytest.raises(
        ValueError,
        match="none of the 60 cells could be used by model='spy': 1 are empty.*18 of 20 genes",
    ):
        sr.tl.embed(adata, "spy")
    assert untouched(adata)


def test_an_encoder_that_reads_no_cells_is_reported_on_all_of_them(monkeypatch):
    class Fixed:
        poolings = ()

        def describe(self):
            return {}

        def embed(self, cells, genes, options):
            every = np.ones(len(genes), dtype=bool)
            vectors = np.eye(len(genes), dtype=np.float32)
            return Embedding((GeneVectors(vectors, every, cells.n_cells),), genes != "1")

    monkeypatch.setattr(registry, "_ENTRIES", dict(registry._ENTRIES))
    register("fixed", Fixed)
    counts = np.zeros((3000, 2), dtype=np.float32)
    counts[2000:, 0], counts[2000:, 1] = 3, 1
    adata = ad.AnnData(counts)
    sr.tl.embed(adata, "fixed")
    params = adata.uns["fixed"]["params"]
    assert (params["n_cells"], params["n_cells_empty"]) == (3000, 2000)
    assert params["share_known"] == 0.75
    with pytest.raises(ValueError, match="none of the 2000 cells could be used"):
        sr.tl.embed(adata[:2000].copy(), "fixed")


def test_coverage_is_logged(adata, spy, caplog):
    with caplog.at_level("INFO", logger="scregnet"):
        sr.tl.embed(adata, "spy")
    share = 100 * adata.uns["spy"]["params"]["share_known"]
    assert f"spy: 18 of 20 genes (90 %), {share:.0f} % of the counts" in caplog.text
    assert "spy: 1 cells are empty" in caplog.text


def test_hardly_any_gene_known_is_a_warning(adata, spy, monkeypatch, caplog):
    def answer(vectors, known):
        return Embedding(vectors, np.arange(20) < 3)

    monkeypatch.setattr(spy, "answer", staticmethod(answer))
    sr.tl.embed(adata, "spy")
    assert [
        record.levelname
        for record in caplog.records
        if "knows only 3 of 20 genes" in record.getMessage()
    ] == ["WARNING"]
