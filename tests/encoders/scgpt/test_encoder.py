from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from safetensors.torch import load_file, save_file

from scregnet import settings
from scregnet.encoders import CellBlock, CellStream, EmbedOptions, TokenBatch, create
from scregnet.encoders.scgpt.tokens import bin_values, choose, keys_of


def run(encoder, counts, genes, *, random_state=0, batch_size=7, groups=None, n_groups=1):
    groups = np.zeros(counts.shape[0], dtype=int) if groups is None else groups
    stream = CellStream([CellBlock(counts, groups)], counts.shape[0], n_groups)
    options = EmbedOptions(batch_size=batch_size, device="cpu", random_state=random_state)
    return encoder.embed(stream, genes, options)


def tokens_of(encoder, counts, genes):
    match = encoder.match(genes)
    tokens = encoder.tokenise(
        CellBlock(sp.csr_matrix(counts), np.zeros(counts.shape[0], dtype=int)), match
    )
    return (
        [slice(a, b) for a, b in zip(tokens.indptr[:-1], tokens.indptr[1:], strict=True)],
        tokens,
        match,
    )


def bounds(values, n_bins=51):
    """The specification for one cell, written out: lowest and highest bin that a value may have."""
    edges = np.quantile(values, np.linspace(0, 1, n_bins - 1))
    high = np.digitize(values, edges)
    return np.minimum(np.digitize(values, edges, right=True) + 1, high), high


def random_cells(kind, n_cells=150):
    """Cells with 0 to 149 values, many tied (counts), their logarithms, or all distinct."""
    rng = np.random.default_rng(0)
    dense = np.zeros((n_cells, n_cells))
    for n in range(n_cells):
        values = (
            rng.permutation(9999)[:n] + 1.0
            if kind == "distinct"
            else rng.geometric(0.3, n).astype(float)
        )
        dense[n, rng.permutation(n_cells)[:n]] = np.log1p(values) if kind == "log" else values
    return sp.csr_matrix(dense)


@pytest.mark.parametrize("kind", ["counts", "log", "distinct"])
@pytest.mark.parametrize("n_bins", [51, 5])
def test_bins_reach_both_ends_of_what_the_edges_allow(kind, n_bins):
    cells = random_cells(kind)
    lowest = bin_values(cells, n_bins, np.zeros(cells.nnz, dtype=np.uint64))
    highest = bin_values(cells, n_bins, np.full(cells.nnz, np.iinfo(np.uint64).max))
    for a, b in zip(cells.indptr[1:-1], cells.indptr[2:], strict=True):
        low, high = bounds(cells.data[a:b], n_bins)
        np.testing.assert_array_equal(lowest[a:b], low)
        np.testing.assert_array_equal(highest[a:b], high)


def tied_cells(n_cells, n_genes):
    """Cells that are all ones but for the first gene, in which they differ."""
    dense = np.ones((n_cells, n_genes))
    dense[:, 0] = np.arange(n_cells) + 2
    return sp.csr_matrix(dense)


def test_tied_values_are_spread_evenly_over_their_bins():
    cells = tied_cells(400, 300)
    bins = bin_values(cells, 51, keys_of(cells, np.arange(300), 0)).reshape(400, 300)
    assert (bins[:, 0] == 50).all()
    share = np.bincount(bins[:, 1:].ravel(), minlength=51) / bins[:, 1:].size
    np.testing.assert_allclose(share[1:50], 1 / 49, atol=0.002)


def test_keys_depend_on_seed_gene_and_cell_but_not_on_order():
    cells = random_cells("counts")
    tokens = np.random.default_rng(1).permutation(1000)[:150]
    keys = keys_of(cells, tokens, 3)
    assert len(set(keys.tolist())) == len(keys)
    assert not np.isin(keys_of(cells, tokens, 4), keys).any()
    order = np.random.default_rng(2).permutation(150)
    np.testing.assert_array_equal(np.sort(keys_of(cells[order], tokens, 3)), np.sort(keys))
    dense = np.zeros(cells.shape, dtype=np.uint64)
    dense[cells.nonzero()] = keys
    other = cells[:, order]
    other.sort_indices()
    np.testing.assert_array_equal(
        keys_of(other, tokens[order], 3), dense[:, order][other.nonzero()]
    )


