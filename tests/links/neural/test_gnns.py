import numpy as np
import pytest
import torch
from torch_geometric.nn import GCNConv, SAGEConv
from torch_geometric.utils import to_undirected

from scregnet.links.neural.gnns import GraphNetwork
from scregnet.links.neural.options import GNNS

N_GENES, N_FEATURES = 30, 11
GENES = torch.tensor([4, 0, 29, 17])


def problem(seed=0):
    rng = np.random.default_rng(seed)
    # TFs 0 to 4 regulate genes up to 24, one another included; genes 25 to 29 have no edge.
    edges = np.stack([rng.integers(0, 5, 60), rng.integers(0, 25, 60)])
    return rng.normal(size=(N_GENES, N_FEATURES)).astype(np.float32), edges[:, edges[0] != edges[1]]


class PlainAttention(torch.nn.Module):
    """The layer of GENELink on matrices of all pairs."""

    def __init__(self, width, dim, heads, slope):
        super().__init__()
        shapes = {
            "weight": (heads, width, dim),
            "receiver": (heads, dim),
            "sender": (heads, dim),
            "bias": (heads, dim),
        }
        for name, shape in shapes.items():
            setattr(self, name, torch.nn.Parameter(torch.zeros(shape)))
        self.slope = slope

    def forward(self, h, known):
        found = []
        parts = self.weight, self.receiver, self.sender, self.bias
        for weight, receiver, sender, bias in zip(*parts, strict=True):
            x = h @ weight
            scores = torch.nn.functional.leaky_relu(
                (x @ receiver)[:, None] + (x @ sender)[None], self.slope
            )
            # Far below all scores, not -inf: without neighbours, all genes weigh the same.
            alpha = torch.where(known, scores, -9e15).softmax(1)
            received = torch.nn.functional.leaky_relu(alpha @ x, self.slope)
            found.append(received / received.norm(dim=1, keepdim=True) + bias)
        return torch.stack(found)


def plain_stack(kind, dims, heads, reduction, slope):
    """The layers as one would write them without a sparse graph, or with torch-geometric."""
    layers, width = [], N_FEATURES
    for dim, n in zip(dims, heads, strict=True):
        if kind == "gat":
            layers.append(PlainAttention(width, dim, n, slope))
            width = dim * n if reduction == "concat" else dim
        else:
            layers.append({"gcn": GCNConv, "graphsage": SAGEConv}[kind](width, dim))
            width = dim
    return torch.nn.ModuleList(layers)


def run_plain(kind, layers, reduction, features, edges):
    h = torch.from_numpy(features)
    if kind == "gat":
        known = torch.zeros(len(h), len(h), dtype=torch.bool)
        known[edges[0], edges[1]] = known[edges[1], edges[0]] = True
        *others, last = layers
        for layer in others:
            found = layer(h, known)
            h = found.mean(0) if reduction == "mean" else torch.cat(tuple(found), dim=1)
            h = torch.nn.functional.elu(h)
        return last(h, known).mean(0)
    edges = to_undirected(torch.from_numpy(edges), num_nodes=len(h))
    for position, layer in enumerate(layers):
        h = layer(torch.relu(h) if position else h, edges)
    return h


CASES = [
    *[("gcn", dims, (1,) * len(dims), "concat") for dims in ((7,), (7, 5), (6, 20, 3))],
    *[("graphsage", dims, (1,) * len(dims), "concat") for dims in ((7,), (7, 5), (6, 20, 3))],
    ("gat", (7,), (1,), "concat"),
    ("gat", (7,), (3,), "concat"),
    ("gat", (7,), (3,), "mean"),
    ("gat", (6, 5, 4), (2, 1, 3), "concat"),
    ("gat", (6, 5, 4), (2, 1, 3), "mean"),
]


