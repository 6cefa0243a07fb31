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


def test_a_page_has_what_is_needed_to_run_the_model():
    card = sr.get.models("geneformer")
    assert card.model == "geneformer"
    assert card.variants["variant"].tolist() == list(registry.find("geneformer")[0].checkpoints)
    assert card.files.set_index("role")["required"].to_dict() == {
        "config": True,
        "weights": True,
        "tokens": True,
        "medians": True,
        "mapping": False,
        "symbols": False,
    }
    assert card.files["file"][1] == "model.safetensors or pytorch_model.bin"
    parameters = card.parameters.set_index("name")
    assert parameters["default"].to_dict() == {"hidden_layer": -1, "attention": "sdpa"}
    assert "second to last" in parameters.loc["hidden_layer", "description"]
    assert (card.poolings, card.trainable) == (("mean",), True)
    assert (card.licence_code, card.licence_weights) == ("Apache-2.0", "Apache-2.0")


def test_a_page_reads_well():
    text = repr(sr.get.models("geneformer"))
    for line in (
        "geneformer: BERT over genes ranked by scaled expression",
        "Theodoris et al. 2023, doi:10.1038/s41586-023-06139-9",
        "gene ids   human Ensembl ids or symbols; of descendants those of their dictionaries",
        "pooling    mean",
        "trainable  yes, with sr.tl.finetune",
        "code       Apache-2.0",
        "Variants",
        "  V1-10M (default): 256 wide, 6 layers, 45 MB, https://huggingface.co/ctheodoris/Geneformer",
        "Files in the folder weights=",
        "  weights: model.safetensors or pytorch_model.bin",
        "  mapping: ensembl_mapping_dict*.pkl or ensembl_mapping_dict*.json (optional)",
        "Parameters",
        "  hidden_layer=-1",
        "  attention='sdpa'",
    ):
        assert line in text.splitlines(), line
    assert "``" not in text
    assert ":func:" not in text


@pytest.mark.parametrize("name", names())
def test_every_model_has_a_page_on_which_each_parameter_is_described(name):
    card = sr.get.models(name)
    entry = registry.find(name)[0]
    assert (card.model, card.description) == (name, entry.description)
    assert len(card.variants) == len(entry.checkpoints)
    assert card.about.split("\n\n")[0].endswith(".")
    for parameter in card.parameters.itertuples():
        assert parameter.description.endswith("."), parameter.name
        assert f"  {parameter.name}={parameter.default!r}" in repr(card).splitlines()


def test_a_model_without_weights_and_an_unknown_one():
    card = sr.get.models("svd")
    assert card.parameters["default"].tolist() == [64]
    assert len(card.variants) == len(card.files) == 0
    assert card.poolings == ()
    assert "Variants" not in repr(card)
    with pytest.raises(ValueError, match="model='scgbt' is not known.*Did you mean 'scgpt'"):
        sr.get.models("scgbt")


def test_the_page_of_an_encoder_of_the_users_own(own):
    class Bare:
        poolings = ()

    class Documented:
        """Count things.

        Parameters
        ----------
        first, second
            Both are :func:`needed <len>`, and ``"x"``
            is a value.
        """

        poolings = ("mean",)

        def __init__(self, first, second=None, *, third=2.5):
            pass

    register("bare", Bare)
    register("documented", Documented, description="counts")
    assert repr(sr.get.models("bare")).startswith("bare:\n\n")
    card = sr.get.models("documented")
    assert card.about == "Count things."
    assert card.parameters["name"].tolist() == ["first", "second", "third"]
    assert card.parameters["description"].tolist() == [
        'Both are needed, and "x" is a value.'
    ] * 2 + [""]
    assert repr(card).endswith(
        """Parameters
  first
    Both are needed, and "x" is a value.
  second=None
    Both are needed, and "x" is a value.
  third=2.5"""
    )


def test_no_model_is_imported():
    code = (
        "import sys, scregnet as sr; sr.get.models(); "
        "assert not {'torch', 'transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
