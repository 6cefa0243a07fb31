"""Forms of weight files, and what of them is refused with its reason."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from scregnet import settings
from scregnet.encoders import create
from scregnet.encoders.geneformer import tokens as tokens_module
from scregnet.encoders.geneformer.encoder import read_config
from scregnet.encoders.geneformer.tokens import GeneformerVocabulary
from scregnet.encoders.scbert import encoder as scbert_encoder
from scregnet.encoders.scfoundation import encoder as scfoundation_encoder
from scregnet.encoders.scfoundation.reading import read_genes
from scregnet.encoders.scgpt.checkpoints import CHECKPOINTS
from scregnet.encoders.scgpt.network import read_sizes
from scregnet.encoders.weights import pickles
from scregnet.encoders.weights.checkpoints import WeightFile
from scregnet.encoders.weights.files import sha256
from scregnet.encoders.weights.orders import PublishedOrder, check_order, sha256_of
from scregnet.encoders.weights.reading import read_checkpoint, read_state


def sharded(folder, state, kind):
    """Write tensors into two files with an index, in place of the one file."""
    (folder / "model.safetensors").unlink()
    names = sorted(state)
    stem, end = ("model", "safetensors") if kind == "safetensors" else ("pytorch_model", "bin")
    weight_map = {}
    for number, part in enumerate((names[::2], names[1::2]), start=1):
        file = f"{stem}-0000{number}-of-00002.{end}"
        save = save_file if kind == "safetensors" else torch.save
        save({name: state[name] for name in part}, folder / file)
        weight_map |= dict.fromkeys(part, file)
    path = folder / f"{stem}.{end}.index.json"
    path.write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": weight_map}))
    return path


@pytest.mark.parametrize("kind", ["safetensors", "bin"])
def test_weights_in_several_files(own_folder, state, kind):
    whole = create("geneformer", weights=own_folder).network.state_dict()
    path = sharded(own_folder, state, kind)
    for where in (own_folder, path):
        found = create("geneformer", weights=where)
        for name, value in found.network.state_dict().items():
            np.testing.assert_array_equal(value, whole[name], err_msg=name)
    assert len(found.describe()["parts_sha256"].split()) == 2


def test_an_index_that_does_not_fit(own_folder, state):
    path = sharded(own_folder, state, "safetensors")
    content = json.loads(path.read_text())
    moved = {**content["weight_map"], "bert.more": "model-00001-of-00002.safetensors"}
    for weight_map, error, words in (
        (moved, ValueError, r"holds other tensors than .*'bert.more'"),
        ({"a": "../model.safetensors"}, ValueError, "not in its folder: '../model.safetensors'"),
        ({"a": "/etc/passwd"}, ValueError, "not in its folder"),
        ({"a": path.name}, ValueError, "not in its folder"),
        ({"a": "absent.safetensors"}, FileNotFoundError, "not there: 'absent.safetensors'"),
        (["a"], ValueError, "must hold a weight_map"),
    ):
        path.write_text(json.dumps({"weight_map": weight_map}))
        with pytest.raises(error, match=words):
            read_checkpoint(path)


@pytest.mark.parametrize("key", ["model_state_dict", "state_dict", ""])
def test_scgpt_in_a_training_checkpoint(scgpt_folder, scgpt_tensors, key, tmp_path):
    folder = shutil.copytree(scgpt_folder, tmp_path / "w")
    more = {"epoch": np.int64(3), "loss": np.float64(0.5), "done": np.bool_(True), "note": "x"}
    content = {key: scgpt_tensors, **more} if key else {**scgpt_tensors, **more}
    torch.save(content, folder / "best_model.pt")
    found = create("scgpt", weights=folder).network.state_dict()
    expected = create("scgpt", weights=scgpt_folder).network.state_dict()
    for name, value in found.items():
        np.testing.assert_array_equal(value, expected[name], err_msg=name)


def test_numbers_of_numpy_are_read_as_plain_ones(tmp_path):
    allowed = list(torch.serialization.get_safe_globals())
    numbers = {"a": np.float64(0.25), "b": np.int16(-3), "c": np.bool_(True), "d": torch.ones(2)}
    torch.save(numbers, tmp_path / "a.pt")
    found = read_checkpoint(tmp_path / "a.pt")
    assert [found[name] for name in "abc"] == [0.25, -3, True]
    assert {type(found[name]) for name in "abc"} <= {float, int, bool}
    assert list(read_state(tmp_path / "a.pt")) == ["d"]
    # The user's own list of what torch may load is as before.
    assert torch.serialization.get_safe_globals() == allowed


class Payload:
    def __init__(self, *call):
        self.call = call

    def __reduce__(self):
        return self.call[0], self.call[1:]


@pytest.mark.parametrize(
    ("function", "named"),
    [(os.system, "posix.system"), (eval, "eval"), (np.ones, "numpy.*ones")],
)
def test_the_message_names_what_a_file_carries_and_no_way_to_run_it(tmp_path, function, named):
    torch.save({"w": torch.ones(1), "x": Payload(function, "1")}, tmp_path / "a.pt")
    with pytest.raises(ValueError, match=rf"a\.pt was not read: .*GLOBAL {named}") as caught:
        read_checkpoint(tmp_path / "a.pt")
    message = str(caught.value)
    assert "\x1b" not in message
    assert "\n" not in message
    assert not any(word in message for word in ("weights_only", "safe_globals", "trust", "Please"))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda x: x.to(torch.complex64), "without a finite real number in every place"),
        (lambda x: x.to(torch.int64), r"of whole numbers, which no weight is: .*\(torch.int64\)"),
        (lambda x: x.index_fill(0, torch.tensor([1]), torch.nan), "without a finite real number"),
    ],
)
def test_weights_that_are_no_real_numbers(own_folder, state, change, words):
    name = "bert.encoder.layer.1.output.dense.bias"
    (own_folder / "model.safetensors").unlink()
    torch.save({**state, name: change(state[name])}, own_folder / "pytorch_model.bin")
    with pytest.raises(ValueError, match=words) as caught:
        create("geneformer", weights=own_folder)
    assert "encoder.layer.1.output.dense.bias" in str(caught.value)


def test_one_section_of_scfoundation_is_read(scfoundation_folder, tmp_path):
    folder = shutil.copytree(scfoundation_folder, tmp_path / "w")
    (path,) = folder.glob("*.ckpt")
    content = torch.load(path, weights_only=True)
    # Were it read, it would be found.
    large = {"model.large": torch.zeros(20_000_000)}
    torch.save({**content, "rde": {**content["gene"], "state_dict": large}}, path)
    expected = create("scfoundation", weights=scfoundation_folder).network.state_dict()
    before = _resident()
    found = create("scfoundation", weights=folder)
    # 80 MB lie in the other section.
    assert _resident() - before < 40e6
    path.unlink()
    for name, value in found.network.state_dict().items():
        np.testing.assert_array_equal(value, expected[name], err_msg=name)


def _resident():
    """Bytes of this process that are in memory and are no file's."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon"))


