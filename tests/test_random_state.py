"""Every public function that takes ``random_state`` refuses what is no seed, before any work."""

from __future__ import annotations

import inspect
import sys

import numpy as np
import pytest

import scregnet as sr
from scregnet._validate import LARGEST_SEED, seed_of

ROOMS = ("pp", "tl", "get", "pl", "bm", "metrics", "datasets")
FUNCTIONS = {
    f"{room}.{name}": function
    for room in ROOMS
    for name in getattr(sr, room).__all__
    if inspect.isfunction(function := getattr(getattr(sr, room), name))
    and "random_state" in inspect.signature(function).parameters
}
WRONG = [
    np.random.default_rng(0),
    np.random.RandomState(0),
    np.random.SeedSequence(0),
    "0",
    1.0,
    True,
    np.bool_(True),
    np.array([1, 2]),
    2**63,
    2**32,
    -1,
]


def test_the_functions_are_found():
    assert {"pp.split", "tl.fit_grn", "tl.embed", "bm.controls", "pl.grn"} <= set(FUNCTIONS)


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("seed", WRONG, ids=lambda seed: type(seed).__name__ + str(seed)[:6])
def test_what_is_no_seed_is_refused_at_the_start(name, seed):
    function = FUNCTIONS[name]
    # Nothing else is looked at first: these arguments are no AnnData.
    needed = [
        object()
        for parameter in inspect.signature(function).parameters.values()
        if parameter.default is inspect.Parameter.empty
        and parameter.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
    ]
    named = {
        parameter.name: object()
        for parameter in inspect.signature(function).parameters.values()
        if parameter.default is inspect.Parameter.empty
        and parameter.kind is inspect.Parameter.KEYWORD_ONLY
    }
    with pytest.raises((TypeError, ValueError), match="^random_state must be an integer from 0"):
        function(*needed, **named, random_state=seed)


@pytest.mark.parametrize("seed", [0, LARGEST_SEED, np.int64(3), np.uint32(LARGEST_SEED)])
def test_seeds_are_taken(seed):
    assert seed_of(seed) == int(seed)
    assert type(seed_of(seed)) is int


def test_none_draws_another_seed_each_time():
    drawn = [seed_of(None) for _ in range(5)]
    assert len(set(drawn)) == 5
    assert all(type(seed) is int and 0 <= seed <= LARGEST_SEED for seed in drawn)


@pytest.mark.parametrize("seed", [LARGEST_SEED, np.uint32(LARGEST_SEED)])
def test_the_largest_seed_is_good_for_all_that_it_starts(adata, net, seed):
    sr.tl.fit_grn(adata, net, method="degree", n_bootstrap=2, random_state=seed)
    sr.tl.fit_grn(
        adata, net, n_bootstrap=0, n_folds=2, n_trees=3, n_forest_trees=3, random_state=seed
    )
    frame = sr.bm.stability(
        *(adata, net), method="degree", n_repeats=1, perturbations=["seed"], random_state=seed
    )
    assert np.isfinite(frame["overlap"]).all()
    sr.pl.grn(adata, random_state=seed, show=False)


def groups(a, net):
    sr.tl.fit_grn(a, net, **SMALL, groupby="cell_type", min_cells=2, n_folds=2)
    sr.tl.compare_grns(a, min_cells=2, random_state=None)


def transfer(a, net):
    sr.tl.fit_grn(a, net, method="degree", n_bootstrap=0)
    other = a.copy()
    sr.tl.transfer_grn(other, source=a, random_state=None)


