import sys

import numpy as np
import pytest

from scregnet.links import LINK_METHODS, get_method
from scregnet.links.pairs.corruption import flip_labels
from scregnet.links.search.spaces import (
    Choice,
    Given,
    Layers,
    Range,
    draw,
    read_space,
)

pytest.importorskip("optuna")


class Extreme:
    """A trial that always gives the lowest or the highest value."""

    def __init__(self, highest):
        self.highest = highest
        self.asked = {}

    def suggest_float(self, name, low, high, *, log=False):
        self.asked[name] = (low, high, log)
        return high if self.highest else low

    def suggest_int(self, name, low, high, *, log=False):
        self.asked[name] = (low, high, log)
        return high if self.highest else low

    def suggest_categorical(self, name, choices):
        return choices[-1 if self.highest else 0]


@pytest.mark.parametrize("highest", [False, True])
@pytest.mark.parametrize("name", [name for name in LINK_METHODS if get_method(name).search_space])
def test_the_corners_of_every_space_are_valid_methods(name, highest):
    base = get_method(name)
    drawn = draw(read_space(name, base, None, {}), Extreme(highest), base)
    method = get_method(name, **drawn)
    assert {key: getattr(method, key) for key in drawn} == drawn


def test_the_space_of_scregnet_is_that_of_its_authors():
    base = get_method("scregnet", gnn="gat")
    trial = Extreme(highest=True)
    drawn = draw(read_space("scregnet", base, None, {"gnn": "gat"}), trial, base)
    assert drawn["gnn_dims"] == drawn["mlp_dims"] == (256,) * 6
    assert drawn["gat_heads"] == (8,) * 6
    assert drawn["gat_reduction"] == "mean"
    assert trial.asked["learning_rate"] == (1e-5, 1e-2, True)
    assert trial.asked["weight_decay"] == (1e-7, 1e-4, True)
    assert trial.asked["dropout"] == (0.1, 0.8, False)
    assert trial.asked["batch_size"] == (32, 256, False)
    assert trial.asked["gat_negative_slope"] == (0.01, 0.5, False)


def test_only_what_matters_is_searched():
    gcn = read_space("scregnet", get_method("scregnet"), None, {})
    assert not [name for name in gcn if name.startswith("gat_")]
    alone = read_space("scregnet", get_method("scregnet", gnn=None), None, {"gnn": None})
    assert "gnn_dims" not in alone
    assert "dropout" not in read_space("scregnet", get_method("scregnet"), None, {"dropout": 0.1})


def test_a_condition_on_something_searched_is_asked_each_time():
    base = get_method("scregnet")
    space = {"gnn": Choice(("gcn", "gat")), "gat_heads": Given("gnn", ("gat",), Range(3, 5))}
    assert draw(space, Extreme(highest=False), base) == {"gnn": "gcn", "gat_heads": 2}
    assert draw(space, Extreme(highest=True), base) == {"gnn": "gat", "gat_heads": 5}


def test_short_forms():
    base = get_method("scregnet")
    short = {
        "gnn": ["gcn", None],
        "mlp_dims": [(8,), (8, 4)],
        "dropout": (0.1, 0.5),
        "batch_size": (16, 64, "log"),
    }
    space = read_space("scregnet", base, short, {})
    assert space["gnn"] == Choice(("gcn", None))
    assert space["dropout"] == Range(0.1, 0.5)
    assert space["batch_size"] == Range(16, 64, log=True)
    drawn = draw(space, Extreme(highest=True), base)
    assert drawn == {"gnn": None, "mlp_dims": (8, 4), "dropout": 0.5, "batch_size": 64}
    assert isinstance(drawn["batch_size"], int)
    assert Layers(2, 3, depth="gnn_dims").draw(
        Extreme(highest=True), "x", {"gnn_dims": (1, 1)}
    ) == (3, 3)


@pytest.mark.parametrize(
    "space, fixed, error, message",
    [
        ({"droput": (0.1, 0.2)}, {}, ValueError, "Did you mean 'dropout'"),
        ({"dropout": (0.1, 0.2)}, {"dropout": 0.1}, ValueError, "both in space and set"),
        ({"dropout": (0.2, 0.1)}, {}, ValueError, "lower to a higher"),
        ({"learning_rate": (0.0, 0.1, "log")}, {}, ValueError, "above 0"),
        ({"dropout": 0.3}, {}, TypeError, r"space\['dropout'\] must be a list"),
        ({"dropout": ("a", "b")}, {}, TypeError, "must be a list"),
        ({"dropout": (0.1, 0.2, "ln")}, {}, TypeError, "must be a list"),
        ({"gnn": []}, {}, ValueError, "at least one value"),
        ({}, {}, ValueError, "nothing to search"),
    ],
)
def test_wrong_spaces(space, fixed, error, message):
    with pytest.raises(error, match=message):
        read_space("scregnet", get_method("scregnet", **fixed), space, fixed)


def test_a_method_without_a_space_says_so(monkeypatch):
    monkeypatch.setattr(type(get_method("degree")), "search_space", {})
    with pytest.raises(
        ValueError, match="'degree' has no search space of its own; pass one as space="
    ):
        read_space("degree", get_method("degree"), None, {})


def test_without_optuna_the_error_says_what_to_install(monkeypatch):
    from scregnet.links.search.tuning import _optuna

    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(ImportError, match=r"pip install scregnet\[tune\]"):
        _optuna()


class TestFlips:
    labels = np.arange(1000) % 5 == 0

    def flips(self, share, how, seed=0):
        return np.flatnonzero(
            flip_labels(self.labels, share, how=how, rng=np.random.default_rng(seed)) != self.labels
        )

    def test_of_pairs(self):
        wrong = self.flips(0.05, "pairs")
        assert len(wrong) == 50
        # Whichever they are: about one in five is an edge.
        assert 3 <= self.labels[wrong].sum() <= 20

    def test_of_edges(self):
        wrong = self.flips(0.05, "edges")
        assert self.labels[wrong].sum() == 10
        assert len(wrong) == 20

    @pytest.mark.parametrize("how", ["pairs", "edges"])
    def test_nested_and_by_seed(self, how):
        assert set(self.flips(0.02, how)) < set(self.flips(0.05, how))
        assert set(self.flips(0.05, how)) != set(self.flips(0.05, how, seed=1))
        assert len(self.flips(0.0, how)) == 0

    def test_the_labels_given_stay(self):
        before = self.labels.copy()
        flip_labels(self.labels, 0.5, rng=np.random.default_rng(0))
        np.testing.assert_array_equal(self.labels, before)

    def test_unknown_kind(self):
        with pytest.raises(ValueError, match="flip='edge' is not known.*Did you mean 'edges'"):
            flip_labels(self.labels, 0.1, how="edge", rng=np.random.default_rng(0))
