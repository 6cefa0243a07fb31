import numpy as np
import pytest
import torch

from scregnet.links.methods.dgrns import network
from scregnet.links.methods.dgrns.links import DgrnsLinks
from scregnet.links.methods.dgrns.network import DgrnsModule, read_network
from scregnet.links.methods.dgrns.windows import Windows
from scregnet.links.neural.first_weights import keras_weights

WINDOWS = Windows(2, 6, 10)


@pytest.fixture
def values():
    found = np.random.default_rng(0).normal(size=(9, WINDOWS.n_cells)).astype(np.float32)
    found[3] = 0.3  # does not vary at all
    found[4, :12] = 17.03  # nor does this one in its first two windows
    return found


def module_of(values, windows=WINDOWS, **more):
    torch.manual_seed(0)
    module = DgrnsModule(
        torch.from_numpy(values),
        windows,
        recurrent_dim=8,
        conv_dims=(4,),
        dense_dims=(6, 5),
        **more,
    )
    keras_weights(module)
    return module.eval().requires_grad_(requires_grad=False)


def plain_correlations(values, source, target):
    gap, n_lags, width = WINDOWS
    found = np.zeros((n_lags, n_lags))
    for row in range(n_lags):
        for lag in range(n_lags):
            start = gap * (row + lag)
            one = values[source, gap * row : gap * row + width].astype(float)
            two = values[target, start : start + width].astype(float)
            if np.ptp(one) > 0 and np.ptp(two) > 0:
                found[row, lag] = np.corrcoef(one, two)[0, 1]
    return found


@pytest.mark.parametrize("most", [1, network.MOST_VALUES])
def test_correlations_are_those_of_a_plain_loop(values, most, monkeypatch):
    monkeypatch.setattr(network, "MOST_VALUES", most)
    sources, targets = torch.tensor([0, 1, 4, 0, 3, 8]), torch.tensor([1, 4, 1, 0, 1, 3])
    found = module_of(values).correlations(sources, targets).numpy()
    for matrix, *pair in zip(found, sources, targets, strict=True):
        np.testing.assert_allclose(matrix, plain_correlations(values, *pair), atol=2e-6)
    # Without a lag, a gene correlates with itself perfectly.
    np.testing.assert_allclose(found[3, :, 0], 1, atol=1e-6)


def test_a_window_that_does_not_vary_correlates_with_nothing(values):
    module = module_of(values)
    genes = torch.tensor([3, 4, 4, 1]), torch.tensor([1, 1, 4, 3])
    found = module.correlations(*genes)
    assert not found[[0, 3]].any()
    # To the last bit, although the mean of a window of one value is rounded.
    assert not found[1, :2].any()
    assert found[1, 2:].all()
    assert not found[2, 0, :2].any()


def test_scale_and_shift_of_a_gene_change_nothing(values):
    sources, targets = torch.tensor([0, 1]), torch.tensor([2, 5])
    there = module_of(values).correlations(sources, targets)
    moved = module_of(values * 3 + 2).correlations(sources, targets)
    torch.testing.assert_close(moved, there, atol=1e-5, rtol=0)


def test_the_score_of_a_pair_does_not_depend_on_the_others(values, monkeypatch):
    module = module_of(values)
    sources, targets = (a.ravel() for a in torch.meshgrid(*[torch.arange(9)] * 2, indexing="ij"))
    every = module(sources, targets)
    for block in (1, 7, 81):
        monkeypatch.setattr(network, "SCORE_BLOCK", block)
        torch.testing.assert_close(module(sources, targets), every, atol=1e-5, rtol=1e-5)
    alone = torch.cat([module(sources[i : i + 1], targets[i : i + 1]) for i in (80, 5)])
    torch.testing.assert_close(alone, every[[80, 5]], atol=1e-5, rtol=1e-5)


def test_training_drops_the_same_lags_at_all_windows(values):
    module = module_of(values, recurrent_dropout=0.5).train()
    seen = []
    module.recurrent.register_forward_hook(lambda _, given, __: seen.append(given[0]))
    module(torch.tensor([0, 1]), torch.tensor([1, 2]))
    matrix = module.correlations(torch.tensor([0, 1]), torch.tensor([1, 2]))
    kept = seen[0] / matrix
    for lags in kept:
        torch.testing.assert_close(lags, lags[:1].expand(6, 6))
    assert set(kept[:, 0].round(decimals=3).unique().tolist()) == {0.0, 2.0}


def test_a_saved_network_scores_the_same(values):
    links = DgrnsLinks(module_of(values))
    state = links.state()
    again = DgrnsLinks.from_state(state)
    sources, targets = np.array([0, 8, 4]), np.array([1, 3, 2])
    np.testing.assert_array_equal(again.score(sources, targets), links.score(sources, targets))
    assert again.n_genes == 9
    assert again.network.windows == WINDOWS


@pytest.mark.parametrize(
    "name, value, message",
    [
        ("values", np.zeros((9, 0), np.float32), "holds no cells"),
        ("values", np.zeros((9, 29), np.float32), "reach over 30 cells, found 29"),
        ("values", np.full((9, 30), np.nan, np.float32), "not finite"),
        ("windows", np.array([0, 6, 10]), "must lie between 1 and 30"),
        ("windows", np.array([2, 6]), "must have the shape"),
        ("windows", np.array([2, 7, 10]), "reach over 34 cells"),
        ("windows", np.array([2, 3, 10]), "does not fit 3 lags × 8 units"),
        ("conv_dims", np.zeros(0, int), "does not fit 6 lags × 8 units"),
        ("conv_dims", np.array([4, 4]), "does not fit 6 lags × 8 units"),
        ("dense_dims", np.array([6]), "must have the shape"),
        ("recurrent_dim", np.array(1000), "must lie between 1 and 256"),
        ("recurrent_dim", np.array(7), "must have the shape"),
        ("weight_head.2.bias", np.array([np.inf], np.float32), "not finite"),
    ],
)
def test_a_damaged_network_is_refused(values, name, value, message):
    state = module_of(values)
    state = DgrnsLinks(state).state() | {name: value}
    with pytest.raises(ValueError, match=message):
        read_network(state)


def test_too_many_lags_are_refused():
    state = DgrnsLinks(module_of(np.zeros((2, 30), np.float32))).state()
    state |= {"values": np.zeros((2, 600), np.float32), "windows": np.array([1, 257, 3])}
    with pytest.raises(ValueError, match="at most 256 lags, found 257"):
        read_network(state)
