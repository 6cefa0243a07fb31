"""Training in bfloat16 follows that in float32: it computes with the weights of each step."""

import numpy as np
import pytest
import torch

from scregnet._device import own_randomness
from scregnet.links import LinkTask, Pairs, get_method
from scregnet.links.methods.grn_transformer.network import GrnTransformerModule
from scregnet.links.methods.grn_transformer.pretraining import Pretraining, pretrain

CPU = torch.device("cpu")
FAST = {"optimizer": "nesterov", "learning_rate": 0.05, "batch_size": 16, "max_epochs": 12}
# With dropout, small differences grow.
WHOLE = {"conv_dropout": 0.0, "dropout": 0.0}
SMALL = {
    "cnnc": {"n_bins": 16, "conv_dims": (4, 8), "dense_dim": 8},
    "deepdrim": {"n_bins": 16, "conv_dims": (4, 8), "image_dim": 8, "dense_dims": (8, 8)},
    "dgrns": {
        "cell_order": "given",
        "recurrent_dropout": 0.0,
        "n_lags": 10,
        "recurrent_dim": 10,
        "conv_dims": (4,),
        "dense_dims": (8, 8),
    },
}


@pytest.fixture(scope="module")
def task():
    """Few edges: the first thing that a network learns is how few."""
    rng = np.random.default_rng(0)
    sources, targets = (ends.ravel() for ends in np.mgrid[:4, 4:44])
    pairs = Pairs(sources, targets, rng.random(len(sources)) < 0.1)
    check = targets % 4 == 0
    expression = rng.normal(size=(44, 60)).astype(np.float32)
    return LinkTask(44, pairs.take(~check), pairs.take(check), expression)


@pytest.mark.parametrize("name", SMALL)
def test_losses_are_those_of_float32(task, name):
    found = {}
    for precision in ("float32", "bfloat16"):
        method = get_method(name, **SMALL[name], **FAST, **WHOLE, patience=12, precision=precision)
        result = method.fit(task, rng=np.random.default_rng(0), device=CPU)
        found[precision] = [
            [row[loss] for loss in ("train_loss", "validation_loss")] for row in result.history
        ]
    whole, half = (np.array(found[precision]) for precision in ("float32", "bfloat16"))
    # It is learned: a network that stays where it began would pass, too.
    assert whole[-1, 0] < 0.8 * whole[0, 0]
    np.testing.assert_allclose(half, whole, rtol=0.05)


def test_a_transformer_has_the_weights_of_float32():
    values = torch.from_numpy(np.random.default_rng(0).normal(size=(40, 7)).astype(np.float32))
    expressed = torch.ones_like(values, dtype=torch.bool)
    found = {}
    for precision in ("float32", "bfloat16"):
        with own_randomness(CPU):
            torch.manual_seed(0)
            networks = torch.zeros(5, 7, 7)
            made = GrnTransformerModule(networks, dim=8, heads=2, n_layers=2, perceptron_dim=8)
            start = torch.nn.utils.parameters_to_vector(made.parameters()).detach().clone()
            how = Pretraining(20, 8, 0.2, 1e-2, 0.0, precision)
            pretrain(made, values, expressed, how, torch.Generator().manual_seed(0))
        moved = torch.nn.utils.parameters_to_vector(made.parameters()).detach() - start
        found[precision] = moved
    whole, half = found["float32"], found["bfloat16"]
    assert float(whole.norm()) > 1
    assert float(torch.nn.functional.cosine_similarity(whole, half, dim=0)) > 0.9
