from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from scregnet.encoders import Embedding, GeneEncoder, GeneVectors, create, names, register, registry
from scregnet.encoders.svd.encoder import SvdEncoder


class Constant:
    poolings = ()

    def __init__(self, *, value: float = 1.0):
        self.value = value

    def describe(self):
        return {"value": self.value}

    def embed(self, cells, genes, options):
        vectors = np.full((len(genes), 2), self.value, dtype=np.float32)
        seen = np.ones(len(genes), bool)
        return Embedding((GeneVectors(vectors, seen, cells.n_cells),), seen)


@pytest.fixture
def clean(monkeypatch):
    monkeypatch.setattr(registry, "_ENTRIES", dict(registry._ENTRIES))


def test_names():
    assert {"geneformer", "svd"} <= set(names())


def test_find_reads_variants():
    entry, variant, named = registry.find("geneformer")
    assert (entry.name, variant, named) == ("geneformer", "V1-10M", False)
    entry, variant, named = registry.find("geneformer:gf-20L-95M-i4096")
    assert (variant, named) == ("gf-20L-95M-i4096", True)
    assert entry.checkpoints[variant].dimension == 896
    assert registry.find("svd")[1:] == (None, False)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            "genformer",
            r"model='genformer' is not known; valid values: .*'svd'.* Did you mean 'geneformer'\?",
        ),
        (
            "geneformer:V9",
            r"variant in model='geneformer:...'='V9' is not known; valid values: 'V1-10M'",
        ),
        ("geneformer:", "variant"),
        ("svd:big", "has no variants"),
    ],
)
def test_unknown_names_list_the_valid_ones(model, message):
    with pytest.raises(ValueError, match=message):
        registry.find(model)


def test_a_model_that_is_no_text():
    with pytest.raises(TypeError, match="model must be a string, got SvdEncoder"):
        registry.find(SvdEncoder())


def test_one_line_registers_an_encoder(clean):
    register("constant", Constant)
    encoder = create("constant", value=3.0)
    assert isinstance(encoder, GeneEncoder)
    assert encoder.describe() == {"value": 3.0}
    with pytest.raises(ValueError, match="is taken"):
        register("constant", Constant)
    register("constant", f"{SvdEncoder.__module__}:SvdEncoder", overwrite=True)
    assert isinstance(create("constant"), SvdEncoder)


def test_a_class_that_is_no_encoder_is_told(clean):
    class Half:
        def embed(self, cells, genes, options):
            raise NotImplementedError

    register("half", Half)
    with pytest.raises(
        TypeError, match="model='half' is no encoder: Half lacks 'poolings', 'describe'; see"
    ):
        create("half")


@pytest.mark.parametrize("name", ["", "a:b", "a/b"])
def test_names_that_cannot_be(clean, name):
    with pytest.raises(ValueError, match="must not"):
        register(name, Constant)


def test_default_variant_must_exist(clean):
    with pytest.raises(ValueError, match="default_variant='x'"):
        register("constant", Constant, default_variant="x")


def test_create_names_the_parameters_that_there_are():
    with pytest.raises(
        TypeError, match="'svd' takes no parameter 'hidden_layer'; its parameters: 'n_components'"
    ):
        create("svd", hidden_layer=0)
    with pytest.raises(TypeError, match="its parameters: 'hidden_layer', 'attention'"):
        create("geneformer", n_components=3)
    with pytest.raises(ValueError, match="'svd' has no weights"):
        create("svd", weights="somewhere")


def test_published_checkpoints_are_complete():
    hexadecimal = set("0123456789abcdef")
    for checkpoint in registry.find("geneformer")[0].checkpoints.values():
        assert [file.role for file in checkpoint.files] == [
            "config",
            "weights",
            "tokens",
            "medians",
            "mapping",
            "symbols",
        ]
        assert len(checkpoint.revision) == 40
        assert all(
            len(file.sha256) == 64 and set(file.sha256) <= hexadecimal for file in checkpoint.files
        )
        tokens = {425590: 20275, 788424: 25426}[checkpoint.files[2].size]
        positions = {20275: 4096, 25426: 2048}[tokens]
        # float32: a table of tokens, one of positions, and per layer four square matrices and two
        # with the inner width.
        inner = (
            4 * checkpoint.dimension
            if checkpoint.dimension in (768, 1152)
            else 2 * checkpoint.dimension
        )
        weights = (
            tokens + positions
        ) * checkpoint.dimension + checkpoint.n_layers * checkpoint.dimension * (
            4 * checkpoint.dimension + 2 * inner
        )
        assert checkpoint.files[1].size == pytest.approx(4 * weights, rel=0.02)


def test_nothing_heavy_is_imported_before_it_is_used():
    code = (
        "import sys, scregnet.encoders; "
        "heavy = ('torch', 'transformers', 'sklearn', 'huggingface_hub', 'safetensors'); "
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
