import dataclasses

import numpy as np
import pytest
import torch

from scregnet import metrics
from scregnet.links import get_method
from scregnet.links.methods.gne.method import Gne

CPU = torch.device("cpu")
SMALL = {"identity_dim": 6, "attribute_dim": 5, "mlp_dims": (8,), "batch_size": 64}


def fit(task, **parameters):
    method = get_method("gne", **SMALL | parameters)
    return method.fit(task, rng=np.random.default_rng(0), device=CPU)


def test_the_network_is_the_formula(task_and_split):
    task, _ = task_and_split
    torch.manual_seed(0)
    network = Gne(identity_dim=3, attribute_dim=4, attribute_weight=0.5, mlp_dims=(6,)).module(task)
    with torch.no_grad():
        network.bias.fill_(0.7)
    p = {name: value.detach().double().numpy() for name, value in network.named_parameters()}
    attribute = task.expression @ p["attribute.weight"].T + p["attribute.bias"]
    joined = np.hstack([p["identity.weight"], 0.5 * attribute])
    h = joined @ p["mlp.0.weight"].T + p["mlp.0.bias"]
    h = np.where(h > 0, h, np.expm1(np.minimum(h, 0)))
    out = h @ p["out.weight"].T + p["out.bias"]
    found = network(torch.tensor([0, 3]), torch.tensor([5, 59])).detach().numpy()
    np.testing.assert_allclose(found, [h[0] @ out[5] + 0.7, h[3] @ out[59] + 0.7], rtol=1e-4)


def test_it_learns_the_planted_structure(task_and_split):
    task, split = task_and_split
    scores = fit(task).links.score(split.test.sources, split.test.targets)
    assert metrics.auroc(split.test.labels, scores) > 0.7


def test_without_expression_only_known_genes_are_told_apart(task_and_split):
    task, _ = task_and_split
    seen = (task.train.targets < 50) & (task.train.sources < 50)
    train = task.train.take(seen)
    links = fit(dataclasses.replace(task, train=train), attribute_weight=0.0, max_epochs=5).links
    scores = links.score(np.zeros(60, int), np.arange(60))
    assert np.ptp(scores[8:50]) > 0.01
    assert np.ptp(scores[50:]) < 1e-6


def test_expression_tells_genes_without_labels_apart(task_and_split):
    task, _ = task_and_split
    train = task.train.take(task.train.targets < 40)
    pull = task.expression.mean(axis=1)
    links = fit(dataclasses.replace(task, train=train), max_epochs=20).links
    scores = links.score(np.full(20, 2), np.arange(40, 60))
    assert np.corrcoef(scores, pull[40:])[0, 1] > 0.5


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
    ],
)
def test_wrong_hyper_parameters_are_refused(parameters, message):
    with pytest.raises(ValueError, match=message):
        Gne(**parameters)
