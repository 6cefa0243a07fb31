import dataclasses

import numpy as np
import pytest
import torch

from scregnet import metrics
from scregnet.links import LinkTask, Pairs, get_method
from scregnet.links.methods.gne.method import Gne
from scregnet.links.methods.gne.network import GneModule
from scregnet.links.methods.gne.regression import balanced, regression

CPU = torch.device("cpu")
SMALL = {"identity_dim": 6, "attribute_dim": 5, "mlp_dims": (8,), "batch_size": 64}


def fit(task, **parameters):
    method = get_method("gne", **SMALL | parameters)
    return method.fit(task, rng=np.random.default_rng(0), device=CPU)


def elu(x):
    return np.where(x > 0, x, np.expm1(np.minimum(x, 0)))


def unit(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def weights(network):
    return {name: value.detach().double().numpy() for name, value in network.named_parameters()}


def joint_vectors(network, expression, attribute_weight):
    p = weights(network)
    parts = unit(p["identity"]), attribute_weight * unit(elu(expression @ p["attribute"]))
    return np.tanh(np.tanh(np.hstack(parts) @ p["joining.0"]) @ p["joining.1"])


@pytest.fixture
def network(task_and_split):
    task, _ = task_and_split
    torch.manual_seed(0)
    method = Gne(
        identity_dim=3,
        attribute_dim=4,
        attribute_weight=0.5,
        mlp_dims=(6, 5),
        dropout=0.0,
        n_sampled=task.n_genes,
    )
    network = method.module(task, balanced(task.train, np.random.default_rng(0)))
    with torch.no_grad():
        network.bias.normal_()
    return network


def test_scores_are_a_regression_on_the_vectors(network, task_and_split):
    task, _ = task_and_split
    vectors = joint_vectors(network, task.expression, 0.5) + weights(network)["context"]
    fitted = balanced(task.train, np.random.default_rng(0))
    pair = np.array([0, 3]), np.array([5, 59])
    wanted = regression(vectors.astype(np.float32), fitted).score(*pair)
    found = network.eval()(*map(torch.from_numpy, pair))
    np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-3)


def test_training_minimises_the_softmax_over_genes(network, task_and_split):
    # All genes are drawn here, so that the sampled softmax is the softmax.
    task, _ = task_and_split
    p = weights(network)
    genes, neighbours = np.array([0, 3, 3]), np.array([5, 59, 3])
    logits = joint_vectors(network, task.expression, 0.5)[genes] @ p["context"].T + p["bias"]
    wanted = np.log(np.exp(logits).sum(1)) - logits[np.arange(3), neighbours]
    log_odds = network.train()(torch.tensor(genes), torch.tensor(neighbours))
    found = torch.nn.functional.binary_cross_entropy_with_logits(
        log_odds, torch.ones(3), reduction="none"
    )
    np.testing.assert_allclose(found.detach().numpy(), wanted, rtol=1e-4)


def test_a_gene_is_not_told_from_itself(task_and_split):
    task, _ = task_and_split
    network = Gne(**SMALL, n_sampled=task.n_genes).module(task, task.train)
    network.represent = lambda genes: torch.ones(len(genes), 8)
    with torch.no_grad():
        network.context.zero_()[5] = 100.0
    # Gene 5 is far ahead: as a neighbour of all others, it must not stand in its own way.
    assert network.train()(torch.tensor([0]), torch.tensor([5])).item() > 700


def test_steps_read_the_known_edges_both_ways_and_no_other_pair(task_and_split, monkeypatch):
    task, _ = task_and_split
    read = []
    forward = GneModule.forward

    def spy(self, sources, targets):
        if self.training:
            read.extend(zip(sources.tolist(), targets.tolist(), strict=True))
        return forward(self, sources, targets)

    monkeypatch.setattr(GneModule, "forward", spy)
    fit(task, max_epochs=1)
    edges = set(zip(*task.message_graph.tolist(), strict=True))
    wanted = edges | {(b, a) for a, b in edges}
    assert set(read) == wanted
    assert len(read) == len(wanted)


def test_it_finds_hidden_links_of_two_modules():
    # TFs of either module regulate nine in ten of its genes, and no others. Expression is noise.
    rng = np.random.default_rng(0)
    module = np.arange(60) % 2
    sources, targets = (genes.ravel() for genes in np.indices((12, 60), np.int32))
    labels = (module[sources] == module[targets]) & (rng.random(720) < 0.9)
    pairs = Pairs(sources, targets, labels).take(sources != targets)
    part = rng.choice(3, len(pairs), p=[0.6, 0.2, 0.2])
    train, validation, hidden = (pairs.take(part == which) for which in range(3))
    expression = rng.normal(size=(60, 30)).astype(np.float32)
    task = LinkTask(60, train, validation, expression=expression)
    method = get_method("gne", batch_size=32, max_epochs=40, patience=40)
    links = method.fit(task, rng=np.random.default_rng(0), device=CPU).links
    found = metrics.auroc(hidden.labels, links.score(hidden.sources, hidden.targets))
    assert found > 0.8


def test_scores_are_the_same_both_ways(task_and_split):
    task, _ = task_and_split
    links = fit(task, max_epochs=2).links
    one, other = np.array([0, 3, 40]), np.array([5, 59, 2])
    np.testing.assert_allclose(links.score(one, other), links.score(other, one), rtol=1e-5)


def test_expression_is_needed(task_and_split):
    task, _ = task_and_split
    with pytest.raises(ValueError, match="gne needs expression: it is the attribute of its genes"):
        fit(dataclasses.replace(task, expression=None))


@pytest.mark.parametrize(
    "parameters, message",
    [
        ({"mlp_dims": ()}, "mlp_dims must name at least one layer's width"),
        ({"identity_dim": 0}, "identity_dim must be at least 1, got 0"),
        ({"attribute_weight": -1.0}, "attribute_weight must"),
        ({"dropout": 1.0}, "dropout must"),
        ({"n_sampled": 0}, "n_sampled must be at least 1, got 0"),
    ],
)
def test_wrong_hyper_parameters_are_refused(parameters, message):
    with pytest.raises(ValueError, match=message):
        Gne(**parameters)
