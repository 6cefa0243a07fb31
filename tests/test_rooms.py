"""The picture of imports, and the grain of the code."""

from __future__ import annotations

import ast
from pathlib import Path
from statistics import median

import grimp
import networkx as nx
import pytest

SOURCE = Path(__file__).resolve().parents[1] / "src" / "scregnet"


@pytest.fixture(scope="module")
def imports():
    """Which module imports which, imports for type checking and inside functions included."""
    graph = grimp.build_graph("scregnet", cache_dir=None)
    edges = [
        (name, other)
        for name in graph.modules
        for other in graph.find_modules_directly_imported_by(name)
    ]
    return nx.DiGraph(edges)


@pytest.fixture(scope="module")
def functions():
    """Name and lines of body of every function, docstrings left out."""
    found = []
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                start = node.body[ast.get_docstring(node) is not None and len(node.body) > 1]
                where = f"{path.relative_to(SOURCE)}:{node.name}"
                found.append((where, node.end_lineno - start.lineno + 1))
    return found


def circles(graph):
    return [sorted(part) for part in nx.strongly_connected_components(graph) if len(part) > 1]


def test_no_module_imports_in_a_circle(imports):
    assert circles(imports) == []


def test_no_room_imports_in_a_circle(imports):
    room = lambda name: name.split(".")[1]
    rooms = nx.DiGraph(
        (room(one), room(other))
        for one, other in imports.edges
        if "." in one and "." in other and room(one) != room(other)
    )
    assert circles(rooms) == []
    # Thirteen rooms, one of them the report, and the small helpers beside them.
    assert len(rooms) <= 23


def test_functions_are_short(functions):
    lengths = sorted(length for _, length in functions)
    assert median(lengths) <= 10
    assert lengths[int(0.9 * len(lengths))] <= 35
    assert [where for where, length in functions if length > 80] == []
