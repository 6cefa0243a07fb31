"""The hand-made fitted network, the same as in tests/pl."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

_path = Path(__file__).parents[1] / "pl" / "conftest.py"
_spec = importlib.util.spec_from_file_location("scregnet_tests_fitted", _path)
_builder = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_builder)


@pytest.fixture
def fitted_adata():
    return _builder.build_fitted()


@pytest.fixture
def grouped_adata():
    return _builder.build_grouped()
