"""Odd data: a result, or an error of this package that says what is wrong. Never another one."""

from __future__ import annotations

import traceback

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import scregnet as sr

SHAPES = [(1, 1), (1, 12), (7, 1), (30, 40)]
VALUES = {
    "dense": lambda x: x,
    "csr": sp.csr_matrix,
    "csc": sp.csc_matrix,
    "integers": lambda x: x.astype(np.int64),
    "bools": lambda x: x > 0,
    "nothing stored": lambda x: sp.csr_matrix(x.shape, dtype=np.float32),
    "zeros": np.zeros_like,
    "constant": np.ones_like,
    "huge": lambda x: x * np.float32(1e30),
    "a gap": lambda x: np.where(np.arange(x.size).reshape(x.shape) == 0, np.nan, x),
    "infinite": lambda x: np.where(np.arange(x.size).reshape(x.shape) == x.size - 1, np.inf, x),
    "negative": lambda x: x - np.float32(1.5),
    "no matrix": lambda x: None,
}
DOCUMENTED = (ValueError, TypeError, KeyError, RuntimeError)


def make(shape, values, seed=0):
    rng = np.random.default_rng(seed)
    n_cells, n_genes = shape
    counts = rng.poisson(rng.gamma(0.6, 1, n_genes) + 0.05, shape).astype(np.float32)
    adata = ad.AnnData(
        VALUES[values](counts),
        obs=pd.DataFrame({"time": rng.random(n_cells)}, index=[f"c{i}" for i in range(n_cells)]),
        var=pd.DataFrame(index=[f"G{i}" for i in range(n_genes)]),
    )
    adata.obs["type"] = pd.Categorical(rng.choice(["a", "b"], n_cells), ["a", "b", "empty"])
    pairs = rng.integers(0, [max(1, min(n_genes, 8)), n_genes], (6 * n_genes + 2, 2))
    pairs = np.unique(pairs[pairs[:, 0] != pairs[:, 1]], axis=0)
    net = pd.DataFrame({end: [f"G{i}" for i in pairs[:, at]] for at, end in enumerate(ENDS)})
    return adata, net


ENDS = ("source", "target")
FAST = {"n_bootstrap": 2, "show_progress_bar": False}
CALLS = {
    "prior": lambda a, net: sr.pp.prior(a, net),
    "tfs": lambda a, net: sr.pp.tfs(a, ["G0", "G1"]),
    "split": lambda a, net: sr.pp.split(a, net),
    "split of targets": lambda a, net: sr.pp.split(a, net, kind="targets"),
    "hard split of both": lambda a, net: sr.pp.split(a, net, kind="both", negatives="hard"),
    "matched split": lambda a, net: sr.pp.split(a, net, negatives="degree_matched"),
    "sampled world": lambda a, net: sr.pp.split(a, net, max_pairs=1),
    "select_genes": lambda a, net: sr.pp.select_genes(a, 5, tfs=None),
    "along time": lambda a, net: sr.pp.select_genes(a, 5, tfs=None, pseudotime="time", subset=True),
    "association": lambda a, net: sr.pp.association(a, ["G0"]),
    "embed": lambda a, net: sr.tl.embed(a, "svd", n_components=3),
    "embed groups": lambda a, net: sr.tl.embed(a, "svd", groupby="type", min_cells=1),
    "degree": lambda a, net: sr.tl.fit_grn(a, net, "degree", n_folds=2, **FAST),
    "label_factors": lambda a, net: sr.tl.fit_grn(a, net, "label_factors", n_folds=1, **FAST),
    "joint": lambda a, net: sr.tl.fit_grn(a, net, n_folds=1, n_trees=3, **FAST),
    "groups": lambda a, net: sr.tl.fit_grn(
        a, net, n_folds=1, n_trees=3, groupby="type", min_cells=1, **FAST
    ),
}


SLOW, FEW_KINDS = ("joint", "groups"), ("dense", "bools", "nothing stored", "constant", "a gap")


def error_of(call, *arguments):
    """Return the documented error that a call raises, ``None`` for none; others go through."""
    try:
        call(*arguments)
    except DOCUMENTED as error:
        return error
    return None


def is_ours(error):
    """Whether the error was raised by a line of this package that says so."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return "scregnet" in last.filename and "raise" in (last.line or "")


@pytest.mark.parametrize("values", VALUES)
@pytest.mark.parametrize("shape", SHAPES)
def test_data_of_any_kind(shape, values):
    for name, call in CALLS.items():
        if name in SLOW and values not in FEW_KINDS:
            continue
        adata, net = make(shape, values)
        error = error_of(call, adata, net)
        if error is not None:
            assert is_ours(error), (name, error)
            assert len(str(error)) > 15, (name, error)
            assert "grn" not in adata.varp, name
            continue
        for key in adata.varp:
            found = sp.csr_matrix(adata.varp[key]).data
            assert np.isfinite(found).all(), (name, key)
        for key in adata.varm:
            assert np.isfinite(np.asarray(adata.varm[key])).all(), (name, key)


READ = {
    "grn": sr.get.grn,
    "regulons": sr.get.regulons,
    "graph": sr.get.graph,
    "metrics": sr.get.metrics,
    "curves": sr.get.curves,
    "calibration": sr.get.calibration,
    "pl.grn": lambda a: sr.pl.grn(a, show=False),
    "pl.metrics": lambda a: sr.pl.metrics(a, show=False),
    "activity": lambda a: sr.tl.tf_activity(a, top_n_targets=5),
}


@pytest.mark.parametrize("name", READ)
def test_parts_of_a_fitted_object(name):
    import matplotlib.pyplot as plt

    adata, net = make((60, 60), "csr")
    sr.tl.fit_grn(adata, net, "degree", n_folds=2, n_bootstrap=0)
    for part in (adata, adata[:, :30], adata[:, :1], adata[:1], adata[:0]):
        error = error_of(READ[name], part.copy())
        assert error is None or is_ours(error), error
    plt.close("all")
