"""The interface as plain Markdown, for programs that read text: ``llms.txt``, ``llms-full.txt``."""

from __future__ import annotations

import importlib
import inspect
import re
from pathlib import Path

MODULES = ("pp", "tl", "bm", "pl", "get", "io", "datasets", "metrics")
ROOT = Path(__file__).resolve().parents[1]


def plain(text: str) -> str:
    """Turn the roles of reStructuredText into code, and its double backquotes into single ones."""
    text = re.sub(r":cite:[pt]:`([^`]+)`", r"(\1)", text)
    # :func:`text <target>` and :func:`target`
    text = re.sub(r":[a-z:]+:`([^`<]+?)\s*<[^`>]+>`", r"\1", text)
    text = re.sub(r":[a-z:]+:`~?([^`]+)`", r"`\1`", text)
    return text.replace("``", "`")


def sections(text: str) -> str:
    """Turn underlined titles of a docstring into bold ones."""
    return re.sub(r"^(\w[\w ]*)\n-{3,}$", r"**\1**\n", text, flags=re.MULTILINE)


def functions() -> dict[str, object]:
    """Every public function by its path, such as ``sr.tl.embed``."""
    found = {}
    for module in MODULES:
        package = importlib.import_module(f"scregnet.{module}")
        found |= {f"sr.{module}.{name}": getattr(package, name) for name in package.__all__}
    return found | {"sr.report": importlib.import_module("scregnet").report}


def argument(parameter: inspect.Parameter) -> str:
    """Name, type as the code writes it, and default."""
    stars = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
    value = parameter.default
    # A function is named; its place in memory would differ in each build.
    shown = value.__name__ if inspect.isfunction(value) else repr(value)
    default = "" if value is parameter.empty else f" = {shown}"
    return f"    {stars}{parameter.name}: {parameter.annotation}{default},"


def signature(function: object) -> str:
    """One argument a line."""
    found = inspect.signature(function)
    lines = [argument(parameter) for parameter in found.parameters.values()]
    kinds = [parameter.kind for parameter in found.parameters.values()]
    if inspect.Parameter.KEYWORD_ONLY in kinds and inspect.Parameter.VAR_POSITIONAL not in kinds:
        lines.insert(kinds.index(inspect.Parameter.KEYWORD_ONLY), "    *,")
    return "\n".join(["(", *lines, f") -> {found.return_annotation}"]) if lines else "()"


def interface() -> str:
    """Signature and docstring of every function."""
    parts = []
    for path, function in functions().items():
        text = sections(plain(inspect.getdoc(function) or ""))
        called = signature(function) if inspect.isfunction(function) else ""
        parts.append(f"## {path}\n\n```python\n{path}{called}\n```\n\n{text}\n")
    return "# Interface\n\n" + "\n".join(parts)


def index() -> str:
    """What there is, a line each, in the form of llms.txt."""
    lines = [
        "# scregnet",
        "",
        "> Predict which transcription factor regulates which gene, from single-cell RNA counts",
        "> in an AnnData and a partly known network, next to null models.",
        "",
        "- [For assistants](AGENTS.md): what to call for which question, slots, pitfalls",
        "- [The whole interface](llms-full.txt): signatures and docstrings",
        "",
        "## Functions",
        "",
    ]
    for path, function in functions().items():
        summary = plain((inspect.getdoc(function) or "").split("\n")[0])
        page = f"generated/scregnet.{path[3:]}" if path.count(".") == 2 else path[3:]
        lines.append(f"- [{path}](api/{page}.html): {summary}")
    return "\n".join(lines) + "\n"


def write(folder: Path) -> None:
    """Write the three files."""
    guide = (ROOT / "AGENTS.md").read_text("utf-8")
    (folder / "AGENTS.md").write_text(guide, "utf-8")
    (folder / "llms.txt").write_text(index(), "utf-8")
    (folder / "llms-full.txt").write_text(f"{guide}\n{interface()}", "utf-8")
