import dataclasses

import numpy as np
import pytest
import torch

from scregnet import metrics
from scregnet.links import get_method
from scregnet.links.forms.bilinear import BilinearLinks
from scregnet.links.methods.genelink.method import GeneLink

SMALL = {"attention_dims": (8, 6), "channel_dims": (8, 4), "learning_rate": 0.01}


def fit(task, **parameters):
    rng = np.random.default_rng(0)
    return get_method("genelink", **SMALL | parameters).fit(
        task, rng=rng, device=torch.device("cpu")
    )


def leaky(x, slope):
    return np.where(x > 0, x, slope * x)


def elu(x):
    return np.where(x > 0, x, np.expm1(np.minimum(x, 0)))


def attention_by_hand(h, neighbours, p, name):
    """One layer, gene by gene and head by head: (n_genes, heads, dim)."""
    heads, _, dim = p[f"{name}.weight"].shape
    out = np.zeros((len(h), heads, dim))
    for head in range(heads):
        vectors = h @ p[f"{name}.weight"][head]
        as_receiver = vectors @ p[f"{name}.receiver"][head]
        as_sender = vectors @ p[f"{name}.sender"][head]
        for gene, senders in enumerate(neighbours):
            # Without known edges all genes are attended to alike.
            raised = np.exp(leaky(as_receiver[gene] + as_sender[senders], 0.2))
            received = (raised / raised.sum()) @ vectors[senders] if senders else vectors.mean(0)
            received = leaky(received, 0.2)
            out[gene, head] = received / np.linalg.norm(received) + p[f"{name}.bias"][head]
    return out


def test_the_network_is_what_a_loop_over_genes_and_heads_gives(task_and_split):
    task, _ = task_and_split
    torch.manual_seed(0)
    method = GeneLink(attention_dims=(5, 4), heads=(3, 2), channel_dims=(6, 3))
    network = method.module(task).eval()
    with torch.no_grad():
        for layer in (network.first, network.second):
            layer.bias.normal_()
    p = {name: value.detach().double().numpy() for name, value in network.named_parameters()}
    neighbours = [set() for _ in range(task.n_genes)]
    for source, target in task.message_graph.T:
        neighbours[source].add(int(target))
        neighbours[target].add(int(source))
    neighbours = [sorted(found) for found in neighbours]
    assert [] in neighbours
    h = attention_by_hand(task.expression.astype(float), neighbours, p, "first")
    h = elu(h.reshape(task.n_genes, -1))
    h = attention_by_hand(h, neighbours, p, "second").mean(axis=1)

    def channel(name):
        inner = leaky(h @ p[f"{name}.0.weight"].T + p[f"{name}.0.bias"], 0.01)
        return leaky(inner @ p[f"{name}.3.weight"].T + p[f"{name}.3.bias"], 0.01)

    alone = neighbours.index([])
    sources, targets = np.array([0, 3, 7, alone]), np.array([5, 1, 59, 2])
    expected = (channel("as_source")[sources] * channel("as_target")[targets]).sum(axis=1)
    found = network(torch.tensor(sources), torch.tensor(targets)).detach().numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_first_weights_are_as_wide_as_published(task_and_split):
    """Uniform within 1.414 sqrt(6 / (inputs + outputs)), of each head alone."""
    task, _ = task_and_split
    network = GeneLink().module(task)
    n_cells = task.expression.shape[1]
    for values, inputs, outputs in (
        (network.first.weight[1], n_cells, 128),
        (network.second.weight[2], 3 * 128, 64),
        (network.first.receiver, 2 * 128, 1),
        (network.as_target[3].weight, 32, 16),
    ):
        bound = 1.414 * np.sqrt(6 / (inputs + outputs))
        assert 0.97 * bound < float(values.detach().abs().max()) <= bound


def test_the_learning_rate_falls_at_every_step(task_and_split):
    """With a factor of nearly 0, only the first batch of the first epoch moves anything."""
    task, _ = task_and_split
    sizes = {"batch_size": len(task.train), "max_epochs": 2, "patience": 2}
    still, moving = (
        fit(task, learning_rate_decay=decay, attention_dropout=0.0, dropout=0.0, **sizes).history
        for decay in (1e-9, 1.0)
    )
    assert still[0]["train_loss"] == moving[0]["train_loss"]
    assert still[0]["validation_loss"] == pytest.approx(still[1]["validation_loss"], abs=1e-7)
    assert abs(moving[0]["validation_loss"] - moving[1]["validation_loss"]) > 1e-4


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
        ({"attention_dropout": 1.0}, "attention_dropout must"),
        ({"learning_rate_decay": 0.0}, "learning_rate_decay must"),
        ({"optimizer": "lion"}, "optimizer='lion' is not known"),
    ],
)
def test_wrong_hyper_parameters_are_refused(parameters, message):
    with pytest.raises(ValueError, match=message):
        GeneLink(**parameters)
