from __future__ import annotations

import hashlib
import json
import os
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from scregnet import settings
from scregnet.encoders import create, registry
from scregnet.encoders.registry import EncoderEntry
from scregnet.encoders.weights.checkpoints import Checkpoint, WeightFile

ROLES = {
    "config": "config.json",
    "weights": "model.safetensors",
    "tokens": "token_dictionary.json",
    "medians": "gene_median_dictionary.json",
    "mapping": "ensembl_mapping_dict.json",
    "symbols": "gene_name_id_dict.json",
}


@pytest.fixture
def published(monkeypatch, own_folder, tmp_path):
    """``geneformer:tiny``: ``own_folder`` as if it were on the hub, with a fake of its client."""
    files = tuple(
        WeightFile(
            role, f"folder/{name}", digest(own_folder / name), (own_folder / name).stat().st_size
        )
        for role, name in ROLES.items()
    )
    entry = registry.find("geneformer")[0]
    tiny = Checkpoint("someone/tiny", "0123abcd", 12, 3, files)
    other = Checkpoint(
        "someone/other", "4567", 12, 3, (files[0], WeightFile("weights", "o/w.bin", "0" * 64, 7))
    )
    entries = dict(registry._ENTRIES)
    entries["geneformer"] = EncoderEntry(
        "geneformer",
        entry.target,
        checkpoints={"tiny": tiny, "other": other},
        default_variant="tiny",
    )
    monkeypatch.setattr(registry, "_ENTRIES", entries)
    hub = Hub(own_folder, tmp_path / "cache")
    monkeypatch.setattr("huggingface_hub.hf_hub_download", hub)
    with settings.override(cache_dir=tmp_path / "cache"):
        yield hub


class Hub:
    """Answers as ``huggingface_hub.hf_hub_download`` does, from a folder."""

    def __init__(self, folder, cache):
        self.folder, self.cache = folder, cache
        self.online = True
        self.fetched = []

    def __call__(self, *, repo_id, filename, revision, cache_dir, local_files_only=False):
        from huggingface_hub.errors import LocalEntryNotFoundError

        assert (repo_id, revision, cache_dir) == ("someone/tiny", "0123abcd", self.cache / "hub")
        target = cache_dir / filename
        if not target.exists():
            if local_files_only or not self.online:
                raise LocalEntryNotFoundError("not there")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(self.folder / filename.removeprefix("folder/"), target)
            self.fetched.append(filename)
        return str(target)


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_weights_are_fetched_once_with_the_pinned_revision(published, own_folder):
    first = create("geneformer").describe()
    assert sorted(published.fetched) == sorted(f"folder/{name}" for name in ROLES.values())
    published.online = False
    assert create("geneformer:tiny").describe() == first
    assert first["variant"] == "tiny"
    assert first["hub_id"] == "someone/tiny"
    assert first["revision"] == "0123abcd"
    assert first["weights"] == "hub"
    assert first["weights_sha256"] == digest(own_folder / "model.safetensors")


def test_offline_and_absent_tells_both_ways(published, tmp_path):
    published.online = False
    with pytest.raises(FileNotFoundError) as caught:
        create("geneformer")
    message = str(caught.value)
    assert "model='geneformer:tiny'" in message
    assert "https://huggingface.co/someone/tiny" in message
    assert str(tmp_path / "cache") in message
    assert "0123abcd" in message
    assert "weights=" in message
    assert all(f"folder/{name}" in message for name in ROLES.values())


@pytest.mark.parametrize("change", ["truncate", "tamper"])
def test_a_changed_file_in_the_cache_is_caught(published, tmp_path, change):
    create("geneformer")
    path = tmp_path / "cache" / "hub" / "folder" / "model.safetensors"
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    path.write_bytes(raw[:-4] if change == "truncate" else raw)
    with pytest.raises(
        ValueError,
        match=rf"{path.name} is not the published folder/model\.safetensors: .*delete it",
    ):
        create("geneformer")


def test_a_named_variant_must_be_that_file(published, own_folder):
    assert create("geneformer:tiny", weights=own_folder).describe()["variant"] == "tiny"
    assert create("geneformer", weights=own_folder).describe()["revision"] == "0123abcd"
    with pytest.raises(ValueError, match=r"not the published o/w\.bin: \d+ bytes instead of 7"):
        create("geneformer:other", weights=own_folder)
    state = load_file(own_folder / "model.safetensors")
    state["bert.embeddings.LayerNorm.bias"] += 1
    save_file(state, own_folder / "model.safetensors")
    with pytest.raises(ValueError, match="sha256 .* instead of"):
        create("geneformer:tiny", weights=own_folder)
    described = create("geneformer", weights=own_folder).describe()
    assert described["variant"] == "custom"
    assert described["weights_sha256"] == digest(own_folder / "model.safetensors")
    assert "revision" not in described


def test_a_copy_of_the_repository_tree_is_taken(published, own_folder, tmp_path):
    shutil.copytree(own_folder, tmp_path / "clone" / "folder")
    described = create("geneformer", weights=tmp_path / "clone").describe()
    assert described["weights"] == str(tmp_path / "clone")
    assert described["variant"] == "tiny"


