"""Bad input gets a clear exception, and the AnnData is left as it was."""

import dataclasses
import inspect

import numpy as np
import pandas as pd
import pytest

import scregnet as sr
from scregnet.links import LINK_METHODS, method_class
from scregnet.links.methods.degree import Degree
from scregnet.links.methods.label_factors.method import LabelFactors


def snapshot(adata):
    return (
        list(adata.uns),
        list(adata.varp),
        list(adata.varm),
        list(adata.var),
        adata.X.toarray() if hasattr(adata.X, "toarray") else adata.X.copy(),
    )


def fails(adata, error, message, call):
    before = snapshot(adata)
    with pytest.raises(error, match=message):
        call()
    after = snapshot(adata)
    assert before[:-1] == after[:-1]
    np.testing.assert_array_equal(before[-1], after[-1])


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_not_finite_values(adata, net, value):
    adata.X = adata.X.toarray()
    adata.X[3, 4] = value
    fails(
        adata, ValueError, "adata.X holds NaN or infinite values", lambda: sr.tl.fit_grn(adata, net)
    )
    fails(
        adata,
        ValueError,
        "adata.X holds NaN or infinite values",
        lambda: sr.tl.embed(adata, model="svd"),
    )


def test_scaled_values(adata, net):
    sr.tl.fit_grn(adata, net, "degree", n_folds=1, n_bootstrap=0)
    adata.X = adata.X.toarray() - 1.5
    message = r"adata.X holds negative values \(lowest -1.5\), as scaled data do.*layer=.*adata.raw"
    fails(adata, ValueError, message, lambda: sr.tl.fit_grn(adata, net))
    fails(adata, ValueError, message, lambda: sr.tl.tf_activity(adata))
    sr.pp.tfs(adata, ["TF001", "TF002"])
    fails(adata, ValueError, message, lambda: sr.pp.select_genes(adata, 10))
    fails(adata, ValueError, message, lambda: sr.tl.embed(adata, model="svd", counts=False))


def negative(adata):
    adata.X = adata.X.toarray() - 1.5


def without_a_group(adata):
    types = sorted(adata.obs["cell_type"].unique())
    keys = {"groupby": "cell_type", "groups": types[:-1], "varm_keys": ["emb_0"] * len(types[1:])}
    adata.varm["emb_0"], adata.uns["emb"] = np.ones((adata.n_vars, 2)), keys


@pytest.mark.parametrize("groupby", [None, "cell_type"])
@pytest.mark.parametrize(
    "change, arguments",
    [
        (negative, {}),
        (lambda adata: None, {"layer": "counts"}),
        (lambda adata: None, {"embedding": "geneformer"}),
        (without_a_group, {"embedding": "emb"}),
        (lambda adata: None, {"embedding": None, "random_embedding": True}),
        (lambda adata: None, {"evidence": "chip"}),
        (lambda adata: None, {"random_evidence": True}),
    ],
)
def test_it_is_said_before_anything_is_fitted(adata, net, change, arguments, groupby, monkeypatch):
    change(adata)

    def fit(self, task, **how):
        raise AssertionError("a null model was fitted")

    monkeypatch.setattr(Degree, "fit", fit)
    monkeypatch.setattr(LabelFactors, "fit", fit)
    with pytest.raises((KeyError, ValueError)):
        sr.tl.fit_grn(adata, net, groupby=groupby, min_cells=1, **arguments)


def test_names_that_are_not_unique(adata, net):
    adata.var_names = ["TF001", "TF001", *adata.var_names[2:]]
    fails(
        adata,
        ValueError,
        "var_names are not unique: 'TF001'.*var_names_make_unique",
        lambda: sr.tl.fit_grn(adata, net),
    )


def test_no_overlap_names_the_cause(adata, net):
    lower = net.assign(source=net["source"].str.lower(), target=net["target"].str.lower())
    fails(adata, ValueError, "case", lambda: sr.tl.fit_grn(adata, lower))


def test_one_tf_only(adata, net):
    one = net[net["source"] == net["source"].iloc[0]]
    fails(
        adata,
        ValueError,
        "only one TF has an edge.*at least two",
        lambda: sr.tl.fit_grn(adata, one),
    )


def test_all_positive_labels(adata, net):
    tfs = ["TF001", "TF002", "TF003"]
    full = pd.DataFrame(
        [(tf, gene) for tf in tfs for gene in adata.var_names if gene != tf],
        columns=["source", "target"],
    )
    fails(
        adata,
        ValueError,
        "all .* pairs of the train part are edges",
        lambda: sr.tl.fit_grn(adata, full),
    )


def test_too_few_edges_for_three_parts(adata):
    few = pd.DataFrame({"source": ["TF001", "TF002"], "target": ["G0001", "G0001"]})
    fails(
        adata,
        ValueError,
        "part are non-edges; every part needs both.*2 edges of 2 TFs",
        lambda: sr.tl.fit_grn(adata, few),
    )