def test_the_choice_of_genes_is_even_and_independent_of_the_bins():
    cells = tied_cells(2000, 40)
    keys = keys_of(cells, np.arange(40), 0)
    kept = choose(cells, 10, keys).reshape(2000, 40)
    assert (kept.sum(axis=1) == 10).all()
    np.testing.assert_allclose(kept.mean(axis=0), 0.25, atol=0.04)
    bins = bin_values(cells, 51, keys).reshape(2000, 40)[:, 1:]
    assert bins[kept[:, 1:]].mean() == pytest.approx(bins.mean(), abs=0.3)


def test_tokens(scgpt_folder, genes, counts):
    encoder = create("scgpt", weights=scgpt_folder)
    cells, tokens, match = tokens_of(encoder, counts, genes)
    collapsed = match.collapse(counts).toarray()
    for cell, row in zip(cells, collapsed, strict=True):
        if not row.any():
            assert cell.start == cell.stop
            continue
        assert (tokens.ids[cell][0], tokens.slots[cell][0], tokens.values[cell][0]) == (44, -1, -2)
        slots = tokens.slots[cell][1:]
        np.testing.assert_array_equal(slots, np.flatnonzero(row))
        np.testing.assert_array_equal(tokens.ids[cell][1:], match.tokens[slots])
        low, high = bounds(row[slots])
        assert (low <= tokens.values[cell][1:]).all()
        assert (tokens.values[cell][1:] <= high).all()


def test_cells_that_are_too_long_lose_genes_but_keep_their_bins(scgpt_folder, genes, counts):
    whole = create("scgpt", weights=scgpt_folder)
    short = create("scgpt", weights=scgpt_folder, max_length=11)
    whole_cells, whole_tokens, _ = tokens_of(whole, counts, genes)
    cells, tokens, _ = tokens_of(short, counts, genes)
    for a, b in zip(cells, whole_cells, strict=True):
        assert a.stop - a.start == min(b.stop - b.start, 11)
        bins = dict(zip(whole_tokens.ids[b], whole_tokens.values[b], strict=True))
        assert all(
            bins[i] == value for i, value in zip(tokens.ids[a], tokens.values[a], strict=True)
        )
    first = run(short, counts, genes).groups[0].vectors
    np.testing.assert_array_equal(run(short, counts, genes).groups[0].vectors, first)
    assert np.abs(run(short, counts, genes, random_state=1).groups[0].vectors - first).max() > 0.01
    order = np.random.default_rng(0).permutation(len(genes))
    got = run(short, counts[:, order][::-1], genes[order]).groups[0].vectors
    np.testing.assert_allclose(got, first[order], atol=2e-6)


def test_vectors_are_means_over_the_cells_that_express_the_gene(scgpt_folder, genes, counts):
    encoder = create("scgpt", weights=scgpt_folder)
    group = run(encoder, counts, genes).groups[0]
    cells, tokens, match = tokens_of(encoder, counts, genes)
    lists: dict[int, list[np.ndarray]] = {}
    for cell in cells:
        if cell.start == cell.stop:
            continue
        with torch.inference_mode():
            ids, values = torch.as_tensor(tokens.ids[cell]), torch.as_tensor(tokens.values[cell])
            hidden = encoder.network(ids, values, (len(ids),)).numpy()
        for slot, vector in zip(tokens.slots[cell][1:], hidden[1:], strict=True):
            lists.setdefault(slot, []).append(vector)
    for gene in range(len(genes)):
        seen = lists.get(match.slots[gene], []) if match.known[gene] else []
        assert group.covered[gene] == bool(seen)
        np.testing.assert_allclose(
            group.vectors[gene], np.mean(seen, axis=0) if seen else np.zeros(12), atol=2e-6
        )


def test_library_size_does_not_show(scgpt_folder, genes, counts):
    encoder = create("scgpt", weights=scgpt_folder)
    _, tokens, match = tokens_of(encoder, counts, genes)
    log = counts.copy()
    log.data = np.log1p(log.data * 7)
    low, high = (
        np.concatenate([bounds(row.data)[i] for row in match.collapse(log) if row.nnz])
        for i in (0, 1)
    )
    bins = tokens.values[tokens.slots >= 0]
    assert (low <= bins).all()
    assert (bins <= high).all()


