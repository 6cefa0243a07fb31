"""A model trained as Geneformer was, but on mouse cells, with its authors' names of files."""

from __future__ import annotations

import json
import pickle

import anndata as ad
import numpy as np
import pytest
import torch
from transformers import BertConfig, BertModel

import scregnet as sr

TOKENS = "MLM-re_token_dictionary_v1.pkl"
MEDIANS = "mouse_gene_median_dictionary.pkl"
SYMBOLS = "MLM-re_token_dictionary_v1_GeneSymbol_to_EnsemblID.pkl"
MOUSE = {f"Gene{i}": f"ENSMUSG{i:011d}" for i in range(12)}


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=14,
        hidden_size=12,
        num_hidden_layers=2,
        num_attention_heads=3,
        intermediate_size=20,
        hidden_act="silu",
        max_position_embeddings=16,
        pad_token_id=0,
        initializer_range=0.5,
    )
    return BertModel(config, add_pooling_layer=False).eval()


@pytest.fixture
def folder(network, tmp_path):
    """Its files: pickled dictionaries, and torch's own form of the weights."""
    state = {f"bert.{name}": value for name, value in network.state_dict().items()}
    torch.save(state, tmp_path / "pytorch_model.bin")
    (tmp_path / "config.json").write_text(json.dumps(network.config.to_dict()))
    tokens = {"<pad>": 0, "<mask>": 1} | {gene: i + 2 for i, gene in enumerate(MOUSE.values())}
    medians = {gene: 0.5 + i % 5 for i, gene in enumerate(MOUSE.values())}
    for name, content in ((TOKENS, tokens), (MEDIANS, medians), (SYMBOLS, MOUSE)):
        (tmp_path / name).write_bytes(pickle.dumps(content))
    return tmp_path


@pytest.fixture
def adata():
    rng = np.random.default_rng(0)
    names = [*rng.permutation([*MOUSE]), "GENE3", "Other"]
    adata = ad.AnnData(rng.poisson(1.5, (9, 14)).astype(np.float32))
    adata.var_names = names
    adata.var["ensembl"] = [MOUSE.get(name, "") for name in names]
    return adata


@pytest.mark.parametrize("gene_ids", [None, "ensembl"])
def test_mouse_cells_need_no_orthologues(folder, adata, network, gene_ids):
    sr.tl.embed(adata, weights=folder, gene_ids=gene_ids, hidden_layer=0)
    found: dict[str, list[np.ndarray]] = {}
    for counts in adata.X.astype(float):
        values = {
            name: count / counts.sum() * 1e4 / (0.5 + int(name[4:]) % 5)
            for name, count in zip(adata.var_names, counts, strict=True)
            if count and name in MOUSE
        }
        # Equal values in the order of the tokens.
        ranked = sorted(values, key=lambda name: (-values[name], int(name[4:])))
        with torch.inference_mode():
            hidden = network(torch.tensor([[int(name[4:]) + 2 for name in ranked]]))[0][0]
        for name, vector in zip(ranked, hidden.numpy(), strict=True):
            found.setdefault(name, []).append(vector)
    for name, vector in zip(adata.var_names, adata.varm["geneformer"], strict=True):
        expected = np.mean(found[name], axis=0) if name in MOUSE else np.zeros(12)
        np.testing.assert_allclose(vector, expected, atol=1e-5)
    params = adata.uns["geneformer"]["params"]
    assert (params["organism"], params["n_genes_known"], params["orthologues"]) == (
        "mouse",
        12,
        None,
    )


def test_pairs_of_mouse_genes(folder, adata):
    sr.tl.attention_links(adata, tfs=["Gene1", "Gene4"], weights=folder, hidden_layer=0)
    found = adata.varp["geneformer_attention"]
    known = adata.var_names.isin(list(MOUSE))
    assert set(np.flatnonzero(np.asarray(found.sum(axis=1)).ravel())) == set(
        np.flatnonzero(adata.var_names.isin(["Gene1", "Gene4"]))
    )
    assert not np.asarray(found.sum(axis=0)).ravel()[~known].any()


@pytest.mark.parametrize("missing", [TOKENS, MEDIANS, SYMBOLS])
def test_what_is_missing_is_named(folder, adata, missing):
    (folder / missing).unlink()
    error, message = {
        TOKENS: (FileNotFoundError, r"lacks .token_dictionary\*\.pkl"),
        MEDIANS: (FileNotFoundError, r"lacks .gene_median_dictionary\*\.pkl"),
        SYMBOLS: (ValueError, "vocabulary of mouse Ensembl ids.*gene_name_id_dict"),
    }[missing]
    with pytest.raises(error, match=message):
        sr.tl.embed(adata, weights=folder)
    assert not adata.varm


def test_human_genes_are_not_taken_for_mouse_ones(folder, adata):
    with pytest.raises(ValueError, match="look like human symbols.*Leave orthologues= out"):
        sr.tl.embed(adata, weights=folder, orthologues="upper")
