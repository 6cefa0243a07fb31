import dataclasses

import numpy as np
import pytest
import torch

from scregnet import metrics
from scregnet.links import get_method
from scregnet.links.forms.bilinear import BilinearLinks
from scregnet.links.methods.genelink.method import GeneLink

SMALL = {"attention_dims": (8, 6), "channel_dims": (8, 4), "learning_rate": 0.01}


def leaky(x, slope):
    return np.where(x > 0, x, slope * x)


def elu(x):
    return np.where(x > 0, x, np.expm1(np.minimum(x, 0)))


def attention_by_hand(h, neighbours, p, name, heads, dim):
    """One layer, gene by gene and head by head: (n_genes, heads, dim)."""
    weight = p[f"{name}.lin.weight"].reshape(heads, dim, -1)
    bias = p[f"{name}.bias"].reshape(heads, dim)
    out = np.zeros((len(h), heads, dim))
    for head in range(heads):
        vectors = h @ weight[head].T
        as_sender = vectors @ p[f"{name}.att_src"][0, head]
        as_receiver = vectors @ p[f"{name}.att_dst"][0, head]
        for gene, senders in enumerate(neighbours):
            raised = np.exp(leaky(as_sender[senders] + as_receiver[gene], 0.2))
            received = (raised / raised.sum()) @ vectors[senders] + bias[head]
            received = leaky(received, 0.2)
            out[gene, head] = received / np.linalg.norm(received)
    return out


def test_the_network_is_what_a_loop_over_genes_and_heads_gives(task_and_split):
    task, _ = task_and_split
    torch.manual_seed(0)
    method = GeneLink(attention_dims=(5, 4), heads=(3, 2), channel_dims=(6, 3))
    network = method.module(task).eval()
    p = {name: value.detach().double().numpy() for name, value in network.named_parameters()}
    neighbours = [{gene} for gene in range(task.n_genes)]
    for source, target in task.message_graph.T:
        neighbours[source].add(int(target))
        neighbours[target].add(int(source))
    neighbours = [sorted(found) for found in neighbours]
    h = attention_by_hand(task.expression.astype(float), neighbours, p, "first", 3, 5)
    h = elu(h.reshape(task.n_genes, -1))
    h = elu(attention_by_hand(h, neighbours, p, "second", 2, 4).mean(axis=1))

    def channel(name):
        inner = leaky(h @ p[f"{name}.0.weight"].T + p[f"{name}.0.bias"], 0.01)
        return leaky(inner @ p[f"{name}.3.weight"].T + p[f"{name}.3.bias"], 0.01)

    sources, targets = np.array([0, 3, 7]), np.array([5, 1, 59])
    expected = (channel("as_source")[sources] * channel("as_target")[targets]).sum(axis=1)
    found = network(torch.tensor(sources), torch.tensor(targets)).detach().numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_it_learns_the_planted_structure(task_and_split):
    task, split = task_and_split
    method = get_method("genelink", **SMALL, batch_size=64)
    result = method.fit(task, rng=np.random.default_rng(0), device=torch.device("cpu"))
    assert type(result.links) is BilinearLinks
    assert result.links.source_vectors.shape == (task.n_genes, 4)
    scores = result.links.score(split.test.sources, split.test.targets)
    assert metrics.auroc(split.test.labels, scores) > 0.7
    assert len(result.history) == 20


def test_expression_is_needed(task_and_split):
    task, _ = task_and_split
    with pytest.raises(ValueError, match="genelink needs expression: it is the node feature"):
        GeneLink().fit(
            dataclasses.replace(task, expression=None),
            rng=np.random.default_rng(0),
            device=torch.device("cpu"),
        )


@pytest.mark.parametrize(
    "parameters, message",
    [
        ({"attention_dims": (8,)}, "attention_dims must have two numbers, one a layer, got"),
        ({"heads": (1, 2, 3)}, r"heads must have two numbers, one a layer, got \(1, 2, 3\)"),
        ({"channel_dims": ()}, "channel_dims must name at least one layer's width"),
        ({"negative_slope": 1.0}, "negative_slope must"),
        ({"dropout": -0.1}, "dropout must"),
        ({"optimizer": "lion"}, "optimizer='lion' is not known"),
    ],
)
def test_wrong_hyper_parameters_are_refused(parameters, message):
    with pytest.raises(ValueError, match=message):
        GeneLink(**parameters)
