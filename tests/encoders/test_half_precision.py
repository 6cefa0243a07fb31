"""What bfloat16 changes, by the autocast of the CPU, and for which models ``"auto"`` takes it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import scregnet as sr
from scregnet.encoders import CellStream, EmbedOptions, create, names, token_encoder
from scregnet.encoders.protocol import CellBlock

# Of the length of a vector. About 0.006 in the published sizes (docs/results/embed.md).
MOST = 0.03


@pytest.mark.parametrize("model", ["geneformer V1", "geneformer V2", "scgpt"])
def test_vectors_in_half_precision_are_near(model, write_small, genes, counts, monkeypatch):
    name, _, variant = model.partition(" ")
    encoder = create(name, weights=write_small(name, variant))
    stream = CellStream([CellBlock(counts, np.zeros(30, int))], 30)

    def vectors():
        found = encoder.embed(stream, genes, EmbedOptions(device="cpu", of="both"))
        return found.groups[0].vectors, found.cells.vectors

    exact = vectors()
    bfloat16 = lambda: torch.autocast("cpu", dtype=torch.bfloat16)
    # On CUDA the same context with another device.
    monkeypatch.setattr(token_encoder, "autocast", lambda *_: ("bfloat16", bfloat16))
    for half, full in zip(vectors(), exact, strict=True):
        seen = np.linalg.norm(full, axis=1) > 0
        apart = np.linalg.norm(half - full, axis=1)[seen] / np.linalg.norm(full, axis=1)[seen]
        assert 1e-4 < np.median(apart) < MOST
        assert apart.max() < 3 * MOST


def test_the_docstring_names_the_models_of_half_precision():
    from scregnet.encoders.registry import find

    half = [n for n in names() if getattr(find(n).entry.load_class(), "half_precision", False)]
    assert half == ["geneformer", "scgpt"]
    text = " ".join(sr.tl.embed.__doc__.split())
    assert "bfloat16 for Geneformer and scGPT on a GPU that has it" in text
