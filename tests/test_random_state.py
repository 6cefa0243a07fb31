"""Every public function that takes ``random_state`` refuses what is no seed, before any work."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

import scregnet as sr
from scregnet._validate import LARGEST_SEED, check_random_state

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


@pytest.mark.parametrize("seed", [0, LARGEST_SEED, np.int64(3), np.uint32(LARGEST_SEED), None])
def test_seeds_are_taken(seed):
    check_random_state(seed)


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
