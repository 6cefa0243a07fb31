"""An argument of the wrong kind gives an error of this package, early, and changes nothing.

Functions and their arguments are taken from ``__all__`` and from the signatures.
"""

from __future__ import annotations

import inspect
import traceback
import warnings
from functools import cache
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

import scregnet as sr

HOME = str(Path(sr.__file__).parent)
WRONG = {
    "array": np.array([1.0, 2.0]),
    "nested list": [["TF001"]],
    "object": object(),
    "beyond 64 bits": 2**70,
}
QUIET = {"show_progress_bar": False}
FIT = {**QUIET, "method": "degree", "n_bootstrap": 2, "n_folds": 1}


@cache
def bases():
    """Data; the same with a network; with one for each group, and their comparison."""
    data = sr.datasets.simulated(n_obs=40, n_vars=30, n_tfs=6, random_state=3)
    data.obs["half"] = pd.Categorical(np.where(np.arange(40) % 2, "a", "b"))
    sr.pp.prior(data, data.uns["network"])
    fitted, grouped = data.copy(), data.copy()
    sr.tl.fit_grn(fitted, **{**FIT, "method": "label_factors"})
    sr.tl.tune_grn(fitted, method="degree", n_trials=2, **QUIET)
    sr.tl.fit_grn(grouped, groupby="half", min_cells=5, **FIT)
    few = {"min_cells": 2, "min_donor_cells": 4, "n_permutations": 10}
    sr.tl.compare_grns(grouped, groupby="half", **few, **QUIET)
    return {"data": data, "fitted": fitted, "grouped": grouped}


def _network(adata):
    return adata.uns["network"]


# What each function is given besides; a text stands for the object of that name.
CALLS = {
    "pp.association": ("data", {}),
    "pp.evidence": ("data", {"net": _network, "key": "layer"}),
    "pp.prior": ("data", {"prior": _network}),
    "pp.select_genes": ("data", {"n_top": 10}),
    "pp.split": ("data", {"prior": _network}),
    "pp.tfs": ("data", {"tfs": ["TF001"]}),
    "tl.compare_grns": ("grouped", {"groupby": "half", "min_cells": 2, **QUIET}),
    "tl.embed": ("data", {"model": "svd", **QUIET}),
    "tl.fit_grn": ("data", FIT),
    "tl.network_stats": ("fitted", {"n_random": 2}),
    "tl.tf_activity": ("fitted", {"tmin": 1, "known_only": True}),
    "tl.tune_grn": ("data", {"method": "degree", "n_trials": 2, **QUIET}),
    "bm.audit_evidence": ("data", {"net": _network}),
    "bm.audit_split": ("fitted", {"split": lambda adata: adata.uns["grn"]["pairs"]}),
    "bm.edge_kinds": ("fitted", {"network": _network}),
    "bm.robustness_study": ("data", {"method": "degree", "n_priors": 1, "noise": [0.1], **QUIET}),
    "bm.stability": ("data", {"method": "degree", "n_repeats": 1, "top_n": 5, **QUIET}),
    "get.comparison": ("grouped", {}),
    "get.evidence": ("fitted", {"source": "TF001", "target": "G0010"}),
    "get.network_difference": ("fitted", {"key_a": "grn", "key_b": "grn"}),
    "get.score_links": ("fitted", {"pairs": [("TF001", "G0010")]}),
    "pl.regulon": ("fitted", {"source": "TF001"}),
    "io.to_generrnib": ("fitted", {"dataset_id": "d"}),
    **{
        name: ("fitted", {})
        for name in (
            *(
                f"get.{one}"
                for one in ("calibration", "curves", "graph", "grn", "group_differences")
            ),
            *(f"get.{one}" for one in ("history", "metrics", "regulons", "tuned")),
            *(f"pl.{one}" for one in ("adjacency", "calibration", "grn", "grn_html", "history")),
            *("pl.metrics", "io.to_beeline", "io.to_gretapy"),
        )
    },
}
# They need a model, a file, a frame or longer fits: tests of their own.
ELSEWHERE = {
    *(f"tl.{one}" for one in ("attention_links", "finetune", "knockout_links", "token_links")),
    *("tl.transfer_grn", "pp.chromatin", "io.write_grn", "pl.coverage", "pl.gene_embedding"),
    *("bm.controls", "bm.ablation_study", "bm.effects_from_perturbseq", "bm.grade_links"),
    "bm.validate",
}
# Where they are wrong is told by what is made of them: names of a study, labels of a page.
FREE = {"dataset_id", "method_id", "title", "client"}


def public():
    """All functions that are given an AnnData."""
    rooms = ("pp", "tl", "get", "pl", "bm", "io")
    for room in rooms:
        for name in getattr(sr, room).__all__:
            function = getattr(getattr(sr, room), name)
            if "adata" in inspect.signature(function).parameters:
                yield f"{room}.{name}"


def test_no_function_is_left_out():
    assert set(CALLS) | ELSEWHERE == set(public())


def _slots(adata):
    slots = ("obs", "var", "obsm", "varm", "varp", "uns", "layers")
    return {slot: sorted(getattr(adata, slot)) for slot in slots}


@pytest.mark.parametrize("kind", WRONG)
@pytest.mark.parametrize("name", sorted(CALLS))
def test_an_argument_of_the_wrong_kind(name, kind):
    room, function = name.split(".")
    call = getattr(getattr(sr, room), function)
    base, given = CALLS[name]
    for argument in list(inspect.signature(call).parameters.values()):
        if argument.name in {"adata", *FREE} or argument.kind is argument.VAR_KEYWORD:
            continue
        adata = bases()[base].copy()
        before = _slots(adata)
        usual = {key: one(adata) if callable(one) else one for key, one in given.items()}
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                call(adata, **{**usual, argument.name: WRONG[kind]})
        except (ValueError, TypeError, KeyError) as error:
            last = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{argument.name}: {type(error).__name__}: {error}"
            assert last.filename.startswith(HOME), where
            assert _slots(adata) == before, where
        finally:
            plt.close("all")


@pytest.mark.parametrize("name", sorted(CALLS))
def test_a_text_is_no_flag(name):
    """For ``"False"`` counts as true."""
    room, function = name.split(".")
    call = getattr(getattr(sr, room), function)
    base, given = CALLS[name]
    for argument in inspect.signature(call).parameters.values():
        if argument.annotation not in ("bool", "bool | None"):
            continue
        adata = bases()[base].copy()
        usual = {key: one(adata) if callable(one) else one for key, one in given.items()}
        with pytest.raises(TypeError, match=f"{argument.name} must be True or False, got 'False'"):
            call(adata, **{**usual, argument.name: "False"})
        plt.close("all")
