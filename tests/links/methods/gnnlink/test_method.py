import dataclasses

import numpy as np
import pytest
import torch

from scregnet import metrics
from scregnet.links import get_method
from scregnet.links.methods.gnnlink.method import GnnLink
from scregnet.links.methods.gnnlink.network import GnnLinkModule

CPU = torch.device("cpu")


def fit(task, **parameters):
    method = get_method("gnnlink", **{"gnn_dims": (16, 8), "learning_rate": 0.01} | parameters)
    return method.fit(task, rng=np.random.default_rng(0), device=CPU)


def test_the_network_is_the_dense_one(task_and_split):
    """Rows of the graph are sources: a gene without known targets hears itself alone."""
    task, _ = task_and_split
    torch.manual_seed(0)
    network = GnnLink(gnn_dims=(7, 5)).module(task).eval()
    p = {name: value.detach().double().numpy() for name, value in network.named_parameters()}
    adjacency = 2 * np.eye(task.n_genes)
    sources, targets = task.message_graph
    adjacency[sources, targets] += 1
    scale = 1 / np.sqrt(adjacency.sum(axis=1))
    normalised = scale[:, None] * adjacency * scale
    h = task.expression / np.linalg.norm(task.expression, axis=1, keepdims=True)
    for layer in range(2):
        h = normalised @ h @ p[f"layers.{layer}.weight"].T
        h = np.where(h > 0, h, 0.2 * h)
    first, second = torch.tensor([0, 3, 40, 41]), torch.tensor([5, 59, 58, 57])
    expected = (h[first] * h[second]).sum(axis=1)
    found = network(first, second).detach().numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    trained = network.train()(first, second).detach().numpy()
    np.testing.assert_allclose(trained, np.maximum(expected, 0), rtol=1e-4)


def test_an_edge_that_is_known_both_ways_counts_in_both_rows():
    edges = np.array([[0, 1, 1, 1], [1, 0, 2, 2]])
    features = np.eye(3, dtype=np.float32)
    network = GnnLinkModule(features, edges, (4,), dropout=0.0)
    adjacency = np.array([[2.0, 1, 0], [1, 2, 1], [0, 0, 2]])
    scale = 1 / np.sqrt(adjacency.sum(axis=1))
    np.testing.assert_allclose(
        network.propagated.numpy(), scale[:, None] * adjacency * scale, rtol=1e-6
    )


def test_it_learns_the_planted_structure(task_and_split):
    task, split = task_and_split
    scores = fit(task).links.score(split.test.sources, split.test.targets)
    assert metrics.auroc(split.test.labels, scores) > 0.7


def test_the_loss_is_the_mean_squared_difference(task_and_split):
    task, _ = task_and_split
    result = fit(task, max_epochs=3)
    check = task.validation
    scores = result.links.score(check.sources, check.targets).astype(float)
    expected = np.mean((scores - check.labels) ** 2)
    found = result.history[result.best_epoch]["validation_loss"]
    assert found == pytest.approx(expected, rel=1e-5)


def test_scores_are_the_same_both_ways(task_and_split):
    task, split = task_and_split
    links = fit(task, max_epochs=3).links
    sources, targets = split.test.sources, split.test.targets
    np.testing.assert_array_equal(links.score(sources, targets), links.score(targets, sources))


def test_a_gene_that_does_not_vary_is_scored(task_and_split):
    task, _ = task_and_split
    expression = task.expression.copy()
    expression[[0, 20]] = 0
    links = fit(dataclasses.replace(task, expression=expression), max_epochs=3).links
    assert np.isfinite(links.source_vectors).all()


def test_expression_is_needed(task_and_split):
    task, _ = task_and_split
    with pytest.raises(ValueError, match="gnnlink needs expression: it is the node feature"):
        fit(dataclasses.replace(task, expression=None))


@pytest.mark.parametrize(
    "parameters, message",
    [
        ({"gnn_dims": ()}, "gnn_dims must name at least one layer's width"),
        ({"max_epochs": 0}, "max_epochs must be at least 1, got 0"),
        ({"dropout": 1.0}, "dropout must"),
    ],
)
def test_wrong_hyper_parameters_are_refused(parameters, message):
    with pytest.raises(ValueError, match=message):
        GnnLink(**parameters)
