import numpy as np
import pytest
import torch

from scregnet.links import LinkTask, Pairs, get_method
from scregnet.links.methods.scregnet import ScRegNet, _Network


def dense_gcn(features, edges, weight, bias):
    """Kipf and Welling's layer by hand: symmetric edges, self-loops, symmetric normalisation."""
    adjacency = np.eye(len(features))
    adjacency[edges[0], edges[1]] = 1
    adjacency[edges[1], edges[0]] = 1
    scale = 1 / np.sqrt(adjacency.sum(axis=1))
    return scale[:, None] * adjacency * scale @ features @ weight.T + bias


def test_the_network_is_the_papers_equations(task_and_split):
    task, _ = task_and_split
    torch.manual_seed(0)
    network = _Network(ScRegNet(gnn_dims=(7, 5), mlp_dims=(6,)), task).eval()
    p = {name: value.detach().double().numpy() for name, value in network.named_parameters()}
    h = task.expression.astype(float)
    h = dense_gcn(h, task.message_graph, p["graph.convolutions.0.lin.weight"], p["graph.convolutions.0.bias"])
    h = dense_gcn(
        np.maximum(h, 0), task.message_graph, p["graph.convolutions.1.lin.weight"], p["graph.convolutions.1.bias"]
    )
    z = np.concatenate([task.embedding, h], axis=1) @ p["mlp.0.weight"].T + p["mlp.0.bias"]
    z = np.where(z > 0, z, 0.01 * z)
    sources, targets = np.array([0, 3, 7]), np.array([5, 1, 59])
    two = np.concatenate([z[sources], z[targets]], axis=1) @ p["head.weight"].T + p["head.bias"]
    softmax = np.exp(two) / np.exp(two).sum(axis=1, keepdims=True)
    found = torch.sigmoid(network(torch.tensor(sources), torch.tensor(targets))).detach().numpy()
    np.testing.assert_allclose(found, softmax[:, 1], rtol=1e-4)


def test_dropout_is_off_when_scores_are_computed(task_and_split):
    task, _ = task_and_split
    network = _Network(ScRegNet(gnn_dims=(8,), mlp_dims=(8, 8), dropout=0.9), task)
    pairs = torch.arange(8), torch.arange(8) + 20
    network.eval()
    assert torch.equal(network(*pairs), network(*pairs))
    network.train()
    assert not torch.equal(network(*pairs), network(*pairs))


def test_messages_pass_along_training_edges_only(task_and_split):
    task, split = task_and_split
    graph = {tuple(edge) for edge in task.message_graph.T}
    train = split.train.take(split.train.labels)
    assert graph == set(zip(train.sources, train.targets, strict=True))
    for held_out in (split.validation, split.test):
        assert not graph & set(zip(held_out.sources, held_out.targets, strict=True))


def test_without_embedding_it_fits_on_expression_alone(task_and_split):
    task, split = task_and_split
    bare = LinkTask(task.n_genes, task.train, task.validation, task.expression)
    method = get_method("scregnet", gnn_dims=(8,), mlp_dims=(8,), max_epochs=2)
    scores = method.fit(bare, rng=np.random.default_rng(0), device=torch.device("cpu")).links.score(
        split.test.sources, split.test.targets
    )
    assert np.isfinite(scores).all()


def test_a_diverging_fit_is_an_error(task_and_split):
    task, _ = task_and_split
    method = get_method("scregnet", gnn_dims=(8,), mlp_dims=(8,), max_epochs=50, optimizer="sgd", learning_rate=1e25)
    with pytest.raises(RuntimeError, match="not finite. Lower learning_rate"):
        method.fit(task, rng=np.random.default_rng(0), device=torch.device("cpu"))


def test_a_collapsed_fit_is_an_error():
    # No gene differs from another, so no pair can.
    pairs = Pairs(np.array([0, 0, 1, 1]), np.array([2, 3, 2, 3]), np.array([True, False, False, True]))
    negative = Pairs(pairs.sources, pairs.targets, np.array([False, True, False, False]))
    task = LinkTask(4, negative.take(~negative.labels), pairs, np.ones((4, 3), np.float32))
    method = get_method("scregnet", gnn_dims=(4,), mlp_dims=(4,), max_epochs=3, patience=2)
    with pytest.raises(RuntimeError, match="collapsed: every validation pair has the same score"):
        method.fit(task, rng=np.random.default_rng(0), device=torch.device("cpu"))


@pytest.mark.parametrize(
    "parameters, message",
    [
        ({"gnn": "gat2"}, "gnn='gat2' is not known"),
        ({"optimizer": "lion"}, "optimizer='lion' is not known"),
        ({"gnn_dims": ()}, "gnn_dims must name at least one"),
        ({"mlp_dims": (0,)}, r"mlp_dims\[0\] must be at least 1"),
        ({"dropout": 1.0}, r"dropout must lie in \[0, 1\)"),
        ({"learning_rate": 0}, "learning_rate must lie in"),
        ({"max_epochs": 0}, "max_epochs must be at least 1"),
    ],
)
def test_hyper_parameters_are_checked(parameters, message):
    with pytest.raises(ValueError, match=message):
        get_method("scregnet", **parameters)
