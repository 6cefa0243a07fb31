"""Damaged and hostile files of models: an error that names the file, before memory is taken.

``SCREGNET_DAMAGED=500`` tries so many damaged files of each model.
"""

from __future__ import annotations

import json
import os
import pickle
import re
import shutil
import tracemalloc
import zipfile

import numpy as np
import pytest
import torch

from scregnet.encoders import create
from scregnet.encoders.geneformer.tokens import GeneformerVocabulary
from scregnet.encoders.weights.nested import check_nesting
from scregnet.encoders.weights.reading import read_checkpoint

N_FILES = int(os.environ.get("SCREGNET_DAMAGED", "20"))
MODELS = ("geneformer", "scbert", "scfoundation", "scgpt")
# A key of two million tuples, each in the next: Python itself ends where it hashes it.
NESTED = b"\x80\x02}" + b")" + b"\x85" * 2_000_000 + b"K\x01s."


@pytest.fixture
def own(write_small, tmp_path):
    """Copy the files of a model; return the folder and the file with its weights."""

    def copy(model):
        source = write_small(model, *(["V1"] if model == "geneformer" else []))
        folder = shutil.copytree(source, tmp_path / model)
        (weights,) = (
            path
            for path in folder.iterdir()
            if path.suffix in (".safetensors", ".pt", ".pth", ".ckpt")
        )
        return folder, weights

    return copy


def tensors_of(path):
    """Return the content of a file of weights, and the dictionary of its tensors."""
    content = state = read_checkpoint(path)
    for name in ("model_state_dict", "gene", "state_dict"):
        state = state.get(name, state)
    return content, state


def write_archive(path, content):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", content)
        archive.writestr("archive/version", "3\n")


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("form", ["archive", "older"])
def test_a_pickle_that_would_end_the_process(own, model, form):
    folder, weights = own(model)
    path = weights.with_suffix(".bin") if model == "geneformer" else weights
    weights.unlink()
    if model == "geneformer":
        path = folder / "pytorch_model.bin"
    if form == "archive":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("archive/data.pkl", NESTED)
            archive.writestr("archive/version", "3\n")
    else:
        path.write_bytes(NESTED)
    with pytest.raises(ValueError, match=rf"{re.escape(str(path))} .*tuples nested more than 100"):
        create(model, weights=folder)


def test_an_archive_that_unpacks_to_more_than_it_holds(tmp_path):
    path = tmp_path / "model.pt"
    write_archive(path, pickle.dumps({"a": "0" * 10**7}))
    with pytest.raises(ValueError, match=r"model\.pt .*unpacks to 10,000,\d+ bytes"):
        read_checkpoint(path)


@pytest.mark.parametrize("older", [False, True])
def test_files_of_torch_are_no_deeper(tmp_path, older):
    content = {"state": {f"layer.{i}": torch.ones(2) for i in range(300)}, "more": [(1, ((2,),))]}
    path = tmp_path / "model.pt"
    torch.save(content, path, _use_new_zipfile_serialization=not older)
    assert read_checkpoint(path)["more"] == content["more"]
    deep = 1
    for _ in range(101):
        deep = (deep,)
    for protocol in range(6):
        check_nesting(pickle.dumps(deep[0], protocol))
        with pytest.raises(pickle.UnpicklingError, match="nested"):
            check_nesting(pickle.dumps(deep, protocol))


HOSTILE = {
    "shown as a large one": lambda t: t.flatten()[:1].clone().expand(t.shape),
    "sparse": lambda t: t.to_sparse(),
    "complex": lambda t: t.to(torch.complex64),
    "NaN": lambda t: torch.full_like(t, float("nan")),
    "infinite": lambda t: torch.full_like(t, float("inf")),
}


@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.parametrize("model", ["scbert", "scfoundation", "scgpt"])
def test_a_tensor_without_a_number_in_every_place_is_named(own, model, kind):
    folder, weights = own(model)
    content, state = tensors_of(weights)
    name = next(name for name in state if name.endswith("to_q.weight") or "Wqkv.weight" in name)
    state[name] = HOSTILE[kind](state[name])
    torch.save(content, weights)
    with pytest.raises(
        ValueError, match=r"without a finite real number in every place: '.*\.weight|in_proj"
    ):
        create(model, weights=folder)


