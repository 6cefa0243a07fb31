import numpy as np
import pytest
import torch

from scregnet.links.neural.weights import finished, load_weights, score_pairs, weights_state


class Small(torch.nn.Module):
    """A linear map of both positions, with a dropout that must be off."""

    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Linear(2, 1)
        self.drop = torch.nn.Dropout(0.9)

    def forward(self, sources, targets):
        return self.drop(self.scale(torch.stack([sources, targets], 1).float())).squeeze(1)


def trained():
    torch.manual_seed(0)
    return finished(Small())


def test_weights_come_back_and_draw_no_random_numbers():
    module = trained()
    state = weights_state(module)
    assert sorted(state) == ["weight_scale.bias", "weight_scale.weight"]
    before = torch.get_rng_state()
    again = load_weights(Small, state)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(again.scale.weight, module.scale.weight)
    assert not again.training
    assert not any(weight.requires_grad for weight in again.parameters())


def test_a_state_shares_no_memory_with_what_is_read_from_it():
    state = weights_state(trained())
    module = load_weights(Small, state)
    kept = module.scale.bias.clone()
    state["weight_scale.bias"][:] = 7
    assert torch.equal(module.scale.bias, kept)


@pytest.mark.parametrize(
    "change, message",
    [
        (
            {"weight_scale.bias": np.zeros(3, np.float32)},
            r"must have the shape \(1\), found \(3,\)",
        ),
        ({"weight_scale.bias": np.full(1, np.nan, np.float32)}, "values that are not finite"),
        ({"weight_scale.weight": None}, "has no array 'weight_scale.weight'"),
    ],
)
def test_weights_that_do_not_fit_are_refused(change, message):
    state = {
        name: value
        for name, value in (weights_state(trained()) | change).items()
        if value is not None
    }
    with pytest.raises(ValueError, match=message):
        load_weights(Small, state)


def test_pairs_are_scored_as_the_user_left_torch():
    module = trained()
    sources, targets = np.array([3, 0], np.int32), np.array([1, 2], np.int32)
    weight, bias = (value.numpy() for value in (module.scale.weight[0], module.scale.bias))
    expected = np.stack([sources, targets], 1) @ weight + bias
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = score_pairs(module, sources, targets)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert found.dtype == np.float32
    assert score_pairs(module, sources[:0], targets[:0]).shape == (0,)
