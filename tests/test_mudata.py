"""A MuData in place of an AnnData, for every public function that takes one."""

from __future__ import annotations

import inspect
import warnings

import pytest

import scregnet as sr

ROOMS = ("pp", "tl", "bm", "get", "pl", "io")
FUNCTIONS = [
    f"{room}.{name}"
    for room in ROOMS
    for name in getattr(sr, room).__all__
    if "adata" in inspect.signature(getattr(getattr(sr, room), name)).parameters
]


@pytest.fixture(scope="module")
def mudata():
    from mudata import MuData

    adata = sr.datasets.simulated(n_obs=40, n_vars=30)
    with warnings.catch_warnings():
        # What mudata says of its own future.
        warnings.simplefilter("ignore")
        return MuData({"rna": adata})


NEEDED = {
    "prior": [("TF001", "G0001")],
    "net": {"TF001_x": ["G0001"]},
    "experiments": {"TF001_x": ["G0001"]},
    "tfs": ["TF001"],
    "path": "network.csv",
    "key": "chip",
}


def needed(function):
    """Return something for each argument without a default."""
    parameters = list(inspect.signature(function).parameters.values())[1:]
    return {
        p.name: NEEDED.get(p.name, "TF001")
        for p in parameters
        if p.default is inspect.Parameter.empty and p.kind is not inspect.Parameter.VAR_KEYWORD
    }


@pytest.mark.parametrize("path", FUNCTIONS)
def test_every_function_looks_for_the_modality(path, mudata, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    room, name = path.split(".")
    function = getattr(getattr(sr, room), name)
    assert inspect.signature(function).parameters["mod"].default == "rna"
    with pytest.raises(KeyError, match="mod='atac' is not a modality of the MuData; it has 'rna'"):
        function(mudata, mod="atac", **needed(function))


def test_results_go_into_the_modality_and_come_from_it(mudata, tmp_path):
    sr.tl.fit_grn(mudata, mudata["rna"].uns["network"], "degree", n_folds=1, n_bootstrap=0)
    sr.tl.network_stats(mudata, top_n=20, n_random=0)
    assert mudata["rna"].var["grn_out_degree"].sum() == 20
    sr.io.write_grn(mudata, tmp_path / "network.graphml", top_n=20)
    assert len(sr.io.read_grn(tmp_path / "network.graphml")) == 20
