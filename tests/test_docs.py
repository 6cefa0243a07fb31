"""What the README, the docstrings and the make file promise."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
import tomllib
from collections import Counter
from operator import attrgetter
from pathlib import Path

import pytest

import scregnet as sr

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "docs" / "api").glob("*.md")]
)

# Made by the build, or not a page.
LEFT_OUT = {"_build", "_static", "generated", "tutorials"}


def run(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run code as a user's script: an interpreter of its own, no display."""
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={**os.environ, "MPLBACKEND": "Agg"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_quick_start_of_the_readme_runs(tmp_path):
    code = re.search(
        r"```python\n(import scregnet as sr\n.*?)```",
        (ROOT / "README.md").read_text("utf-8"),
        re.DOTALL,
    )
    assert code is not None
    check = "\nassert len(grn) == 1000 and list(grn)[:3] == ['source', 'target', 'weight']\n"
    done = run(code[1] + check, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    assert "degree" in done.stdout
    assert (tmp_path / "fitted.h5ad").is_file()


@pytest.mark.slow
def test_demo_prints_the_table_and_draws(tmp_path):
    done = run(
        "import runpy; "
        f"runpy.run_path({str(ROOT / 'tutorials' / 'demo.py')!r}, run_name='__main__')",
        tmp_path,
    )
    assert done.returncode == 0, done.stderr
    # One line: a method that is not ahead of the null models is named.
    (said,) = done.stderr.splitlines()
    assert said.startswith("fit_grn: method='scregnet' is not clearly ahead of its null models")
    for word in ("joint", "scregnet", "degree", "label_factors", "auroc", "auprc", "per_tf_auroc"):
        assert word in done.stdout
    for picture in ("network.png", "metrics.png"):
        assert (tmp_path / "demo_output" / picture).read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_between_files_lead_somewhere(page):
    for link in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8")):
        if not link.startswith(("http://", "https://", "mailto:")):
            assert (page.parent / link).exists(), link


def test_every_target_that_the_pages_name_is_in_the_makefile():
    targets = set(
        re.findall(
            r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE
        )
    )
    named = {
        name
        for page in PAGES
        for name in re.findall(r"^make (\w+)", page.read_text("utf-8"), flags=re.MULTILINE)
    }
    assert named
    assert named <= targets


def title(page: Path) -> str:
    """First heading of a page or of a notebook; pages that include a file have that file's."""
    text = page.read_text("utf-8")
    if page.suffix == ".ipynb":
        text = "".join(json.loads(text)["cells"][0]["source"])
    found = re.search(r"^# (.+)$", text, re.MULTILINE)
    if found is None:
        (included,) = re.findall(r"^```\{include\} (\S+)", text, re.MULTILINE)[:1]
        return title(page.parent / included)
    return found[1]


def test_no_two_pages_share_a_title():
    pages = [
        *(page for page in (ROOT / "docs").rglob("*.md") if not set(page.parts) & LEFT_OUT),
        *(ROOT / "tutorials").glob("*.ipynb"),
    ]
    titles = Counter(map(title, pages))
    assert len(titles) > 40
    assert [name for name, times in titles.items() if times > 1] == []


def test_formulas_need_no_connection():
    configuration = (ROOT / "docs" / "conf.py").read_text("utf-8")
    (start,) = re.findall(r'^mathjax_path = "(.+)"$', configuration, re.MULTILINE)
    (loaded,) = re.findall(r'"load": \[(.+?)\]', configuration)
    folder = (ROOT / "docs" / "_static" / start).parent
    assert (folder / "LICENSE").is_file()
    assert (ROOT / "docs" / "_static" / start).is_file()
    for part in re.findall(r'"(.+?)"', loaded):
        assert (folder / f"{part}.js").is_file()


@pytest.fixture(scope="module")
def plain():
    """The module of the documentation that writes the interface as text."""
    spec = importlib.util.spec_from_file_location("_plain", ROOT / "docs" / "_plain.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_public_function_is_in_the_guide_for_assistants(plain):
    guide = (ROOT / "AGENTS.md").read_text("utf-8")
    named = set(re.findall(r"sr\.\w+(?:\.\w+)?", guide))
    assert set(plain.functions()) - named == set()
    # And it names nothing that is not there.
    for path in named:
        assert attrgetter(path[3:])(sr) is not None, path


def test_the_interface_as_text(plain, tmp_path):
    plain.write(tmp_path)
    text = (tmp_path / "llms-full.txt").read_text("utf-8")
    for path in plain.functions():
        assert f"## {path}\n" in text
    assert "sr.pp.tfs(\n    adata: AnnData | MuData,\n" in text
    assert not re.search(r":\w+:`", text)
    assert "%(" not in text
    listed = re.findall(r"^- \[(sr\.\S+)\]", (tmp_path / "llms.txt").read_text("utf-8"), re.M)
    assert listed == list(plain.functions())


def test_the_source_distribution_has_what_its_pages_and_tests_read():
    metadata = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    packed = metadata["tool"]["hatch"]["build"]["targets"]["sdist"]["include"]
    assert [name for name in packed if not (ROOT / name).exists()] == []
    # hatchling packs these by itself.
    packed = {*packed, "README.md", "LICENSE", "pyproject.toml"}
    for page in (ROOT / "docs").glob("*.md"):
        included = re.findall(r"\{include\} \.\./(\S+)", page.read_text("utf-8"))
        assert set(included) <= packed, page.name


def test_version_has_its_entry_and_its_date_everywhere():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    citation = (ROOT / "CITATION.cff").read_text("utf-8")
    (released,) = re.findall(r'^date-released: "(.+)"$', citation, re.MULTILINE)
    assert f"\nversion: {version}\n" in citation
    changes = (ROOT / "CHANGELOG.md").read_text("utf-8")
    assert f"\n## {version} - {released}\n" in changes


RESULTS = sorted(set((ROOT / "docs" / "results").glob("*.md")) - {ROOT / "docs/results/index.md"})


@pytest.mark.parametrize("page", RESULTS, ids=lambda page: page.stem)
def test_results_begin_with_what_to_know_and_a_figure(page):
    text = page.read_text("utf-8")
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert headings[0] == "What to know"
    assert re.search(r"^```\{(figure|image)\} \S+\.png$", text, re.MULTILINE)
    assert ":::{dropdown}" in text
    assert f"{page.stem}\n" in (page.parent / "index.md").read_text("utf-8")
