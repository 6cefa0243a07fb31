import dataclasses

import numpy as np
import pytest
import torch

from scregnet import metrics
from scregnet.links import LinkTask, Pairs, get_method, load_fitted
from scregnet.links.forms.additive import AdditiveLinks
from scregnet.links.methods.scregnet.method import ScRegNet

GRAPHS = ("gcn", "graphsage", "gat")
KINDS = [(gnn, fusion) for gnn in GRAPHS for fusion in ("concat", "cross_attention")] + [
    (None, "concat")
]
SMALL = {"gnn_dims": (8,), "mlp_dims": (8,), "max_epochs": 10, "learning_rate": 0.01}


def fit(task, seed=0, **parameters):
    method = get_method("scregnet", **SMALL | parameters)
    return method.fit(task, rng=np.random.default_rng(seed), device=torch.device("cpu"))


def without(task, **changes):
    return dataclasses.replace(task, **changes)


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
    network = ScRegNet(gnn_dims=(7, 5), mlp_dims=(6,)).module(task).eval()
    p = {name: value.detach().double().numpy() for name, value in network.named_parameters()}
    h = task.expression.astype(float)
    h = dense_gcn(
        h, task.message_graph, p["graph.convolutions.0.lin.weight"], p["graph.convolutions.0.bias"]
    )
    h = dense_gcn(
        np.maximum(h, 0),
        task.message_graph,
        p["graph.convolutions.1.lin.weight"],
        p["graph.convolutions.1.bias"],
    )
    z = np.concatenate([task.embedding, h], axis=1) @ p["mlp.0.weight"].T + p["mlp.0.bias"]
    z = np.where(z > 0, z, 0.01 * z)
    sources, targets = np.array([0, 3, 7]), np.array([5, 1, 59])
    two = np.concatenate([z[sources], z[targets]], axis=1) @ p["head.weight"].T + p["head.bias"]
    softmax = np.exp(two) / np.exp(two).sum(axis=1, keepdims=True)
    found = torch.sigmoid(network(torch.tensor(sources), torch.tensor(targets))).detach().numpy()
    np.testing.assert_allclose(found, softmax[:, 1], rtol=1e-4)


def test_cross_attention_takes_the_place_of_concatenation(task_and_split):
    task, _ = task_and_split
    torch.manual_seed(0)
    config = ScRegNet(
        gnn="gat",
        gnn_dims=(7,),
        gat_heads=3,
        fusion="cross_attention",
        fusion_dim=10,
        mlp_dims=(6,),
    )
    network = config.module(task).eval()
    genes = torch.tensor([3, 0, 59])
    joint = network.fusion(torch.from_numpy(task.embedding)[genes], network.graph(genes))
    assert joint.shape == (3, 10)
    torch.testing.assert_close(network.represent(genes), network.mlp(joint))
    assert network.graph.out_dim == 7


@pytest.mark.parametrize("gnn, fusion", KINDS)
def test_every_kind_learns_the_planted_structure(task_and_split, gnn, fusion):
    task, split = task_and_split
    result = fit(task, gnn=gnn, fusion=fusion)
    links = result.links
    assert type(links) is AdditiveLinks
    scores = links.score(split.test.sources, split.test.targets)
    assert metrics.auroc(split.test.labels, scores) > 0.7
    kept = result.history[result.best_epoch]
    validation = links.score(split.validation.sources, split.validation.targets)
    assert metrics.auroc(split.validation.labels, validation) == pytest.approx(
        kept["validation_auroc"], abs=1e-6
    )
    again = load_fitted("scregnet", links.state())
    np.testing.assert_array_equal(again.score(split.test.sources, split.test.targets), scores)
    repeated, other = (fit(task, seed, gnn=gnn, fusion=fusion).links for seed in (0, 1))
    np.testing.assert_array_equal(repeated.target_term, links.target_term)
    assert not np.array_equal(other.target_term, links.target_term)


