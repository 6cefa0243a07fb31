"""Training on the user's own cells, seen through ``tl.finetune`` and ``tl.embed``."""

from __future__ import annotations

import errno
import json
import shutil
import warnings

import anndata as ad
import numpy as np
import pytest
import safetensors.torch
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

import scregnet as sr
from scregnet.encoders.training import run as run_folder
from scregnet.encoders.training.loop import Trainer

SMALL = {
    "n_layers": 2,
    "hidden_size": 16,
    "n_heads": 2,
    "max_epochs": 3,
    "batch_size": 8,
    "show_progress_bar": False,
    "device": "cpu",
}
MODELS = ["geneformer", "scbert"]
FILES = {
    "geneformer": {
        "config.json",
        "model.safetensors",
        "token_dictionary.json",
        "gene_median_dictionary.json",
        "gene_name_id_dict.json",
    },
    "scbert": {"scbert_config.json", "model.safetensors", "gene_order.txt"},
}


def train(adata, model, folder, **more):
    sr.tl.finetune(adata, model, output=folder, **SMALL | more)
    return adata.uns[f"finetune_{model}"]


class Killed(Exception):
    """Stands for whatever stops a run."""


def kill_after(monkeypatch, steps):
    """Let training die after so many steps."""
    step, taken = Trainer.step, []

    def dying(*args):
        if len(taken) == steps:
            raise Killed
        taken.append(1)
        return step(*args)

    monkeypatch.setattr(Trainer, "step", dying)
    return taken


@pytest.fixture(scope="module", params=MODELS)
def trained(request, tmp_path_factory):
    """A model's name, its data and the folder of a finished run."""
    adata = sr.datasets.simulated(n_obs=60, n_vars=40, random_state=3)
    folder = tmp_path_factory.mktemp("runs") / request.param
    train(adata, request.param, folder)
    return request.param, adata, folder


def test_folder_record_and_embedding(trained):
    model, adata, folder = trained
    assert {path.name for path in folder.iterdir()} == FILES[model] | {"finetune.json"}
    entry = adata.uns[f"finetune_{model}"]
    params, history = entry["params"], entry["history"]
    assert entry["weights"] == str(folder)
    assert list(history.columns) == ["epoch", "train_loss", "validation_loss"]
    assert history["epoch"].tolist() == [0, 1, 2]
    assert params["best_loss"] == history["validation_loss"].min() < params["initial_loss"]
    assert params["best_epoch"] == history["validation_loss"].idxmin()
    assert (params["n_train"], params["n_validation"]) == (54, 6)
    assert params["learning_rate"] == 1e-3
    sr.tl.embed(adata, model=model, weights=folder, show_progress_bar=False, device="cpu")
    assert adata.varm[model].shape == (40, 16)
    if model == "geneformer":
        np.testing.assert_array_equal(
            adata.var["geneformer_covered"], np.asarray(adata.X.sum(axis=0)).ravel() > 0
        )
        assert len(np.unique(adata.varm[model].round(5), axis=0)) > 35
    assert adata.uns[model]["params"]["weights_sha256"] != ""


def test_record_survives_a_file(trained, tmp_path):
    model, adata, _ = trained
    with warnings.catch_warnings():
        # anndata warns of the future of its format on every write.
        warnings.simplefilter("ignore")
        adata.write_h5ad(tmp_path / "cells.h5ad")
    written, read = (
        adata.uns[f"finetune_{model}"],
        ad.read_h5ad(tmp_path / "cells.h5ad").uns[f"finetune_{model}"],
    )
    assert read["params"].keys() == written["params"].keys()
    np.testing.assert_array_equal(read["history"].to_numpy(), written["history"].to_numpy())


@pytest.mark.parametrize("steps", [0, 3, 9, 18])
def test_a_killed_run_goes_on_to_the_same_weights(trained, tmp_path, monkeypatch, steps):
    model, adata, whole = trained
    adata = adata.copy()
    with monkeypatch.context() as patch:
        kill_after(patch, steps)
        with pytest.raises(Killed):
            train(adata, model, tmp_path / "run", checkpoint_steps=2)
    assert not (tmp_path / "run" / "model.safetensors").exists()
    with monkeypatch.context() as patch:
        taken = kill_after(patch, 1000)
        entry = train(adata, model, tmp_path / "run", checkpoint_steps=2)
    # Seven steps an epoch: after 18 the last checkpoint is at 18, after 9 at 9, after 3 at 2.
    assert len(taken) == 21 - {0: 0, 3: 2, 9: 9, 18: 18}[steps]
    for name in FILES[model]:
        assert (tmp_path / "run" / name).read_bytes() == (whole / name).read_bytes(), name
    former = json.loads((whole / "finetune.json").read_text())["progress"]
    assert json.loads((tmp_path / "run" / "finetune.json").read_text())["progress"] == former
    np.testing.assert_array_equal(
        entry["history"]["train_loss"], [row["train_loss"] for row in former["history"]]
    )


