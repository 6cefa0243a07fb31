"""Test labels reach nothing that is fitted; validation labels choose and calibrate only."""

from dataclasses import fields

import numpy as np
import pandas as pd
import pytest

import scregnet as sr
from scregnet.links import LINK_METHODS, get_method

# Set where a method has them, so that a new method is tested without a line here.
SMALL = {
    "max_epochs": 3,
    "patience": 3,
    "gnn_dims": (8,),
    "mlp_dims": (8,),
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
    "batch_size": 512,
    "max_trees": 30,
    "n_estimators": 5,
    "n_epochs": 2,
    "axial_layers": 2,
}
QUIET = {"n_folds": 1, "n_bootstrap": 0, "show_progress_bar": False, "device": "cpu"}


def small(name):
    known = {field.name for field in fields(get_method(name))}
    chosen = {key: value for key, value in SMALL.items() if key in known} | QUIET
    return chosen | ({"pseudotime": "time"} if get_method(name).needs_pseudotime else {})


@pytest.fixture(scope="module")
def data():
    adata = sr.datasets.simulated(n_obs=60, n_vars=60, random_state=3)
    sr.tl.embed(adata, model="svd", n_components=6, show_progress_bar=False)
    adata.obs["time"] = np.arange(60) / 59
    sr.pp.split(adata, adata.uns["network"], test_fraction=0.4, validation_fraction=0.2)
    split = adata.uns["split"]["pairs"].astype({"source": str, "target": str})
    return adata, split


def shuffled(split, part, seed=0):
    """The split with the labels of one part shuffled over its pairs."""
    changed, chosen = split.copy(), np.flatnonzero(split["split"] == part)
    labels = split["label"].to_numpy().copy()
    labels[chosen] = np.random.default_rng(seed).permutation(labels[chosen])
    assert (labels != split["label"]).sum() > 0.1 * len(chosen)
    changed["label"] = labels
    return changed


def assert_same(one, other):
    """Equal bit for bit: arrays, frames, numbers, and dictionaries of them."""
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_same(one[key], other[key])
    elif isinstance(one, pd.DataFrame):
        pd.testing.assert_frame_equal(one, other, check_exact=True)
    else:
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("n_models", [1, 2])
@pytest.mark.parametrize("name", sorted(LINK_METHODS))
def test_labels_of_test_pairs_change_nothing_that_is_fitted(data, name, n_models):
    adata, split = data
    honest, fooled = (
        sr.tl.fit_grn(adata, split=frame, method=name, n_models=n_models, copy=True, **small(name))
        for frame in (split, shuffled(split, "test"))
    )
    for entry in ("model", "history"):
        assert_same(honest.uns["grn"][entry], fooled.uns["grn"][entry])
    assert_same(honest.uns["grn"]["params"], fooled.uns["grn"]["params"])
    assert_same(
        honest.uns["grn"]["pairs"].drop(columns="label"),
        fooled.uns["grn"]["pairs"].drop(columns="label"),
    )
    for key in ["grn"] if n_models == 1 else ["grn", "grn_sd"]:
        for array in ("data", "indices", "indptr"):
            assert_same(getattr(honest.varp[key], array), getattr(fooled.varp[key], array))
    table, other = sr.get.metrics(honest), sr.get.metrics(fooled)
    assert_same(table[table["split"] == "validation"], other[other["split"] == "validation"])
    # The figures on test pairs do change, or the shuffling would have shown nothing.
    judged = (table["split"] == "test") & (table["metric"] == "auroc")
    assert (table.loc[judged, "value"] != other.loc[judged, "value"]).all()


@pytest.mark.parametrize("kind", ["pairs", "targets", "tfs", "both"])
def test_a_prior_that_knows_the_test_edges_changes_nothing_either(data, kind):
    adata, _ = data
    net = adata.uns["network"]
    split = sr.pp.split(adata, net, kind=kind, copy=True).uns["split"]["pairs"]
    blind, knowing = (
        sr.tl.fit_grn(adata, prior, "scregnet", split=split, copy=True, **small("scregnet"))
        for prior in (None, net)
    )
    assert_same(blind.uns["grn"]["model"], knowing.uns["grn"]["model"])
    assert_same(blind.uns["grn"]["metrics"], knowing.uns["grn"]["metrics"])


@pytest.mark.parametrize(
    "name", [name for name in sorted(LINK_METHODS) if hasattr(get_method(name), "max_epochs")]
)
def test_labels_of_validation_pairs_change_no_training_step(data, name):
    """A validation edge in messages, features or batches would change the training loss."""
    adata, split = data
    honest, fooled = (
        sr.tl.fit_grn(adata, split=frame, method=name, copy=True, **small(name)).uns["grn"][
            "history"
        ]
        for frame in (split, shuffled(split, "validation"))
    )
    assert_same(honest["train_loss"].to_numpy(), fooled["train_loss"].to_numpy())
    assert (honest["validation_loss"] != fooled["validation_loss"]).all()


def test_labels_of_validation_pairs_calibrate_and_choose_only(data):
    adata, split = data
    honest, fooled = (
        sr.tl.fit_grn(
            adata, split=frame, method="degree", pseudo_count=3.0, copy=True, **QUIET
        ).uns["grn"]["model"]
        for frame in (split, shuffled(split, "validation"))
    )
    assert_same(honest["state"], fooled["state"])
    assert honest["slope"] != fooled["slope"]


READ_NO_LABELS = [name for name in sorted(LINK_METHODS) if not get_method(name).needs_labels]


@pytest.mark.parametrize("name", READ_NO_LABELS)
@pytest.mark.parametrize("part", ["train", "validation", "test"])
def test_methods_without_labels_are_fitted_to_none(data, name, part):
    adata, split = data
    honest, fooled = (
        sr.tl.fit_grn(adata, split=frame, method=name, copy=True, **small(name)).uns["grn"]["model"]
        for frame in (split, shuffled(split, part))
    )
    assert_same(honest["state"], fooled["state"])
    # Validation pairs calibrate; nothing else does.
    assert (honest["slope"] != fooled["slope"]) == (part == "validation")


@pytest.mark.parametrize("name", sorted(set(LINK_METHODS) - set(READ_NO_LABELS)))
def test_labels_of_training_pairs_do_change_the_fit(data, name):
    """So that the tests above compare something that labels can reach."""
    adata, split = data
    honest, fooled = (
        sr.tl.fit_grn(adata, split=frame, method=name, copy=True, **small(name))
        .varp["grn"]
        .toarray()
        for frame in (split, shuffled(split, "train"))
    )
    assert (honest != fooled).mean() > 0.1
