from __future__ import annotations

import json
import pickle
import shutil

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from scregnet import settings
from scregnet.encoders import CellBlock, CellStream, EmbedOptions, TokenBatch, create
from scregnet.encoders.layers import packed


def run(encoder, counts, genes, *, batch_size=7, groups=None, n_groups=1, block=None):
    groups = np.zeros(counts.shape[0], dtype=int) if groups is None else groups
    size = block or counts.shape[0]
    blocks = [
        CellBlock(counts[start : start + size], groups[start : start + size])
        for start in range(0, counts.shape[0], size)
    ]
    stream = CellStream(blocks, counts.shape[0], n_groups)
    return encoder.embed(stream, genes, EmbedOptions(batch_size=batch_size, device="cpu"))


def test_vectors_are_means_over_the_cells_that_hold_the_gene(folders, family, genes, counts):
    encoder = create("geneformer", weights=folders[family])
    match = encoder.match(genes)
    tokens = encoder.tokenise(CellBlock(counts, np.zeros(len(genes))), match)
    lists: dict[int, list[np.ndarray]] = {}
    for cell in range(counts.shape[0]):
        a, b = tokens.indptr[cell], tokens.indptr[cell + 1]
        if a == b:
            continue
        with torch.inference_mode():
            hidden = (
                encoder.network(input_ids=torch.as_tensor(tokens.ids[None, a:b]))
                .last_hidden_state[0]
                .numpy()
            )
        for slot, vector in zip(tokens.slots[a:b], hidden, strict=True):
            if slot >= 0:
                lists.setdefault(slot, []).append(vector)
    group = run(encoder, counts, genes).groups[0]
    assert group.vectors.dtype == np.float32
    assert group.n_cells == 28
    for gene in range(len(genes)):
        seen = lists.get(match.slots[gene], []) if match.known[gene] else []
        assert group.covered[gene] == bool(seen)
        expected = np.mean(seen, axis=0) if seen else np.zeros(encoder.dimension)
        np.testing.assert_allclose(group.vectors[gene], expected, atol=2e-6)
    assert not group.covered[3]
    np.testing.assert_array_equal(
        group.vectors[list(genes).index("ENSG00000000100")], group.vectors[40]
    )


def test_neither_batches_nor_blocks_nor_order_show(folders, family, genes, counts):
    encoder = create("geneformer", weights=folders[family])
    expected = run(encoder, counts, genes).groups[0].vectors
    order = np.random.default_rng(0).permutation(counts.shape[0])
    for other in (
        run(encoder, counts, genes, batch_size=1),
        run(encoder, counts, genes, batch_size=64),
        run(encoder, counts, genes, block=4),
        run(encoder, counts[order], genes),
    ):
        np.testing.assert_allclose(other.groups[0].vectors, expected, atol=2e-6)


def test_groups_in_one_pass_are_what_each_gives_alone(folders, genes, counts):
    encoder = create("geneformer", weights=folders["V1"])
    groups = np.arange(counts.shape[0]) % 3
    groups[groups == 1] = 0
    together = run(encoder, counts, genes, groups=groups, n_groups=3)
    for group in (0, 2):
        alone = run(encoder, counts[groups == group], genes).groups[0]
        np.testing.assert_allclose(together.groups[group].vectors, alone.vectors, atol=2e-6)
        np.testing.assert_array_equal(together.groups[group].covered, alone.covered)
        assert together.groups[group].n_cells == alone.n_cells
    assert together.groups[1].n_cells == 0
    assert not together.groups[1].vectors.any()
    assert not together.groups[1].covered.any()


def test_batches_hold_cells_of_like_length_and_padding_on_the_right(folders, genes, counts):
    encoder = create("geneformer", weights=folders["V2"])
    block = CellBlock(counts, np.zeros(counts.shape[0]))
    batches = list(encoder.batches(block, encoder.match(genes), 6))
    lengths = np.concatenate([batch.mask.sum(axis=1) for batch in batches])
    assert (np.diff(lengths) <= 0).all()
    assert sorted(np.concatenate([batch.cells for batch in batches])) == sorted(
        set(range(30)) - {4, 11}
    )
    for batch in batches:
        assert batch.mask[0].all()
        assert (np.diff(batch.mask.astype(int), axis=1) <= 0).all()
        assert (batch.ids[~batch.mask] == 0).all()
        assert (batch.slots[~batch.mask] == -1).all()
        assert (batch.ids[:, 0] == 2).all()
        assert (batch.slots[:, 0] == -1).all()


