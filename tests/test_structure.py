"""The customs of the interface, checked on every public function."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
from operator import attrgetter
from pathlib import Path

import pytest

import scregnet as sr

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "scregnet"
FACE = ("pp", "tl", "bm", "pl", "get", "io")
FUNCTIONS = [f"{module}.{name}" for module in FACE for name in getattr(sr, module).__all__]
MODULES = (*FACE, "datasets", "metrics")
FRAMES = (
    "pl.ablation",
    "pl.comparison",
    "pl.evidence",
    "pl.robustness",
    "pl.validation",
    "pl.benchmark",
    "bm.rank_turns",
)
OTHER_FIRST = {"bm.run": "data", "io.read_grn": "path"}
PUBLIC = [f"{module}.{name}" for module in MODULES for name in getattr(sr, module).__all__]


def lookup(path: str):
    return attrgetter(path)(sr)


def sections(docstring: str) -> set[str]:
    return set(re.findall(r"^(\w[\w ]*)\n-{3,}$", docstring, flags=re.MULTILINE))


def test_dir_shows_public_names_only():
    assert dir(sr) == sorted([*sr.__all__, "__version__"])
    assert all(hasattr(sr, name) for name in dir(sr))


def test_every_face_module_has_functions():
    assert {module for module in MODULES if not getattr(sr, module).__all__} == set()


# One function stands beside the rooms.
@pytest.mark.parametrize("path", [*FUNCTIONS, "report"])
def test_parameters_follow_the_customs(path):
    parameters = list(inspect.signature(lookup(path)).parameters.values())
    if path in ("get.models", "get.methods"):
        # They read the registries: which models there are does not depend on any data.
        expected = ["model"] if path == "get.models" else []
        assert [parameter.name for parameter in parameters] == expected
        return
    # The plots of studies draw the frame that the study returned. A benchmark takes several data,
    # a reader of a file its path.
    first = OTHER_FIRST.get(path, "frame" if path in FRAMES else "adata")
    assert parameters[0].name == first
    assert parameters[0].default is inspect.Parameter.empty
    positional = [p.name for p in parameters if p.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD]
    assert len(positional) <= 3, positional
    assert all(p.kind is not inspect.Parameter.VAR_POSITIONAL for p in parameters)
    assert all(p.annotation is not inspect.Parameter.empty for p in parameters)


@pytest.mark.parametrize("path", [path for path in FUNCTIONS if path.startswith(("pp.", "tl."))])
def test_pp_and_tl_write_in_place_or_return_a_copy(path):
    signature = inspect.signature(lookup(path))
    copy = signature.parameters["copy"]
    assert copy.default is False
    assert copy.kind is inspect.Parameter.KEYWORD_ONLY
    assert signature.return_annotation in {"AnnData | None", "AnnData | MuData | None"}


@pytest.mark.parametrize(
    # A page is no figure.
    "path",
    [path for path in FUNCTIONS if path.startswith("pl.") and path != "pl.grn_html"],
)
def test_pl_takes_the_arguments_of_every_plot(path):
    parameters = inspect.signature(lookup(path)).parameters
    for name, default in {
        "figsize": None,
        "dpi": None,
        "show": None,
        "save": None,
        "return_fig": False,
    }.items():
        assert parameters[name].default is default, name
        assert parameters[name].kind is inspect.Parameter.KEYWORD_ONLY, name


@pytest.mark.parametrize("path", [*PUBLIC, "report"])
def test_docstring_says_what_goes_in_and_what_comes_out(path):
    function = lookup(path)
    docstring = inspect.getdoc(function)
    assert docstring, "no docstring"
    summary, _, rest = docstring.partition("\n")
    assert summary.endswith("."), summary
    assert not rest or rest.startswith("\n"), "the summary is one line with a blank line after it"
    assert "%(" not in docstring, "a shared description was not filled in"
    if not inspect.isfunction(function):
        return
    found = sections(docstring)
    names = set(inspect.signature(function).parameters)
    if names:
        assert "Parameters" in found
    if path.startswith(("pp.", "tl.", "pl.", "get.", "datasets.", "report")):
        assert "Returns" in found
        assert "Examples" in found
    documented = re.search(
        r"^Parameters\n-+\n(.*?)(?=^\w[\w ]*\n-{3,}$|\Z)", docstring, flags=re.MULTILINE | re.DOTALL
    )
    if documented:
        listed = {
            name.strip().lstrip("*")
            for line in re.findall(r"^(\*{0,2}\w[\w, *]*)$", documented[1], flags=re.MULTILINE)
            for name in line.split(",")
        }
        assert listed == names


@pytest.mark.parametrize("path", PUBLIC)
def test_every_public_name_is_on_its_page(path):
    module, name = path.split(".")
    page = (ROOT / "docs" / "api" / f"{module}.md").read_text(encoding="utf-8")
    assert f".. currentmodule:: scregnet.{module}" in page
    assert re.search(rf"^ +{name}$", page, flags=re.MULTILINE), (
        f"{name} is not listed in docs/api/{module}.md"
    )


@pytest.mark.parametrize("module", MODULES)
def test_pages_list_nothing_that_is_not_public(module):
    page = (ROOT / "docs" / "api" / f"{module}.md").read_text(encoding="utf-8")
    entries = re.findall(r"^ +(\w+)$", page, flags=re.MULTILINE)
    assert sorted(entries) == sorted(getattr(sr, module).__all__)


@pytest.mark.parametrize("module", MODULES)
def test_all_lists_what_the_module_exports(module):
    package = importlib.import_module(f"scregnet.{module}")
    submodules = {info.name for info in pkgutil.iter_modules(package.__path__)}
    exported = {
        name
        for name, value in vars(package).items()
        if not name.startswith("_")
        and name not in submodules
        and getattr(value, "__module__", "").startswith("scregnet")
    }
    assert sorted(package.__all__) == sorted(exported)


@pytest.mark.parametrize(
    "path", sorted(SOURCE.rglob("*.py")), ids=lambda path: path.relative_to(SOURCE).as_posix()
)
def test_source_files_are_short_and_start_alike(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 450
    tree = ast.parse(text)
    assert ast.get_docstring(tree), "no docstring says what the file is for"
    imports = [node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))]
    assert isinstance(imports[0], ast.ImportFrom)
    assert imports[0].module == "__future__"


def test_version_comes_from_the_metadata():
    declared = re.search(
        r'^version = "(.+)"$',
        (ROOT / "pyproject.toml").read_text(encoding="utf-8"),
        flags=re.MULTILINE,
    )
    assert declared is not None
    assert sr.__version__ == declared[1]


def test_constraints_pin_every_dependency_within_its_range():
    from importlib.metadata import requires

    from packaging.requirements import Requirement

    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = dict(line.split("==") for line in lines if line and not line.startswith("#"))
    for requirement in map(Requirement, requires("scregnet") or []):
        assert requirement.name in pins
        assert requirement.specifier.contains(pins[requirement.name]), requirement
