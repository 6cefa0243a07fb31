"""An encoder's own parameters, read from its signature and its docstring."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

# numpydoc: a line of dashes underlines the title of a section.
_SECTION = re.compile(r"^(\w[\w ]*)\n-{3,}\n", flags=re.MULTILINE)
_ENTRY = re.compile(r"^(\w[\w, ]*)\n((?:[ \t]+\S.*\n?|\n)+)", flags=re.MULTILINE)


@dataclass(frozen=True)
class Parameter:
    """A parameter; one that must be given has ``inspect.Parameter.empty`` as its default."""

    name: str
    default: Any
    description: str


def builder(encoder: Any) -> tuple[Callable[..., Any], bool]:
    """Return what makes an encoder of this class, and whether it takes located weights first."""
    from_weights = getattr(encoder, "from_weights", None)
    return (encoder, False) if from_weights is None else (from_weights, True)


def parameters_of(encoder: Any) -> tuple[Parameter, ...]:
    """Return the parameters of an encoder's class, with the text that its docstring has on them.

    Examples
    --------
    >>> from scregnet.encoders.parameters import parameters_of
    >>> from scregnet.encoders.svd.encoder import SvdEncoder
    >>> [(parameter.name, parameter.default) for parameter in parameters_of(SvdEncoder)]
    [('n_components', 64)]
    """
    build, takes_weights = builder(encoder)
    taken = list(inspect.signature(build).parameters.values())[int(takes_weights) :]
    described = described_parameters(build)
    return tuple(Parameter(p.name, p.default, described.get(p.name, "")) for p in taken)


def described_parameters(documented: Any) -> dict[str, str]:
    """Return the section *Parameters* of a numpydoc docstring, one line of text per name."""
    found = {}
    for names, text in _ENTRY.findall(_sections(documented).get("Parameters", "")):
        for name in names.split(","):
            found[name.strip()] = plain(text)
    return found


def summary(documented: Any) -> str:
    """Return a docstring before its first section, paragraph by paragraph."""
    paragraphs = _sections(documented)[""].split("\n\n")
    return "\n\n".join(plain(paragraph) for paragraph in paragraphs if paragraph.strip())


def plain(text: str) -> str:
    """Return reStructuredText on one line, without the marks of roles and literals."""
    # Of ":role:`text <target>`" the text.
    text = re.sub(r":[\w:]+:`~?([^`<]+?)(?:\s*<[^`]*>)?`", r"\1", text)
    return " ".join(text.replace("``", "").split())


def _sections(documented: Any) -> dict[str, str]:
    """Split a docstring by its titles; the text before the first has an empty title."""
    first, *rest = _SECTION.split((inspect.getdoc(documented) or "") + "\n")
    return {"": first, **dict(zip(rest[::2], rest[1::2], strict=True))}