@pytest.mark.parametrize("gnn, fusion", KINDS)
def test_a_batch_scores_like_all_genes_at_once(task_and_split, gnn, fusion):
    task, split = task_and_split
    torch.manual_seed(0)
    network = ScRegNet(gnn=gnn, fusion=fusion, gnn_dims=(6, 5), mlp_dims=(4,)).module(task).eval()
    as_source, as_target = network.parts()
    pairs = split.test.take(np.arange(7))
    sources, targets = (
        torch.from_numpy(pairs.sources).long(),
        torch.from_numpy(pairs.targets).long(),
    )
    torch.testing.assert_close(network(sources, targets), as_source[sources] + as_target[targets])


def test_without_a_graph_network_neither_expression_nor_edges_matter(task_and_split):
    task, _ = task_and_split
    bare = fit(without(task, expression=None), gnn=None, gnn_dims=())
    full = fit(task, gnn=None)
    np.testing.assert_array_equal(bare.links.target_term, full.links.target_term)
    torch.manual_seed(0)
    network = ScRegNet(gnn=None).module(task)
    assert network.graph is None
    assert network.mlp[0].in_features == task.embedding.shape[1]


@pytest.mark.parametrize("gnn", GRAPHS)
def test_without_an_embedding_the_graph_network_is_alone(task_and_split, gnn):
    task, split = task_and_split
    bare = without(task, embedding=None)
    scores = fit(bare, gnn=gnn).links.score(split.test.sources, split.test.targets)
    assert metrics.auroc(split.test.labels, scores) > 0.7
    assert ScRegNet(gnn=gnn, gnn_dims=(5,), gat_heads=1).module(bare).mlp[0].in_features == 5


@pytest.mark.parametrize("fusion", ["concat", "cross_attention"])
def test_genes_without_a_vector_are_scored_by_the_rest(task_and_split, fusion):
    task, _ = task_and_split
    embedding = task.embedding.copy()
    embedding[::2] = 0
    links = fit(without(task, embedding=embedding), fusion=fusion).links
    assert np.isfinite(links.target_term).all()
    assert np.ptp(links.target_term[::2]) > 0.1


@pytest.mark.parametrize(
    "parameters, missing, message",
    [
        (
            {"gnn": None},
            ["expression", "embedding"],
            "nothing to learn from: gnn=None leaves the embedding alone",
        ),
        ({"gnn": None}, ["embedding"], "nothing to learn from"),
        (
            {"fusion": "cross_attention"},
            ["embedding"],
            "fusion='cross_attention' joins an embedding with the graph",
        ),
        ({"gnn": "gat"}, ["expression"], "needs expression"),
    ],
)
def test_what_a_choice_needs_must_be_there(task_and_split, parameters, missing, message):
    task, _ = task_and_split
    with pytest.raises(ValueError, match=message):
        fit(without(task, **dict.fromkeys(missing)), **parameters)


@pytest.mark.parametrize("optimizer", ["adam", "rmsprop", "sgd", "nesterov"])
def test_every_optimizer_lowers_the_loss(task_and_split, optimizer):
    task, _ = task_and_split
    history = fit(task, optimizer=optimizer, learning_rate=0.01, batch_size=16, dropout=0.1).history
    assert history[-1]["train_loss"] < history[0]["train_loss"] - 0.01


def test_heads_may_differ_by_layer(task_and_split):
    task, _ = task_and_split
    network = ScRegNet(gnn="gat", gnn_dims=(6, 5), gat_heads=(3, 2), gat_negative_slope=0.4).module(
        task
    )
    # Of each layer: heads, and widths. The heads of the last one are averaged.
    n_features = task.expression.shape[1]
    shapes = [tuple(layer.weight.shape) for layer in network.graph.convolutions]
    assert shapes == [(3, n_features, 6), (2, 18, 5)]
    assert [layer.negative_slope for layer in network.graph.convolutions] == [0.4, 0.4]
    assert network.graph.out_dim == 5
    averaged = ScRegNet(gnn="gat", gnn_dims=(6, 5), gat_heads=3, gat_reduction="mean").module(task)
    shapes = [tuple(layer.weight.shape) for layer in averaged.graph.convolutions]
    assert shapes == [(3, n_features, 6), (3, 6, 5)]
    assert averaged.graph.out_dim == 5


