"""Messages are short, whatever an argument is: none prints a whole frame, array or text."""

from __future__ import annotations

import inspect

import numpy as np
import pandas as pd
import pytest

import scregnet as sr

LONGEST = 1200
LONG = {
    "frame": pd.DataFrame(np.arange(3000.0).reshape(1000, 3), columns=list("xyz")),
    "array": np.arange(1000.0),
    "list": list(range(1000)),
    "text": "q" * 5000,
}
CALLS = {
    "pp.split": ("prior", "kind", "negatives", "negative_ratio", "key_added", "gene_symbols"),
    "pp.prior": ("complexes", "key_added", "gene_symbols"),
    "tl.embed": ("model", "layer", "groupby", "gene_ids", "batch_size", "key_added", "precision"),
    "tl.fit_grn": ("method", "layer", "groupby", "threshold", "n_folds", "key_added"),
    "tl.network_stats": ("modules", "resolution", "n_hubs", "n_random", "threshold", "key_added"),
    "tl.tf_activity": ("method", "tmin", "layer", "by", "threshold", "key_added"),
    "get.grn": ("by", "threshold", "top_n", "gene_symbols"),
    "pl.grn": ("layout", "top_n", "threshold", "gene_symbols"),
}
OTHERS = {"tl.embed": {"model": "svd"}, "tl.fit_grn": {"n_bootstrap": 0}}


@pytest.fixture(scope="module")
def small():
    adata = sr.datasets.simulated(n_obs=60, n_vars=40, random_state=3)
    sr.pp.prior(adata, adata.uns["network"])
    sr.tl.fit_grn(adata, method="degree", n_bootstrap=0, n_folds=1)
    return adata


@pytest.mark.parametrize("kind", LONG)
@pytest.mark.parametrize(
    ("name", "argument"), [(name, one) for name, some in CALLS.items() for one in some]
)
def test_a_wrong_argument_gives_a_short_message_that_names_it(small, name, argument, kind):
    room, function = name.split(".")
    call = getattr(getattr(sr, room), function)
    assert argument in inspect.signature(call).parameters
    if (argument, kind) in (("key_added", "text"), ("prior", "frame"), ("prior", "list")):
        pytest.skip("that is one it takes, or reads otherwise")
    given = {**OTHERS.get(name, {}), argument: LONG[kind]}
    if room == "pp":
        given = {"prior": small.uns["network"]} | given
    with pytest.raises((TypeError, ValueError, KeyError)) as raised:
        call(small, **given)
    said = str(raised.value)
    assert len(said) <= LONGEST
    # Slots go by "key", whatever the argument is called.
    assert argument in said or argument == "key_added"