@pytest.mark.parametrize("kind, dims, heads, reduction", CASES)
def test_values_and_gradients_are_those_of_the_plain_layers(kind, dims, heads, reduction):
    features, edges = problem()
    torch.manual_seed(0)
    network = GraphNetwork(
        kind, features, edges, dims, heads=heads, reduction=reduction, negative_slope=0.1
    ).eval()
    plain = plain_stack(kind, dims, heads, reduction, 0.1)
    with torch.no_grad():
        for parameter in network.parameters():  # biases start at zero, where they would not be seen
            parameter.add_(0.1 * torch.randn_like(parameter))
    plain.load_state_dict(network.convolutions.state_dict())

    found, expected = network(GENES), run_plain(kind, plain, reduction, features, edges)[GENES]
    assert found.shape == (4, network.out_dim)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    towards = torch.randn_like(found)
    (found * towards).sum().backward()
    (expected * towards).sum().backward()
    for name, parameter in network.convolutions.named_parameters():
        torch.testing.assert_close(
            parameter.grad,
            dict(plain.named_parameters())[name].grad,
            rtol=1e-4,
            atol=1e-4,
            msg=name,
        )


@pytest.mark.parametrize("kind, dims, heads, reduction", [c for c in CASES if c[0] != "gat"])
def test_a_seed_gives_the_weights_of_the_plain_layers(kind, dims, heads, reduction):
    features, edges = problem()
    torch.manual_seed(3)
    network = GraphNetwork(kind, features, edges, dims, heads=heads, reduction=reduction)
    state = torch.get_rng_state()
    torch.manual_seed(3)
    plain = plain_stack(kind, dims, heads, reduction, 0.2)
    assert torch.equal(torch.get_rng_state(), state)
    for name, weight in plain.state_dict().items():
        assert torch.equal(network.convolutions.state_dict()[name], weight), name


@pytest.mark.parametrize("kind", GNNS)
def test_as_many_layers_reach_as_many_edges_away(kind):
    # A chain of genes: what gene 5 holds comes to gene 2 by three layers, not by two.
    features, edges = (
        np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32),
        np.array([range(5), range(1, 6)]),
    )
    changed = features.copy()
    changed[5] += 1
    for n_layers, reached in ((2, False), (3, True)):
        networks = []
        for x in (features, changed):
            torch.manual_seed(0)
            networks.append(GraphNetwork(kind, x, edges, (8,) * n_layers).eval())
        before, after = (network(torch.tensor([2])) for network in networks)
        assert torch.equal(before, after) is not reached, (n_layers, before, after)


@pytest.mark.parametrize("kind", ["gcn", "graphsage"])
def test_dropout_lies_between_layers_only(kind):
    features, edges = problem()
    for dims, random in (((8,), False), ((8, 8), True)):
        network = GraphNetwork(kind, features, edges, dims, dropout=0.5).train()
        torch.manual_seed(0)
        assert torch.equal(network(GENES), network(GENES)) is not random


def test_attention_has_dropout_of_its_own():
    network = GraphNetwork("gat", *problem(), (8,), dropout=0.0)
    torch.manual_seed(0)
    assert not torch.equal(network(GENES), network(GENES))
    network.eval()
    assert torch.equal(network(GENES), network(GENES))


@pytest.mark.parametrize("kind", GNNS)
def test_saved_weights_hold_neither_graph_nor_features(kind):
    network = GraphNetwork(kind, *problem(), (8, 8))
    assert set(network.state_dict()) == {name for name, _ in network.named_parameters()}


@pytest.mark.parametrize("kind", GNNS)
def test_the_graph_never_becomes_a_matrix_of_all_pairs(kind):
    # All pairs of 60,000 genes would take 14 GB in float32.
    rng = np.random.default_rng(0)
    edges = np.stack([rng.integers(0, 50, 2000), rng.integers(50, 60_000, 2000)])
    network = GraphNetwork(kind, rng.normal(size=(60_000, 3)).astype(np.float32), edges, (4, 2))
    network(GENES).sum().backward()
    held = sum(tensor.numel() for tensor in (*network.buffers(), *network.parameters()))
    assert held < 20 * 60_000
