"""The examples of the docstrings run and print what they say."""

from __future__ import annotations

import doctest
import inspect
from operator import attrgetter

import pytest

import scregnet as sr

MODULES = ("pp", "tl", "bm", "pl", "get", "datasets", "metrics")
PUBLIC = [f"{module}.{name}" for module in MODULES for name in getattr(sr, module).__all__]
PUBLIC.append("report")
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@pytest.fixture(autouse=True)
def quiet_and_clean(tmp_path, monkeypatch):
    """A folder of its own, no progress bars, no figures left behind."""
    import matplotlib.pyplot as plt

    monkeypatch.chdir(tmp_path)
    with sr.settings.override(progress_bar=False):
        yield
    plt.close("all")


@pytest.mark.parametrize("path", PUBLIC)
def test_examples_run_as_written(path):
    function = attrgetter(path)(sr)
    example = doctest.DocTestParser().get_doctest(inspect.getdoc(function), {}, path, None, 0)
    assert example.examples, "no example"
    said: list[str] = []
    result = doctest.DocTestRunner(optionflags=FLAGS).run(example, out=said.append)
    assert result.attempted
    assert result.failed == 0, "".join(said)