def test_no_folder(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"(?s)is not there.*Geneformer-V1-10M/model.safetensors"
    ):
        create("geneformer", weights=tmp_path / "nowhere")


def test_missing_files_are_named(own_folder):
    for name in ("model.safetensors", "token_dictionary.json"):
        (own_folder / name).unlink()
    with pytest.raises(
        FileNotFoundError,
        match=r"lacks 'model.safetensors or pytorch_model.bin', 'token_dictionary\*",
    ):
        create("geneformer", weights=own_folder)


def test_two_dictionaries_are_ambiguous(own_folder):
    shutil.copy(own_folder / "token_dictionary.json", own_folder / "token_dictionary_gc30M.json")
    with pytest.raises(ValueError, match="several files"):
        create("geneformer", weights=own_folder)


def test_optional_dictionaries_may_be_absent(own_folder, genes):
    for name in ("ensembl_mapping_dict.json", "gene_name_id_dict.json"):
        (own_folder / name).unlink()
    assert create("geneformer", weights=own_folder).match(genes).known.sum() == len(genes) - 4


@pytest.mark.parametrize("prefix", ["bert.", "", "module.bert.", "module."])
@pytest.mark.parametrize("container", ["model.safetensors", "pytorch_model.bin"])
def test_every_published_naming_gives_the_same_network(own_folder, state, prefix, container):
    expected = create("geneformer", weights=own_folder).network.state_dict()
    (own_folder / "model.safetensors").unlink()
    renamed = {
        prefix + key.removeprefix("bert."): value
        for key, value in state.items()
        if key.startswith("bert.")
    } | {f"{'module.' if 'module' in prefix else ''}classifier.weight": torch.zeros(2, 12)}
    if container.endswith("bin"):
        torch.save(renamed, own_folder / container)
    else:
        save_file(renamed, own_folder / container)
    got = create("geneformer", weights=own_folder).network.state_dict()
    assert expected.keys() == got.keys()
    assert all(torch.equal(expected[key], got[key]) for key in expected)


def test_half_precision_weights_are_read_as_float32(own_folder, state):
    save_file({key: value.half() for key, value in state.items()}, own_folder / "model.safetensors")
    network = create("geneformer", weights=own_folder).network
    assert {value.dtype for value in network.state_dict().values()} == {torch.float32}


def test_tensors_that_do_not_fit_are_listed(own_folder, state):
    changed = dict(state)
    del changed["bert.encoder.layer.1.output.dense.bias"]
    changed["bert.encoder.layer.9.output.dense.bias"] = torch.zeros(12)
    changed["bert.embeddings.LayerNorm.bias"] = torch.zeros(13)
    save_file(changed, own_folder / "model.safetensors")
    with pytest.raises(ValueError, match="do not fit") as caught:
        create("geneformer", weights=own_folder)
    message = str(caught.value)
    assert "missing: 'encoder.layer.1.output.dense.bias'" in message
    assert "unexpected: 'encoder.layer.9.output.dense.bias'" in message
    assert "embeddings.LayerNorm.bias (13,) instead of (12,)" in message


@pytest.mark.parametrize("length", [0, 5, 400, -4])
@pytest.mark.parametrize("container", ["model.safetensors", "pytorch_model.bin"])
def test_a_truncated_file_is_caught_without_a_hash(own_folder, state, container, length):
    (own_folder / "model.safetensors").unlink()
    path = own_folder / container
    torch.save(state, path) if container.endswith("bin") else save_file(state, path)
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(ValueError, match=rf"{container} was not read"):
        create("geneformer", weights=own_folder)


def test_a_weight_file_that_carries_code_is_refused(own_folder, tmp_path):
    class Payload:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "ran"),)

    (own_folder / "model.safetensors").unlink()
    torch.save({"bert.x": Payload()}, own_folder / "pytorch_model.bin")
    with pytest.raises(ValueError, match="carries more than tensors"):
        create("geneformer", weights=own_folder)
    assert not (tmp_path / "ran").exists()


def test_a_file_of_other_things_than_tensors(own_folder):
    (own_folder / "model.safetensors").unlink()
    torch.save({"epoch": 3}, own_folder / "pytorch_model.bin")
    with pytest.raises(ValueError, match="not a dictionary of tensors"):
        create("geneformer", weights=own_folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"vocab_size": 41}, "vocab_size 41, but the token dictionary .* has 42 tokens"),
        ({"model_type": "gpt2"}, "'gpt2' model"),
        ({"hidden_size": None}, "lacks 'hidden_size'"),
        ({"num_hidden_layers": 2}, "unexpected: 'encoder.layer.2"),
    ],
)
def test_a_configuration_that_does_not_belong(own_folder, change, message):
    path = own_folder / "config.json"
    content = {
        key: value
        for key, value in (json.loads(path.read_text()) | change).items()
        if value is not None
    }
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=message):
        create("geneformer", weights=own_folder)


def test_a_configuration_that_is_no_json(own_folder):
    (own_folder / "config.json").write_text("{")
    with pytest.raises(ValueError, match="not JSON"):
        create("geneformer", weights=own_folder)


def test_reading_leaves_the_global_generator_alone(own_folder):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    create("geneformer", weights=own_folder)
    np.testing.assert_array_equal(before.numpy(), torch.get_rng_state().numpy())
