import pytest
import torch

from scregnet.links.neural.fusion import Concatenation, CrossAttentionFusion, make_fusion
from scregnet.links.neural.options import Fusion


def made(seed=0, **parameters):
    torch.manual_seed(seed)
    fusion = CrossAttentionFusion(12, 7, 24, **parameters).eval()
    return fusion, torch.randn(9, 12), torch.randn(9, 7)


def by_hand(fusion, left, right):
    """Join one gene at a time with torch's own attention layer.

    A missing side has learned tokens, and the other side takes nothing from it.
    """
    rows = []
    for one, other in zip(left, right, strict=True):
        sides = []
        for vector, tokens in ((one, fusion.left_tokens), (other, fusion.right_tokens)):
            n, width = tokens.absent.shape
            there = bool(vector.abs().sum() > 0)
            sides.append(
                (tokens.project(vector).view(1, n, width) if there else tokens.absent[None], there)
            )
        (a, a_there), (b, b_there) = sides
        for from_b, from_a in zip(fusion.from_right, fusion.from_left, strict=True):
            new_a = a + attention(from_b, a, b) if b_there else a
            b = b + attention(from_a, b, a) if a_there else b
            a = new_a
        rows.append(fusion.out(torch.cat([a.flatten(), b.flatten()])))
    return torch.stack(rows)


def attention(layer, query, key):
    reference = torch.nn.MultiheadAttention(query.shape[-1], layer.heads, batch_first=True)
    with torch.no_grad():
        reference.in_proj_weight.copy_(torch.cat([layer.query.weight, layer.key_value.weight]))
        reference.in_proj_bias.copy_(torch.cat([layer.query.bias, layer.key_value.bias]))
        reference.out_proj.weight.copy_(layer.out.weight)
        reference.out_proj.bias.copy_(layer.out.bias)
    key = layer.other_norm(key)
    return reference(layer.norm(query), key, key, need_weights=False)[0]


@pytest.mark.parametrize("parameters", [{}, {"n_tokens": 3, "heads": 4, "n_layers": 2}])
def test_values_are_those_of_torchs_attention_layer(parameters):
    fusion, left, right = made(**parameters)
    left[2], right[5], left[7], right[7] = 0, 0, 0, 0
    joined = fusion(left, right)
    assert joined.shape == (9, 24)
    torch.testing.assert_close(joined, by_hand(fusion, left, right), rtol=1e-4, atol=1e-5)


def test_each_side_informs_the_other():
    fusion, left, right = made()
    left.requires_grad_()
    right.requires_grad_()
    a, a_there = fusion.left_tokens(left)
    b, b_there = fusion.right_tokens(right)
    for update, stranger in (
        (fusion.from_right[0](a, b, b_there), right),
        (fusion.from_left[0](b, a, a_there), left),
    ):
        (gradient,) = torch.autograd.grad(update.square().sum(), stranger, retain_graph=True)
        assert (gradient.abs().sum(1) > 1e-6).all()
    # Not a single token: what is taken depends on who asks, as the weights are no longer all 1.
    (gradient,) = torch.autograd.grad(fusion.from_right[0](a, b, b_there).square().sum(), left)
    assert (gradient.abs().sum(1) > 1e-9).all()


def test_a_gene_has_the_same_result_in_any_batch_and_order():
    fusion, left, right = made()
    left[3] = 0
    joined = fusion(left, right)
    order = torch.tensor([8, 3, 0, 5])
    torch.testing.assert_close(fusion(left[order], right[order]), joined[order])
    torch.testing.assert_close(fusion(left[3:4], right[3:4]), joined[3:4])
    assert fusion(left[:0], right[:0]).shape == (0, 24)


def test_an_absent_side_is_not_a_vector_of_zeros():
    fusion, left, right = made()
    left[0] = 0
    before = fusion(left, right)
    with torch.no_grad():
        # What is made of vectors may change as it likes: a gene without one has none to be changed.
        fusion.left_tokens.project.bias.add_(1)
        fusion.from_left[0].key_value.weight.mul_(2)
    after = fusion(left, right)
    assert torch.equal(after[0], before[0])
    assert ((after[1:] - before[1:]).abs().max(1).values > 1e-3).all()
    # The missing side still takes from the other.
    assert not torch.allclose(fusion(left[:1], right[1:2]), fusion(left[:1], right[:1]))


def test_absent_sides_leave_finite_gradients_and_learn_their_own_tokens():
    fusion, left, right = made()
    left[0], right[1], left[2], right[2] = 0, 0, 0, 0
    fusion(left, right).square().sum().backward()
    for name, parameter in fusion.named_parameters():
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().sum() > 0 or name.endswith("key_value.bias"), name


def test_dropout_is_for_training_only():
    fusion, left, right = made(dropout=0.5)
    assert torch.equal(fusion(left, right), fusion(left, right))
    fusion.train()
    assert not torch.equal(fusion(left, right), fusion(left, right))


@pytest.mark.parametrize(
    "parameters, message",
    [
        ({"n_tokens": 1}, "n_tokens must be at least 2"),
        ({"heads": 0}, "heads must be at least 1"),
        ({"n_layers": 0}, "n_layers must be at least 1"),
        ({"dropout": 1.0}, r"dropout must lie in \[0, 1\)"),
    ],
)
def test_arguments_are_checked(parameters, message):
    with pytest.raises(ValueError, match=message):
        CrossAttentionFusion(4, 4, 8, **parameters)


@pytest.mark.parametrize(
    "kind, made_class, width", [("concat", Concatenation, 19), ("cross_attention", None, 24)]
)
def test_a_fusion_is_made_from_the_hyper_parameters(kind, made_class, width):
    fusion = make_fusion(Fusion(kind, 24, 3, 2, 2, 0.1), 12, 7)
    assert type(fusion) is (made_class or CrossAttentionFusion)
    left, right = torch.randn(5, 12), torch.randn(5, 7)
    assert fusion(left, right).shape == (5, fusion.out_dim) == (5, width)
    if kind == "concat":
        assert torch.equal(fusion(left, right), torch.cat([left, right], 1))
    else:
        assert fusion.left_tokens.absent.shape[0] == 3
        assert (len(fusion.from_left), fusion.from_left[0].heads) == (2, 2)
        assert fusion.from_left[0].dropout.p == 0.1
