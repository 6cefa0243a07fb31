"""BERT-like networks, each against transformers' own model, read by itself, cell by cell."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModel

from scregnet.encoders import CellBlock, CellStream, EmbedOptions, create
from scregnet.encoders.huggingface.network import ARCHITECTURES
from scregnet.encoders.pairs.attention import attention_sums
from small_models import GENES


@pytest.fixture
def write(tmp_path_factory, write_network):
    """Write a network of a kind into a folder of its own."""
    return lambda kind, **more: write_network(
        tmp_path_factory.mktemp(kind) / "weights", GENES, kind, **more
    )


def embedded(folder, counts, genes, *, batch_size=7, of="both", **parameters):
    encoder = create("huggingface", weights=folder, **parameters)
    stream = CellStream([CellBlock(counts, np.zeros(30, int))], 30)
    options = EmbedOptions(batch_size=batch_size, device="cpu", of=of)
    return encoder, encoder.embed(stream, genes, options)


def plain(folder, counts, genes, *, order="rank", layer=None, length=64, ends=True):
    """The loop that a user would write: cell by cell, without batches, masks and padding."""
    model = AutoModel.from_pretrained(folder, local_files_only=True, use_safetensors=True).eval()
    tokens = json.loads((folder / "token_dictionary.json").read_text())
    path = folder / "gene_median_dictionary.json"
    medians = json.loads(path.read_text()) if path.is_file() else dict.fromkeys(GENES, 1.0)
    cls, eos = (tokens.get(name) if ends else None for name in ("<s>", "</s>"))
    found, cells = {}, np.zeros((len(counts), 12))
    for number, cell in enumerate(counts):
        total = cell.sum()
        values = {
            gene: count / total * 1e4 / medians[gene]
            for gene, count in zip(genes, cell, strict=True)
            if count and gene in GENES
        }
        by_rank = lambda gene, values=values: (-values[gene], tokens[gene])
        ordered = sorted(values, key=by_rank if order == "rank" else tokens.get)
        ordered = ordered[: length - (cls is not None) - (eos is not None)]
        if not ordered:
            continue
        ids = [tokens[gene] for gene in ordered]
        ids = [*([] if cls is None else [cls]), *ids, *([] if eos is None else [eos])]
        with torch.inference_mode():
            output = model(torch.tensor([ids]), output_hidden_states=True)
        hidden = output.last_hidden_state if layer is None else output.hidden_states[3 + layer]
        genes_only = hidden[0, int(cls is not None) :][: len(ordered)].double().numpy()
        cells[number] = genes_only.mean(axis=0) if cls is None else hidden[0, 0].numpy()
        for gene, vector in zip(ordered, genes_only, strict=True):
            found.setdefault(gene, []).append(vector)
    vectors = np.array([np.mean(found.get(gene, [np.zeros(12)]), axis=0) for gene in genes])
    return vectors, cells


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_vectors_are_those_of_transformers(kind, write, genes, counts):
    folder = write(kind, medians=kind != "bert")
    layer = -1 if kind in ("bert", "modernbert", "electra") else None
    # The alias that other models know is none here.
    vectors, cells = plain(folder, counts.toarray(), genes, layer=layer)
    _, found = embedded(folder, counts, genes, hidden_layer=layer or 0)
    np.testing.assert_allclose(found.groups[0].vectors, vectors, atol=1e-5)
    np.testing.assert_allclose(found.cells.vectors, cells, atol=1e-5)
    assert np.abs(vectors).max() > 0.5
    assert found.groups[0].covered.sum() == 39
    assert found.groups[0].n_cells == 28


def test_order_length_and_special_tokens(write, genes, counts):
    folder = write("roberta")
    ends = {"cls_token": None, "eos_token": None}
    for given, expected in (
        ({"order": "token", "max_length": 9}, {"order": "token", "length": 9}),
        ({"max_length": 12, **ends}, {"length": 12, "ends": False}),
        ({"cls_token": "<s>", "eos_token": 2}, {}),
    ):
        vectors, cells = plain(folder, counts.toarray(), genes, **expected)
        encoder, found = embedded(folder, counts, genes, **given)
        np.testing.assert_allclose(found.groups[0].vectors, vectors, atol=1e-5)
        np.testing.assert_allclose(found.cells.vectors, cells, atol=1e-5)
    assert encoder.max_length == 62, "RoBERTa counts positions from after the token of padding"
    described = encoder.describe()
    assert described["architecture"] == "roberta"
    assert (described["order"], described["cls_token"], described["medians"]) == ("rank", 0, True)


@pytest.mark.parametrize("kind", [kind for kind, of in ARCHITECTURES.items() if of.watched])
def test_attention_is_that_of_transformers(kind, write, genes, counts):
    folder = write(kind)
    encoder = create("huggingface", weights=folder)
    match = encoder.match(genes)
    tfs = np.array([2, 7])
    stream = CellStream([CellBlock(counts, np.zeros(30, int))], 30)
    with torch.inference_mode():
        (found,) = attention_sums(encoder, stream, match, tfs, direction="to_tf")
    model = AutoModel.from_pretrained(folder, attn_implementation="eager").eval()
    expected = np.zeros_like(found.sums)
    for batch in encoder.batches(CellBlock(counts, np.zeros(30, int)), match, 1):
        with torch.inference_mode():
            matrices = model(torch.tensor(batch.ids), output_attentions=True).attentions
        mean = np.mean([matrix[0].mean(0).numpy() for matrix in matrices], axis=0)
        places = np.flatnonzero(batch.slots[0] >= 0)
        for row, tf in enumerate(tfs):
            for at in np.flatnonzero(batch.slots[0] == tf):
                expected[row, batch.slots[0, places]] += mean[places, at]
        expected[[0, 1], tfs] = 0
    np.testing.assert_allclose(found.sums, expected, atol=1e-5)
    assert found.n_layers == 3


def test_windows_of_attention_are_not_taken_for_whole_cells(write, genes, counts):
    windows = create("huggingface", weights=write("modernbert"))
    stream = CellStream([CellBlock(counts, np.zeros(30, int))], 30)
    tfs = np.array([2, 7])
    with torch.inference_mode(), pytest.raises(ValueError, match="no layer with attention"):
        attention_sums(windows, stream, windows.match(genes), tfs)


def test_other_files_of_the_same_network(write, genes, counts, tmp_path):
    folder = write("bert", medians=False)
    expected = embedded(folder, counts, genes)[1].groups[0].vectors
    tokens = json.loads((folder / "token_dictionary.json").read_text())
    # The network alone, without a head and its name; tokens as a text.
    state = load_file(folder / "model.safetensors")
    bare = {k.removeprefix("bert."): v for k, v in state.items() if k.startswith("bert.")}
    bare |= {"pooler.dense.weight": torch.zeros(12, 12), "pooler.dense.bias": torch.zeros(12)}
    torch.save(bare, tmp_path / "pytorch_model.bin")
    (tmp_path / "config.json").write_text((folder / "config.json").read_text())
    (tmp_path / "vocab.txt").write_text("\n".join(tokens))
    found = embedded(tmp_path, counts, genes)[1].groups[0].vectors
    np.testing.assert_array_equal(found, expected)
    # Symbols find the genes through a dictionary, and travel to other processes.
    (tmp_path / "gene_name_id_dict.json").write_text(
        json.dumps({f"Gene{i}": gene for i, gene in enumerate(GENES)})
    )
    names = np.array([f"Gene{GENES.index(gene)}" if gene in GENES else gene for gene in genes])
    encoder, again = embedded(tmp_path, counts, names)
    np.testing.assert_array_equal(again.groups[0].vectors, expected)
    sent = pickle.loads(pickle.dumps(encoder))
    assert sent.describe() == encoder.describe()
    np.testing.assert_array_equal(
        sent.static(np.array([3])), state["bert.embeddings.word_embeddings.weight"][[3]]
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_type": "llama"}, "model_type 'llama'.*Code that comes with weights is not run"),
        ({"model_type": None}, "has model_type None"),
        ({"vocab_size": 10**9}, "has vocab_size 1000000000"),
        ({"num_hidden_layers": 10**6}, "has num_hidden_layers 1000000"),
        ({"num_hidden_layers": -1}, "has num_hidden_layers -1"),
        ({"hidden_size": "12"}, "config.json .*hidden_size"),
        ({"hidden_size": 10**6}, "no usable configuration"),
        ({"hidden_act": "nothing"}, "no usable configuration"),
        ({"num_attention_heads": 5}, "no usable configuration.*multiple"),
        ({"initializer_range": float("nan")}, "no usable configuration"),
        ({"intermediate_size": 999_999}, "of another shape"),
        ({"num_hidden_layers": 2}, "unexpected: 'encoder.layer.2"),
        ({"is_decoder": True}, "of a decoder"),
        ({"quantization_config": {"bits": 4}}, "quantised"),
        ({"pad_token_id": 3}, "token of padding is 0, but .* has pad_token_id 3"),
    ],
)
def test_a_hostile_or_foreign_configuration(change, message, write):
    folder = write("bert")
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ValueError, match=message):
        create("huggingface", weights=folder)


def test_code_and_types_that_a_configuration_names_are_left_out(write, genes, counts):
    folder = write("bert")
    expected = embedded(folder, counts, genes)[1].groups[0].vectors
    path = folder / "config.json"
    more = {"auto_map": {"AutoModel": "evil.py--Evil"}, "dtype": "bfloat16", "num_labels": 10**6}
    path.write_text(json.dumps(json.loads(path.read_text()) | more))
    np.testing.assert_array_equal(embedded(folder, counts, genes)[1].groups[0].vectors, expected)


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"order": "given"}, ValueError, "order='given'"),
        ({"hidden_layer": -4}, ValueError, "from -3"),
        ({"max_length": 63}, ValueError, "max_length=63 is more than the 62 positions"),
        ({"max_length": 2}, ValueError, "max_length"),
        ({"cls_token": "CLS"}, ValueError, "cls_token='CLS' is not in .*; it has '<s>'"),
        ({"cls_token": 7}, ValueError, f"cls_token=7 is the token of '{GENES[3]}'"),
        ({"eos_token": 99}, ValueError, "a token 99, but the network has only 44"),
        ({"pad_token": 2.0}, TypeError, "pad_token=2.0 must be the name"),
        ({"pad_token": "<mask>"}, ValueError, "padding is 3, but .* pad_token_id 1"),
    ],
)
def test_wrong_parameters(parameters, error, message, write):
    with pytest.raises(error, match=message):
        create("huggingface", weights=write("roberta"), **parameters)


def test_dictionaries_that_do_not_fit(write):
    folder = write("roberta")
    path = folder / "token_dictionary.json"
    tokens = json.loads(path.read_text())
    for content, message in (
        (tokens | {"more": 44}, "a token 44, but the network has only 44"),
        (tokens | {"twice": 5}, "a token of its own"),
        (tokens | {"odd": -1}, "must give every gene an integer"),
        ({k: v for k, v in tokens.items() if k != "<pad>"} | {GENES[0]: 1}, "counts positions"),
    ):
        path.write_text(json.dumps(content))
        with pytest.raises(ValueError, match=message):
            create("huggingface", weights=folder)
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r"lacks 'token_dictionary\*\.pkl or "):
        create("huggingface", weights=folder)
    state = load_file(folder / "model.safetensors")
    (folder / "vocab.txt").write_text("\n".join(tokens))
    (folder / "gene_median_dictionary.json").write_text('{"x": 1.0}')
    with pytest.raises(ValueError, match="share no gene"):
        create("huggingface", weights=folder)
    (folder / "gene_median_dictionary.json").unlink()
    state["roberta.encoder.layer.0.output.dense.bias"][0] = np.nan
    save_file(state, folder / "model.safetensors")
    with pytest.raises(ValueError, match="without a finite real number"):
        create("huggingface", weights=folder)
    with pytest.raises(FileNotFoundError, match="no published weights"):
        create("huggingface")
