import numpy as np
import pytest
import torch

from scregnet._device import torch_threads
from scregnet.links.methods.grn_transformer.network import GrnTransformerModule
from scregnet.links.methods.grn_transformer.pretraining import (
    Pretraining,
    attention_maps,
    expressed_values,
    pretrain,
)

HOW = Pretraining(40, 16, 0.2, 3e-3, 0.01, "float32")


def module(n_genes, networks=None):
    torch.manual_seed(0)
    networks = torch.zeros(5, n_genes, n_genes) if networks is None else networks
    return GrnTransformerModule(networks, dim=8, heads=2, n_layers=2, perceptron_dim=8)


def test_values_are_standardised_by_the_cells_that_express_a_gene():
    raw = np.array([[0, 0, 1, 3, 0.0], [2, 4, 4, 6, 4], [0, 0, 0, 0, 0]])
    spread = np.where(raw.std(1) > 0, raw.std(1), 1)[:, None]
    expression = ((raw - raw.mean(1, keepdims=True)) / spread).astype(np.float32)
    values, expressed = expressed_values(expression, np.array([0.4, 1.0, 0.0]))
    assert values.shape == expressed.shape == (5, 3)
    np.testing.assert_array_equal(expressed[:, 0], [False, False, True, True, False])
    assert expressed[:, 1].all()
    assert not expressed[:, 2].any()
    # Mean 2 and standard deviation 1 where it is expressed: none is at -2.
    np.testing.assert_allclose(values[:, 0], [-2, -2, -1, 1, -2], atol=1e-5)
    np.testing.assert_allclose(values[:, 1], (raw[1] - 4) / raw[1].std(), atol=1e-5)


def test_far_values_are_drawn_in():
    expression = np.zeros((1, 1000), np.float32)
    expression[0, :900] = np.linspace(0.9, 1.1, 900)
    values, _ = expressed_values(expression, np.array([0.9]))
    assert values[:900].min() > -2
    assert (values[900:] < -10).all()
    assert values.min() >= -20


def test_it_learns_to_fill_in_what_a_gene_tells_that_the_networks_name():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(200, 6)).astype(np.float32)
    values[:, 1] = values[:, 0]
    values = torch.from_numpy(values)
    everything = torch.ones_like(values, dtype=torch.bool)
    # A token says nothing of which gene it belongs to: the networks do.
    networks = torch.zeros(5, 6, 6)
    networks[:, 0, 1] = networks[:, 1, 0] = 3
    one = module(6, networks)
    how = Pretraining(60, 16, 0.2, 3e-3, 0.01, "float32")
    # As a fit does: threads that wait for each other take longer than such small matrices.
    with torch_threads(default=1):
        pretrain(one, values, everything, how, torch.Generator().manual_seed(0))
    hidden = torch.zeros_like(values, dtype=torch.bool)
    hidden[:, 1] = True
    with torch.no_grad():
        said, _ = one.eval()(values.masked_fill(hidden, 0))
    error = ((said - values)[:, 1] ** 2).mean()
    assert error < 0.5 * values[:, 1].var()
    # The gene that tells gets most of the attention of some head.
    assert attention_maps(one, values)[:, 1, 0].max() > 0.5


def test_maps_are_attention_of_all_genes_to_others():
    values = torch.randn(9, 7)
    maps = attention_maps(module(7), values)
    assert maps.shape == (4, 7, 7)
    np.testing.assert_allclose(maps.sum(-1), 1, rtol=1e-5)
    assert (maps[:, np.arange(7), np.arange(7)] == 0).all()


def test_bfloat16_trains_and_maps_are_float32():
    values = torch.randn(20, 7)
    one = module(7)
    before = {name: value.clone() for name, value in one.named_parameters()}
    how = Pretraining(2, 16, 0.2, 1e-3, 0.01, "bfloat16")
    expressed = torch.ones_like(values, dtype=torch.bool)
    pretrain(one, values, expressed, how, torch.Generator().manual_seed(0))
    assert any(not torch.equal(before[name], value) for name, value in one.named_parameters())
    assert attention_maps(one, values).dtype == np.float32


def test_nothing_expressed_leaves_the_module_as_it_is():
    values = torch.randn(20, 4)
    one = module(4)
    before = [value.clone() for value in one.parameters()]
    pretrain(one, values, torch.zeros_like(values, dtype=torch.bool), HOW, torch.Generator())
    assert all(torch.equal(a, b) for a, b in zip(before, one.parameters(), strict=True))


def test_a_loss_that_is_not_finite_is_refused():
    values = torch.full((20, 4), float("inf"))
    expressed = torch.ones_like(values, dtype=torch.bool)
    with pytest.raises(RuntimeError, match=r"diverged at epoch 0.*Lower learning_rate \(now 0.003"):
        pretrain(module(4), values, expressed, HOW, torch.Generator())
