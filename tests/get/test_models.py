from __future__ import annotations

import subprocess
import sys

import pandas as pd
import pytest

import scregnet as sr
from scregnet.encoders import names, register, registry
from scregnet.encoders.weights.checkpoints import Checkpoint, WeightFile


@pytest.fixture
def own(monkeypatch):
    monkeypatch.setattr(registry, "_ENTRIES", dict(registry._ENTRIES))


def test_every_registered_model_and_variant_is_in_it():
    table = sr.get.models()
    wanted = [
        (entry.name, variant)
        for entry in registry.entries()
        for variant in (entry.checkpoints or {"": None})
    ]
    assert list(zip(table["model"], table["variant"], strict=True)) == wanted
    assert list(dict.fromkeys(table["model"])) == names()
    assert {"geneformer", "scbert", "scfoundation", "scgpt", "svd"} <= set(table["model"])


def test_each_model_has_one_default_which_its_bare_name_stands_for():
    table = sr.get.models()
    defaults = table[table["default"]].set_index("model")["variant"]
    assert defaults.index.is_unique
    for name in names():
        assert defaults[name] == (registry.find(name)[1] or "")


def test_what_a_user_wants_to_know_is_there():
    table = sr.get.models()
    weights = table[table["variant"] != ""]
    for column in (
        "gene_ids",
        "licence_code",
        "licence_weights",
        "source",
        "description",
        "reference",
    ):
        assert (weights[column] != "").all(), column
    assert weights[["dimension", "n_layers"]].notna().all(axis=None)
    assert weights["source"].str.startswith("https://").all()
    fetched = weights["hub_id"] != ""
    assert weights.loc[fetched, "revision"].str.fullmatch("[0-9a-f]{40}").all()
    assert weights.loc[fetched, "size_mb"].notna().all()
    assert (weights.loc[~fetched, "revision"] == "").all()


def test_known_rows():
    table = sr.get.models().set_index(["model", "variant"])
    largest = table.loc[("geneformer", "gf-20L-95M-i4096")]
    assert (largest["dimension"], largest["n_layers"]) == (896, 20)
    assert largest["size_mb"] == pytest.approx(612.9)
    assert not largest["default"]
    scgpt = table.loc[("scgpt", "whole-human")]
    assert scgpt["hub_id"] == "wanglab/scGPT-human"
    assert (scgpt["dimension"], scgpt["default"], scgpt["licence_weights"][:3]) == (
        512,
        True,
        "MIT",
    )
    assert table.loc[("scbert", "panglao"), "licence_weights"] == "GPL-3.0"
    assert "non-commercial" in table.loc[("scfoundation", "100M"), "licence_weights"]
    assert pd.isna(table.loc[("scfoundation", "100M"), "size_mb"])
    assert pd.isna(table.loc[("svd", ""), "dimension"])


def test_an_encoder_of_the_users_own(own):
    files = (WeightFile("weights", "w.safetensors", "0" * 64, 2_500_000),)
    checkpoints = {"small": Checkpoint("me/mine", "0" * 40, 7, 2, files)}
    register(
        "mine",
        object,
        checkpoints=checkpoints,
        default_variant="small",
        licence="BSD-3-Clause",
        gene_ids="any",
    )
    row = sr.get.models().iloc[-1]
    assert (row["model"], row["variant"], row["default"], row["dimension"]) == (
        "mine",
        "small",
        True,
        7,
    )
    assert (row["size_mb"], row["source"]) == (2.5, "https://huggingface.co/me/mine")
    assert (row["licence_code"], row["licence_weights"], row["gene_ids"]) == (
        "BSD-3-Clause",
        "",
        "any",
    )


def test_types():
    table = sr.get.models()
    assert table["default"].dtype == bool
    assert [str(table[name].dtype) for name in ("dimension", "n_layers", "size_mb")] == [
        "Int64",
        "Int64",
        "Float64",
    ]
    assert table.index.equals(pd.RangeIndex(len(table)))


def test_no_model_is_imported():
    code = "import sys, scregnet as sr; sr.get.models(); assert not {'torch', 'transformers'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
