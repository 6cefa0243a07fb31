"""Fixtures shared by all tests."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import pytest

mpl.use("Agg")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The development data beside the repository; the test is skipped, saying so, where they are absent."""
    folder = Path(__file__).resolve().parents[2] / "shared"
    if not (folder / "data").is_dir():
        pytest.skip(f"development data are not at {folder}")
    return folder