def test_a_run_killed_while_it_writes_goes_on(trained, tmp_path, monkeypatch):
    model, adata, whole = trained
    adata = adata.copy()
    write, calls = run_folder.write_json, []

    def dying(path, content):
        calls.append(path)
        if len(calls) == 3:
            raise Killed
        write(path, content)

    with monkeypatch.context() as patch:
        patch.setattr(run_folder, "write_json", dying)
        with pytest.raises(Killed):
            train(adata, model, tmp_path / "run")
    train(adata, model, tmp_path / "run")
    assert (tmp_path / "run" / "model.safetensors").read_bytes() == (
        whole / "model.safetensors"
    ).read_bytes()


def test_a_run_killed_before_its_first_record_goes_on(trained, tmp_path):
    model, adata, whole = trained
    (tmp_path / "finetune.json.part").write_text('{"params": {')
    train(adata.copy(), model, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == FILES[model] | {"finetune.json"}
    assert (tmp_path / "model.safetensors").read_bytes() == (
        whole / "model.safetensors"
    ).read_bytes()


def test_what_a_finished_run_left_behind_is_removed(trained, tmp_path):
    model, adata, whole = trained
    folder = tmp_path / "run"
    shutil.copytree(whole, folder)
    (folder / "finetune_checkpoint").mkdir()
    (folder / "finetune_checkpoint" / "last-3-0.safetensors").write_bytes(b"old")
    (folder / "finetune.json.part").write_text("{")
    train(adata.copy(), model, folder)
    assert {path.name for path in folder.iterdir()} == FILES[model] | {"finetune.json"}


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left"), SafetensorError("full")])
def test_a_full_disk_names_the_file_and_the_run_goes_on(trained, tmp_path, monkeypatch, error):
    model, adata, whole = trained
    adata = adata.copy()
    before, folder = adata.copy(), tmp_path / "run"
    save, calls = safetensors.torch.save_file, []

    def full(tensors, path):
        calls.append(path)
        if len(calls) == 3:
            path.write_bytes(b"half")
            raise error
        save(tensors, path)

    with monkeypatch.context() as patch:
        patch.setattr(safetensors.torch, "save_file", full)
        with pytest.raises(OSError, match="finetune_checkpoint.*could not be written .*Make room"):
            sr.tl.finetune(adata, model, output=folder, key_added="full", **SMALL)
    assert adata.uns.keys() == before.uns.keys()
    assert not list(folder.rglob("*.part"))
    train(adata, model, folder)
    assert (folder / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()


def test_a_finished_run_is_not_trained_again(trained, monkeypatch):
    model, adata, folder = trained
    before = (folder / "model.safetensors").stat().st_mtime_ns
    taken = kill_after(monkeypatch, 0)
    other = sr.tl.finetune(adata, model, output=folder, copy=True, key_added="again", **SMALL)
    assert taken == []
    assert other.uns["again"]["params"] == adata.uns[f"finetune_{model}"]["params"]
    assert "again" not in adata.uns
    assert (folder / "model.safetensors").stat().st_mtime_ns == before


def test_training_goes_on_from_a_trained_folder(trained, tmp_path):
    """The same cells and seed hide the same positions: the first loss is the last one's best."""
    model, adata, folder = trained
    own = {
        name: value
        for name, value in SMALL.items()
        if name not in ("n_layers", "hidden_size", "n_heads")
    }
    other = sr.tl.finetune(
        adata, model, output=tmp_path / "more", weights=folder, copy=True, **own | {"max_epochs": 1}
    )
    params = other.uns[f"finetune_{model}"]["params"]
    assert params["initial_loss"] == pytest.approx(
        adata.uns[f"finetune_{model}"]["params"]["best_loss"], rel=1e-6
    )
    assert params["learning_rate"] == 5e-5
    assert params["start"] == "weights"
    former, now = (load_file(path / "model.safetensors") for path in (folder, tmp_path / "more"))
    assert former.keys() == now.keys()
    frozen = {"pos_emb.emb.weight"} | {name for name in now if name.endswith("projection_matrix")}
    changed = {name for name in now if not torch.equal(former[name], now[name])}
    if params["best_epoch"] >= 0:
        assert not changed & frozen
        assert len(changed) > 0.8 * len(now)


@pytest.mark.parametrize(("model", "low", "high"), [("geneformer", 0, 6), ("scbert", 3, 40)])
def test_training_beats_the_null_model_where_there_is_something_to_learn(
    model, low, high, tmp_path
):
    """Four kinds of cells, each with six genes of its own; others are low, or absent."""
    rng = np.random.default_rng(0)
    level = low + np.kron(np.eye(4), np.full((50, 6), high - low))
    adata = ad.AnnData(rng.poisson(level).astype(np.float32))
    adata.var_names = [f"g{i}" for i in range(24)]
    more = {
        "n_layers": 1,
        "hidden_size": 32,
        "max_epochs": 10,
        "learning_rate": 5e-3,
        "validation_fraction": 0.2,
    }
    params = train(adata, model, tmp_path / "run", **more)["params"]
    assert params["best_loss"] < 0.8 * params["baseline_loss"]
    assert params["best_loss"] < 0.8 * params["initial_loss"]


def test_the_best_epoch_is_kept_and_patience_ends_it(adata, tmp_path, monkeypatch):
    losses, states = iter([5.0, 4.0, 3.0, 3.5, 3.0, 1.0]), []

    def validate(trainer):
        states.append({name: value.clone() for name, value in trainer.model.state().items()})
        return next(losses)

    monkeypatch.setattr(Trainer, "validation_loss", validate)
    entry = train(adata, "geneformer", tmp_path / "run", max_epochs=20, patience=2)
    assert entry["history"]["validation_loss"].tolist() == [4.0, 3.0, 3.5, 3.0]
    assert entry["params"]["best_epoch"] == 1
    written = load_file(tmp_path / "run" / "model.safetensors")
    for name, value in states[2].items():
        torch.testing.assert_close(written[name], value, rtol=0, atol=0)


def test_training_that_does_not_help_leaves_the_weights_and_says_so(
    adata, tmp_path, monkeypatch, caplog
):
    losses = iter([1.0, 2.0])
    monkeypatch.setattr(Trainer, "validation_loss", lambda *_: next(losses))
    entry = train(adata, "geneformer", tmp_path / "run", max_epochs=1)
    assert entry["params"]["best_epoch"] == -1
    assert entry["params"]["best_loss"] == 1.0
    assert "did not lower the validation loss" in caplog.text


def test_neither_torchs_nor_numpys_random_state_changes(adata, tmp_path):
    torch.manual_seed(4)
    np.random.seed(4)  # noqa: NPY002
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    train(adata, "geneformer", tmp_path / "a", max_epochs=1)
    assert torch.equal(torch.get_rng_state(), torch_state)
    np.testing.assert_array_equal(np.random.get_state()[1], numpy_state)  # noqa: NPY002
    torch.manual_seed(5)
    train(adata, "geneformer", tmp_path / "b", max_epochs=1)
    train(adata, "geneformer", tmp_path / "c", max_epochs=1, random_state=1)
    a, b, c = ((tmp_path / name / "model.safetensors").read_bytes() for name in "abc")
    assert a == b
    assert a != c


def test_log_normalised_values_when_the_user_says_so(adata, tmp_path):
    adata.X = adata.X.log1p()
    params = train(adata, "geneformer", tmp_path / "run", max_epochs=1, counts=False)["params"]
    assert params["counts"] is False


def fails(adata, error, message, folder, **arguments):
    keys = list(adata.uns)
    with pytest.raises(error, match=message):
        sr.tl.finetune(adata, **{"output": folder, **SMALL, **arguments})
    assert list(adata.uns) == keys


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (
            {"model": "genformer"},
            ValueError,
            "model='genformer' is not known.*Did you mean 'geneformer'",
        ),
        (
            {"model": "svd"},
            ValueError,
            "model='svd' is not known; valid values: 'geneformer', 'scbert'",
        ),
        ({"model": "geneformer:V2-104M"}, ValueError, "names published weights.*weights='hub'"),
        (
            {"weights": "somewhere"},
            ValueError,
            "n_layers=2, hidden_size=16, n_heads=2 has no meaning with weights=",
        ),
        ({"hidden_size": 15}, ValueError, "hidden_size=15 must be a multiple of n_heads=2"),
        ({"n_layers": 0}, ValueError, "n_layers must be at least 1"),
        ({"max_epochs": 0}, ValueError, "max_epochs must be at least 1"),
        ({"learning_rate": 0}, ValueError, r"learning_rate must lie in \(0, 1\)"),
        (
            {"validation_fraction": 0.001},
            ValueError,
            "too few cells: 120 have genes.*leaves 0 for validation",
        ),
        ({"precision": "float16"}, ValueError, "precision='float16' is not known"),
        ({"precision": "bfloat16"}, ValueError, "precision='bfloat16' needs a CUDA device"),
        ({"layer": "counts"}, KeyError, "layer='counts' is not in adata.layers"),
        ({"gene_ids": "symbol"}, KeyError, "gene_ids='symbol' is not a column"),
        ({"key_added": "a/b"}, ValueError, "key 'a/b' cannot be stored"),
        ({"random_state": -1}, ValueError, "random_state must be an integer from 0"),
        (
            {"validation_fraction": None},
            TypeError,
            "validation_fraction must be a number",
        ),
        ({"output": None}, TypeError, "output must be the path of a folder, got None"),
        ({"output": ""}, TypeError, "output must be the path of a folder, got ''"),
        (
            {"n_layers": None, "hidden_size": None, "n_heads": None, "weights": 3},
            TypeError,
            "weights",
        ),
    ],
)
def test_arguments(adata, tmp_path, arguments, error, message):
    fails(adata, error, message, tmp_path / "run", **arguments)
    assert not (tmp_path / "run" / "model.safetensors").exists()


