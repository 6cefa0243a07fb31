import pytest
import torch

from scregnet.links.neural.edge_attention import attend
from scregnet.links.neural.sparse_graph import SparseGraph

# Gene 3 has no neighbour but itself.
EDGES = torch.tensor([[0, 0, 1], [1, 2, 2]]).numpy()


def problem():
    generator = torch.Generator().manual_seed(0)
    return (
        SparseGraph(EDGES, 4, self_loops=True),
        torch.randn(2, 4, 3, generator=generator, dtype=torch.float64).requires_grad_(),
        torch.randn(2, 4, generator=generator, dtype=torch.float64).requires_grad_(),
        torch.randn(2, 4, generator=generator, dtype=torch.float64).requires_grad_(),
    )


def test_each_head_is_what_a_dense_softmax_gives():
    graph, vectors, senders, receivers = problem()
    edge = torch.zeros(4, 4, dtype=torch.bool)
    edge[graph.receiver, graph.sender] = True
    scores = receivers[:, :, None] + senders[:, None, :]
    scores = torch.nn.functional.leaky_relu(scores, 0.3).masked_fill(~edge, -torch.inf)
    found = attend(graph, vectors, (senders, receivers), 0.3)
    torch.testing.assert_close(found, scores.softmax(2) @ vectors)
    # Alone, a gene hears itself.
    assert torch.equal(found[:, 3], vectors[:, 3])


def test_gradients_are_those_of_finite_differences():
    graph, *values = problem()

    def heard(vectors, senders, receivers):
        return attend(graph, vectors, (senders, receivers), 0.3)

    assert torch.autograd.gradcheck(heard, values)


@pytest.mark.parametrize("gap", [30.0, 200.0])
def test_a_share_that_no_sum_would_show_is_nothing(gap):
    graph, vectors, senders, receivers = problem()
    with torch.no_grad():
        senders[:, 0] += gap
    found = attend(graph, vectors, (senders, receivers), 0.3)
    # Genes 1 and 2 know gene 0, whose share is 1 but for 1e-12.
    torch.testing.assert_close(found[:, 1:3], vectors[:, :1].expand(-1, 2, -1))
    found[:, 1:3].sum().backward()
    assert vectors.grad[:, 1:].eq(0).all()
    assert graph.softmax(torch.tensor([0.0, -40.0] + [0.0] * 8))[1] == 0