def test_static_vectors(scgpt_folder, scgpt_tensors, genes, counts):
    encoder = create("scgpt", weights=scgpt_folder, gene_vectors="static")
    groups = np.arange(30) % 2
    embedding = run(encoder, counts, genes, groups=groups, n_groups=3)
    table = scgpt_tensors["encoder.embedding.weight"]
    vocabulary = json.loads((scgpt_folder / "vocab.json").read_text())
    normal = (table - table.mean(1, keepdim=True)) / (
        table.var(1, correction=0, keepdim=True) + 1e-5
    ).sqrt()
    expected = (
        normal * scgpt_tensors["encoder.enc_norm.weight"] + scgpt_tensors["encoder.enc_norm.bias"]
    ).numpy()
    for group in embedding.groups:
        np.testing.assert_array_equal(group.covered, np.isin(genes, list(vocabulary)))
        for gene, vector, covered in zip(genes, group.vectors, group.covered, strict=True):
            wanted = expected[vocabulary[gene]] if covered else np.zeros(12)
            np.testing.assert_allclose(vector, wanted, atol=1e-5)
    assert embedding.groups[0].covered[3], "no cell has this gene, but the model's dictionary does"
    assert [group.n_cells for group in embedding.groups] == [14, 14, 0]
    assert encoder.poolings == ()
    assert run(encoder, sp.csr_matrix((2, len(genes))), genes).groups[0].n_cells == 0


def half_precision_batch():
    rng = np.random.default_rng(3)
    mask = np.arange(30) < np.array([30, 30, 17])[:, None]
    ids, values = (
        rng.integers(0, 43, mask.shape),
        rng.integers(1, 51, mask.shape).astype(np.float32),
    )
    return TokenBatch(np.arange(3), np.where(mask, ids, 43), np.where(mask, ids, -1), mask, values)


def test_half_precision_is_near(scgpt_folder):
    batch = half_precision_batch()
    encoder = create("scgpt", weights=scgpt_folder)
    assert encoder.half_precision
    with torch.inference_mode():
        full = encoder.encode(batch).hidden[batch.mask]
        with torch.autocast("cpu", dtype=torch.bfloat16):
            half = encoder.encode(batch).hidden[batch.mask]
    assert 1e-4 < (half - full).abs().max() < 0.1
    assert torch.nn.functional.cosine_similarity(half.float(), full).min() > 0.999


@pytest.mark.gpu
def test_on_a_gpu(scgpt_folder):
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    batch = half_precision_batch()
    encoder = create("scgpt", weights=scgpt_folder)
    with torch.inference_mode():
        here = encoder.encode(batch).hidden[batch.mask]
        encoder.to(torch.device("cuda"))
        torch.testing.assert_close(
            encoder.encode(batch).hidden.cpu()[batch.mask], here, atol=1e-3, rtol=1e-3
        )
        with torch.autocast("cuda", dtype=torch.bfloat16):
            half = encoder.encode(batch).hidden.cpu()[batch.mask]
    assert torch.nn.functional.cosine_similarity(half.float(), here).min() > 0.999


def test_the_record_tells_the_seed(scgpt_folder, genes, counts):
    # What a stopped run has summed is taken up only by a run that draws the same.
    encoder = create("scgpt", weights=scgpt_folder)
    seeds = []
    for random_state in (0, 1, 0):
        run(encoder, counts, genes, random_state=random_state)
        seeds.append(encoder.describe()["seed"])
    assert seeds[0] == seeds[2] != seeds[1]


def test_the_record(scgpt_folder):
    described = create("scgpt", weights=scgpt_folder, max_length=99).describe()
    assert described["gene_vectors"] == "contextual"
    assert (described["max_length"], described["n_bins"], described["dimension"]) == (99, 51, 12)
    assert described["variant"] == "custom"
    assert len(described["weights_sha256"]) == 64


@pytest.fixture
def own(scgpt_folder, tmp_path):
    """A folder that a test may damage."""
    return shutil.copytree(scgpt_folder, tmp_path / "own")