def test_hidden_layer_counts_from_the_last(folders, genes, counts):
    vectors = {}
    for hidden_layer in (0, -1, -2, -3):
        encoder = create("geneformer", weights=folders["V1"], hidden_layer=hidden_layer)
        assert len(encoder.network.encoder.layer) == 3 + hidden_layer
        assert encoder.describe()["hidden_layer"] == hidden_layer
        vectors[hidden_layer] = run(encoder, counts, genes).groups[0].vectors
    assert len({array.tobytes() for array in vectors.values()}) == 4
    np.testing.assert_array_equal(
        run(create("geneformer", weights=folders["V1"]), counts, genes).groups[0].vectors,
        vectors[-1],
    )


@pytest.mark.parametrize("hidden_layer", [1, -4, 0.5, "last"])
def test_hidden_layer_out_of_range(folders, hidden_layer):
    with pytest.raises(ValueError, match=r"must be an integer from -3 \(input embedding\) to 0"):
        create("geneformer", weights=folders["V1"], hidden_layer=hidden_layer)


def test_both_forms_of_attention_agree(folders, family, genes, counts):
    fused, plain = (
        run(create("geneformer", weights=folders[family], attention=attention), counts, genes)
        .groups[0]
        .vectors
        for attention in ("sdpa", "eager")
    )
    np.testing.assert_allclose(fused, plain, atol=5e-6)
    with pytest.raises(ValueError, match="attention='flash'"):
        create("geneformer", weights=folders[family], attention="flash")


def test_a_process_that_did_not_read_the_files_knows_the_attention(
    folders, genes, counts, monkeypatch
):
    from transformers import AttentionInterface

    encoder = create("geneformer", weights=folders["V1"])
    expected = run(encoder, counts, genes).groups[0].vectors
    sent = pickle.dumps(encoder)
    # As in a worker that was sent the encoder.
    monkeypatch.delitem(AttentionInterface._global_mapping, packed.NAME)
    found = run(pickle.loads(sent), counts, genes).groups[0].vectors
    np.testing.assert_array_equal(found, expected)


def test_no_dropout(folders, genes, counts):
    encoder = create("geneformer", weights=folders["V1"])
    assert not encoder.network.training
    np.testing.assert_array_equal(
        run(encoder, counts, genes).groups[0].vectors, run(encoder, counts, genes).groups[0].vectors
    )


def test_long_cells_are_cut_to_the_positions_that_there_are(own_folder, genes, counts):
    config = json.loads((own_folder / "config.json").read_text())
    encoder = create("geneformer", weights=own_folder)
    assert encoder.max_length == config["max_position_embeddings"] == 64
    encoder.max_length = 5
    batch = next(encoder.batches(CellBlock(counts, np.zeros(30)), encoder.match(genes), 30))
    assert batch.ids.shape == (28, 5)


def test_cells_without_known_genes(folders, genes):
    encoder = create("geneformer", weights=folders["V2"])
    counts = np.zeros((3, len(genes)))
    counts[:, genes == "unknown"] = 4
    (group,) = run(encoder, sp.csr_matrix(counts), genes).groups
    assert group.n_cells == 0
    assert not group.covered.any()
    assert not group.vectors.any()
    counts[1, 0] = 1
    assert run(encoder, sp.csr_matrix(counts), genes).groups[0].n_cells == 1


@pytest.fixture(scope="module", params=["v1", "v2"])
def golden(request, shared, tmp_path_factory):
    source = shared / "golden" / "geneformer"
    known = json.loads((source / "tokenizer.json").read_text())
    folder = tmp_path_factory.mktemp(request.param)
    shutil.copy(source / f"{request.param}_config.json", folder / "config.json")
    shutil.copy(source / f"{request.param}_model.safetensors", folder / "model.safetensors")
    for name, key in (
        ("token_dictionary", f"token_dictionary_{request.param}"),
        ("gene_median_dictionary", "gene_medians"),
        ("ensembl_mapping_dict", "ensembl_mapping"),
    ):
        (folder / f"{name}.json").write_text(json.dumps(known[key]))
    with (
        np.load(source / f"{request.param}_expected.npz") as expected,
        np.load(source / "inputs.npz") as inputs,
    ):
        return folder, known, dict(expected), sp.csr_matrix(inputs["counts"].astype(float))


