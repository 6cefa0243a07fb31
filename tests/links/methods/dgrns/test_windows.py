import numpy as np

from scregnet.links.methods.dgrns.windows import order_of_cells, window_cells


def test_windows_by_hand():
    assert window_cells(10, 3, 0.4).tolist() == [[0, 1, 2, 3], [3, 4, 5, 6], [6, 7, 8, 9]]


def test_a_window_holds_three_cells_or_all():
    assert window_cells(10, 2, 0.01).tolist() == [[0, 1, 2], [7, 8, 9]]
    assert window_cells(2, 2, 0.5).tolist() == [[0, 1], [0, 1]]


def test_the_order_follows_a_hidden_course():
    rng = np.random.default_rng(0)
    course = rng.permutation(40)
    slopes = rng.normal(size=(25, 1))
    expression = slopes * (course - 19.5) + 0.1 * rng.normal(size=(25, 40))
    order = order_of_cells(expression, "component")
    steps = np.diff(course[order])
    assert set(steps) in ({1}, {-1})
    # The gene of the largest weight rises.
    assert np.sign(slopes[np.abs(slopes).argmax(), 0]) == steps[0]


def test_the_given_order_is_kept():
    expression = np.random.default_rng(0).normal(size=(5, 9))
    assert order_of_cells(expression, "given").tolist() == list(range(9))
    assert order_of_cells(expression[:2], "component").tolist() == list(range(9))