SMALL = {"n_trees": 3, "n_forest_trees": 3, "n_bootstrap": 2}
TINY = {"method": "scregnet", "max_epochs": 1, "gnn_dims": (4,), "mlp_dims": (4,)}
DRAWING = {
    "fit_grn": lambda a, net: sr.tl.fit_grn(
        *(a, net), **SMALL, max_cells=50, n_models=2, random_state=None
    ),
    "fit_grn of groups": lambda a, net: sr.tl.fit_grn(
        *(a, net), **SMALL, groupby="cell_type", min_cells=2, n_folds=2, random_state=None
    ),
    "fit_grn without labels": lambda a, net: sr.tl.fit_grn(
        a, method="genie3", n_estimators=2, n_models=2, random_state=None
    ),
    "fit_grn of controls": lambda a, net: sr.tl.fit_grn(
        *(a, net), **SMALL, shuffle_expression=True, n_pcs=3, random_state=None
    ),
    "fit_grn of two kinds": lambda a, net: sr.tl.fit_grn(
        a, priors={"one": net, "other": net.iloc[::2]}, **SMALL, random_state=None
    ),
    "fit_grn with torch": lambda a, net: sr.tl.fit_grn(
        *(a, net), **TINY, n_folds=2, n_bootstrap=0, device="cpu", random_state=None
    ),
    "tune_grn": lambda a, net: sr.tl.tune_grn(
        *(a, net), "degree", space={"pseudo_count": (1.0, 5.0)}, n_trials=2, random_state=None
    ),
    "compare_grns": groups,
    "transfer_grn": transfer,
    "embed": lambda a, net: sr.tl.embed(
        a, model="svd", n_components=4, max_cells=50, random_state=None
    ),
    "split": lambda a, net: sr.pp.split(a, net, negatives="sampled", random_state=None),
    "simulated": lambda a, net: sr.datasets.simulated(
        60, 40, rewired=0.2, knockouts=["TF001"], silent_binding=0.2, random_state=None
    ),
    "controls": lambda a, net: sr.bm.controls(a, net, **SMALL, n_folds=1, random_state=None),
    "stability": lambda a, net: sr.bm.stability(
        *(a, net), "degree", n_repeats=1, top_n=5, n_folds=1, random_state=None
    ),
    "robustness_study": lambda a, net: sr.bm.robustness_study(
        *(a, net), "degree", noise=(0.1,), n_priors=2, random_state=None
    ),
    "network_stats": lambda a, net: (
        sr.tl.fit_grn(a, net, method="degree", n_bootstrap=0),
        sr.tl.network_stats(a, random_state=None),
    ),
}


@pytest.mark.parametrize("name", DRAWING)
def test_none_draws_one_seed_for_all_of_a_call(name, adata, net, monkeypatch):
    """Steps that draw must not each draw a seed of its own: they would not fit together."""
    fresh = []
    generator = np.random.default_rng

    def default_rng(seed=None):
        # SciPy makes one whether it draws or not.
        if seed is None and sys._getframe(1).f_globals["__name__"].startswith("scregnet"):
            fresh.append("generator")
        return generator(seed)

    class Sequence(np.random.SeedSequence):
        def __init__(self, entropy=None, **named):
            if entropy is None:
                fresh.append("sequence")
            super().__init__(entropy, **named)

    monkeypatch.setattr(np.random, "default_rng", default_rng)
    monkeypatch.setattr(np.random, "SeedSequence", Sequence)
    DRAWING[name](adata, net)
    assert fresh == ["generator"]


def test_the_seed_that_was_drawn_is_kept_and_gives_the_same_result(adata, net):
    call = {**SMALL, "n_folds": 2, "max_cells": 50}
    sr.tl.fit_grn(adata, net, **call, random_state=None)
    params = adata.uns["grn"]["params"]
    seed = int(params["random_state"])
    again = adata.copy()
    sr.tl.fit_grn(again, net, **call, random_state=seed)
    np.testing.assert_array_equal(again.varp["grn"].toarray(), adata.varp["grn"].toarray())
    assert again.uns["grn"]["params"]["split"] == params["split"]
    other = sr.tl.fit_grn(adata, net, **call, random_state=None, copy=True)
    assert other.uns["grn"]["params"]["random_state"] != seed
    assert (other.varp["grn"] != adata.varp["grn"]).nnz > 0


def test_a_fit_after_a_search_has_its_pairs(adata, net):
    """Pairs that the search trained on must not become test pairs."""
    sr.tl.tune_grn(
        *(adata, net), "degree", space={"pseudo_count": (1.0, 5.0)}, n_trials=1, random_state=None
    )
    fit = adata.uns["tune"]["fit"]
    assert type(fit["random_state"]) is int
    found = [sr.tl.fit_grn(adata, net, **fit, n_bootstrap=0, copy=True) for _ in range(2)]
    one, other = (data.uns["grn"]["pairs"] for data in found)
    assert one.equals(other)
    assert int(adata.uns["tune"]["params"]["random_state"]) == fit["random_state"]


@pytest.mark.parametrize("seed", [0, None])
def test_drawn_cells_keep_their_pseudotime(adata, net, monkeypatch, seed):
    from scregnet.links.methods.scode import Scode

    adata.layers["time"] = adata.X.copy()
    adata.obs["time"] = np.asarray(adata.X[:, 0].todense()).ravel()
    seen = []
    monkeypatch.setattr(
        Scode, "table", lambda self, expression, regulators, task, seed: seen.append(task) or 1 / 0
    )
    with pytest.raises(ZeroDivisionError):
        sr.tl.fit_grn(
            *(adata, net), method="scode", pseudotime="time", max_cells=60, random_state=seed
        )
    values, time = seen[0].expression[0], seen[0].pseudotime
    assert len(time) == 60
    # Expression is normalised per cell; where the gene is 0, it is 0 in both.
    assert ((values == values.min()) == (time == 0)).all()
    assert 0 < (time == 0).sum() < 60
