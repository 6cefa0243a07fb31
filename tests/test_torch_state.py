"""What the user's session does to torch reaches no result, and is there afterwards."""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

import scregnet as sr

FIT = {
    "n_folds": 1,
    "max_epochs": 3,
    "n_bootstrap": 0,
    "show_progress_bar": False,
    "device": "cpu",
}


@contextlib.contextmanager
def default_dtype():
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        assert torch.get_default_dtype() == torch.float64
        torch.set_default_dtype(torch.float32)


STATES = {
    "inference_mode": torch.inference_mode,
    "no_grad": torch.no_grad,
    "default dtype": default_dtype,
    "default device": lambda: torch.device("meta"),
    "autocast": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
}


@pytest.fixture(scope="module")
def cells():
    adata = sr.datasets.simulated(n_obs=60, n_vars=40, random_state=3)
    sr.tl.embed(adata, model="svd", n_components=8, show_progress_bar=False)
    return adata


def fit(cells, method, random_state=0):
    adata = cells.copy()
    own = {"gnn_dims": (8,), "mlp_dims": (8,)} if method == "scregnet" else {}
    prior = adata.uns["network"]
    sr.tl.fit_grn(adata, prior, method=method, random_state=random_state, **own, **FIT)
    return adata.varp["grn"].toarray()


def vectors(cells, folder, random_state=0):
    """Train a small Geneformer from random weights, and embed the cells with it."""
    adata = cells.copy()
    sr.tl.finetune(
        adata,
        output=folder,
        n_layers=1,
        hidden_size=16,
        max_epochs=1,
        random_state=random_state,
        show_progress_bar=False,
        device="cpu",
    )
    sr.tl.embed(adata, model="geneformer", weights=folder, show_progress_bar=False, device="cpu")
    return adata.varm["geneformer"]


def ambient():
    return (
        torch.is_grad_enabled(),
        torch.is_inference_mode_enabled(),
        torch.get_default_dtype(),
        torch.get_default_device(),
        torch.is_autocast_enabled("cpu"),
        torch.get_num_threads(),
    )


@pytest.fixture(scope="module")
def alone(cells, tmp_path_factory):
    """Return the results of a plain session."""
    found = {method: fit(cells, method) for method in ("scregnet", "sctransnet")}
    return found | {"geneformer": vectors(cells, tmp_path_factory.mktemp("alone") / "run")}


@pytest.mark.parametrize("state", STATES)
def test_the_state_of_torch_does_not_leak_in(cells, alone, tmp_path, state):
    with STATES[state]():
        before, drawn = ambient(), torch.get_rng_state()
        found = {method: fit(cells, method) for method in ("scregnet", "sctransnet")}
        found["geneformer"] = vectors(cells, tmp_path / "run")
        assert ambient() == before
        assert torch.equal(torch.get_rng_state(), drawn)
    for name, values in found.items():
        np.testing.assert_array_equal(values, alone[name], err_msg=name)


def test_threads_get_the_same_numbers(cells, alone, tmp_path):
    before, drawn = ambient(), torch.get_rng_state()

    def one(number):
        seed = number // 2
        found = {method: fit(cells, method, seed) for method in ("scregnet", "sctransnet")}
        return found | {"geneformer": vectors(cells, tmp_path / str(number), seed)}

    # Two of the seed of the plain session, beside two of another one.
    with ThreadPoolExecutor(4) as pool:
        first, second, third, fourth = pool.map(one, range(4))
    for name, values in alone.items():
        np.testing.assert_array_equal(first[name], values, err_msg=name)
        np.testing.assert_array_equal(second[name], values, err_msg=name)
        np.testing.assert_array_equal(third[name], fourth[name], err_msg=name)
        assert np.abs(third[name] - values).max() > 0
    assert ambient() == before
    assert torch.equal(torch.get_rng_state(), drawn)


def test_bfloat16_sees_the_weights_of_each_step():
    """An outer autocast keeps the first cast of a weight, whatever becomes of the weight."""
    import torch

    from scregnet._device import plain_torch

    layer, x = torch.nn.Linear(3, 1, bias=False), torch.ones(1, 3)
    with plain_torch():
        for value in (1.0, 2.0):
            with torch.no_grad():
                layer.weight.fill_(value)
            with torch.autocast("cpu", torch.bfloat16):
                assert layer(x).item() == 3 * value
