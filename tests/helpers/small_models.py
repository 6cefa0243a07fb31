"""Small models with random weights.

``tests/encoders/<name>/small.py`` writes the files of the encoder ``<name>``. It has a function
``write(folder, genes)``, or ``write(folder, genes, variant)`` and ``VARIANTS``.
"""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path
from types import ModuleType

GENES = [f"ENSG{number:011d}" for number in range(100, 140)]
"""Genes that they know."""


@cache
def small(name: str) -> ModuleType | None:
    """Return ``<name>/small.py``, ``None`` where there is none."""
    path = Path(__file__).parents[1] / "encoders" / name / "small.py"
    if not path.is_file():
        return None
    spec = importlib.util.spec_from_file_location(f"small_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
