import numpy as np
import pytest

from scregnet.links.methods.dgrns.windows import Windows, order_of_cells, plan_windows


@pytest.mark.parametrize(
    "n_cells, wanted, found",
    [
        # As published: 889 and 1,071 cells with 64 lags.
        (889, (64, 5), (5, 64, 259)),
        (1071, (64, 5), (5, 64, 441)),
        # The gap of 383 cells shrinks, and a smaller one that was asked for stays.
        (383, (64, 5), (2, 64, 131)),
        (383, (64, 1), (1, 64, 257)),
        # A gap of 1 cannot hold 64 lags in 20 cells.
        (20, (64, 5), (1, 8, 6)),
        (20, (4, 5), (2, 4, 8)),
        (5, (64, 5), (1, 2, 3)),
        (3, (64, 5), (5, 1, 3)),
        (1, (64, 5), (5, 1, 1)),
    ],
)
def test_windows_by_hand(n_cells, wanted, found):
    windows = plan_windows(n_cells, *wanted, least_share=0.25)
    assert windows == Windows(*found)


@pytest.mark.parametrize("n_cells", [*range(1, 40), 128, 383, 889, 3000])
@pytest.mark.parametrize("share", [0.0, 0.25, 0.9])
def test_windows_fill_the_cells_and_are_not_too_narrow(n_cells, share):
    windows = plan_windows(n_cells, 64, 5, least_share=share)
    assert windows.n_cells == n_cells
    assert windows.width >= min(n_cells, max(3, share * n_cells))
    assert 1 <= windows.n_lags <= 64
    assert 1 <= windows.gap <= 5


def test_a_share_that_only_fewer_lags_reach():
    # As published with 96 lags: windows of 121 of 1,071 cells.
    assert plan_windows(1071, 96, 5, least_share=0.1) == Windows(5, 96, 121)
    assert plan_windows(1071, 96, 5, least_share=0.25) == Windows(4, 96, 311)
    assert plan_windows(100, 96, 5, least_share=0.5) == Windows(1, 26, 50)


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


def test_one_time_for_all_cells_is_no_order():
    with pytest.raises(ValueError, match="pseudotime is 2 for all 9 of them"):
        order_of_cells(np.ones((5, 9), np.float32), "pseudotime", np.full(9, 2.0))


def test_where_no_gene_varies_the_order_is_the_given_one():
    expression = np.zeros((5, 9), np.float32)
    assert order_of_cells(expression, "component").tolist() == list(range(9))


def test_the_given_order_is_kept():
    expression = np.random.default_rng(0).normal(size=(5, 9))
    assert order_of_cells(expression, "given").tolist() == list(range(9))
    assert order_of_cells(expression[:2], "component").tolist() == list(range(9))


def test_cells_are_sorted_by_pseudotime_and_ties_stay():
    order = order_of_cells(np.zeros((2, 4)), "pseudotime", np.array([0.5, 0.1, 0.5, 0.0]))
    assert order.tolist() == [3, 1, 0, 2]


@pytest.mark.parametrize("time, found", [(None, "none"), (np.zeros(3), "3")])
def test_a_pseudotime_of_other_cells_is_refused(time, found):
    with pytest.raises(ValueError, match=f"place in time of each column.*found {found} for 4"):
        order_of_cells(np.zeros((2, 4)), "pseudotime", time)
