"""Small models with random weights, and cells to feed them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import scipy.sparse as sp

from scregnet.encoders import names
from small_models import GENES, small

if TYPE_CHECKING:
    import torch


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what asks for ``registered`` with every encoder and every variant of its small files.

    A module's ``OWN`` names further encoders, which it registers itself.
    """
    if "registered" in metafunc.fixturenames:
        cases = [
            (name, variant)
            for name in (*names(), *getattr(metafunc.module, "OWN", ()))
            for variant in getattr(small(name), "VARIANTS", ("",))
        ]
        ids = [" ".join(case).strip() for case in cases]
        metafunc.parametrize("registered", cases, ids=ids)


@pytest.fixture(scope="session")
def write_small(tmp_path_factory) -> Callable[..., Path | None]:
    """Write the small files of an encoder, once; ``None`` for one without files."""

    @cache
    def write(name: str, variant: str = "") -> Path | None:
        module = small(name)
        if module is None:
            return None
        folder = tmp_path_factory.mktemp(name) / "weights"
        return module.write(folder, GENES, *([variant] if variant else []))

    return write


@pytest.fixture(scope="session")
def write_network() -> Callable[..., Path]:
    """Write a small network of Hugging Face of some architecture."""
    return small("huggingface").write_kind


@pytest.fixture(scope="session", params=["V1", "V2"])
def family(request) -> str:
    return request.param


@pytest.fixture(scope="session")
def folders(write_small) -> dict[str, Path]:
    """Geneformer of both families."""
    return {family: write_small("geneformer", family) for family in ("V1", "V2")}


@pytest.fixture
def own_folder(tmp_path) -> Path:
    """A Geneformer of family V1 that a test may damage."""
    return small("geneformer").write(tmp_path / "weights", GENES)


@pytest.fixture(scope="session")
def state(known) -> dict[str, torch.Tensor]:
    """The tensors in ``own_folder``'s weights."""
    return small("geneformer").random_state(len(known["V1"]["token_dictionary"]))


@pytest.fixture(scope="session")
def known() -> dict[str, dict[str, dict]]:
    """Geneformer's dictionaries of both families."""
    return {family: small("geneformer").dictionaries(GENES, family) for family in ("V1", "V2")}


@pytest.fixture(scope="session")
def genes() -> np.ndarray:
    """The genes of the models in another order, an alias of one of them, and three unknown ones."""
    order = np.random.default_rng(2).permutation(GENES)
    return np.array([*order, "ENSG00000000901", "ENSG00000000902", "ENSG00000888888", "unknown"])


@pytest.fixture(scope="session")
def counts(genes) -> sp.csr_matrix:
    """30 cells with 0 to 44 genes; cells 4 and 11 are empty and no cell has gene 3."""
    rng = np.random.default_rng(3)
    dense = rng.poisson(rng.gamma(0.6, 3, (30, len(genes))) * rng.uniform(0.2, 2, (30, 1)))
    dense[[4, 11]] = 0
    dense[:, 3] = 0
    return sp.csr_matrix(dense, dtype=np.float64)


@pytest.fixture(scope="session")
def scbert_folder(write_small) -> Path:
    return write_small("scbert")


@pytest.fixture(scope="session")
def scfoundation_folder(write_small) -> Path:
    return write_small("scfoundation")


@pytest.fixture(scope="session")
def scfoundation_config() -> dict:
    """Its configuration, merged into one level."""
    config = small("scfoundation").CONFIG
    return {
        "model": config["model"],
        **config["model_config"]["mae_autobin"],
        **config["dataset_config"]["rnaseq"],
    }


@pytest.fixture(scope="session")
def make_scfoundation_state() -> Callable[..., dict[str, torch.Tensor]]:
    """Draw its tensors."""
    return small("scfoundation").random_state


@pytest.fixture(scope="session")
def scgpt_folder(write_small) -> Path:
    return write_small("scgpt")


@pytest.fixture(scope="session")
def scgpt_tensors() -> dict[str, torch.Tensor]:
    """The tensors in ``scgpt_folder``'s weights."""
    return small("scgpt").random_state()
