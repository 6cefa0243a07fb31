"""The tutorials run from top to bottom, quietly, and are kept without outputs."""

from __future__ import annotations

import os
from pathlib import Path

import nbformat
import pytest

TUTORIALS = Path(__file__).resolve().parents[2] / "tutorials"
NOTEBOOKS = sorted(TUTORIALS.glob("*.ipynb"))

# Warnings of this package that the text of a notebook explains.
ALIKE = ("share more than half of the targets", "targets that no other TF has")
EXPLAINED = {
    "quickstart": ("is not clearly ahead of its null models", *ALIKE),
    "pbmc": ALIKE,
    "evidence": (
        "look like those that the edges were made from",
        "is not clearly ahead of its null models",
        "no link of these cells is known",
    ),
}


def test_the_tutorials_are_there():
    assert [path.stem for path in NOTEBOOKS] == ["evidence", "pbmc", "quickstart"]


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
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
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