def test_dropout_is_off_when_scores_are_computed(task_and_split):
    task, _ = task_and_split
    network = ScRegNet(gnn_dims=(8,), mlp_dims=(8, 8), dropout=0.9).module(task)
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


def test_a_diverging_fit_is_an_error(task_and_split):
    task, _ = task_and_split
    method = get_method(
        "scregnet", gnn_dims=(8,), mlp_dims=(8,), max_epochs=50, optimizer="sgd", learning_rate=1e25
    )
    with pytest.raises(RuntimeError, match="not finite. Lower learning_rate"):
        method.fit(task, rng=np.random.default_rng(0), device=torch.device("cpu"))


@pytest.mark.parametrize("gnn, fusion", KINDS)
def test_a_collapsed_fit_is_an_error(gnn, fusion):
    # No gene differs from another, so no pair can.
    pairs = Pairs(
        np.array([0, 0, 1, 1]), np.array([2, 3, 2, 3]), np.array([True, False, False, True])
    )
    negative = Pairs(pairs.sources, pairs.targets, np.array([False, True, False, False]))
    task = LinkTask(
        4,
        negative.take(~negative.labels),
        pairs,
        np.ones((4, 3), np.float32),
        np.ones((4, 5), np.float32),
    )
    with pytest.raises(RuntimeError, match="collapsed: every validation pair has the same score"):
        fit(task, gnn=gnn, fusion=fusion, max_epochs=3, patience=2)


@pytest.mark.parametrize(
    "parameters, message",
    [
        ({"gnn": "gat2"}, "gnn='gat2' is not known"),
        ({"gnn": "sage"}, "gnn='sage' is not known.*Did you mean 'graphsage'"),
        ({"fusion": "attention"}, "fusion='attention' is not known.*'concat', 'cross_attention'"),
        (
            {"fusion": "cross_attention", "gnn": None},
            "joins the embedding with a graph network, but gnn=None",
        ),
        ({"fusion_tokens": 1}, "fusion_tokens must be at least 2"),
        ({"fusion_dim": 0}, "fusion_dim must be at least 1"),
        ({"gat_heads": 0}, "gat_heads must be at least 1"),
        ({"gat_heads": (1, 0)}, r"gat_heads\[1\] must be at least 1"),
        ({"gat_heads": (1, 2), "gnn": "gat"}, "gat_heads names 2 layers but gnn_dims names 1"),
        ({"gat_reduction": "sum"}, "gat_reduction='sum' is not known"),
        ({"gat_negative_slope": -0.1}, "gat_negative_slope must lie in"),
        ({"optimizer": "lion"}, "optimizer='lion' is not known"),
        ({"gnn_dims": ()}, "gnn_dims must name at least one.*gnn=None"),
        ({"mlp_dims": ()}, "mlp_dims must name at least one"),
        ({"mlp_dims": (0,)}, r"mlp_dims\[0\] must be at least 1"),
        ({"dropout": 1.0}, r"dropout must lie in \[0, 1\)"),
        ({"learning_rate": 0}, "learning_rate must lie in"),
        ({"max_epochs": 0}, "max_epochs must be at least 1"),
    ],
)
def test_hyper_parameters_are_checked(parameters, message):
    with pytest.raises(ValueError, match=message):
        get_method("scregnet", **parameters)


@pytest.mark.parametrize("parameters", [{"gnn_dims": 128}, {"mlp_dims": "128"}, {"gat_heads": 1.5}])
def test_widths_and_heads_are_integers(parameters):
    with pytest.raises(TypeError, match=next(iter(parameters))):
        get_method("scregnet", **parameters)