@pytest.mark.parametrize(
    ("model", "file", "keys", "value"),
    [
        ("scgpt", "args.json", ("nlayers",), 10**9),
        ("scgpt", "args.json", ("embsize",), 10**12),
        ("scgpt", "args.json", ("n_bins",), 10**9),
        ("scgpt", "args.json", ("pad_value",), float("nan")),
        ("scfoundation", "config.json", ("encoder", "depth"), 10**9),
        ("scfoundation", "config.json", ("decoder", "depth"), 10**9),
        ("scfoundation", "config.json", ("decoder", "dim_head"), 10**12),
        ("scfoundation", "config.json", ("seq_len",), 10**12),
        ("scfoundation", "config.json", ("bin_alpha",), float("nan")),
        ("geneformer", "config.json", ("num_hidden_layers",), 10**9),
        ("geneformer", "config.json", ("hidden_size",), 10**12),
    ],
)
def test_sizes_are_refused_before_memory_is_taken(
    own, scfoundation_config, model, file, keys, value
):
    folder, weights = own(model)
    if model == "scfoundation":
        torch.save(tensors_of(weights)[1], weights)
        (folder / file).write_text(json.dumps(scfoundation_config))
    config = json.loads((folder / file).read_text())
    part = config
    for key in keys[:-1]:
        part = part[key]
    assert keys[-1] in part or model != "geneformer"
    part[keys[-1]] = value
    (folder / file).write_text(json.dumps(config))
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=re.escape(str(folder / file))):
            create(model, weights=folder)
        assert tracemalloc.get_traced_memory()[1] < 50e6
    finally:
        tracemalloc.stop()


def test_layers_that_are_only_named_are_no_layers(own):
    folder, weights = own("scbert")
    content, state = tensors_of(weights)
    for number in range(2, 1002):
        state[f"performer.net.layers.{number}.0.norm.bias"] = torch.zeros(1)
    torch.save(content, weights)
    with pytest.raises(ValueError, match=r"it has 1,002 layers \(at most 1,000\)"):
        create("scbert", weights=folder)


@pytest.mark.parametrize(
    ("role", "gene", "value"),
    [
        ("medians", "ENSG2", "much"),
        ("medians", "ENSG2", float("nan")),
        ("medians", "ENSG2", -1.0),
        ("medians", "ENSG2", 0),
        ("medians", "ENSG2", float("inf")),
        ("tokens", "ENSG2", "3"),
        ("tokens", "ENSG2", 10**12),
        ("tokens", "ENSG2", -1),
    ],
)
def test_an_entry_of_a_dictionary_that_is_no_number_is_named_with_its_file(
    tmp_path, role, gene, value
):
    content = {
        "tokens": {"<pad>": 0, "ENSG1": 2, "ENSG2": 3},
        "medians": {"ENSG1": 1.0, "ENSG2": 2.0},
    }
    files = {name: tmp_path / f"{name}.json" for name in content}
    for name, path in files.items():
        path.write_text(json.dumps(content[name]))
    GeneformerVocabulary.read(files)
    content[role][gene] = value
    files[role].write_text(json.dumps(content[role]))
    with pytest.raises(ValueError, match=rf"{role}\.json must give .* but gives '{gene}' "):
        GeneformerVocabulary.read(files)


@pytest.mark.parametrize("model", MODELS)
def test_a_damaged_file_of_weights_is_refused_or_read(own, model):
    folder, weights = own(model)
    whole = weights.read_bytes()
    rng = np.random.default_rng(0)
    refused = []
    for number in range(N_FILES):
        raw = bytearray(whole)
        if number % 4 == 0:
            del raw[rng.integers(len(raw)) :]
        else:
            # Most of the file is numbers; its structure is at the start and at the end.
            for _ in range(rng.integers(1, 4)):
                place = rng.integers(len(raw) if number % 4 == 1 else min(len(raw), 2_000))
                raw[place if number % 4 < 3 else -1 - place] = rng.integers(256)
        weights.write_bytes(raw)
        try:
            encoder = create(model, weights=folder)
        except ValueError as error:
            refused.append(str(error))
            continue
        network = encoder.network
        assert all(torch.isfinite(value).all() for value in network.state_dict().values())
    assert len(refused) > N_FILES // 5
    assert [message for message in refused if str(weights) not in message] == []