def test_a_large_dictionary_is_kept_and_checked(tmp_path, monkeypatch):
    content = {f"ENSG{i:011d}": float(i) / 7 for i in range(9000)} | {"text": "x", "whole": 3}
    path = tmp_path / "medians.pkl"
    path.write_bytes(pickle.dumps(content))
    calls = []
    scan = pickles._scan
    monkeypatch.setattr(pickles, "_scan", lambda raw: (calls.append(0), scan(raw)))
    with settings.override(cache_dir=tmp_path / "cache"):
        assert pickles.read_dictionary(path) == content
        assert pickles.read_dictionary(path) == content
        assert len(calls) == 1
        (kept,) = (tmp_path / "cache" / "dictionaries").iterdir()
        # A file that was changed or cut off is read from its source again, and written anew.
        for damage in (lambda b: b.replace(b"1.0", b"2.0"), lambda b: b[:-9], lambda b: b""):
            whole = kept.read_bytes()
            kept.write_bytes(damage(whole))
            assert pickles.read_dictionary(path) == content
            assert kept.read_bytes() == whole
        assert len(calls) == 4
        # Nothing but flat dictionaries is kept.
        path.write_bytes(pickle.dumps({**content, "more": [1]}))
        with pytest.raises(ValueError, match="not a flat dictionary"):
            pickles.read_dictionary(path)
        assert list(kept.parent.iterdir()) == [kept]
    # A folder that cannot be written to changes nothing.
    path.write_bytes(pickle.dumps(content))
    (tmp_path / "file").write_text("")
    with settings.override(cache_dir=tmp_path / "file"):
        assert pickles.read_dictionary(path) == content


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"hidden_act": "nothing"}, "has hidden_act 'nothing'; it must be one of 'relu', 'silu'"),
        (
            {"vocab_size": 20275, "hidden_act": "gelu"},
            "has hidden_act 'gelu'; the published Geneformer has 'relu'",
        ),
        ({"is_decoder": True}, "has is_decoder True"),
        ({"position_embedding_type": "relative_key"}, "Geneformer has 'absolute'"),
        (
            {
                "vocab_size": 20275,
                "hidden_size": 896,
                "num_hidden_layers": 20,
                "num_attention_heads": 16,
            },
            "num_attention_heads 16; the published Geneformer of width 896 has 14",
        ),
    ],
)
def test_a_configuration_of_another_bert(own_folder, change, words, tmp_path):
    path = tmp_path / "config.json"
    path.write_text(json.dumps(json.loads((own_folder / "config.json").read_text()) | change))
    vocabulary = GeneformerVocabulary.read(
        {
            "tokens": own_folder / "token_dictionary.json",
            "medians": own_folder / "gene_median_dictionary.json",
        }
    )
    if "vocab_size" in change:
        # As many tokens as the published model has.
        tokens = {**vocabulary.tokens, "last": 20274}
        vocabulary = GeneformerVocabulary(tokens, vocabulary.medians)
    with pytest.raises(ValueError, match=words):
        read_config(path, vocabulary)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"pre_norm": True}, "has pre_norm True"),
        (
            {"embsize": 512, "d_hid": 512, "nlayers": 12, "nheads": 4},
            "has nheads 4; the published scGPT of these sizes has 8",
        ),
    ],
)
def test_a_configuration_of_another_scgpt(scgpt_folder, change, words, tmp_path):
    path = tmp_path / "args.json"
    path.write_text(json.dumps(json.loads((scgpt_folder / "args.json").read_text()) | change))
    with pytest.raises(ValueError, match=words):
        read_sizes(path)


