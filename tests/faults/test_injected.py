"""A fault anywhere in the middle of a function leaves the AnnData exactly as it was.

The fault is raised as one of the package's own functions is entered, at a random one of all such
moments of a call. ``SCREGNET_FUZZ_SECONDS=600 pytest -m fuzz`` goes on for so long.
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
import time
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import scregnet as sr
from scregnet._anndata.access import undone_on_failure

# Interrupts in it are those of test_interrupted; one raised as it goes on would pass it by.
UNDONE = undone_on_failure.__wrapped__.__code__
# A fault in what Python calls while it tidies up is only reported.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
PACKAGE = str(Path(sr.__file__).parent) + os.sep
SECONDS = float(os.environ.get("SCREGNET_FUZZ_SECONDS", "60"))
QUIET = {"random_state": 0, "show_progress_bar": False}
FIT = {**QUIET, "n_bootstrap": 2}


def sets_of(adata):
    genes = adata.var_names
    return {f"{genes[i]}_a": list(genes[i + 3 : i + 12]) for i in range(4)}


def peaks_of(adata):
    peaks, genes = [f"chr1:{i}-9" for i in range(9)], adata.var_names
    return pd.DataFrame({"peak": peaks, "gene": genes[3:12]}), pd.DataFrame(
        {"tf": genes[:9], "peak": peaks}
    )


def cells_of_peaks(adata):
    atac = adata[:, :9].copy()
    atac.var_names = [f"chr1:{i}-9" for i in range(9)]
    return atac


@cache
def small_model():
    """A small Geneformer that knows the genes."""
    adata = sr.datasets.simulated(n_obs=30, n_vars=24, n_tfs=5, random_state=3)
    size = {"n_layers": 1, "hidden_size": 4, "n_heads": 1, "max_epochs": 1, "device": "cpu"}
    folder = tempfile.mkdtemp()
    sr.tl.finetune(adata, "geneformer", output=folder, **size, **QUIET)
    return {"weights": folder, "hidden_layer": 0}


def pairs_of(adata):
    return {"tfs": list(adata.var_names[:3]), **small_model()}


# How each function is called: the object, and a new folder. What is there already is replaced.
CALLS = {
    "pp.association": lambda a, to: sr.pp.association(a, list(a.var_names[:3])),
    "pp.chromatin": lambda a, to: sr.pp.chromatin(
        a, *peaks_of(a), min_open=0.1, atac=cells_of_peaks(a), groupby="cell_type"
    ),
    "pp.evidence": lambda a, to: sr.pp.evidence(a, sets_of(a), key="chip", n_components=2),
    "pp.prior": lambda a, to: sr.pp.prior(a, a.uns["network"][::2]),
    "pp.select_genes": lambda a, to: sr.pp.select_genes(
        a, n_top=10, tfs=None, alpha=None, subset=True
    ),
    "pp.split": lambda a, to: sr.pp.split(a, a.uns["network"], kind="targets"),
    "pp.tfs": lambda a, to: sr.pp.tfs(a, list(a.var_names[:5])),
    "tl.attention_links": lambda a, to: sr.tl.attention_links(a, **pairs_of(a), device="cpu"),
    "tl.compare_grns": lambda a, to: sr.tl.compare_grns(
        a, groupby="part", min_cells=8, n_permutations=10, layer="levels"
    ),
    "tl.embed": lambda a, to: sr.tl.embed(
        a, "svd", n_components=3, groupby="cell_type", min_cells=1
    ),
    "tl.finetune": lambda a, to: sr.tl.finetune(
        a, "scbert", output=to, n_layers=1, hidden_size=8, n_heads=2, max_epochs=1, device="cpu"
    ),
    "tl.fit_grn": lambda a, to: sr.tl.fit_grn(
        a, a.uns["network"], "label_factors", n_folds=2, **FIT
    ),
    "tl.knockout_links": lambda a, to: sr.tl.knockout_links(
        a, **pairs_of(a), n_cells=1, device="cpu"
    ),
    "tl.network_stats": lambda a, to: sr.tl.network_stats(a, n_random=2, top_n=20),
    "tl.tf_activity": lambda a, to: sr.tl.tf_activity(a, tmin=1),
    "tl.token_links": lambda a, to: sr.tl.token_links(a, **pairs_of(a)),
    "tl.transfer_grn": lambda a, to: sr.tl.transfer_grn(a, evidence="chip", key_added="other"),
    "tl.tune_grn": lambda a, to: sr.tl.tune_grn(a, a.uns["network"], "degree", n_trials=2, **QUIET),
}


def test_every_function_that_writes_has_a_call():
    every = {f"{room}.{name}" for room in ("pp", "tl") for name in getattr(sr, room).__all__}
    assert every == CALLS.keys()


# A fault that strikes while Python closes a forgotten generator goes nowhere, and is named here.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


class Faults:
    """Counts the calls of the package's functions, and raises at the n-th of them."""

    def __init__(self, at=0, error=None):
        self.count, self.at, self.error = 0, at, error

    def __call__(self, frame, event, _):
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(PACKAGE) and code is not UNDONE:
            self.count += 1
            if self.count == self.at:
                raise self.error

    def during(self, call, *arguments):
        before = sys.gettrace()
        sys.settrace(self)
        try:
            call(*arguments)
        finally:
            sys.settrace(before)


