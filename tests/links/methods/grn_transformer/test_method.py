import dataclasses

import numpy as np
import pytest
import torch

from scregnet import metrics
from scregnet.links import get_method
from scregnet.links.methods.grn_transformer import network
from scregnet.links.methods.grn_transformer.method import GrnTransformer

CPU = torch.device("cpu")
SMALL = {"axial_dim": 16, "axial_heads": 2, "axial_layers": 1, "learning_rate": 0.01}


def fit(task, **parameters):
    method = get_method("grn_transformer", **SMALL | parameters)
    return method.fit(task, rng=np.random.default_rng(0), device=CPU)


def module(task, **parameters):
    torch.manual_seed(0)
    return GrnTransformer(**SMALL | parameters).module(task).eval()


def test_it_learns_the_planted_structure(task_and_split):
    task, split = task_and_split
    scores = fit(task, max_epochs=60).links.score(split.test.sources, split.test.targets)
    assert metrics.auroc(split.test.labels, scores) > 0.7


def test_so_many_cells_are_read(task_and_split):
    task, _ = task_and_split
    assert module(task, n_cells=7).cells.shape == (7, task.n_genes)
    assert module(task, n_cells=500).cells.shape == (20, task.n_genes)
    assert torch.equal(module(task, n_cells=500).cells, torch.from_numpy(task.expression.T.copy()))


def test_the_order_of_cells_does_not_matter(task_and_split):
    task, _ = task_and_split
    turned = dataclasses.replace(task, expression=task.expression[:, ::-1].copy())
    pairs = torch.arange(8), torch.arange(8) + 30
    torch.testing.assert_close(module(task)(*pairs), module(turned)(*pairs))


def test_genes_outside_the_panel_change_nothing_for_others(task_and_split):
    task, _ = task_and_split
    one = module(task, max_genes=10)
    assert len(one.panel) == 10
    outside = sorted(set(range(60)) - set(one.panel.tolist()))
    genes = torch.tensor([outside[0], int(one.panel[0])])
    alone = one.represent(genes)
    one.cells[:, outside[1:]] += 5
    torch.testing.assert_close(one.represent(genes), alone)
    one.cells[:, one.panel[3]] += 5
    assert not torch.allclose(one.represent(genes), alone, atol=1e-3)


@pytest.mark.parametrize("max_genes", [10, 60])
def test_all_genes_in_blocks_score_like_a_batch(task_and_split, max_genes, monkeypatch):
    task, _ = task_and_split
    one = module(task, max_genes=max_genes)
    monkeypatch.setattr(network, "BLOCK", 7)
    as_source, as_target = one.parts()
    sources, targets = torch.tensor([0, 3, 7]), torch.tensor([5, 1, 59])
    expected = (as_source[sources] * as_target[targets]).sum(1)
    torch.testing.assert_close(one(sources, targets), expected)


def test_expression_is_needed(task_and_split):
    task, _ = task_and_split
    with pytest.raises(ValueError, match="grn_transformer needs expression: its tokens"):
        fit(dataclasses.replace(task, expression=None))


@pytest.mark.parametrize(
    "parameters, message",
    [
        ({"axial_dim": 10, "axial_heads": 4}, "axial_dim must be a multiple of axial_heads=4"),
        ({"axial_layers": 0}, "axial_layers must be at least 1, got 0"),
        ({"n_cells": 0}, "n_cells must be at least 1, got 0"),
        ({"dropout": 1.0}, "dropout must"),
    ],
)
def test_wrong_hyper_parameters_are_refused(parameters, message):
    with pytest.raises(ValueError, match=message):
        GrnTransformer(**parameters)
