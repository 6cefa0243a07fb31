import numpy as np
import pytest
import torch

from scregnet._device import own_randomness, seed_torch
from scregnet.links.neural.dropout import Dropout

CPU = torch.device("cpu")


def drop(x, p, seed=0):
    with own_randomness(CPU):
        seed_torch(seed, CPU)
        return Dropout(p)(x)


@pytest.mark.parametrize("p", [0.1, 0.3, 0.5, 0.9])
def test_the_share_and_the_scale_are_those_of_dropout(p):
    x = torch.full((400, 501), 2.0)
    y = drop(x, p)
    values = np.unique(y.numpy())
    np.testing.assert_allclose(values, [0, 2 / (1 - p)], rtol=1e-6)
    share = float((y == 0).float().mean())
    # Four standard deviations of a share of 200,400 draws.
    assert abs(share - p) < 4 * np.sqrt(p * (1 - p) / x.numel())
    # Neither rows nor the four masks of one random number are alike.
    zero = (y == 0).double()
    assert float(zero.mean(1).std()) == pytest.approx(np.sqrt(p * (1 - p) / 501), rel=0.2)
    neighbours = np.corrcoef(np.lib.stride_tricks.sliding_window_view(zero.flatten().numpy(), 8).T)
    assert np.abs(neighbours[0, 1:]).max() < 0.015


def test_gradients_pass_where_values_do():
    x = torch.randn(30, 7, requires_grad=True)
    y = drop(x, 0.4)
    y.sum().backward()
    torch.testing.assert_close(x.grad * x.detach(), y.detach())


def test_nothing_is_dropped_in_evaluation_or_with_a_share_of_0():
    x = torch.randn(5, 3)
    assert Dropout(0.5).eval()(x) is x
    assert torch.equal(Dropout(0.0)(x), x)


def test_masks_follow_the_seed():
    x = torch.ones(20, 20)
    assert torch.equal(drop(x, 0.5), drop(x, 0.5))
    assert not torch.equal(drop(x, 0.5), drop(x, 0.5, seed=1))
