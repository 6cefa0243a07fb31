"""What any function of ``pp`` or ``tl`` writes is written as a whole, or not at all."""

from __future__ import annotations

import sys

import pandas as pd
import pytest

import scregnet as sr
from scregnet._anndata.access import write

QUICK = {"method": "degree", "random_state": 0, "n_bootstrap": 10, "show_progress_bar": False}


def _sets(adata):
    """Three gene sets of ten genes."""
    genes = adata.var_names
    return {f"set{i}": list(genes[i * 10 : i * 10 + 10]) for i in range(3)}


def _peaks(adata):
    """A peak for each of some genes, each with the motif of one TF."""
    peaks, genes = [f"chr1:{i}-9" for i in range(9)], adata.var_names
    links = pd.DataFrame({"peak": peaks, "gene": genes[20:29]})
    return links, pd.DataFrame({"tf": genes[:9], "peak": peaks})


CASES = {
    "association": lambda a: sr.pp.association(a, a.uns["network"]["source"].unique()),
    "chromatin": lambda a: sr.pp.chromatin(a, *_peaks(a), n_components=2),
    "evidence": lambda a: sr.pp.evidence(a, _sets(a), key="sets", n_components=2),
    "prior": lambda a: sr.pp.prior(a, a.uns["network"]),
    "select_genes": lambda a: sr.pp.select_genes(a, n_top=10, tfs=None, alpha=None, subset=True),
    "split": lambda a: sr.pp.split(a, a.uns["network"]),
    "tfs": lambda a: sr.pp.tfs(a, list(a.var_names[:5])),
    "embed": lambda a: sr.tl.embed(a, model="svd", n_components=4, show_progress_bar=False),
    "fit_grn": lambda a: sr.tl.fit_grn(a, a.uns["network"], **QUICK),
    "tf_activity": lambda a: sr.tl.tf_activity(a, tmin=2),
}
# finetune and tune_grn write one entry of uns, at the end of minutes of work; transfer_grn writes
# as fit_grn does. compare_grns and network_stats read a network, and write like the others.
# Functions that ask a model about pairs write several layers at once: see test_pair_links.py.
ALIKE = {"finetune", "tune_grn", "transfer_grn", "compare_grns", "network_stats"}
ALIKE |= {"attention_links", "knockout_links", "token_links"}


def test_every_function_has_a_case():
    assert CASES.keys() | ALIKE == {*sr.pp.__all__, *sr.tl.__all__}


def _contents(adata):
    slots = ("obsm", "varm", "varp", "uns", "layers")
    return {
        "shape": adata.shape,
        "obs": adata.obs.copy(),
        "var": adata.var.copy(),
        **{slot: dict(getattr(adata, slot)) for slot in slots},
    }


def _assert_same(one, other):
    for name, value in one.items():
        if isinstance(value, pd.DataFrame):
            pd.testing.assert_frame_equal(value, other[name])
        elif isinstance(value, dict):
            assert value.keys() == other[name].keys()
            assert all(value[key] is other[name][key] for key in value)
        else:
            assert value == other[name]


def _interrupted(line, adata, slots, error):
    """Write, and raise ``error`` at the n-th line of the write; say whether it came to that."""

    def trace(frame, event, _):
        nonlocal line
        if frame.f_code is not write.__code__:
            return None
        if event == "line":
            line -= 1
            if line == 0:
                raise error
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        write(adata, **slots)
    except error:
        return True
    finally:
        sys.settrace(before)
    return False


@pytest.mark.parametrize("name", CASES)
def test_an_error_at_any_line_of_the_write_leaves_the_object_as_it_was(name, fitted, monkeypatch):
    tried = []

    def failing(adata, **slots):
        before = _contents(adata)
        for line in range(1, 1000):
            error = (KeyboardInterrupt, MemoryError)[line % 2]
            if not _interrupted(line, adata, slots, error):
                break
            _assert_same(before, _contents(adata))
            tried.append(line)

    package = "pp" if name in sr.pp.__all__ else "tl"
    # association hands what it found to evidence; embed has a file for its slots.
    module = {"association": "evidence", "embed": "encoding.slots"}.get(name, name)
    monkeypatch.setattr(sys.modules[f"scregnet.{package}._{module}"], "write", failing)
    CASES[name](fitted)
    assert len(tried) > 20


def test_a_subset_that_fails_takes_back_what_was_written(fitted, monkeypatch):
    before = _contents(fitted)

    def fail(self, index):
        raise MemoryError

    monkeypatch.setattr(type(fitted), "_inplace_subset_var", fail)
    with pytest.raises(MemoryError):
        sr.pp.select_genes(fitted, n_top=10, tfs=None, alpha=None, subset=True)
    _assert_same(before, _contents(fitted))
