"""Damaged states of every method: an error of the documented kind or scores, never a crash.

``SCREGNET_TAMPERED=5000`` tries so many states of each method.
"""

from __future__ import annotations

import os
from dataclasses import fields

import numpy as np
import pytest
import torch

from scregnet.links import LINK_METHODS, load_fitted, method_class

N_STATES = int(os.environ.get("SCREGNET_TAMPERED", "60"))
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
    "n_neighbours": 2,
    "axial_dim": 8,
    "n_cells": 8,
    "recurrent_dim": 6,
    "n_windows": 8,
    "n_trees": 10,
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


@pytest.mark.parametrize("name", sorted(LINK_METHODS))
def test_a_damaged_state_is_refused_or_scored(name, task_and_split):
    task, _ = task_and_split
    cls = method_class(name)
    known = {field.name for field in fields(cls)}
    method = cls(**{key: value for key, value in SMALL.items() if key in known})
    device = torch.device("cpu") if cls.uses_torch else None
    state = method.fit(task, rng=np.random.default_rng(0), device=device).links.state()
    rng = np.random.default_rng(1)
    sources, targets = np.divmod(np.arange(task.n_genes**2), task.n_genes)
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
            links = load_fitted(name, damaged)
            # Legal numbers may be so large that a sum of them is infinite; get.score_links refuses
            # those scores.
            with np.errstate(all="ignore"):
                links.score(sources, targets)
        except ValueError as error:
            message = str(error)
            refused += 1
        assert message is None or "saved network" in message, (key, message)
    assert refused > N_STATES // 4
