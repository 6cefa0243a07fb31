"""Every public function that writes says before any work that it cannot."""

from __future__ import annotations

import inspect

import anndata as ad
import pytest

import scregnet as sr

FUNCTIONS = {
    f"{room}.{name}": function
    for room in ("pp", "tl")
    for name in getattr(sr, room).__all__
    if "copy" in inspect.signature(function := getattr(getattr(sr, room), name)).parameters
}
OTHERS = {
    "chromatin": {"peak_to_gene": {}, "tf_to_peak": {}},
    "evidence": {"net": {}, "key": "chip"},
    "finetune": {"output": "never"},
}


@pytest.fixture
def stored(adata, tmp_path):
    adata.write_h5ad(tmp_path / "cells.h5ad")
    backed = ad.read_h5ad(tmp_path / "cells.h5ad", backed="r")
    yield backed
    backed.file.close()


def call(name, adata, **keywords):
    # No prior, layer or network is there: what is refused first is the file.
    return FUNCTIONS[name](adata, **OTHERS.get(name.split(".")[1], {}), **keywords)


def slots(adata):
    return [list(getattr(adata, slot)) for slot in ("var", "varm", "varp", "obsm", "uns")]


def test_the_functions_are_found():
    assert len(FUNCTIONS) >= 12


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_view_of_a_file_is_refused_at_the_start(stored, name):
    view = stored[:, :40]
    before = slots(view)
    given = {"prior": "prior"} if name == "pp.prior" else {}
    with pytest.raises(ValueError, match=r"adata is a view of a file .*adata\.to_memory\(\)"):
        call(name, view, **given)
    assert slots(view) == before


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_copy_of_a_file_is_refused_at_the_start(stored, name):
    given = {"prior": "prior"} if name == "pp.prior" else {}
    with pytest.raises(ValueError, match=r"copy=True copies it .*adata\.to_memory\(\)"):
        call(name, stored, copy=True, **given)


def test_a_file_is_written_to_in_memory(stored, net):
    sr.pp.prior(stored, net)
    sr.tl.fit_grn(stored, method="degree", n_bootstrap=0, n_folds=1)
    assert len(sr.get.grn(stored)) > 0
