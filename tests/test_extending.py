"""The whole method on the page about extending runs as it stands there."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import anndata as ad
import numpy as np
import pytest

import scregnet as sr
from scregnet.links import LINK_METHODS, get_method, null_models, register_method

PAGE = Path(__file__).resolve().parents[1] / "docs" / "api" / "extending.md"


@pytest.fixture(autouse=True)
def registry_as_it_was():
    before = dict(LINK_METHODS)
    yield
    LINK_METHODS.clear()
    LINK_METHODS.update(before)


def example(heading):
    """The first block of Python below a heading of the page."""
    section = PAGE.read_text("utf-8").partition(f"## {heading}")[2]
    return re.search(r"```python\n(.*?)```", section, re.DOTALL)[1]


def test_the_method_of_the_page_is_fitted_judged_and_stored(tmp_path, capsys):
    script = tmp_path / "example.py"
    script.write_text(example("A method of link prediction"))
    adata = runpy.run_path(str(script))["adata"]
    assert "correlation" in capsys.readouterr().out
    assert adata.uns["grn"]["params"]["method_params"] == {"scale": 2.0}
    assert list(sr.get.metrics(adata)["model"].unique()) == ["correlation", *null_models()]
    adata.write_h5ad(tmp_path / "a.h5ad")
    pairs = adata.uns["grn"]["pairs"].head(50)
    again = sr.get.score_links(ad.read_h5ad(tmp_path / "a.h5ad"), pairs[["source", "target"]])
    np.testing.assert_allclose(again["probability"], pairs["out_of_fold"], rtol=1e-6)


def test_a_class_that_is_no_method_is_refused_when_it_is_registered():
    class Nothing:
        """No fit, no fields."""

    with pytest.raises(TypeError, match="the method 'nothing' must be a dataclass.*lacks fit"):
        register_method("nothing", Nothing)
    assert "nothing" not in LINK_METHODS
    register_method("by_name", "scregnet.links.methods.degree:Degree")
    assert type(get_method("by_name")).__name__ == "Degree"
