"""What is said before a fit about its time, and what debug adds to info."""

from types import SimpleNamespace

import numpy as np
import pytest

import scregnet as sr
from scregnet._genes.split import labelled_pairs
from scregnet._progress import stages
from scregnet.links import LinkTask, Pairs, get_method
from scregnet.links.methods.joint.method import Joint
from scregnet.tl._fit.estimate import announce_time
from scregnet.tl._fit.folds import Folds
from scregnet.tl._fit.task import FitOptions

CPU, GPU = SimpleNamespace(type="cpu"), SimpleNamespace(type="cuda")


@pytest.fixture
def labelled(adata, net):
    return labelled_pairs(adata, net, None, random_state=0)


@pytest.fixture
def one_thread(monkeypatch):
    monkeypatch.setattr(sr.settings, "n_jobs", 1)


def task_of(labelled, n_genes=1000):
    return LinkTask(n_genes, labelled.parts.train, labelled.parts.validation)


def said(caplog, method, task, folds=None, *, n_models=1, n_groups=1, device=None):
    inputs = SimpleNamespace(method=method, first=task, options=FitOptions(n_models=n_models))
    caplog.set_level("INFO", logger="scregnet")
    caplog.clear()
    with stages("grn", show=False):
        announce_time(inputs, folds, n_groups=n_groups, device=device)
    return caplog.messages


def test_a_small_fit_or_one_of_unknown_time_says_nothing(labelled, caplog):
    for name in ("joint", "scregnet"):
        assert said(caplog, get_method(name), task_of(labelled)) == []


@pytest.mark.parametrize("n_groups", [1, 3])
def test_fits_folds_and_links_are_counted(labelled, caplog, monkeypatch, n_groups, one_thread):
    monkeypatch.setattr(Joint, "rough_seconds", lambda self, task: 100.0)
    method = get_method("joint")
    folds = Folds.draw(labelled, FitOptions(n_folds=5), method)
    n_members = 5 * folds.folds.shape[1]
    n_genes = 1_000_000
    links = len(np.unique(labelled.parts.train.sources)) * n_genes * Joint.seconds_per_link
    wanted = n_groups * (100 + n_members * (Joint.fold_share * 100 + links)) / 60
    (message,) = said(caplog, method, task_of(labelled, n_genes), folds, n_groups=n_groups)
    assert f"takes about {np.round(wanted):.0f} minutes" in message


def test_models_of_an_ensemble_are_counted(caplog, monkeypatch, labelled, one_thread):
    monkeypatch.setattr(Joint, "rough_seconds", lambda self, task: 100.0)
    (message,) = said(caplog, get_method("joint"), task_of(labelled, 10), n_models=6)
    assert "takes about 10 minutes" in message


def test_networks_of_images_say_hours_on_a_cpu_and_nothing_on_a_gpu(caplog, one_thread):
    """17 ms a pair and epoch, twice the patience of 10, on mDC's 9,891 training pairs."""
    pairs = Pairs(np.arange(9891) % 20, np.arange(9891) % 821, np.arange(9891) % 2 == 0)
    task = LinkTask(821, pairs, pairs)
    deepdrim = get_method("deepdrim", precision="bfloat16")
    (message,) = said(caplog, deepdrim, task, device=CPU)
    assert "takes about 58 minutes on an ordinary CPU" in message
    assert said(caplog, deepdrim, task, device=GPU) == []
    short = get_method("deepdrim", precision="bfloat16", max_epochs=1)
    (message,) = said(caplog, short, task, device=CPU)
    assert "takes about 3 minutes" in message


@pytest.mark.parametrize(("n_jobs", "text"), [(1, "14 minutes"), (4, "3 minutes")])
def test_trees_of_each_gene_are_counted_over_threads(caplog, monkeypatch, n_jobs, text):
    """hESC: 910 genes, 758 cells and 410 TFs took 0.98 CPU seconds a gene."""
    monkeypatch.setattr(sr.settings, "n_jobs", n_jobs)
    none = Pairs(np.zeros(0, int), np.zeros(0, int), np.zeros(0, bool))
    expression = np.zeros((910, 758), np.float32)
    task = LinkTask(910, none, none, expression, regulators=np.arange(410))
    (message,) = said(caplog, get_method("genie3"), task)
    assert f"about {text}" in message


def test_grn_transformer_says_that_its_epochs_take_hours(caplog, one_thread):
    """hESC: 20 epochs in bfloat16 took 819 s; float32 twice that, and there are 1,500 epochs."""
    pairs = Pairs(np.arange(40) % 4, np.arange(40), np.arange(40) % 2 == 0)
    task = LinkTask(910, pairs, pairs, np.zeros((910, 758), np.float32))
    (message,) = said(caplog, get_method("grn_transformer"), task, device=CPU)
    assert "takes about 34 hours" in message


def test_debug_says_more_than_info(adata, net, caplog):
    caplog.set_level("DEBUG", logger="scregnet")
    sr.tl.fit_grn(adata, net, n_folds=3, n_trees=3, n_forest_trees=5, n_bootstrap=0)
    lines = {record.message: record.levelname for record in caplog.records}
    folds = [line for line in lines if line.startswith("folds: repeat 0, fold")]
    assert len(folds) == 3
    assert {lines[line] for line in folds} == {"DEBUG"}
    (features,) = [line for line in lines if line.startswith("features: expression of 80 genes")]
    assert lines[features] == "DEBUG"
