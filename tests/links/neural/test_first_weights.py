import math

import torch
from torch import nn

from scregnet.links.neural.first_weights import keras_weights


def test_weights_are_uniform_orthogonal_or_zero():
    torch.manual_seed(0)
    module = nn.ModuleDict(
        {"conv": nn.Conv2d(8, 16, 3), "dense": nn.Linear(200, 100), "steps": nn.GRU(5, 6)}
    )
    keras_weights(module)
    assert all((value == 0).all() for name, value in module.named_parameters() if "bias" in name)
    for layer, width in (("conv", 9 * 24), ("dense", 300)):
        weight = module[layer].weight.detach()
        bound = math.sqrt(6 / width)
        assert weight.abs().max() <= bound
        assert abs(float(weight.std()) - bound / math.sqrt(3)) < 0.03 * bound
    between = module["steps"].weight_hh_l0.detach()
    torch.testing.assert_close(between.T @ between, torch.eye(6))
