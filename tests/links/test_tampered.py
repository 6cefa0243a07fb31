"""Damaged states of every fitted form: an error of the documented kind or scores, never a crash.

``SCREGNET_TAMPERED=5000`` tries so many states of each form.
"""

from __future__ import annotations

import os
from dataclasses import fields, replace

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from scregnet.links import (
    LINK_METHODS,
    EvidenceLayer,
    PlattCalibration,
    fit_members,
    join,
    load_fitted,
    method_class,
)
from scregnet.links.folded import FoldedLinks
from scregnet.links.forms.saved import state_digest
from scregnet.links.pairs.fold_table import fold_table
from scregnet.links.registry import TRANSFER
from scregnet.links.stored import read_stored
from scregnet.links.transfer.columns import TransferColumns
from scregnet.links.transfer.links import TransferLinks

N_STATES = int(os.environ.get("SCREGNET_TAMPERED", "40"))
SMALL = {
    "max_epochs": 2,
    "gnn_dims": (8,),
    "mlp_dims": (8,),
    "graph_dims": (8, 8),
    "channel_dims": (8, 8),
    "attention_dims": (8, 8),
    "n_bins": 8,
    "conv_dims": (4,),
    "dense_dim": 8,
    "image_dim": 8,
    "dense_dims": (8, 4),
    "n_neighbours": 2,
    "axial_dim": 8,
    "n_cells": 8,
    "recurrent_dim": 6,
    "n_lags": 8,
    "n_trees": 10,
    "n_epochs": 2,
    "axial_layers": 2,
    "max_trees": 30,
    "n_estimators": 10,
    "n_forest_trees": 5,
}


def _truncated(array, rng):
    return array.reshape(-1)[: rng.integers(array.size + 1)]


def _reshaped(array, rng):
    return array.reshape(array.shape[::-1] if array.ndim > 1 else (1, -1))


def _wrong_type(array, rng):
    return array.astype([np.float64, np.int8, "U8", object, complex, bool][rng.integers(6)])


def _changed(array, rng):
    array = array.copy()
    bad = [-1, 2**31 - 1, -(2**31), 7] if array.dtype.kind in "iu" else [np.nan, np.inf, -1e30, 0]
    with np.errstate(over="ignore"):
        array.flat[rng.integers(array.size)] = np.array(bad[rng.integers(4)]).astype(array.dtype)
    return array


def _flipped(array, rng):
    raw = bytearray(array.tobytes())
    raw[rng.integers(len(raw))] ^= 1 << rng.integers(8)
    return np.frombuffer(bytes(raw), array.dtype).reshape(array.shape)


DAMAGES = (_truncated, _reshaped, _wrong_type, _changed, _flipped)


def small(name, **more):
    """Return a small method of a name, and its device."""
    cls = method_class(name)
    known = {field.name for field in fields(cls)}
    method = cls(**{key: value for key, value in (SMALL | more).items() if key in known})
    return method, torch.device("cpu") if cls.uses_torch else None


def layers_of(n_genes):
    """Two layers of evidence: five TFs, three quarters of the genes."""
    rng = np.random.default_rng(2)
    found = []
    for name in ("chip", "atac"):
        covered = np.arange(n_genes) < 3 * n_genes // 4
        tracks = np.zeros((n_genes, n_genes), np.float32)
        tracks[:5, covered] = rng.random((5, covered.sum())) < 0.3
        profile = np.where(covered[:, None], rng.normal(size=(n_genes, 4)), 0).astype(np.float32)
        popularity = np.where(covered, tracks[:5].mean(axis=0), 0).astype(np.float32)
        has_track = np.arange(n_genes) < 5
        layer = EvidenceLayer(
            name, profile, popularity, covered, sp.csr_matrix(tracks), has_track, 5
        )
        found.append(layer)
    return tuple(found)


def alone(name, *, evidence=False, **more):
    """One fit of a method: its state, and how to read it."""

    def build(task):
        method, device = small(name, **more)
        if evidence:
            task = replace(task, evidence=layers_of(task.n_genes))
        links = method.fit(task, rng=np.random.default_rng(0), device=device).links
        return links.state(), {"method": name}, {}

    return build


def transferred(task):
    layers = layers_of(task.n_genes)
    columns = TransferColumns.of(layers, task.summary)
    weights = np.linspace(-1, 1, len(columns.places)).astype(np.float32)
    return TransferLinks(columns, weights).state(), {"method": TRANSFER}, {}


def ensemble(name):
    def build(task):
        method, device = small(name)
        results = fit_members(method, task, 2, random_state=0, device=device)
        return join(results, task).state(), {"method": name, "n_models": 2}, {}

    return build


