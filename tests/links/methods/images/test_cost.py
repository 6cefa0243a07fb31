import numpy as np
import pytest

from scregnet.links import LinkTask, Pairs, get_method

SMALLER = {
    "cnnc": {"n_bins": 16, "conv_dims": (32, 64)},
    "deepdrim": {"n_bins": 16, "conv_dims": (32, 64)},
    "dgrns": {"n_lags": 32, "recurrent_dim": 64},
}


@pytest.fixture
def task():
    pairs = Pairs(np.zeros(6, int), np.arange(1, 7), np.array([0, 1, 0, 1, 0, 1]))
    return LinkTask(10, pairs, pairs, np.zeros((10, 4), np.float32))


@pytest.mark.parametrize("name", SMALLER)
def test_a_quarter_of_the_pixels_is_said_to_take_a_quarter_of_the_time(name, task):
    whole = get_method(name).rough_seconds(task)
    assert get_method(name, **SMALLER[name]).rough_seconds(task) == pytest.approx(whole / 4)
    assert get_method(name, precision="bfloat16").rough_seconds(task) == pytest.approx(whole / 2)


def test_epochs_are_twice_the_patience_at_most(task):
    # 6 pairs, 0.0014 s each.
    assert get_method("cnnc").rough_seconds(task) == pytest.approx(100 * 6 * 0.0014)
    few = get_method("cnnc", max_epochs=10)
    assert few.rough_seconds(task) == pytest.approx(10 * 6 * 0.0014)
