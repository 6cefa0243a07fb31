import numpy as np
import pytest
import torch

from scregnet.links.neural.knowledge_attention import (
    AttentionLayer,
    KnowledgeAttention,
    KnowledgeGraph,
)

# TFs 0, 1 and 2; 0 and 1 regulate each other, 2 has no known regulator.
# 6 has no known edge, 0 -> 3 is given twice.
EDGES = np.array([[0, 0, 0, 1, 1, 2, 0], [1, 3, 4, 0, 4, 5, 3]])
IS_TF = np.array([True, True, True, False, False, False, False])
N_GENES, N_FEATURES = 7, 5


def network(dims=(6, 4), seed=0, dropout=0.0):
    torch.manual_seed(seed)
    features = np.random.default_rng(seed).normal(size=(N_GENES, N_FEATURES)).astype(np.float32)
    return KnowledgeAttention(features, EDGES, IS_TF, dims, type_dim=3, dropout=dropout).eval()


def node_type(gene):
    regulated = gene in EDGES[1]
    return (2 if regulated else 1) if IS_TF[gene] else 0


def relation(sender, receiver):
    if sender == receiver:
        return 3
    known = set(zip(*EDGES.tolist(), strict=True))
    there, back = (sender, receiver) in known, (receiver, sender) in known
    return 2 if there and back else 0 if there else 1 if back else None


def neighbours(gene):
    return [other for other in range(N_GENES) if relation(other, gene) is not None]


def by_hand(net):
    """Equations 8 to 13, gene by gene and neighbour by neighbour, on float64."""
    p = {name: value.detach().double().numpy() for name, value in net.named_parameters()}

    def linear(name, *parts):
        return p[f"{name}.weight"] @ np.concatenate(parts) + p.get(f"{name}.bias", 0)

    def perceptron(name, *parts):
        return linear(f"{name}.3", np.maximum(linear(f"{name}.0", *parts), 0))

    u = [p["node_types.weight"][node_type(gene)] for gene in range(N_GENES)]
    v, weights = net.features.double().numpy(), []
    for number in range(len(net.layers)):
        layer, new = f"layers.{number}", []
        for t in range(N_GENES):
            r = {
                s: perceptron("relate", p["relations.weight"][relation(s, t)], u[s], u[t])
                for s in neighbours(t)
            }
            gamma = []
            for s in neighbours(t):
                q, k = (
                    linear(f"{layer}.query", v[s], u[s]),
                    linear(f"{layer}.key", v[t], u[t], r[s]),
                )
                gamma.append(q @ k / np.sqrt(len(q)))
            alpha = np.exp(gamma) / np.exp(gamma).sum()
            weights.append(alpha)
            messages = [linear(f"{layer}.message", v[s], u[s], r[s]) for s in neighbours(t)]
            same_width = f"{layer}.residual.weight" not in p
            residual = v[t] if same_width else linear(f"{layer}.residual", v[t])
            new.append(perceptron(f"{layer}.transform", alpha @ np.array(messages)) + residual)
        v = np.array(new)
    return v, weights


# With the width of the features, the residual is the former representation itself.
@pytest.mark.parametrize("dims", [(6, 4), (5,), (4, 4, 4)])
def test_values_are_the_papers_equations(dims):
    net = network(dims)
    np.testing.assert_allclose(net().detach().numpy(), by_hand(net)[0], rtol=2e-4, atol=1e-5)


def test_attention_sums_to_one_over_neighbours_and_self():
    net = network((6,))
    graph = net.graph
    alpha = net.layers[0].attention(
        net.features, net.node_types.weight, net.relation_vectors(), graph
    )
    for gene in range(N_GENES):
        at = graph.receiver == gene
        assert graph.sender[at].tolist() == neighbours(gene)
        assert gene in graph.sender[at].tolist()
        assert float(alpha[at].sum().detach()) == pytest.approx(1, abs=1e-6)
    np.testing.assert_allclose(alpha.detach().numpy(), np.concatenate(by_hand(net)[1]), rtol=1e-4)
    assert float(alpha[graph.receiver == 6].detach()) == 1  # a gene without edges attends to itself
    assert alpha.detach().numpy().std() > 0.01


def test_relations_and_node_types():
    graph = KnowledgeGraph(EDGES, IS_TF)
    assert graph.node_type.tolist() == [2, 2, 1, 0, 0, 0, 0]
    found = graph.combinations[graph.combination]
    for sender, receiver, kinds in zip(graph.sender, graph.receiver, found, strict=True):
        s, t = int(sender), int(receiver)
        assert kinds.tolist() == [relation(s, t), node_type(s), node_type(t)]
    assert (
        len(graph.sender) == 5 * 2 + N_GENES
    )  # five pairs of genes, both ways, and every gene itself


def test_large_scores_do_not_overflow():
    net = network((6,))
    with torch.no_grad():
        net.layers[0].query.weight.mul_(1e4)
    assert torch.isfinite(net()).all()


def test_gradients_are_those_of_the_forward_pass():
    net = network().double()
    probe = torch.randn(N_GENES, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    (net() * probe).sum().backward()
    step = 1e-6
    for name, parameter in net.named_parameters():
        place = tuple(size // 2 for size in parameter.shape)
        with torch.no_grad():
            values = []
            for change in (step, -2 * step):
                parameter[place] += change
                values.append(float((net() * probe).sum()))
            parameter[place] += step
        assert (values[0] - values[1]) / (2 * step) == pytest.approx(
            float(parameter.grad[place]), rel=1e-4, abs=1e-8
        ), name


def test_every_parameter_learns():
    net = network().train()
    net().square().sum().backward()
    for name, parameter in net.named_parameters():
        if (
            name != "layers.0.key.bias"
        ):  # adds the same to all scores of a sender only; still, it has a gradient
            assert parameter.grad is not None, name
        assert float(parameter.grad.abs().max()) > 0, name


def test_a_representation_depends_on_neighbours_within_as_many_rounds_as_layers():
    def changed(dims):
        net = network(dims)
        before = net().detach()
        net.features[3] += 1  # regulated by 0 only; 0 has the neighbours 1, 3 and 4; 1 has 0 and 4
        return [int(gene) for gene in torch.nonzero((net().detach() - before).abs().amax(1) > 1e-7)]

    assert changed((6,)) == [0, 3]
    assert changed((6, 4)) == [0, 1, 3, 4]


def test_no_edges_leave_every_gene_alone():
    net = KnowledgeAttention(
        np.ones((4, 2), np.float32), np.zeros((2, 0), np.int64), np.zeros(4, bool), (3,)
    )
    assert net.graph.combinations.tolist() == [[3, 0, 0]]
    assert torch.isfinite(net()).all()


def test_dropout_only_in_training():
    net = network(dropout=0.5)
    assert torch.equal(net(), net())
    net.train()
    assert not torch.equal(net(), net())


def test_a_layer_of_the_same_width_adds_the_former_representation_itself():
    assert not list(AttentionLayer(4, 4, 2, 0.0).residual.parameters())
    assert AttentionLayer(4, 5, 2, 0.0).residual.weight.shape == (5, 4)