@pytest.mark.parametrize("names", ["module.", "_impl", "in_proj", "safetensors"])
def test_every_spelling_of_the_tensors(own, scgpt_folder, scgpt_tensors, genes, counts, names):
    expected = run(create("scgpt", weights=scgpt_folder), counts, genes).groups[0].vectors
    state = {
        "module.": {f"module.{key}": value for key, value in scgpt_tensors.items()},
        "_impl": {
            key.replace("self_attn.", "self_attn._impl."): value
            for key, value in scgpt_tensors.items()
        },
        "in_proj": {
            key.replace("Wqkv.", "in_proj_"): value for key, value in scgpt_tensors.items()
        },
        "safetensors": scgpt_tensors,
    }[names]
    if names == "_impl":
        state = {key.replace("_impl.out_proj", "out_proj"): value for key, value in state.items()}
    (own / "best_model.pt").unlink()
    if names == "safetensors":
        save_file(state, own / "model.safetensors")
    else:
        torch.save(state, own / "best_model.pt")
    np.testing.assert_array_equal(
        run(create("scgpt", weights=own), counts, genes).groups[0].vectors, expected
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {
                "transformer_encoder.layers.1.self_attn.Wqkv.bias": None,
                "encoder.enc_norm.weight": None,
            },
            "missing: 'encoder.enc_norm.weight', "
            "'transformer_encoder.layers.1.self_attn.in_proj_bias'",
        ),
        (
            {"transformer_encoder.layers.2.norm1.bias": torch.zeros(12)},
            "unexpected: 'transformer_encoder.layers.2.norm1.bias'",
        ),
        (
            {"value_encoder.linear1.weight": torch.zeros(12, 2)},
            r"another shape: value_encoder.linear1.weight \(12, 2\) instead of \(12, 1\)"
            r"|value_encoder.linear1.weight",
        ),
    ],
)
def test_tensors_that_do_not_fit_are_listed(own, scgpt_tensors, change, message):
    state = {key: value for key, value in (scgpt_tensors | change).items() if value is not None}
    torch.save(state, own / "best_model.pt")
    with pytest.raises(ValueError, match=message):
        create("scgpt", weights=own)


def test_a_truncated_file(own):
    content = (own / "best_model.pt").read_bytes()
    (own / "best_model.pt").write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=r"best_model\.pt was not read.*truncated"):
        create("scgpt", weights=own)


@pytest.mark.parametrize("missing", ["args.json", "vocab.json", "best_model.pt"])
def test_missing_files_are_named(own, missing):
    (own / missing).unlink()
    with pytest.raises(FileNotFoundError, match=f"lacks .*{missing}") as caught:
        create("scgpt", weights=own)
    assert "drive.google.com" in str(caught.value)
    assert "MIT" in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"nheads": 5}, "embsize 12, which is not a multiple of nheads 5"),
        ({"nlayers": "2"}, "nlayers '2'; it must be an integer from 1"),
        ({"embsize": None}, "embsize None; it must be an integer"),
        ({"n_bins": 1}, "n_bins 1"),
        ({"input_style": "log1p"}, "input_style 'log1p'; only 'binned'"),
        ({"input_emb_style": "category"}, "input_emb_style 'category'; only 'continuous'"),
        ({"nlayers": 3}, "missing: 'transformer_encoder.layers.2"),
    ],
)
def test_a_configuration_that_cannot_be(own, change, message):
    args = json.loads((own / "args.json").read_text()) | change
    (own / "args.json").write_text(json.dumps(args))
    with pytest.raises(ValueError, match=message):
        create("scgpt", weights=own)


def test_a_configuration_of_something_else(own):
    (own / "args.json").write_text("[1]")
    with pytest.raises(ValueError, match="lacks 'embsize', 'nheads'"):
        create("scgpt", weights=own)
    (own / "args.json").write_text("{")
    with pytest.raises(ValueError, match="not JSON"):
        create("scgpt", weights=own)


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        ({"a": 0, "b": 0}, "its own integer from 0"),
        ({"a": 0.5}, "its own integer from 0"),
        ({}, "its own integer from 0"),
        (
            {f"g{i}": i for i in range(60)},
            "vectors for 46 tokens, but .*vocab.json has 63 .*different models",
        ),
    ],
)
def test_a_vocabulary_that_cannot_be(own, tokens, message):
    (own / "vocab.json").write_text(json.dumps(tokens))
    with pytest.raises(ValueError, match=message):
        create("scgpt", weights=own)