def test_numbers_of_numpy_are_as_good_as_others(adata, tmp_path):
    given = {"n_layers": 1, "max_epochs": 1, "batch_size": 32, "random_state": 3}
    train(adata.copy(), "geneformer", tmp_path / "a", **given, weight_decay=0.5)
    numpy = {name: np.int64(value) for name, value in given.items()}
    train(adata, "geneformer", tmp_path / "b", **numpy, weight_decay=np.float32(0.5))
    one, other = (tmp_path / name / "model.safetensors" for name in "ab")
    assert one.read_bytes() == other.read_bytes()


def test_too_few_cells(adata, tmp_path):
    fails(
        adata[:1].copy(),
        ValueError,
        "too few cells: 1 have genes",
        tmp_path / "run",
        validation_fraction=0.6,
    )


def test_counts_are_needed(adata, tmp_path):
    adata.X = adata.X.log1p()
    fails(
        adata,
        ValueError,
        "raw counts are needed, but adata.X holds values that are not integers",
        tmp_path / "run",
    )
    adata.X = -adata.X
    fails(adata, ValueError, "adata.X holds negative values", tmp_path / "run", counts=False)


@pytest.mark.parametrize("model", MODELS)
def test_no_counts_at_all(adata, model, tmp_path):
    adata.X = adata.X * 0
    fails(
        adata,
        ValueError,
        "none of the 120 cells has a value above zero",
        tmp_path / "run",
        model=model,
    )


