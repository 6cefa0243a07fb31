"""What the fit was told, and the versions of what ran."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, requires, version
from typing import TYPE_CHECKING, Any

import numpy as np

from scregnet._report.html import Html, facts, folded, join, paragraph, tag
from scregnet._report.page import Section
from scregnet._validate import shortened

if TYPE_CHECKING:
    from scregnet._report.subject import Subject

# Told elsewhere on the page.
_ELSEWHERE = ("prior", "method_params", "group", "groups_left_out", "n_cells_left_out")


def parameters(subject: Subject) -> Section:
    """Return the parameters, those of the method apart, and versions."""
    params = subject.params
    own = params.get("method_params", {})
    body = join(
        facts(_flat({name: value for name, value in params.items() if name not in _ELSEWHERE})),
        tag("h3", f"Hyper-parameters of {subject.first.method}") if own else None,
        facts(_flat(own)) if own else None,
        tag("h3", "Versions"),
        paragraph(
            f"Fitted by scregnet {params.get('scregnet_version', 'of an unknown version')}. The "
            "other versions are those with which this page was made."
        ),
        folded("Versions", facts(_versions())),
    )
    return Section("parameters", "Parameters and versions", body)


def _flat(values: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Html | str]]:
    """Yield names and values; members of an entry go by both names."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{name}.")
        elif not hasattr(value, "columns"):
            yield f"{before}{name}", _value(value)


def _value(value: object) -> str:
    if isinstance(value, (np.ndarray, list, tuple)):
        return ", ".join(str(one) for one in value) or "none"
    if isinstance(value, (float, np.floating)):
        return f"{value:g}"
    return "–" if value is None else shortened(value) if not isinstance(value, str) else value


def _versions() -> Iterator[tuple[str, str]]:
    yield "python", platform.python_version()
    yield "scregnet", version("scregnet")
    from packaging.requirements import Requirement

    for line in requires("scregnet") or []:
        requirement = Requirement(line)
        if requirement.marker is not None:
            # Extras are told of only if something else asked for them.
            continue
        try:
            yield requirement.name, version(requirement.name)
        except PackageNotFoundError:
            yield requirement.name, "not found"