def test_an_order_of_genes_that_is_not_the_published_one(tmp_path, caplog):
    names = [f"G{i}" for i in range(30)]
    known = PublishedOrder(30, sha256_of(names), sha256_of(sorted(names)))
    check_order(tmp_path, names, known, "Mine")
    check_order(tmp_path, names[:29], known, "Mine")
    assert not caplog.records
    with pytest.raises(ValueError, match="has the genes of Mine in another order"):
        check_order(tmp_path, names[::-1], known, "Mine")
    check_order(tmp_path, [*names[:29], "other"], known, "Mine")
    assert "is not the published list of Mine's genes" in caplog.text


@pytest.mark.shared
@pytest.mark.parametrize("model", ["scbert", "scfoundation", "geneformer_v1", "geneformer_v2"])
def test_published_orders_are_known(shared, model, tmp_path):
    folder = shared / "data" / "vocab" / model
    if model.startswith("geneformer"):
        (path,) = folder.glob("token_dictionary*.pkl")
        tokens = pickles.read_dictionary(path)
        order = sorted(tokens, key=tokens.get)
        known = next(each for each in tokens_module._PUBLISHED if each.n == len(order))
    elif model == "scbert":
        order = (folder / "gene_order_16906.txt").read_text().split()
        known = scbert_encoder._PUBLISHED_GENES
    else:
        order = read_genes(folder / "OS_scRNA_gene_index.19264.tsv")
        known = scfoundation_encoder._PUBLISHED_GENES
    check_order(tmp_path, order, known, model)
    with pytest.raises(ValueError, match="in another order"):
        check_order(tmp_path, [order[1], order[0], *order[2:]], known, model)


def test_published_weights_want_their_own_vocabulary(scgpt_folder, monkeypatch, tmp_path):
    folder = shutil.copytree(scgpt_folder, tmp_path / "w")
    files = {"weights": "best_model.pt", "tokens": "vocab.json"}
    listed = tuple(
        WeightFile(
            role,
            name,
            sha256(folder / name),
            (folder / name).stat().st_size,
        )
        for role, name in files.items()
    )
    checkpoint = replace(CHECKPOINTS["whole-human"], files=listed)
    monkeypatch.setitem(CHECKPOINTS, "whole-human", checkpoint)
    assert create("scgpt", weights=folder).describe()["variant"] == "whole-human"
    tokens = json.loads((folder / "vocab.json").read_text())
    first, second = list(tokens)[:2]
    tokens[first], tokens[second] = tokens[second], tokens[first]
    (folder / "vocab.json").write_text(json.dumps(tokens))
    with pytest.raises(ValueError, match=r"vocab.json is not the published vocab.json"):
        create("scgpt", weights=folder)
