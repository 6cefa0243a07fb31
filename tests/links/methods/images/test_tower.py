import pytest
import torch

from scregnet.links.methods.images.sides import check_sides, last_side
from scregnet.links.methods.images.tower import ImageTower, in_blocks


@pytest.mark.parametrize("side, n_blocks, left", [(32, 3, 2), (8, 1, 3), (8, 2, 0), (32, 0, 32)])
def test_blocks_shrink_images(side, n_blocks, left):
    assert last_side(side, n_blocks) == left


def test_the_published_widths():
    tower = ImageTower(32, (32, 64, 128), 512, conv_dropout=0.25)
    assert tower(torch.zeros(2, 32, 32)).shape == (2, 512)
    assert tower.dense.in_features == 128 * 2 * 2
    assert sum(isinstance(layer, torch.nn.Conv2d) for layer in tower.blocks) == 6


def test_too_small_an_image_is_refused():
    check_sides("n_bins", 32, (1, 1, 1))
    with pytest.raises(ValueError, match="n_bins=16 is too small for 3 blocks"):
        check_sides("n_bins", 16, (1, 1, 1))
    with pytest.raises(ValueError, match="n_bins must be at most 256, got 257"):
        check_sides("n_bins", 257, (1,))


def test_blocks_of_rows_give_what_all_rows_give():
    rows, other = torch.arange(7.0), torch.arange(7.0) * 2
    seen = []

    def add(a, b):
        seen.append(len(a))
        return a + b

    assert torch.equal(in_blocks(add, rows, other, block=3), rows * 3)
    assert seen == [3, 3, 1]


def test_the_tower_is_a_plain_stack_of_layers():
    torch.manual_seed(0)
    tower = ImageTower(16, (4, 8), 5, conv_dropout=0.0).eval()
    x = torch.rand(3, 16, 16)
    convs = [layer for layer in tower.blocks if isinstance(layer, torch.nn.Conv2d)]
    found = x[:, None]
    for wide, narrow in zip(convs[::2], convs[1::2], strict=True):
        found = torch.relu(narrow(torch.relu(wide(found))))
        found = torch.nn.functional.max_pool2d(found, 2)
    found = torch.relu(tower.dense(found.flatten(1)))
    torch.testing.assert_close(tower(x), found)


def test_convolutions_in_blocks_are_those_of_all_images():
    found = []
    for at_a_time in (2, 100):
        torch.manual_seed(0)
        tower = ImageTower(16, (4, 8), 5, conv_dropout=0.0)
        tower.at_a_time, seen = at_a_time, []
        tower.blocks.register_forward_pre_hook(lambda _, x, seen=seen: seen.append(len(x[0])))
        read = tower(torch.rand(5, 16, 16))
        read.square().sum().backward()
        found.append((seen, [read, *(p.grad for p in tower.parameters())]))
    assert [seen for seen, _ in found] == [[2, 2, 1], [5]]
    torch.testing.assert_close(found[0][1], found[1][1])


def test_large_images_go_in_smaller_blocks():
    small, large = (ImageTower(side, (32,), 5, conv_dropout=0.0) for side in (32, (64, 128)))
    assert (small.at_a_time, large.at_a_time) == (128, 16)


def test_a_tower_without_a_last_relu():
    torch.manual_seed(0)
    tower = ImageTower(16, (4, 8), 5, conv_dropout=0.0).eval()
    plain = ImageTower(16, (4, 8), 5, conv_dropout=0.0, rectified=False).eval()
    plain.load_state_dict(tower.state_dict())
    x = torch.rand(3, 16, 16)
    found = plain(x)
    assert (found < 0).any()
    assert torch.equal(torch.relu(found), tower(x))


def test_bfloat16_is_for_training_alone():
    torch.manual_seed(0)
    half = ImageTower(16, (4, 8), 5, conv_dropout=0.0, precision="bfloat16")
    whole = ImageTower(16, (4, 8), 5, conv_dropout=0.0)
    whole.load_state_dict(half.state_dict())
    x = torch.rand(3, 16, 16)
    trained = half(x)
    assert trained.dtype == torch.float32
    assert not torch.equal(trained, whole(x))
    torch.testing.assert_close(trained, whole(x), atol=0.02, rtol=0.02)
    trained.sum().backward()
    assert all(p.grad.dtype == torch.float32 for p in half.parameters())
    assert torch.equal(half.eval()(x), whole.eval()(x))


def test_an_image_need_not_be_square():
    tower = ImageTower((8, 20), (4,), 5, conv_dropout=0)
    assert tower.dense.in_features == 4 * 3 * 9
    assert tower(torch.zeros(2, 8, 20)).shape == (2, 5)
