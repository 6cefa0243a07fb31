"""Whether the code that a benchmark's figure depends on has changed."""

from __future__ import annotations

import ast
import hashlib
from pathlib import Path

import scregnet
from scregnet.links import get_method

PACKAGE = Path(scregnet.__file__).parent
FOLLOWED = ("scregnet.links.", "scregnet.metrics.")
COMMON = (
    "scregnet._anndata.features",
    "scregnet.links.pairs.splits",
    "scregnet.links.calibration",
    "scregnet.metrics._metrics",
)
REGISTRY = "scregnet.links.registry"
"""Not followed: it changes with every new method and only names other modules."""


def code_of(method: str) -> str:
    """Digest the code that the metrics of a method depend on.

    Covers the modules of the method, the core modules they import, splits, features and metrics.
    Comments and docstrings do not count.
    """
    # The method's module imports its fitted form, so both are followed.
    waiting = [*COMMON, type(get_method(method)).__module__]
    trees: dict[str, ast.Module] = {}
    while waiting:
        name = waiting.pop()
        file = PACKAGE.parent / (name.replace(".", "/") + ".py")
        if name in trees or name == REGISTRY or not file.is_file():
            continue
        trees[name] = ast.parse(file.read_text())
        waiting += [found for found in _imports(trees[name]) if found.startswith(FOLLOWED)]
    digest = hashlib.sha256()
    for name in sorted(trees):
        digest.update(f"{name}\n{_without_docstrings(trees[name])}\n".encode())
    return digest.hexdigest()[:12]


def _imports(tree: ast.Module) -> list[str]:
    """List the modules that are imported anywhere in a module."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
    return found


def _without_docstrings(tree: ast.Module) -> str:
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
            and ast.get_docstring(node) is not None
        ):
            node.body = node.body[1:]
    return ast.dump(tree)
