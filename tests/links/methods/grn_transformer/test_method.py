import copy
import dataclasses
import pickle

import numpy as np
import pytest
import torch

from scregnet.links import get_method
from scregnet.links.methods.grn_transformer import method as room
from scregnet.links.methods.grn_transformer.method import GrnTransformer
from scregnet.links.prepared import prepared_once

CPU = torch.device("cpu")
SMALL = {
    "axial_dim": 8,
    "axial_heads": 2,
    "axial_layers": 1,
    "perceptron_dim": 8,
    "n_epochs": 2,
    "n_trees": 20,
}


def fit(task, method=None, seed=0, **parameters):
    method = method or get_method("grn_transformer", **SMALL | parameters)
    return method.fit(task, rng=np.random.default_rng(seed), device=CPU)


def test_the_forest_learns_which_attention_means_an_edge(task_and_split):
    task, _ = task_and_split
    links = fit(task).links
    scores = links.score(task.train.sources, task.train.targets)
    assert scores[task.train.labels].min() > scores[~task.train.labels].max()


def test_labels_that_are_not_believed_change_the_forest(task_and_split):
    task, _ = task_and_split
    plain, clean = (fit(task, clean_labels=flag).links.values for flag in (False, True))
    assert not np.array_equal(plain, clean)


def test_any_gene_is_a_source_and_none_is_its_own(task_and_split):
    task, _ = task_and_split
    links = fit(task).links
    assert links.values.shape == (task.n_genes, task.n_genes)
    assert (np.diag(links.values) == 0).all()
    assert (links.values > 0).any(axis=1).all()


def test_a_step_that_ran_before_changes_no_bit(task_and_split):
    task, _ = task_and_split
    method = GrnTransformer(**SMALL)
    prepared = method.prepare(task, rng=np.random.default_rng(3), device=CPU)
    again = method.fit(task, rng=np.random.default_rng(3), device=CPU, prepared=prepared)
    np.testing.assert_array_equal(again.links.values, fit(task, method, 3).links.values)


class Counted(GrnTransformer):
    calls = 0

    def prepare(self, *args, **kwargs):
        Counted.calls += 1
        return super().prepare(*args, **kwargs)


def test_folds_share_the_step_without_labels_and_other_cells_do_not(task_and_split):
    task, _ = task_and_split
    Counted.calls = 0
    shared = prepared_once(Counted(**SMALL))
    other = dataclasses.replace(task, train=task.train.take(np.arange(len(task.train)) % 4 > 0))
    found = [fit(each, shared) for each in (task, other)]
    assert Counted.calls == 1
    for each, one in zip((task, other), found, strict=True):
        np.testing.assert_array_equal(one.links.values, fit(each).links.values)
    fit(task, shared, seed=1)
    assert Counted.calls == 2
    fit(dataclasses.replace(task, expression=task.expression[:, 1:].copy()), shared, seed=1)
    assert Counted.calls == 3


def test_what_shares_the_step_can_be_copied(task_and_split):
    task, _ = task_and_split
    shared = prepared_once(GrnTransformer(**SMALL))
    for other in (copy.copy(shared), copy.deepcopy(shared), pickle.loads(pickle.dumps(shared))):
        assert other.n_trees == 20
        assert not hasattr(other, "max_epochs")
    np.testing.assert_array_equal(fit(task, other).links.values, fit(task).links.values)


def test_so_many_cells_are_read(task_and_split, monkeypatch):
    task, _ = task_and_split
    seen, maps = [], np.random.default_rng(0).random((1, 60, 60)).astype(np.float32)
    monkeypatch.setattr(
        "scregnet.links.methods.grn_transformer.pretraining.attention_maps",
        lambda module, values: seen.append(tuple(values.shape)) or maps,
    )
    fit(task, n_cells=7)
    fit(task, n_cells=500)
    assert seen == [(7, 60), (20, 60)]


@pytest.mark.parametrize("learning_rate, epochs", [(1e30, 1), (1e6, 3)])
def test_divergence_is_an_error_after_the_last_step_too(task_and_split, learning_rate, epochs):
    task, _ = task_and_split
    with pytest.raises(RuntimeError, match=r"training diverged at epoch \d: .* is not finite"):
        fit(task, learning_rate=learning_rate, n_epochs=epochs)


def test_one_score_for_all_pairs_is_an_error(task_and_split):
    task, _ = task_and_split
    nothing = np.zeros_like(task.expression)
    with pytest.raises(RuntimeError, match="training collapsed: every pair has the same score"):
        fit(dataclasses.replace(task, expression=nothing, summary=None))


def test_expression_is_needed(task_and_split):
    task, _ = task_and_split
    with pytest.raises(ValueError, match="grn_transformer needs expression: it fills in hidden"):
        fit(dataclasses.replace(task, expression=None))


def test_too_many_genes_are_refused_before_the_work(task_and_split, monkeypatch):
    task, _ = task_and_split
    monkeypatch.setattr(room, "MOST_GENES", 50)
    with pytest.raises(ValueError, match=r"takes 50 at most; there are 60\. Select genes first"):
        fit(task)


@pytest.mark.parametrize(
    "parameters, message",
    [
        ({"axial_dim": 10, "axial_heads": 4}, "axial_dim must be a multiple of axial_heads=4"),
        ({"axial_dim": 9, "axial_heads": 3}, "axial_dim must be a multiple of 2, got 9"),
        ({"axial_layers": 0}, "axial_layers must be at least 1, got 0"),
        ({"n_epochs": 0}, "n_epochs must be at least 1, got 0"),
        ({"hidden_share": 1.0}, "hidden_share must"),
        ({"precision": "float16"}, "precision='float16'"),
    ],
)
def test_wrong_hyper_parameters_are_refused(parameters, message):
    with pytest.raises(ValueError, match=message):
        GrnTransformer(**parameters)
