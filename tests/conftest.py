"""Fixtures shared by all tests."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import pytest

import scregnet as sr

mpl.use("Agg")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The development data next to the repository; without them the test is skipped."""
    folder = Path(__file__).resolve().parents[2] / "shared"
    if not (folder / "data").is_dir():
        pytest.skip(f"development data are not at {folder}")
    return folder


QUICK = {
    "n_folds": 1,
    "method": "scregnet",
    "gnn_dims": (8,),
    "mlp_dims": (8,),
    "max_epochs": 4,
    "n_bootstrap": 10,
    "show_progress_bar": False,
    "device": "cpu",
}


@pytest.fixture(scope="session")
def _simulated():
    return sr.datasets.simulated(n_obs=120, n_vars=80, random_state=3)


@pytest.fixture
def adata(_simulated):
    return _simulated.copy()


@pytest.fixture
def net(_simulated):
    return _simulated.uns["network"].copy()


@pytest.fixture(scope="session")
def _fitted(_simulated):
    data = _simulated.copy()
    sr.tl.embed(data, model="svd", n_components=8, show_progress_bar=False)
    sr.tl.fit_grn(data, data.uns["network"], **QUICK)
    return data


@pytest.fixture
def fitted(_fitted):
    return _fitted.copy()
