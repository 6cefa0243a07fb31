"""The encoder on the page *Extending* runs as it is written there."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp

import scregnet as sr
from scregnet.encoders import GeneEncoder, create, registry

PAGE = Path(__file__).resolve().parents[2] / "docs" / "api" / "extending.md"


@pytest.fixture(scope="module")
def code():
    section = PAGE.read_text(encoding="utf-8").partition("\n## An encoder\n")[2]
    found = re.search(r"^```python\n(.*?)^```", section, flags=re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


@pytest.fixture
def page(code, monkeypatch):
    """What the page's code defines."""
    monkeypatch.setattr(registry, "_ENTRIES", dict(registry._ENTRIES))
    defined: dict = {"__name__": "page"}
    exec(compile(code, PAGE.name, "exec"), defined)
    return defined


def means(adata):
    return np.asarray(adata.X.astype(np.float64).mean(axis=0)).ravel()


def test_it_is_short(code):
    start = code.index("class MeanCount")
    body = code[start : code.index("\n\n\n", start)]
    statements = [line for line in body.splitlines() if line.strip() and '"""' not in line]
    assert len(statements) <= 12


def test_it_embeds(page):
    adata = page["adata"]
    np.testing.assert_allclose(adata.varm["mean_count"][:, 0], means(adata), rtol=1e-6)
    assert adata.var["mean_count_covered"].to_numpy().dtype == bool
    params = adata.uns["mean_count"]["params"]
    assert (params["model"], params["moments"], params["pooling"]) == ("mean_count", 1, "none")
    assert params["n_cells_used"] == adata.n_obs


def test_it_keeps_the_promises_of_an_encoder(page):
    assert isinstance(create("mean_count"), GeneEncoder)
    adata = page["adata"]
    adata.obs["half"] = np.where(np.arange(adata.n_obs) % 2, "odd", "even")
    sr.tl.embed(adata, model="mean_count", min_cells=1, groupby="half")
    for name in ("odd", "even"):
        expected = means(adata[adata.obs["half"] == name])
        np.testing.assert_allclose(adata.varm[f"mean_count_{name}"][:, 0], expected, rtol=1e-6)
    adata.X = sp.csr_matrix(adata.shape)
    with pytest.raises(ValueError, match="none of the .* cells could be used"):
        sr.tl.embed(adata, model="mean_count")


def test_it_has_a_page(page):
    assert repr(sr.get.models("mean_count")) == (
        "mean_count: Mean count of every gene\n\n"
        "The mean count of every gene.\n\n"
        "pooling    none\n"
        "trainable  no"
    )