def test_special_tokens_are_appended_to_a_vocabulary_without(own, scgpt_folder, genes, counts):
    tokens = json.loads((own / "vocab.json").read_text())
    (own / "vocab.json").write_text(
        json.dumps({name: i for name, i in tokens.items() if not name.startswith("<")})
    )
    with_special = create("scgpt", weights=scgpt_folder)
    without = create("scgpt", weights=own)
    assert (
        (without.pad_id, without.cls_id) == (with_special.pad_id, with_special.cls_id) == (43, 44)
    )
    np.testing.assert_array_equal(
        run(without, counts, genes).groups[0].vectors,
        run(with_special, counts, genes).groups[0].vectors,
    )


def test_special_tokens_are_no_genes(scgpt_folder):
    assert create("scgpt", weights=scgpt_folder).match(
        np.array(["<cls>", "absent1"])
    ).slots.tolist() == [-1, 0]


def test_ensembl_ids_through_a_dictionary_beside_the_weights(own):
    (own / "gene_name_id_dict.json").write_text(json.dumps({"absent2": "ENSG00000777777"}))
    assert (
        create("scgpt", weights=own).match(np.array(["ENSG00000777777.1", "absent1"])).known.all()
    )


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        (
            {"gene_vectors": "mean"},
            "gene_vectors='mean' is not known; valid values: 'contextual', 'static'",
        ),
        ({"max_length": 1}, "max_length must be at least 2"),
    ],
)
def test_parameters_out_of_range(scgpt_folder, parameters, message):
    with pytest.raises(ValueError, match=message):
        create("scgpt", weights=scgpt_folder, **parameters)


def test_without_weights_the_message_tells_source_and_licence(monkeypatch, tmp_path):
    from huggingface_hub.errors import LocalEntryNotFoundError

    def offline(**_):
        raise LocalEntryNotFoundError("no")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", offline)
    with settings.override(cache_dir=tmp_path), pytest.raises(FileNotFoundError) as caught:
        create("scgpt")
    message = str(caught.value)
    assert "model='scgpt:whole-human'" in message
    assert "207 MB are fetched from https://huggingface.co/wanglab/scGPT-human" in message
    assert "revision a24c237737a40f3720f75abb555489e9fe753be6" in message
    assert "drive.google.com/drive/folders/1oWh_-ZRdhtoGQ2Fw24HP41FgLoomVo-y" in message
    assert "MIT" in message
    with pytest.raises(
        FileNotFoundError, match="drive.google.com/drive/folders/1vf1ijfQSk7rGdDGpBntR5bi5g6gNt-Gx"
    ):
        create("scgpt:brain")


def test_a_variant_without_hashes_is_recorded_with_the_hash_of_what_was_used(scgpt_folder):
    described = create("scgpt:brain", weights=scgpt_folder).describe()
    assert described["variant"] == "brain"
    assert len(described["weights_sha256"]) == 64
    with pytest.raises(ValueError, match="is not the published"):
        create("scgpt:whole-human", weights=scgpt_folder)


@pytest.fixture(scope="module")
def golden(shared, tmp_path_factory):
    source = shared / "golden" / "scgpt"
    folder = tmp_path_factory.mktemp("golden")
    known = json.loads((source / "config.json").read_text())
    (folder / "args.json").write_text(json.dumps(known["args_json_like"]))
    shutil.copy(source / "vocab.json", folder / "vocab.json")
    torch.save(load_file(source / "weights_flash_names.safetensors"), folder / "best_model.pt")
    with np.load(source / "inputs.npz") as inputs, np.load(source / "expected.npz") as expected:
        return (
            create("scgpt", weights=folder),
            np.array(known["data_genes"]),
            dict(inputs),
            dict(expected),
        )


def golden_batch(encoder, inputs, cells):
    mask = ~inputs["padding_mask"][cells]
    width = mask.sum(axis=1).max()
    ids = inputs["src"][cells, :width]
    slots = np.where((ids == encoder.cls_id) | ~mask[:, :width], -1, ids)
    return TokenBatch(
        cells=cells,
        ids=ids,
        slots=slots,
        mask=mask[:, :width],
        values=inputs["values"][cells, :width],
    )