@pytest.mark.shared
@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("n_cells", [7, 3])
def test_golden_hidden_states(golden, attention, n_cells):
    folder, _, expected, _ = golden
    mask = expected["attention_mask"][:n_cells].astype(bool)
    batch = TokenBatch(
        cells=np.arange(n_cells),
        ids=expected["input_ids"][:n_cells],
        slots=np.full(mask.shape, -1),
        mask=mask,
    )
    for hidden_layer in (0, -1, -2, -3):
        encoder = create(
            "geneformer", weights=folder, hidden_layer=hidden_layer, attention=attention
        )
        with torch.inference_mode():
            hidden = encoder.encode(batch).hidden.numpy()
        np.testing.assert_allclose(
            hidden[mask],
            expected["hidden_states_masked"][:n_cells, 3 + hidden_layer][mask],
            atol=2e-5,
            rtol=1e-4,
        )


@pytest.mark.shared
@pytest.mark.parametrize(("hidden_layer", "name"), [(-1, "second_to_last"), (0, "last")])
@pytest.mark.parametrize("batch_size", [1, 3, 7])
def test_golden_gene_embeddings(golden, hidden_layer, name, batch_size):
    folder, known, expected, counts = golden
    genes = np.array(known["column_ensembl_ids"])
    encoder = create("geneformer", weights=folder, hidden_layer=hidden_layer)
    group = run(encoder, counts, genes, batch_size=batch_size).groups[0]
    index = list(expected[f"gene_embedding_{name}_index"])
    current = np.array([known["ensembl_mapping"].get(gene, "") for gene in genes])
    np.testing.assert_array_equal(group.covered, np.isin(current, index))
    np.testing.assert_allclose(
        group.vectors[group.covered],
        expected[f"gene_embedding_{name}"][[index.index(gene) for gene in current[group.covered]]],
        atol=2e-5,
        rtol=1e-4,
    )
    assert set(index) - set(current) == {gene for gene in index if gene.startswith("<")}


@pytest.mark.shared
@pytest.mark.parametrize(("hidden_layer", "name"), [(-1, "second_to_last"), (0, "last")])
@pytest.mark.parametrize("batch_size", [1, 3])
def test_golden_vectors_of_cells(golden, hidden_layer, name, batch_size):
    folder, known, expected, counts = golden
    genes = np.array(known["column_ensembl_ids"])
    encoder = create("geneformer", weights=folder, hidden_layer=hidden_layer)
    stream = CellStream([CellBlock(counts, np.zeros(7, int))], 7)
    kinds = {"mean": "cell"} | ({"cls": "cls"} if f"cls_embedding_{name}" in expected else {})
    assert set(encoder.cell_poolings) == set(kinds)
    for pooling, kind in kinds.items():
        options = EmbedOptions(
            device="cpu", batch_size=batch_size, of="cells", cell_pooling=pooling
        )
        found = encoder.embed(stream, genes, options).cells.vectors
        wanted = expected[f"{kind}_embedding_{name}"]
        np.testing.assert_allclose(found, wanted, atol=2e-5, rtol=1e-4)


def test_progress_counts_every_cell(folders, genes, counts, capsys):
    encoder = create("geneformer", weights=folders["V1"])
    stream = CellStream([CellBlock(counts, np.zeros(30, dtype=int))], 30)
    encoder.embed(stream, genes, EmbedOptions(device="cpu"))
    assert capsys.readouterr().err == ""
    encoder.embed(stream, genes, EmbedOptions(device="cpu", progress=True))
    assert "30/30" in capsys.readouterr().err


def test_threads_are_the_settings_during_the_call_only(folders, genes, counts, monkeypatch):
    encoder = create("geneformer", weights=folders["V1"])
    before = torch.get_num_threads()
    seen = []
    encode = encoder.encode
    monkeypatch.setattr(
        encoder, "encode", lambda batch: seen.append(torch.get_num_threads()) or encode(batch)
    )
    with settings.override(n_jobs=before + 1):
        run(encoder, counts, genes)
    assert set(seen) == {before + 1}
    assert torch.get_num_threads() == before


def test_unknown_pooling_and_batch_size(folders, genes, counts):
    encoder = create("geneformer", weights=folders["V1"])
    stream = CellStream([CellBlock(counts, np.zeros(30, dtype=int))], 30)
    with pytest.raises(ValueError, match="pooling='attentive' is not known; valid values: 'mean'"):
        encoder.embed(stream, genes, EmbedOptions(pooling="attentive", device="cpu"))
    with pytest.raises(ValueError, match="batch_size must be at least 1"):
        encoder.embed(stream, genes, EmbedOptions(batch_size=0, device="cpu"))