def test_no_prior_at_all(adata):
    fails(
        adata,
        KeyError,
        "pass the network as prior=, or call sr.pp.prior",
        lambda: sr.tl.fit_grn(adata),
    )


@pytest.mark.parametrize(
    "arguments, error, message",
    [
        (
            {"method": "scregnat"},
            ValueError,
            "method='scregnat' is not known; valid values: .*'scregnet'",
        ),
        ({"layer": "counts"}, KeyError, "layer='counts' is not in adata.layers; it has none"),
        (
            {"groupby": "celltype"},
            KeyError,
            "groupby='celltype' is not a column of adata.obs; it has 'cell_type'",
        ),
        (
            {"split": "tfs"},
            KeyError,
            r"split='tfs': adata.uns\['tfs'\] is not there. Call sr.pp.split\(adata, kind='tfs'\)",
        ),
        (
            {"split": "mine"},
            KeyError,
            r"adata.uns\['mine'\] is not there. Call sr.pp.split\(adata, key_added='mine'\) first",
        ),
        ({"split": 3}, TypeError, "split must be a key of adata.uns, a frame or None, got int"),
        ({"threshold": 1.5}, ValueError, r"threshold must lie in \[0, 1\]"),
        ({"top_n_targets": 0}, ValueError, "top_n_targets must be at least 1"),
        ({"threshhold": 0.5}, TypeError, "'threshhold' is not .*Did you mean 'threshold'"),
        ({"seed": 1}, TypeError, "'seed' is not .*Did you mean 'random_state'"),
        (
            {"verbose": True},
            TypeError,
            "Did you mean 'show_progress_bar'.*log lines, set sr.settings.verbosity",
        ),
        ({"layers": "counts"}, TypeError, "'layers' is not .*Did you mean 'layer'"),
        ({"key_added": "a/b"}, ValueError, "key 'a/b' cannot be stored"),
        ({"device": "tpu9", "method": "scregnet"}, ValueError, "device='tpu9'"),
        ({"hidden": 3}, TypeError, "'hidden' is not a parameter of method='joint'"),
        ({"prior": 3}, TypeError, "prior must be a frame"),
        ({"prior": "net"}, KeyError, "prior='net' is not in adata.varp"),
    ],
)
def test_arguments(adata, net, arguments, error, message):
    fails(adata, error, message, lambda: sr.tl.fit_grn(adata, **{"prior": net, **arguments}))


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda s: s.drop(columns="label"), "lacks the columns 'label'"),
        (lambda s: s.assign(split="train"), "must hold 'train', 'test'"),
        (
            lambda s: s.assign(split=s["split"].astype(str).replace("test", "held")),
            "found 'held', 'train', 'validation'",
        ),
        (lambda s: s.assign(label=2), "must hold 0 and 1, but 790 of 790 rows hold '2'"),
        (
            lambda s: s.assign(target=s["target"].astype(str).replace("G0001", "nope")),
            "not in adata.var_names: 'nope'",
        ),
        (
            lambda s: pd.concat([s, s.iloc[:1].assign(split="test")]),
            "1 pairs are there more than once",
        ),
        (lambda s: s.assign(target=s["source"]), "join a gene with itself"),
        (lambda s: s.assign(label=0), "no TF has an edge"),
    ],
)
def test_split_frames(adata, net, change, message):
    split = sr.tl.fit_grn(adata, net, "degree", n_folds=1, copy=True).uns["grn"]["pairs"][
        ["source", "target", "label", "split"]
    ]
    fails(
        adata,
        ValueError,
        message,
        lambda: sr.tl.fit_grn(adata, split=change(split), method="degree", n_folds=1),
    )


def test_a_failure_in_the_last_group_writes_none(adata, net):
    adata.obs["group"] = ["x/b" if i % 2 else "x_b" for i in range(adata.n_obs)]
    fails(
        adata,
        ValueError,
        "differ only in '/' and '_'",
        lambda: sr.tl.fit_grn(adata, net, groupby="group"),
    )
    adata.obs["group"] = ["a", "b"] * (adata.n_obs // 2)
    adata.X = adata.X.toarray()
    adata.X[-1, 0] = np.nan
    fails(adata, ValueError, "NaN", lambda: sr.tl.fit_grn(adata, net, groupby="group"))


def test_something_else_than_an_anndata(net):
    with pytest.raises(TypeError, match="adata must be an AnnData or a MuData, got DataFrame"):
        sr.tl.fit_grn(net, net)


@pytest.mark.parametrize("method", sorted(LINK_METHODS))
def test_no_hyper_parameter_has_the_name_of_an_argument(method):
    """The argument would take its value, and a search would hand it on as the argument."""
    arguments = set(inspect.signature(sr.tl.fit_grn).parameters)
    assert not arguments & {field.name for field in dataclasses.fields(method_class(method))}
