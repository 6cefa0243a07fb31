"""Every public function on any input: finite values, or an error of this package that says why.

Functions are taken from ``__all__``. ``SCREGNET_FUZZ_SECONDS=600 pytest -m fuzz`` goes on for so
long, with inputs that were not tried before.
"""

from __future__ import annotations

import gzip
import os
import tempfile
import time
import traceback
import warnings
from functools import cache

import anndata as ad
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import scregnet as sr

ROOMS = ("pp", "tl", "get", "pl", "bm", "io", "metrics", "datasets")
SECONDS = float(os.environ.get("SCREGNET_FUZZ_SECONDS", "60"))
DOCUMENTED = (ValueError, TypeError, KeyError, RuntimeError, FileNotFoundError, Warning)
QUIET = {"show_progress_bar": False, "random_state": 0}
FIT = {**QUIET, "n_bootstrap": 2}

# ---- odd input


def _place(x, at, value):
    x = x.astype(np.float64)
    x.flat[at % x.size] = value
    return x


VALUES = {
    "as they are": lambda x, at: x,
    "float32": lambda x, at: x.astype(np.float32),
    "float16": lambda x, at: x.astype(np.float16),
    "int8": lambda x, at: x.astype(np.int8),
    "uint16": lambda x, at: x.astype(np.uint16),
    "bool": lambda x, at: x > 0,
    "csr": lambda x, at: sp.csr_matrix(x),
    "csc": lambda x, at: sp.csc_matrix(x.astype(np.float32)),
    "csr array": lambda x, at: sp.csr_array(x.astype(np.int32)),
    "nothing stored": lambda x, at: sp.csr_matrix(x.shape, dtype=np.float32),
    "zeros stored": lambda x, at: sp.csr_matrix((0 * x.ravel(), np.nonzero(x + 1)), x.shape),
    "zeros": lambda x, at: 0 * x,
    "constant genes": lambda x, at: np.broadcast_to(x[:1], x.shape).copy(),
    "huge": lambda x, at: x * 1e300,
    "tiny": lambda x, at: x * 1e-300,
    "large counts": lambda x, at: x.astype(np.int64) * 2**40,
    "a gap": lambda x, at: _place(x, at, np.nan),
    "infinite": lambda x, at: sp.csr_matrix(_place(x, at, np.inf)),
    "negative": lambda x, at: _place(x, at, -1),
    "complex": lambda x, at: x.astype(np.complex64),
    "masked": lambda x, at: np.ma.masked_equal(x, 0),
    "no matrix": lambda x, at: None,
}
NAMES = {
    "plain": lambda n: [f"G{i}" for i in range(n)],
    "numbers": lambda n: [str(i) for i in range(n)],
    "alike": lambda n: [f"G{i // 2}" for i in range(n)],
    "letter case": lambda n: [("g" if i % 2 else "G") + str(i // 2) for i in range(n)],
    "empty": lambda n: ["", *(f"G{i}" for i in range(1, n))],
    "marks": lambda n: [
        ["a/b", "a b", "ä", "nan", "None", "$x$", "\u200b", "x\ny"][i % 8] + "'" * (i // 8)
        for i in range(n)
    ],
    "complexes": lambda n: [f"G{i}_G{i + 1}" for i in range(n)],
}
COLUMNS = {
    "two and an empty one": lambda n: pd.Categorical(["a", "b"] * n, ["a", "b", "none"])[:n],
    "gaps": lambda n: pd.Categorical((["a", None] * n)[:n]),
    "only gaps": lambda n: pd.Categorical([None] * n, ["a"]),
    "texts": lambda n: (["a", "b/c"] * n)[:n],
    "numbers": lambda n: np.arange(n) % 2 + 0.5,
    "bools": lambda n: np.arange(n) % 2 == 0,
    "infinite": lambda n: np.where(np.arange(n) == 0, np.inf, 1.0),
    "NaN": lambda n: np.full(n, np.nan),
}


@st.composite
def cells(draw):
    """An AnnData of a random odd kind."""
    shape = draw(st.sampled_from([(1, 1), (1, 12), (7, 1), (2, 2), (30, 24), (30, 24), (12, 40)]))
    seed, at = draw(st.integers(0, 99)), draw(st.integers(0, 10**4))
    rng = np.random.default_rng(seed)
    counts = rng.poisson(rng.gamma(0.6, 2, shape[1]) + 0.05, shape).astype(np.float64)
    column = COLUMNS[draw(st.sampled_from(sorted(COLUMNS)))](shape[0])
    flag = draw(st.sampled_from([None, True, "True", np.nan]))
    with warnings.catch_warnings():
        # What anndata says of odd objects.
        warnings.simplefilter("ignore")
        adata = ad.AnnData(
            VALUES[draw(st.sampled_from(sorted(VALUES)))](counts, at),
            obs=pd.DataFrame({"some": column}, index=[f"c{i}" for i in range(shape[0])]),
            var=pd.DataFrame(index=NAMES[draw(st.sampled_from(sorted(NAMES)))](shape[1])),
        )
        if flag is not None:
            adata.var["is_tf"] = [flag, *[False] * (shape[1] - 1)]
    return adata


@st.composite
def networks(draw, adata):
    """A known network of a random odd form, for the genes of an object."""
    genes = [*map(str, adata.var_names), "unknown"]
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    n = draw(st.sampled_from([0, 1, 5, 6 * len(genes)]))
    sources = rng.integers(0, min(len(genes), 8), n)
    targets = rng.integers(0, len(genes), n)
    frame = pd.DataFrame(
        {"source": [genes[i] for i in sources], "target": [genes[i] for i in targets]}
    )
    form = draw(
        st.sampled_from(
            [
                "pairs",
                "pairs",
                "weights",
                "repeated",
                "odd weights",
                "sets",
                "tuples",
                "wide",
                "ids",
                "none",
            ]
        )
    )
    frame = frame if form == "repeated" else frame.drop_duplicates(ignore_index=True)
    if form == "weights":
        frame["weight"] = rng.normal(size=len(frame))
    if form == "odd weights":
        frame["weight"] = rng.choice([np.nan, np.inf, 0.0, -1.0, 1e300], len(frame))
    if form == "ids":
        frame["source"] = np.arange(len(frame))
    if form == "sets":
        return frame.groupby("source")["target"].agg(list).to_dict()
    if form == "tuples":
        return list(frame.itertuples(index=False, name=None))
    if form == "wide":
        return pd.crosstab(frame["source"], frame["target"]).astype(float)
    return None if form == "none" else frame


# ---- how each function is called


def of_cells(call):
    """A function of an odd object and an odd network."""

    def run(data, folder):
        adata = data.draw(cells())
        return adata, call(adata, data.draw(networks(adata)), data)

    return run


@cache
def fitted_bases():
    base = sr.datasets.simulated(n_obs=40, n_vars=30, n_tfs=6, random_state=3)
    base.obs["place"] = np.arange(40.0)
    base.obs["half"] = pd.Categorical(np.where(np.arange(40) % 2, "a", "b"))
    net, found = base.uns["network"], {}
    sr.tl.tune_grn(base, net, "degree", n_trials=2, **QUIET)
    found["folds"] = sr.tl.fit_grn(base, net, "label_factors", n_folds=2, copy=True, **FIT)
    found["null"] = sr.tl.fit_grn(base, net, "degree", n_folds=1, copy=True, **FIT)
    found["ensemble"] = sr.tl.fit_grn(
        base,
        net,
        "scregnet",
        n_models=2,
        n_folds=1,
        max_epochs=2,
        gnn_dims=(4,),
        mlp_dims=(4,),
        copy=True,
        device="cpu",
        **FIT,
    )
    found["groups"] = sr.tl.fit_grn(
        base, net, "label_factors", groupby="half", min_cells=1, n_folds=1, copy=True, **FIT
    )
    return found


@cache
def small_model():
    """A small Geneformer that knows the plain names of genes."""
    rng = np.random.default_rng(0)
    adata = ad.AnnData(rng.poisson(1, (20, 40)).astype(np.float32))
    adata.var_names = [f"G{i}" for i in range(40)]
    folder = tempfile.mkdtemp()
    size = {"n_layers": 1, "hidden_size": 4, "n_heads": 1, "max_epochs": 1, "device": "cpu"}
    sr.tl.finetune(adata, "geneformer", output=folder, **size, **QUIET)
    return {"weights": folder, "hidden_layer": 0}


def pairs_of(adata, data):
    """TFs, and values that may be no counts."""
    some = [None, list(map(str, adata.var_names[:3])), ["absent"]]
    chosen = one_of(data, tfs=some, counts=[True, False], groupby=[None, "some"])
    return {"device": "cpu", "resume": False, "min_cells": 1, **QUIET, **chosen}


def _changed_matrix(how):
    def change(adata, rng):
        key = "grn" if "grn" in adata.varp else "grn_a"
        adata.varp[key] = how(sp.csr_matrix(adata.varp[key]), rng)

    return change


def _damaged(value):
    def damage(matrix, rng):
        matrix = matrix.copy()
        if matrix.nnz:
            matrix.data[rng.integers(matrix.nnz)] = value
        return matrix

    return damage


def _dropped(slot, name):
    def drop(adata, rng):
        getattr(adata, slot).pop(name, None)

    return drop


def _pairs(column, value):
    def change(adata, rng):
        entry = adata.uns["grn" if "pairs" in adata.uns["grn"] else "grn_a"]
        entry["pairs"] = entry["pairs"].assign(**{column: value})

    return change


CHANGES = {
    "none": lambda adata, rng: None,
    "dense": _changed_matrix(lambda m, rng: m.toarray()),
    "csc": _changed_matrix(lambda m, rng: m.tocsc()),
    "float64": _changed_matrix(lambda m, rng: m.astype(np.float64)),
    "empty": _changed_matrix(lambda m, rng: sp.csr_matrix(m.shape, dtype=m.dtype)),
    "NaN": _changed_matrix(_damaged(np.nan)),
    "above 1": _changed_matrix(_damaged(2)),
    "below 0": _changed_matrix(_damaged(-1)),
    "without the null model": _dropped("varp", "grn_null"),
    "without the network": _dropped("varp", "grn"),
    "without the results": _dropped("uns", "grn"),
    "flags of text": lambda adata, rng: adata.var.__setitem__("is_tf", "True"),
    "no labels": _pairs("label", 0),
    "odd labels": _pairs("label", 2),
    "NaN in the pairs": _pairs("probability", np.nan),
    "odd parts": _pairs("split", "none"),
}


@st.composite
def fitted(draw):
    """A fitted object of a random kind, changed in some odd way."""
    adata = fitted_bases()[draw(st.sampled_from(["folds", "folds", "null", "ensemble", "groups"]))]
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    n_genes = draw(st.sampled_from([30, 30, 30, 15, 1, 0]))
    n_cells = draw(st.sampled_from([40, 40, 1, 0]))
    adata = adata[rng.permutation(40)[:n_cells], rng.permutation(30)[:n_genes]].copy()
    CHANGES[draw(st.sampled_from(sorted(CHANGES)))](adata, rng)
    return adata


def of_fitted(call):
    """A function that reads a fitted object; it may be told which links to take."""

    def run(data, folder):
        adata = data.draw(fitted())
        return adata, call(adata, data)

    return run


def filters(data):
    """Some arguments that choose links."""
    some = {
        "threshold": [0, 0.5, 1, 2, float("nan")],
        "top_n": [0, 1, 5, 10**9],
        "top_n_targets": [0, 2],
        "max_q": [0.1, 1],
        "min_lift": [0, 0.1, -1],
        "new_only": [True, False],
        "by": ["lift", "probability", "odd"],
        "sources": [["TF001"], "TF001", [], ["absent"]],
        "group": ["a", None, "absent"],
    }
    names = data.draw(st.lists(st.sampled_from(sorted(some)), max_size=2, unique=True))
    return {name: data.draw(st.sampled_from(some[name])) for name in names}


def group(data):
    return {"group": data.draw(st.sampled_from([None, None, "a", "absent"]))}


def compared(adata, data):
    """A fitted object with a comparison of its groups."""
    some = one_of(
        data,
        groupby=[None, "half", "cell_type", "absent"],
        donor=[None, "cell_type", "half"],
        along=[None, None, "place", "half", "absent"],
        threshold=[None, 0, 0.5, 1],
        min_detection=[0, 0.1, 1],
    )
    few = {"min_cells": 2, "min_donor_cells": 4, "n_permutations": 10}
    return sr.tl.compare_grns(adata, **some, **few, copy=True, **QUIET)


def of_pairs(name, *columns, **keywords):
    """A metric of labelled pairs: arrays of any length, type and value."""

    def run(data, folder):
        n = data.draw(st.sampled_from([0, 1, 2, 7, 50]))
        rng = np.random.default_rng(data.draw(st.integers(0, 99)))
        good = {
            "labels": rng.random(n) < 0.4,
            "scores": rng.normal(size=n),
            "probabilities": rng.random(n).astype(np.float32),
            "groups": rng.integers(0, 3, n),
            "weights": rng.random(n) + 0.1,
        }
        odd = {
            "constant": lambda x: np.full(n, x[0] if n else 0),
            "NaN": lambda x: np.where(np.arange(n) == 0, np.nan, x),
            "infinite": lambda x: np.where(np.arange(n) == n - 1, -np.inf, x),
            "huge": lambda x: x.astype(np.float64) * 1e308,
            "tiny": lambda x: x.astype(np.float64) * 1e-320,
            "shorter": lambda x: x[1:],
            "square": lambda x: np.stack([x, x]),
            "texts": lambda x: x.astype(str),
            "objects": lambda x: x.astype(object),
            "list": lambda x: x.tolist(),
            "frame": lambda x: pd.Series(x, index=np.arange(n) * 2),
            "integers": lambda x: (10 * x).astype(np.int64),
        }
        given = [good[column.split()[-1]] for column in columns]
        changed = data.draw(st.lists(st.sampled_from(range(len(given))), max_size=2, unique=True))
        for at in changed:
            with np.errstate(all="ignore"):
                given[at] = odd[data.draw(st.sampled_from(sorted(odd)))](given[at])
        more = {key: value() if callable(value) else value for key, value in keywords.items()}
        return None, getattr(sr.metrics, name)(*given, **more)

    return run


def of_sizes(data, folder):
    sizes = {
        "n_obs": [0, 1, 2, 30, -1, 2.5],
        "n_vars": [1, 2, 5, 30, None],
        "n_tfs": [None, 0, 1, 3, 30],
        "n_cell_types": [1, 3, 0, 50],
        "mean_regulators": [0, 1.5, 100, float("nan")],
        "dropout_percentile": [0, 100, 84, -1],
        "depth": [0, 1, 1e-9, 1e9, float("inf")],
        "noise": [0, 2.0, 1e9],
        "rewired": [0, 0.5, 1, -1],
        "level": [3, 0, 500],
    }
    chosen = {name: data.draw(st.sampled_from(values)) for name, values in sizes.items()}
    kept = data.draw(st.lists(st.sampled_from(sorted(sizes)), max_size=3))
    usual = {"n_obs": 20, "n_vars": 20}
    return None, sr.datasets.simulated(**usual | {name: chosen[name] for name in kept})


ODD_TEXTS = [
    b"",
    b"\n",
    b"\xff\xfe",
    b"a",
    b"Gene1,Gene2\nA,B\n",
    b"\xef\xbb\xbfa\tb\tc\n",
    b"a\tb\n\tc\n",
    b"TF_x\t\tG1\tG2\nTF_y\t\tG1\n",
    b"\x00" * 50,
    b",c1,c2\nA,1,nan\nB,2,x\n",
    b",c1\nA,1\nA,2\n",
]


def of_files(data, folder):
    home = folder / "BEELINE-data"
    for name in ("ExpressionData.csv", "network.csv", "GeneOrdering.csv", "TFs.csv"):
        content = data.draw(st.sampled_from(ODD_TEXTS))
        home.mkdir(exist_ok=True)
        (home / name).write_bytes(content)
    kind = data.draw(st.sampled_from(["hESC", "odd", "mESC"]))
    return None, sr.datasets.beeline(kind, path=home)


def of_library(data, folder):
    path = folder / data.draw(st.sampled_from(["a.gmt", "a.rda", "a.npz", "a.txt", "absent.gmt"]))
    if path.stem != "absent":
        path.write_bytes(data.draw(st.one_of(st.sampled_from(ODD_TEXTS), st.binary(max_size=80))))
    return None, sr.datasets.chip_library(path=path)


ENDINGS = ("csv", "tsv.gz", "parquet", "graphml", "gexf", "cyjs", "sif", "gmt")
NETWORK_TEXTS = [
    *ODD_TEXTS,
    b"a\tactivates\tb\na\n",
    b'<graphml><graph edgedefault="directed"><edge source="a"/></graph></graphml>',
    b'<gexf><graph defaultedgetype="directed"><nodes/></graph></gexf>',
    b'{"elements": {"nodes": [{"data": {"id": [1]}}], "edges": [{"data": {}}]}}',
    b'{"elements": {"nodes": [{"data": null}]}}',
    b"TF(+)\tx\tG1,nan\tG2,inf\n",
    b"TF\tGene\timportance_TF2G\nA\tB\tx\n",
    b"source\ttarget\tcoef_mean\nA\tB\t\n",
    b"regulator_symbol,target_symbol\nA,B\n",
    b"A\t1\tB\t2\tx\n",
]


def of_network_file(data, folder):
    path = folder / f"net.{data.draw(st.sampled_from(ENDINGS))}"
    path.write_bytes(data.draw(st.one_of(st.sampled_from(NETWORK_TEXTS), st.binary(max_size=80))))
    return None, sr.io.read_grn(path)


def written_and_read(adata, data):
    path = data.folder / f"net.{data.draw(st.sampled_from(ENDINGS))}"
    tool = data.draw(st.sampled_from([None, None, "pyscenic", "celloracle", "scenicplus"]))
    sr.io.write_grn(adata, path, tool=tool, **filters(data))
    return sr.io.read_grn(path)


def of_effects(data, folder):
    name = data.draw(st.sampled_from(["mESC_lit.txt", "mESC_logof.txt", "odd.tsv", "absent.txt"]))
    if not name.startswith("absent"):
        (folder / name).write_bytes(data.draw(st.sampled_from(ODD_TEXTS)))
    return None, sr.datasets.perturbation(folder / name)


def of_dream4(data, folder):
    for name in ("expression", "gold_standard", "tf_names"):
        text = data.draw(st.sampled_from([*ODD_TEXTS, b"a\tb\na\t0\t1\nb\t1\t0\n"]))
        if data.draw(st.booleans()):
            text = gzip.compress(text)
        (folder / f"{name}.tsv.gz").write_bytes(text)
    return None, sr.datasets.dream4(folder)


def effects(data):
    """A frame of effects on the genes of the fitted bases, changed in some odd way."""
    rng = np.random.default_rng(data.draw(st.integers(0, 9)))
    genes = [*(f"TF{n:03d}" for n in range(1, 7)), *(f"G{n:04d}" for n in range(1, 25))]
    frame = pd.DataFrame(
        {
            "source": np.repeat(genes[:3], len(genes)),
            "target": genes * 3,
            "effect": rng.normal(size=3 * len(genes)),
            "affected": rng.random(3 * len(genes)) < 0.4,
        }
    )
    odd = {
        "none": lambda f: f,
        "no rows": lambda f: f.iloc[:0],
        "no effect": lambda f: f.drop(columns="effect"),
        "NaN": lambda f: f.assign(effect=np.nan),
        "infinite": lambda f: f.assign(effect=np.inf),
        "all": lambda f: f.assign(affected=True),
        "texts": lambda f: f.assign(affected="yes"),
        "twice": lambda f: pd.concat([f, f]),
        "other genes": lambda f: f.assign(source="absent"),
        "missing names": lambda f: f.assign(target=None),
        "not a frame": lambda f: f.to_numpy().tolist(),
    }
    return odd[data.draw(st.sampled_from(sorted(odd)))](frame)


def benchmark_of(adata, net, data):
    """A benchmark of a null model, some of its rows damaged."""
    how = one_of(data, splits=[["pairs"], ["pairs", "tfs"]], seeds=[1, 2])
    table = sr.bm.run(adata, ["degree"], prior=net, show_progress_bar=False, **how)
    return table.iloc[:: data.draw(st.sampled_from([1, 3, 50]))]


def one_of(data, **choices):
    return {name: data.draw(st.sampled_from(values)) for name, values in choices.items()}


def split_of(adata, net, data):
    return sr.pp.split(
        adata,
        net,
        **one_of(
            data,
            kind=["pairs", "targets", "tfs", "both"],
            negatives=["all", "sampled", "hard", "degree_matched"],
            max_pairs=[None, 1, 50],
        ),
    )


def fit_of(adata, net, data):
    method = data.draw(st.sampled_from(["degree", "label_factors", "joint"]))
    more = {"n_trees": 3, "n_forest_trees": 3} if method == "joint" else {}
    odd = one_of(
        data, n_folds=[1, 2], groupby=[None, None, "some"], n_models=[1, 2], min_cells=[1, 50]
    )
    return sr.tl.fit_grn(adata, net, method, **odd, **more, **FIT)


def transfer_of(adata, net, data):
    sr.pp.evidence(adata, net, key="chip")
    return sr.tl.transfer_grn(adata, evidence="chip", n_bootstrap=2, **QUIET)


def chromatin_of(adata, net, data):
    """Odd frames of peaks for the genes of an object, and its cells as those of peaks."""
    genes = [*adata.var_names, None]
    peaks = data.draw(st.sampled_from([[f"chr1:{i}-9" for i in range(9)], list(adata.var_names)]))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    n = data.draw(st.sampled_from([0, 1, 50]))
    links = pd.DataFrame({"peak": rng.choice(peaks, n), "gene": rng.choice(genes, n)})
    hits = pd.DataFrame({"tf": rng.choice(genes[:4], n), "peak": rng.choice(peaks, n)})
    values = data.draw(st.sampled_from([None, [1.0, 2.0], [0.0], [np.nan], [1e300], [-1.0], ["a"]]))
    if values is not None:
        links["weight"] = rng.choice(values, n)
        hits["score"] = rng.choice(values, n)
    how = one_of(data, min_open=[0, 0.1, 1], groupby=[None, "some"], orthologues=[None, "upper"])
    hits = data.draw(st.sampled_from([hits, pd.crosstab(hits["peak"], hits["tf"]), net]))
    if how["min_open"] != 0:
        how["atac"] = adata
    return sr.pp.chromatin(adata, links, hits, **how)


def audit_of(adata, net, data):
    sr.pp.split(adata, net)
    return sr.bm.audit_split(adata, adata.uns["split"]["pairs"], net)


def table_of(adata, net, data):
    table = sr.bm.robustness_study(adata, net, "degree", noise=(0.05,), n_priors=1, **QUIET)
    rng = np.random.default_rng(data.draw(st.integers(0, 9)))
    value = table["value"].to_numpy(copy=True)
    if len(value) and data.draw(st.booleans()):
        value[rng.integers(len(value))] = np.nan
    return table.assign(value=value).iloc[: data.draw(st.sampled_from([10**6, 1, 0]))]


def rng():
    return np.random.default_rng(0)


def some_links(data):
    return one_of(data, top_n=[None, 1, 0, 10**6]) | group(data)


SHOWN = {"show": False}
CALLS = {
    "pp.association": of_cells(
        lambda a, net, d: sr.pp.association(
            a, **one_of(d, tfs=[None, list(a.var_names[:2]), ["absent"]])
        )
    ),
    "pp.chromatin": of_cells(chromatin_of),
    "pp.evidence": of_cells(
        lambda a, net, d: sr.pp.evidence(
            a,
            net,
            key="chip",
            **one_of(d, n_components=[1, 60], balance=[True, False], orthologues=[None, "upper"]),
        )
    ),
    "pp.prior": of_cells(
        lambda a, net, d: sr.pp.prior(a, net, **one_of(d, complexes=["drop", "expand"]))
    ),
    "pp.select_genes": of_cells(
        lambda a, net, d: sr.pp.select_genes(
            a,
            **one_of(
                d,
                n_top=[0, 3, 500],
                tfs=[None, "is_tf"],
                pseudotime=[None, "some"],
                alpha=[None, 0.01],
                subset=[True, False],
            ),
        )
    ),
    "pp.split": of_cells(split_of),
    "pp.tfs": of_cells(
        lambda a, net, d: sr.pp.tfs(
            a, d.draw(st.sampled_from([list(a.var_names), [], ["absent"], [np.nan], None, [1, 2]]))
        )
    ),
    "tl.embed": of_cells(
        lambda a, net, d: sr.tl.embed(
            a,
            "svd",
            **one_of(
                d,
                n_components=[1, 3],
                of=["genes", "cells", "both"],
                groupby=[None, "some"],
                min_cells=[1, 50],
                max_cells=[None, 2],
                counts=[True, False],
            ),
            **QUIET,
        )
    ),
    "tl.finetune": of_cells(
        lambda a, net, d: sr.tl.finetune(
            a,
            "scbert",
            output=d.folder / "run",
            n_layers=1,
            hidden_size=4,
            n_heads=1,
            max_epochs=1,
            device="cpu",
            **QUIET,
        )
    ),
    "tl.attention_links": of_cells(
        lambda a, net, d: sr.tl.attention_links(
            a,
            **small_model(),
            **one_of(d, direction=["both", "to_tf"], heads=[None, [0], [3]]),
            **pairs_of(a, d),
        )
    ),
    "tl.knockout_links": of_cells(
        lambda a, net, d: sr.tl.knockout_links(
            a,
            **small_model(),
            **one_of(d, mode=["delete", "overexpress"], n_cells=[1, 3]),
            **pairs_of(a, d),
        )
    ),
    "tl.token_links": of_cells(
        lambda a, net, d: sr.tl.token_links(
            a, **small_model(), **one_of(d, tfs=[None, list(map(str, a.var_names[:3]))])
        )
    ),
    "tl.fit_grn": of_cells(fit_of),
    "tl.network_stats": of_fitted(
        lambda a, d: sr.tl.network_stats(
            a, n_random=2, **one_of(d, n_hubs=[0, 1, 99], resolution=[0.01, 1, 99]), **filters(d)
        )
    ),
    "tl.tf_activity": of_fitted(
        lambda a, d: sr.tl.tf_activity(
            a, **one_of(d, tmin=[1, 5], method=["ulm", "zscore", "aucell"]), **filters(d)
        )
    ),
    "tl.compare_grns": of_fitted(compared),
    "tl.transfer_grn": of_cells(transfer_of),
    "tl.tune_grn": of_cells(
        lambda a, net, d: sr.tl.tune_grn(a, net, "degree", n_trials=1, **QUIET)
    ),
    "get.calibration": of_fitted(
        lambda a, d: sr.get.calibration(
            a, **one_of(d, split=["test", "train", "folds"], n_bins=[1, 10]), **group(d)
        )
    ),
    "get.comparison": of_fitted(
        lambda a, d: sr.get.comparison(
            compared(a, d), **one_of(d, what=["tfs", "links"], groups=[None, ("b", "a"), "a"])
        )
    ),
    "get.curves": of_fitted(lambda a, d: sr.get.curves(a, **group(d))),
    "get.evidence": of_fitted(
        lambda a, d: sr.get.evidence(
            a,
            d.draw(st.sampled_from(["TF001", "TF002", "absent", "", None, 3])),
            d.draw(st.sampled_from(["G0001", "TF001", "absent", None])),
            **one_of(d, groupby=[None, "cell_type", "absent"], n_similar=[0, 5, -1]),
            **group(d),
        )
    ),
    "get.graph": of_fitted(lambda a, d: sr.get.graph(a, **filters(d))),
    "get.grn": of_fitted(lambda a, d: sr.get.grn(a, **filters(d))),
    "get.group_differences": of_fitted(lambda a, d: sr.get.group_differences(a)),
    "get.history": of_fitted(lambda a, d: sr.get.history(a, **group(d))),
    "get.metrics": of_fitted(
        lambda a, d: sr.get.metrics(a, **one_of(d, wide=[True, False]), **group(d))
    ),
    "get.models": lambda d, to: (
        None,
        sr.get.models(d.draw(st.sampled_from([None, "svd", "geneformer", "absent", "", 3]))),
    ),
    "get.network_difference": of_fitted(
        lambda a, d: sr.get.network_difference(
            a,
            *(d.draw(st.sampled_from(["grn", "grn_a", "grn_b", "absent"])) for _ in "ab"),
            **one_of(d, what=["links", "tfs", "odd"], gene_symbols=[None, "absent"]),
        )
    ),
    "get.regulons": of_fitted(lambda a, d: sr.get.regulons(a, **filters(d))),
    "get.score_links": of_fitted(
        lambda a, d: sr.get.score_links(
            a,
            d.draw(
                st.sampled_from(
                    [
                        [("TF001", "G0001")],
                        [],
                        [("absent", "TF001")],
                        pd.DataFrame({"source": [np.nan, "TF001"], "target": ["G0001", "TF002"]}),
                        pd.DataFrame({"source": [1]}),
                    ]
                )
            ),
            **group(d),
        )
    ),
    "get.tuned": of_fitted(lambda a, d: sr.get.tuned(a)),
    "pl.ablation": of_cells(lambda a, net, d: sr.pl.ablation(table_of(a, net, d), **SHOWN)),
    "pl.calibration": of_fitted(lambda a, d: sr.pl.calibration(a, **group(d), **SHOWN)),
    "pl.evidence": of_fitted(
        lambda a, d: sr.pl.evidence(sr.get.evidence(a, "TF001", "G0001", **group(d)), **SHOWN)
    ),
    "pl.adjacency": of_fitted(
        lambda a, d: sr.pl.adjacency(
            a, **one_of(d, by=["probability", "lift"], n_sources=[1, 9, 0]), **group(d), **SHOWN
        )
    ),
    "pl.gene_embedding": of_fitted(
        lambda a, d: sr.pl.gene_embedding(
            a,
            **one_of(d, embedding=["auto", "absent"], labels=[0, 3, "absent"]),
            **group(d),
            **SHOWN,
        )
    ),
    "pl.coverage": of_fitted(lambda a, d: sr.pl.coverage(a, **SHOWN)),
    "pl.regulon": of_fitted(
        lambda a, d: sr.pl.regulon(
            a, **one_of(d, source=["TF001", "absent"], top_n=[1, 0, 99]), **group(d), **SHOWN
        )
    ),
    "pl.grn_html": of_fitted(
        lambda a, d: sr.pl.grn_html(
            a, **filters(d), **one_of(d, layout=["spring", "bipartite"], theme=["dark", "black"])
        )
    ),
    "pl.grn": of_fitted(
        lambda a, d: sr.pl.grn(
            a,
            **filters(d),
            **one_of(
                d,
                layout=["spring", "bipartite", "circular"],
                color=[None, None, "is_tf", "absent", 3],
            ),
            **SHOWN,
        )
    ),
    "pl.history": of_fitted(lambda a, d: sr.pl.history(a, **group(d), **SHOWN)),
    "pl.metrics": of_fitted(lambda a, d: sr.pl.metrics(a, **group(d), **SHOWN)),
    "pl.robustness": of_cells(lambda a, net, d: sr.pl.robustness(table_of(a, net, d), **SHOWN)),
    "bm.ablation_study": of_cells(
        lambda a, net, d: sr.bm.ablation_study(
            a,
            net,
            "joint",
            variants={"few": {"n_trees": 1}},
            n_seeds=1,
            n_trees=2,
            n_forest_trees=2,
            **QUIET,
        )
    ),
    "bm.audit_evidence": of_cells(
        lambda a, net, d: sr.bm.audit_evidence(a, d.draw(networks(a)), net)
    ),
    "bm.audit_split": of_cells(audit_of),
    "bm.controls": of_cells(
        lambda a, net, d: sr.bm.controls(a, net, "label_factors", n_folds=1, n_bootstrap=2, **QUIET)
    ),
    "bm.robustness_study": of_cells(
        lambda a, net, d: sr.bm.robustness_study(
            a, net, "degree", noise=(0.05,), n_priors=1, **QUIET
        )
    ),
    "bm.stability": of_cells(
        lambda a, net, d: sr.bm.stability(
            a, net, "degree", n_repeats=1, n_folds=1, n_bootstrap=2, **QUIET
        )
    ),
    "bm.effects_from_perturbseq": of_cells(
        lambda a, net, d: sr.bm.effects_from_perturbseq(a, "some", d.draw(st.sampled_from("ax")))
    ),
    "bm.edge_kinds": of_fitted(
        lambda a, d: sr.bm.edge_kinds(
            a,
            d.draw(st.sampled_from([None, [("TF001", "G0001")], "prior", 3])),
            **one_of(d, split=["test", "folds"]),
            **group(d),
        )
    ),
    "bm.grade_links": of_fitted(lambda a, d: sr.bm.grade_links(a, effects(d), **group(d))),
    "bm.rank_turns": of_cells(
        lambda a, net, d: sr.bm.rank_turns(benchmark_of(a, net, d), **one_of(d, metric=["auroc"]))
    ),
    "bm.run": of_cells(benchmark_of),
    "bm.validate": of_fitted(
        lambda a, d: sr.bm.validate(
            a, effects(d), n_permutations=3, **one_of(d, min_affected=[1, 5, 99]), **group(d)
        )
    ),
    "get.methods": lambda d, to: (None, sr.get.methods()),
    "io.read_grn": of_network_file,
    "io.write_grn": of_fitted(written_and_read),
    "io.to_beeline": of_fitted(lambda a, d: sr.io.to_beeline(a, **some_links(d))),
    "io.to_generrnib": of_fitted(
        lambda a, d: sr.io.to_generrnib(a, "op", **one_of(d, top_n=[1, 0, 10**6]), **group(d))
    ),
    "io.to_gretapy": of_fitted(lambda a, d: sr.io.to_gretapy(a, **some_links(d))),
    "report": of_fitted(
        lambda a, d: sr.report(
            a,
            **one_of(d, n_links=[1, 0, 10**6], groupby=[None, "half", "absent"], title=[None, 3]),
            **group(d),
        )
    ),
    "pl.benchmark": of_cells(
        lambda a, net, d: sr.pl.benchmark(
            benchmark_of(a, net, d), **one_of(d, split=[None, "pairs"]), **SHOWN
        )
    ),
    "pl.comparison": of_fitted(
        lambda a, d: sr.pl.comparison(
            sr.get.comparison(compared(a, d)),
            **one_of(d, source=[None, "TF001", "absent"], n_targets=[1, 30, 0]),
            **SHOWN,
        )
    ),
    "pl.validation": of_fitted(
        lambda a, d: sr.pl.validation(
            sr.bm.validate(a, effects(d), per_tf=True, n_permutations=3, min_affected=1), **SHOWN
        )
    ),
    "datasets.dream4": of_dream4,
    "datasets.perturbation": of_effects,
    "metrics.auprc": of_pairs("auprc", "labels", "scores", "weights"),
    "metrics.auroc": of_pairs("auroc", "labels", "scores", "weights"),
    "metrics.bootstrap": of_pairs(
        "bootstrap", "labels", "scores", "groups", "probabilities", n_bootstrap=3, rng=rng
    ),
    "metrics.bootstrap_difference": of_pairs(
        "bootstrap_difference", "labels", "scores", "other scores", "groups", n_bootstrap=3, rng=rng
    ),
    "metrics.brier": of_pairs("brier", "labels", "probabilities"),
    "metrics.ece": of_pairs("ece", "labels", "probabilities"),
    "metrics.epr": of_pairs("epr", "labels", "scores"),
    "metrics.evaluate": of_pairs("evaluate", "labels", "scores", "groups", "probabilities"),
    "metrics.lift": of_pairs("lift", "probabilities", "null probabilities"),
    "metrics.per_tf": of_pairs("per_tf", "labels", "scores", "groups"),
    "metrics.q_values": of_pairs("q_values", "probabilities"),
    "datasets.beeline": of_files,
    "datasets.chip_library": of_library,
    "datasets.simulated": of_sizes,
}
# They fit several times.
SLOW = {"tl.finetune", "bm.controls", "bm.ablation_study", "tl.fit_grn", "report"}


@pytest.fixture(scope="module", autouse=True)
def _bases():
    """Fitted before anything is drawn: what is fitted later would depend on it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted_bases()
        small_model()


def test_every_public_function_has_a_call():
    every = {f"{room}.{name}" for room in ROOMS for name in getattr(sr, room).__all__}
    assert every | {"report"} == CALLS.keys()


# ---- what must hold


def is_ours(error):
    """Whether a line of this package raised the error or gave the warning."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return "scregnet" in last.filename and ("raise" in last.line or "warnings.warn" in last.line)


def check_finite(adata):
    """Slots hold finite values; signs and cells without counts may have NaN."""
    filled = np.asarray(abs(adata.X).sum(axis=1)).ravel() > 0
    for slot in ("varm", "varp", "obsm"):
        for name, value in getattr(adata, slot).items():
            if name.endswith("_sign"):
                continue
            values = value.data if sp.issparse(value) else np.asarray(value, np.float64)
            values = values[filled] if slot == "obsm" else values
            assert np.isfinite(values).all(), (slot, name)


def check(name, data, folder):
    error = None
    try:
        adata, result = CALLS[name](data, folder)
    except DOCUMENTED as raised:
        error = raised
    finally:
        plt.close("all")
    if error is not None:
        assert is_ours(error), repr(error)
        assert len(str(error)) > 15
        return
    if adata is not None and name.startswith(("pp.", "tl.")):
        check_finite(adata)
    if isinstance(result, pd.DataFrame):
        # The highest threshold of a curve is infinite.
        numbers = result.drop(columns="threshold", errors="ignore")
        numbers = numbers.select_dtypes("number").to_numpy(np.float64)
        assert not np.isinf(numbers).any()
    if isinstance(result, float):
        assert not np.isinf(result)


class Drawn:
    """Draws values, and has a folder of its own."""

    def __init__(self, data, folder):
        self.draw, self.folder = data.draw, folder


def attempt(name, tmp_path, n_examples, **more):
    """Try so many examples of a function."""
    tried = []

    @settings(
        max_examples=n_examples,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        **more,
    )
    @given(st.data())
    def holds(data):
        folder = tmp_path / str(len(tried))
        folder.mkdir()
        tried.append(folder)
        check(name, Drawn(data, folder), folder)

    holds()
    return len(tried)


@pytest.mark.parametrize("name", CALLS)
def test_any_input(name, tmp_path):
    n_examples = 2 if name in SLOW else 6
    assert attempt(name, tmp_path, n_examples, derandomize=True, phases=[Phase.generate]) > 0


@pytest.mark.fuzz
@pytest.mark.parametrize("name", CALLS)
def test_any_input_for_long(name, tmp_path, record_testsuite_property):
    end, n = time.monotonic() + SECONDS / len(CALLS), 0
    while time.monotonic() < end:
        (tmp_path / str(n)).mkdir()
        n += attempt(name, tmp_path / str(n), 10)
    record_testsuite_property(f"inputs of {name}", n)
    assert n > 0
