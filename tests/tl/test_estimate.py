"""What is said before a fit about its time, and what debug adds to info."""

import numpy as np
import pytest

import scregnet as sr
from scregnet._genes.split import labelled_pairs
from scregnet._progress import stages
from scregnet.links import get_method
from scregnet.links.methods.joint.method import Joint
from scregnet.tl._fit.estimate import FOLD_SHARE, SECONDS_PER_LINK, announce_time
from scregnet.tl._fit.folds import Folds
from scregnet.tl._fit.task import FitOptions


@pytest.fixture
def labelled(adata, net):
    return labelled_pairs(adata, net, None, random_state=0)


def said(caplog, *arguments):
    caplog.set_level("INFO", logger="scregnet")
    caplog.clear()
    with stages("grn", show=False):
        announce_time(*arguments)
    return caplog.messages


def test_a_small_fit_or_one_of_unknown_time_says_nothing(labelled, caplog):
    for name in ("joint", "scregnet"):
        assert said(caplog, get_method(name), labelled, None, 1000, 1) == []


@pytest.mark.parametrize("n_groups", [1, 3])
def test_fits_folds_and_links_are_counted(labelled, caplog, monkeypatch, n_groups):
    monkeypatch.setattr(Joint, "rough_seconds", lambda self, n_pairs, n_targets: 100.0)
    method = get_method("joint")
    folds = Folds.draw(labelled, FitOptions(n_folds=5), method)
    n_members = 5 * folds.folds.shape[1]
    n_genes = 1_000_000
    links = len(np.unique(labelled.parts.train.sources)) * n_genes * SECONDS_PER_LINK
    wanted = n_groups * (100 + n_members * (FOLD_SHARE * 100 + links)) / 60
    (message,) = said(caplog, method, labelled, folds, n_genes, n_groups)
    assert f"takes about {np.round(wanted):.0f} minutes" in message


def test_debug_says_more_than_info(adata, net, caplog):
    caplog.set_level("DEBUG", logger="scregnet")
    sr.tl.fit_grn(adata, net, n_folds=3, n_trees=3, n_forest_trees=5, n_bootstrap=0)
    lines = {record.message: record.levelname for record in caplog.records}
    folds = [line for line in lines if line.startswith("folds: repeat 0, fold")]
    assert len(folds) == 3
    assert {lines[line] for line in folds} == {"DEBUG"}
    (features,) = [line for line in lines if line.startswith("features: expression of 80 genes")]
    assert lines[features] == "DEBUG"
