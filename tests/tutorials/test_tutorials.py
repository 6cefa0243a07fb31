"""The tutorials are kept without outputs, call what there is, and some run here from top to bottom.

Every build of the documentation runs all of them.
"""

from __future__ import annotations

import ast
import builtins
import inspect
import os
import re
from operator import attrgetter
from pathlib import Path

import nbformat
import pytest

import scregnet as sr

TUTORIALS = Path(__file__).resolve().parents[2] / "tutorials"
NOTEBOOKS = sorted(TUTORIALS.glob("*.ipynb"))

# Warnings of this package that the text of a notebook explains.
ALIKE = ("share more than half of the targets", "targets that no other TF has")
EXPLAINED = {
    "quickstart": ALIKE,
    "pbmc": ALIKE,
    "evidence": (
        "look like those that the edges were made from",
        "is not clearly ahead of its null models",
        "no link of these cells is known",
    ),
}
RUN = [path for path in NOTEBOOKS if path.stem in EXPLAINED]


def code(path: Path) -> ast.Module:
    """Return the code of a notebook as one program."""
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    return ast.parse("\n".join(cell.source for cell in cells), path.name)


def test_the_tutorials_are_there():
    assert len(NOTEBOOKS) >= 9
    assert len(RUN) == len(EXPLAINED)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_names_are_set_before_they_are_used(path):
    tree = code(path)
    nodes = list(ast.walk(tree))
    names = [node for node in nodes if isinstance(node, ast.Name)]
    known = {node.id for node in names if isinstance(node.ctx, ast.Store)} | set(dir(builtins))
    known |= {
        (alias.asname or alias.name).split(".")[0]
        for node in nodes
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    known |= {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    known |= {node.arg for node in nodes if isinstance(node, ast.arg)}
    assert {node.id for node in names} - known == set()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_calls_name_functions_and_arguments_that_there_are(path):
    calls = 0
    for node in ast.walk(code(path)):
        called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
        if not re.fullmatch(r"sr(\.\w+)+", called):
            continue
        calls += 1
        parameters = inspect.signature(attrgetter(called[3:])(sr)).parameters.values()
        if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
            given = {keyword.arg for keyword in node.keywords} - {None}
            assert given <= {parameter.name for parameter in parameters}, called
    assert calls >= 5


def test_every_tutorial_is_on_its_page():
    page = (TUTORIALS.parent / "docs" / "tutorials.md").read_text("utf-8")
    for path in NOTEBOOKS:
        assert f"tutorials/{path.stem}\n" in page


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_kept_without_outputs(path):
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None


@pytest.mark.slow
# jupyter_client, not we, leaves sockets and event loops to the garbage collector.
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("path", RUN, ids=lambda path: path.stem)
def test_notebook_runs_without_errors_or_warnings(path, tmp_path, request, monkeypatch):
    from nbclient import NotebookClient

    if path.stem == "pbmc" and not os.environ.get("SCREGNET_COLLECTRI"):
        # Tests run offline: CollecTRI comes from a file, or the test is skipped.
        collectri = request.getfixturevalue("shared") / "data" / "priors" / "collectri.csv"
        monkeypatch.setenv("SCREGNET_COLLECTRI", str(collectri))
    notebook = nbformat.read(path, as_version=4)
    # "python3" is the kernel of the environment that runs the tests.
    NotebookClient(
        notebook,
        timeout=600,
        kernel_name="python3",
        resources={"metadata": {"path": str(tmp_path)}},
    ).execute()
    outputs = [
        output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs
    ]
    said = [
        output.text
        for output in outputs
        if output.output_type == "stream" and output.name == "stderr"
    ]
    explained = EXPLAINED[path.stem]
    assert [text for text in said if not any(part in text for part in explained)] == []
    pictures = [output for output in outputs if "image/png" in output.get("data", {})]
    assert len(pictures) >= 3