def test_output_with_other_content(adata, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    fails(
        adata,
        FileExistsError,
        "holds other files .'notes.txt'.; name a new or an empty folder",
        tmp_path,
    )
    fails(adata, FileExistsError, "is a file; name a folder", tmp_path / "notes.txt")
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_aliases_find_genes_of_a_trained_model(trained, tmp_path):
    """With its table of names a run on renamed genes is the run on the genes."""
    model, adata, folder = trained
    own = {"weights": folder, "max_epochs": 1, "batch_size": 8, "device": "cpu", "model": model}
    renamed = adata.copy()
    at = int(np.asarray(adata.X.sum(axis=0)).argmax())
    names = adata.var_names.to_list()
    renamed.var_names = [*names[:at], "OLD", *names[at + 1 :]]
    more = {"aliases": {"OLD": names[at]}}
    for name, data, given in (("plain", adata, {}), ("renamed", renamed, more)):
        out = sr.tl.finetune(data, output=tmp_path / name, copy=True, **own, **given)
        params = out.uns[f"finetune_{model}"]["params"]
    assert (params["aliases"], params["n_renamed"]) == ("table", 1)
    one, other = (tmp_path / name / "model.safetensors" for name in ("plain", "renamed"))
    assert one.read_bytes() == other.read_bytes()
    fails(adata, ValueError, "aliases= has no meaning with weights=None", tmp_path / "new", **more)


def test_output_of_another_run(trained):
    model, adata, folder = trained
    fails(
        adata,
        ValueError,
        "holds a run with batch_size=8 .now 4.: give the same",
        folder,
        model=model,
        batch_size=4,
    )
    fails(adata, ValueError, "random_state=0 .now 1.", folder, model=model, random_state=1)
    fails(adata[:50].copy(), ValueError, "holds a run on other cells or genes", folder, model=model)


def test_lost_checkpoint(adata, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        kill_after(patch, 20)
        with pytest.raises(Killed):
            train(adata, "geneformer", tmp_path / "run")
    for path in (tmp_path / "run" / "finetune_checkpoint").iterdir():
        path.unlink()
    with pytest.raises(FileNotFoundError, match="the run cannot continue"):
        train(adata, "geneformer", tmp_path / "run")


def test_weights_without_the_head(adata, tmp_path):
    train(adata, "geneformer", tmp_path / "run", max_epochs=1)
    state = load_file(tmp_path / "run" / "model.safetensors")
    save_file(
        {k: v for k, v in state.items() if not k.startswith("cls.")},
        tmp_path / "run" / "model.safetensors",
    )
    own = {"n_layers": None, "hidden_size": None, "n_heads": None}
    fails(
        adata,
        ValueError,
        "missing: 'cls.predictions",
        tmp_path / "more",
        weights=tmp_path / "run",
        **own,
    )


def test_scbert_without_its_head_or_with_an_odd_configuration(adata, tmp_path):
    folder = tmp_path / "run"
    train(adata, "scbert", folder, max_epochs=1)
    (folder / "scbert_config.json").write_text('{"target_sum": -1}')
    with pytest.raises(ValueError, match="target_sum must be a number above zero, got -1"):
        sr.tl.embed(adata, model="scbert", weights=folder, show_progress_bar=False)
    (folder / "scbert_config.json").write_text("{}")
    with pytest.raises(ValueError, match="has no target_sum"):
        sr.tl.embed(adata, model="scbert", weights=folder, show_progress_bar=False)
    (folder / "scbert_config.json").unlink()
    state = load_file(folder / "model.safetensors")
    state["to_out.fc1.weight"] = state.pop("to_out.weight")
    save_file(state, folder / "model.safetensors")
    own = {"model": "scbert", "n_layers": None, "hidden_size": None, "n_heads": None}
    fails(
        adata,
        ValueError,
        "has no head over expression bins",
        tmp_path / "more",
        weights=folder,
        **own,
    )


def test_scbert_counts_are_scaled_as_in_training(trained, tmp_path):
    """Bins depend on what counts are scaled to: without configuration the vectors are others."""
    model, adata, folder = trained
    if model != "scbert":
        pytest.skip("only scBERT scales counts")
    other = tmp_path / "other"
    other.mkdir()
    for name in ("model.safetensors", "gene_order.txt"):
        (other / name).write_bytes((folder / name).read_bytes())
    quiet = {"model": "scbert", "show_progress_bar": False, "device": "cpu", "copy": True}
    own = sr.tl.embed(adata, weights=folder, **quiet)
    assert own.uns["scbert"]["params"]["target_sum"] == pytest.approx(1e4 * 40 / 16906, rel=0.1)
    wrong = sr.tl.embed(adata, weights=other, **quiet)
    assert wrong.uns["scbert"]["params"]["target_sum"] == 1e4
    assert np.abs(own.varm["scbert"] - wrong.varm["scbert"]).max() > 0.1


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("model", MODELS)
def test_mixed_precision_on_a_gpu(adata, model, tmp_path):
    state = torch.cuda.get_rng_state()
    params = train(adata, model, tmp_path / "run", device="cuda", precision="bfloat16")["params"]
    assert params["best_loss"] < params["initial_loss"]
    assert torch.equal(torch.cuda.get_rng_state(), state)