@pytest.mark.shared
@pytest.mark.parametrize("cells", [[0, 1, 2, 3, 4, 5], [5], [4, 0, 2]])
def test_golden_hidden_states(golden, cells):
    encoder, _, inputs, expected = golden
    batch = golden_batch(encoder, inputs, np.array(cells))
    network = encoder.network
    with torch.inference_mode():
        ids, values = torch.as_tensor(batch.ids), torch.as_tensor(batch.values)
        x = network.inputs(ids, values)
        states = [x]
        for layer in network.layers:
            states.append(layer(states[-1], torch.as_tensor(batch.mask)[:, None, None]))
        encoded = encoder.encode(batch).hidden.numpy()
    width = batch.mask.shape[1]
    wanted = [expected["input_embedding_masked"]] + [
        expected["layer_outputs_masked"][:, i] for i in range(2)
    ]
    for got, want in zip(states, wanted, strict=True):
        np.testing.assert_allclose(
            got.numpy()[batch.mask], want[cells, :width][batch.mask], atol=2e-5, rtol=1e-4
        )
    want = expected["encoder_output_masked"][cells, :width]
    np.testing.assert_allclose(encoded[batch.mask], want[batch.mask], atol=2e-5, rtol=1e-4)
    np.testing.assert_allclose(
        encoded[:, 0], expected["cell_embedding_cls"][cells], atol=2e-5, rtol=1e-4
    )


@pytest.mark.shared
@pytest.mark.parametrize("cells", [range(6), [5, 1]])
def test_golden_vectors_of_cells(golden, cells):
    encoder, _, inputs, expected = golden
    batch = golden_batch(encoder, inputs, np.array(cells))
    for pooling in ("cls", "cls_unit"):
        with torch.inference_mode():
            found = encoder.encode(replace(batch, of="cells", cell_pooling=pooling)).cells
        wanted = expected["cell_embedding_" + pooling][list(cells)]
        np.testing.assert_allclose(found.numpy(), wanted, atol=2e-5, rtol=1e-4)


@pytest.mark.shared
def test_golden_gene_embeddings(golden):
    from scregnet.encoders.pooling import StreamingPooler

    encoder, genes, inputs, expected = golden
    static = encoder.network.gene_vectors(torch.arange(58)).detach().numpy()
    np.testing.assert_allclose(static, expected["gene_token_embedding"], atol=2e-5, rtol=1e-4)
    pooler = StreamingPooler(1, 58, encoder.dimension)
    with torch.inference_mode():
        for cells in (np.array([1, 4]), np.array([0, 2, 3, 5])):
            pooler.add(
                encoder.encode(golden_batch(encoder, inputs, cells)),
                np.zeros(len(cells), dtype=int),
            )
    pooled, seen = pooler.result()
    is_gene = np.arange(58) < 55
    np.testing.assert_array_equal(seen[0][is_gene], expected["cells_per_gene"][is_gene])
    wanted = expected["contextual_gene_embedding"]
    known = is_gene & (seen[0] > 0)
    assert np.isnan(wanted[is_gene & ~known]).all()
    np.testing.assert_allclose(pooled[0][known], wanted[known], atol=2e-5, rtol=1e-4)


@pytest.mark.shared
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_golden_tokens_and_bins(golden, seed):
    encoder, genes, inputs, _ = golden
    encoder.seed = seed
    cells, tokens, _ = tokens_of(encoder, inputs["counts"].astype(float), genes)
    for i, cell in enumerate(cells):
        length = int((~inputs["padding_mask"][i]).sum())
        # The golden tokens follow the columns of the data, these the vocabulary. The model knows no
        # order.
        by_token = {
            token: (low, high)
            for token, low, high in zip(
                *(inputs[name][i, 1:length] for name in ("src", "bin_low", "bin_high")), strict=True
            )
        }
        assert tokens.ids[cell][0] == encoder.cls_id
        assert tokens.values[cell][0] == -2
        assert sorted(by_token) == tokens.ids[cell][1:].tolist()
        for token, value in zip(tokens.ids[cell][1:], tokens.values[cell][1:], strict=True):
            assert by_token[token][0] <= value <= by_token[token][1]


@pytest.mark.shared
def test_golden_bins_of_distinct_values(golden):
    _, _, inputs, _ = golden
    row = sp.csr_matrix(inputs["binning_row"][None].astype(float))
    for key in (0, np.iinfo(np.uint64).max):
        bins = bin_values(row, 51, np.full(row.nnz, key, dtype=np.uint64))
        np.testing.assert_array_equal(bins, inputs["binning_row_expected"][row.indices])
        assert (inputs["binning_row_expected"] > 0).sum() == row.nnz