@pytest.fixture(scope="module")
def whole():
    """Small data with all that the functions read, and with what they write."""
    adata = sr.datasets.simulated(n_obs=30, n_vars=24, n_tfs=5, random_state=3)
    small_model()
    adata.layers["counts"] = adata.X.copy()
    adata.obs["part"] = ["a", "b"] * 15
    adata.layers["levels"] = np.random.default_rng(0).random(adata.shape)
    sr.pp.prior(adata, adata.uns["network"])
    sr.pp.evidence(adata, sets_of(adata), key="chip")
    sr.tl.fit_grn(adata, adata.uns["network"], "degree", n_folds=1, **FIT)
    return adata


def inject(name, whole, folder, faults, contents):
    """Call once whole, then with a fault at each of some moments; return how many were raised."""
    counter = Faults()
    adata = whole.copy()
    counter.during(CALLS[name], adata, folder / "whole")
    assert contents(adata) != contents(whole)
    moments = []
    for number, (share, error) in enumerate(faults):
        adata = whole.copy()
        before = contents(adata)
        at = 1 + int(share * counter.count)
        try:
            Faults(at, error).during(CALLS[name], adata, folder / str(number))
        except type(error):
            moments.append(at)
        else:
            # What Python calls while it tidies up cannot be interrupted.
            continue
        after = contents(adata)
        assert [part for part in before if before[part] != after[part]] == [], at
        assert not adata.is_view
    return moments


@pytest.mark.parametrize("name", CALLS)
def test_a_fault_anywhere_leaves_the_object_as_it_was(name, whole, contents, tmp_path):
    rng = random.Random(name)
    # The last one is near the end, where results are written.
    shares = [rng.random(), rng.random(), 1 - 1e-3 * rng.random()]
    errors = [KeyboardInterrupt(), MemoryError(), KeyboardInterrupt()]
    assert len(inject(name, whole, tmp_path, zip(shares, errors, strict=True), contents)) >= 2


@pytest.mark.fuzz
@pytest.mark.parametrize("name", CALLS)
def test_faults_at_many_moments(name, whole, contents, tmp_path, record_testsuite_property):
    rng = random.Random(os.urandom(8))

    def faults():
        # From here on: an undisturbed call has come first.
        end = time.monotonic() + SECONDS / len(CALLS)
        while time.monotonic() < end:
            share = rng.choice([rng.random(), 1 - 0.02 * rng.random()])
            yield share, rng.choice([KeyboardInterrupt, MemoryError])()

    moments = inject(name, whole, tmp_path, faults(), contents)
    record_testsuite_property(f"faults in {name}", len(moments))
    assert len(moments) > 0