def folded(name, **more):
    def build(task):
        method, device = small(name, **more)
        known = task.train
        folds = (np.arange(len(known)) % 2)[:, None]
        members = [
            method.fit(
                replace(task, train=known.take(folds[:, 0] != fold)),
                rng=np.random.default_rng(fold),
                device=device,
            ).links
            for fold in (0, 1)
        ]
        calibrations = [PlattCalibration(1.0, 0.0)] * 2
        links = FoldedLinks.of(members, calibrations, [(0, 0), (0, 1)], known, folds, task.n_genes)
        return (
            links.state(),
            {"method": name, "n_folds": 2},
            {"table": fold_table(known, folds, task.n_genes)},
        )

    return build


LISTED = {"dense_cells": 10}
FORMS = {name: alone(name) for name in LINK_METHODS} | {
    "joint, pairs as a list": alone("joint", **LISTED),
    "joint, evidence": alone("joint", evidence=True),
    "joint, evidence, pairs as a list": alone("joint", evidence=True, **LISTED),
    "transfer": transferred,
    "ensemble of degree": ensemble("degree"),
    "ensemble of joint": ensemble("joint"),
    "ensemble of scregnet": ensemble("scregnet"),
    "folds of degree": folded("degree"),
    "folds of label_factors": folded("label_factors"),
    "folds of joint": folded("joint"),
    "folds of joint, pairs as a list": folded("joint", **LISTED),
}


def read(state, about, more, n_genes, **digest):
    model = {"n_models": 1, "n_folds": 1, **about, "state": state, **digest}
    return read_stored(model, n_genes, **more)


@pytest.mark.parametrize("name", FORMS)
def test_a_damaged_state_is_refused_or_scored(name, task_and_split):
    task, _ = task_and_split
    n_genes = task.n_genes
    state, about, more = FORMS[name](task)
    pairs = np.divmod(np.arange(n_genes**2), n_genes)
    whole = read(state, about, more, n_genes, digest=state_digest(state)).score(*pairs)
    assert np.isfinite(whole).all()
    rng = np.random.default_rng(1)
    names = [key for key, value in state.items() if np.size(value)]
    refused = 0
    for number in range(N_STATES):
        key = names[rng.integers(len(names))]
        damaged = dict(state)
        if number % 6 == 5:
            del damaged[key]
        else:
            with np.errstate(all="ignore"):
                damaged[key] = DAMAGES[number % 6](np.asarray(state[key]), rng)
        message = None
        try:
            # Without its digest, which refuses all of them.
            links = read(damaged, about, more, n_genes)
            # Legal numbers may be so large that a sum of them is infinite; get.score_links refuses
            # those scores.
            with np.errstate(all="ignore"):
                links.score(*pairs)
        except ValueError as error:
            message = str(error)
            refused += 1
        assert message is None or "saved network" in message, (key, message)
        if state_digest(damaged) != state_digest(state):
            with pytest.raises(ValueError, match="have changed since it was fitted"):
                read(damaged, about, more, n_genes, digest=state_digest(state))
    assert refused > N_STATES // 4


@pytest.mark.parametrize("name", FORMS)
def test_a_state_of_another_number_of_genes_is_refused(name, task_and_split):
    task, _ = task_and_split
    state, about, more = FORMS[name](task)
    for n_genes in (task.n_genes - 1, task.n_genes + 1):
        with pytest.raises(ValueError, match=f"about {task.n_genes} genes, not {n_genes}"):
            read(state, about, more, n_genes)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"n_folds": 0}, "'n_folds' of the saved network must lie between 1"),
        ({"n_folds": np.nan}, "'n_folds' of the saved network must hold integers"),
        ({"n_models": "two"}, "'n_models' of the saved network must hold integers"),
        ({"n_folds": 5}, "has folds, but no labelled pairs"),
        ({"method": "nope"}, "method='nope'"),
        ({"state": np.zeros(3)}, "is not a group of arrays"),
        ({"digest": 3}, "have changed since it was fitted"),
    ],
)
def test_what_is_said_of_a_state_is_checked(task_and_split, changed, message):
    task, _ = task_and_split
    state, about, _ = alone("degree")(task)
    model = {"n_models": 1, "n_folds": 1, **about, "state": state}
    assert load_fitted("degree", state).n_genes == read_stored(model, task.n_genes).n_genes
    with pytest.raises(ValueError, match=message):
        read_stored(model | changed, task.n_genes)
    del model["method"]
    with pytest.raises(ValueError, match=r"the saved network lacks \['method'\]"):
        read_stored(model, task.n_genes)
