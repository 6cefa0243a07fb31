from __future__ import annotations

import numpy as np
import pytest
import torch

from scregnet.encoders.layers import performer
from scregnet.encoders.layers.performer import (
    FavorAttention,
    Performer,
    draw_features,
    published_name,
)

DIMENSION, HEADS, HEAD_DIM, FEATURES, LENGTH = 12, 3, 5, 11, 17


def randomise(module: torch.nn.Module, seed: int = 0) -> torch.nn.Module:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for tensor in [*module.parameters(), *module.buffers()]:
            tensor.copy_(
                torch.randn(tensor.shape, generator=generator) * (0.5 if tensor.ndim > 1 else 0.2)
            )
    return module.eval()


@pytest.fixture
def attention():
    return randomise(FavorAttention(DIMENSION, HEADS, HEAD_DIM, FEATURES, bias=True))


@pytest.fixture
def x():
    return torch.randn(
        4, LENGTH, DIMENSION, generator=torch.Generator().manual_seed(1)
    ) * torch.tensor([0.3, 1.0, 2.0, 4.0]).reshape(4, 1, 1)


def explicit(attention: FavorAttention, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """One cell by the published formulas, every matrix formed, in float64; result and attention."""
    state = {name: value.double() for name, value in attention.state_dict().items()}
    q, k, v = (
        (x.double() @ state[f"{part}.weight"].T + state[f"{part}.bias"])
        .reshape(LENGTH, HEADS, HEAD_DIM)
        .transpose(0, 1)
        for part in ("query", "key", "value")
    )
    s = HEAD_DIM**-0.25

    def features(rows):
        return s * rows @ state["features"].T, s**2 / 2 * (rows**2).sum(-1, keepdim=True)

    u, c = features(q)
    phi_q = ((u - c - u.detach().amax(-1, keepdim=True)).exp() + 1e-4) / FEATURES**0.5
    u, c = features(k)
    phi_k = ((u - c - u.detach().max()).exp() + 1e-4) / FEATURES**0.5
    matrices = phi_q @ phi_k.transpose(1, 2)
    matrices = matrices / matrices.sum(-1, keepdim=True)
    flat = (matrices @ v).transpose(0, 1).reshape(LENGTH, -1)
    return flat @ state["output.weight"].T + state["output.bias"], matrices


@pytest.mark.parametrize("positions", [1, 4, 17, 1000])
@pytest.mark.parametrize("cells", [slice(0, 1), slice(0, 4), slice(1, 3)])
def test_attention_is_that_of_the_formulas_for_any_batch_and_part(
    attention, x, monkeypatch, positions, cells
):
    monkeypatch.setattr(performer, "CPU_POSITIONS", positions)
    with torch.no_grad():
        got, received = attention(x[cells], received=True)
    for cell, result, columns in zip(x[cells], got, received, strict=True):
        expected, matrices = explicit(attention, cell)
        np.testing.assert_allclose(result, expected, atol=3e-6, rtol=1e-5)
        np.testing.assert_allclose(columns, matrices.mean(0).sum(0), rtol=2e-5)
        assert columns.sum().item() == pytest.approx(LENGTH, rel=1e-5)


def test_a_large_neighbour_does_not_show(attention, x):
    with torch.no_grad():
        alone, _ = attention(x[:1])
        beside, _ = attention(torch.cat([x[:1], 50 * x[1:2]]))
    np.testing.assert_allclose(beside[:1], alone, atol=1e-6)


def test_gradients_are_those_of_the_formulas(attention, x, monkeypatch):
    monkeypatch.setattr(performer, "CPU_POSITIONS", 5)
    weights = torch.randn(LENGTH, DIMENSION, generator=torch.Generator().manual_seed(2))
    ours, theirs = x[1].clone().requires_grad_(), x[1].clone().requires_grad_()
    (attention(ours[None])[0][0] * weights).sum().backward()
    (explicit(attention, theirs)[0] * weights).sum().backward()
    np.testing.assert_allclose(ours.grad, theirs.grad, atol=2e-5 * theirs.grad.abs().max().item())


def test_reduced_precision_does_not_reach_the_features(attention, x):
    with torch.no_grad():
        expected, _ = attention(x)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            got, _ = attention(x)
    assert torch.isfinite(got).all()
    assert (got - expected).abs().max() < 0.1 * expected.abs().max()


def test_layers_add_to_their_input_and_average_what_is_received(x):
    network = randomise(Performer(DIMENSION, 2, HEADS, HEAD_DIM, FEATURES, inner_dimension=7))
    with torch.no_grad():
        got, received = network(x, received=True)
        first, columns_1 = network.layers[0](x, received=True)
        expected, columns_2 = network.layers[1](first, received=True)
        torch.testing.assert_close(received, (columns_1 + columns_2) / 2)
        layer = network.layers[0]
        attended = x + layer.attention(layer.attention_norm(x))[0]
        by_hand = torch.nn.functional.gelu(layer.inner[0](layer.inner_norm(attended)))
        torch.testing.assert_close(first, attended + layer.inner[2](by_hand))
        assert network(x)[1] is None
    torch.testing.assert_close(got, expected)


def test_published_names_are_distinct_and_complete():
    network = Performer(DIMENSION, 2, HEADS, HEAD_DIM, FEATURES, inner_dimension=7, bias=True)
    names = [published_name(name) for name in network.state_dict()]
    assert len(set(names)) == len(names) == 34
    assert {
        "net.layers.0.0.norm.weight",
        "net.layers.1.0.fn.fast_attention.projection_matrix",
        "net.layers.1.0.fn.to_q.bias",
        "net.layers.0.0.fn.to_out.bias",
        "net.layers.1.1.norm.bias",
        "net.layers.0.1.fn.fn.w1.weight",
        "net.layers.0.1.fn.fn.w2.bias",
    } <= set(names)


def test_drawn_features_are_orthogonal_in_blocks_and_of_gaussian_length():
    features = draw_features(266, 64, torch.Generator().manual_seed(0))
    assert features.shape == (266, 64)
    lengths = features.norm(dim=1)
    assert lengths.mean().item() == pytest.approx(8, rel=0.02)
    assert 0.5 < lengths.std().item() < 0.9
    directions = features / lengths[:, None]
    for start in range(0, 266, 64):
        block = directions[start : start + 64]
        torch.testing.assert_close(block @ block.T, torch.eye(len(block)), atol=1e-5, rtol=0)
    assert (directions[:64] @ directions[64:128].T).abs().max() > 0.2
    assert torch.equal(features, draw_features(266, 64, torch.Generator().manual_seed(0)))
