"""What the tests of faults share."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def killed():
    """The script that kills calls, as a module."""
    path = Path(__file__).with_name("killed.py")
    spec = importlib.util.spec_from_file_location("scregnet_tests_killed", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
