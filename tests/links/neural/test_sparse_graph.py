import numpy as np
import pytest
import torch

from scregnet.links.neural.sparse_graph import SparseGraph

# 0 → 1 is there twice, 1 ↔ 2 both ways; gene 4 has no edge.
EDGES = np.array([[0, 0, 1, 2, 3], [1, 1, 2, 1, 0]])
NEIGHBOURS = {0: [1, 3], 1: [0, 2], 2: [1], 3: [0], 4: []}


@pytest.mark.parametrize("self_loops", [False, True])
def test_edges_run_both_ways_once_by_receiver(self_loops):
    graph = SparseGraph(EDGES, 5, self_loops=self_loops)
    expected = [
        (receiver, sender)
        for receiver, senders in NEIGHBOURS.items()
        for sender in sorted([*senders, *([receiver] if self_loops else [])])
    ]
    assert list(zip(graph.receiver.tolist(), graph.sender.tolist(), strict=True)) == expected
    assert graph.n_neighbours.tolist() == [
        len(senders) + self_loops for senders in NEIGHBOURS.values()
    ]
    assert torch.equal(graph.sender[graph.reverse], graph.receiver)
    assert torch.equal(graph.receiver[graph.reverse], graph.sender)


def test_a_self_loop_that_is_given_counts_once():
    assert SparseGraph(np.array([[0], [0]]), 2, self_loops=True).n_neighbours.tolist() == [1, 1]


def problem(self_loops=False):
    graph = SparseGraph(EDGES, 5, self_loops=self_loops)
    generator = torch.Generator().manual_seed(0)
    vectors, others = (
        torch.randn(5, 3, generator=generator, dtype=torch.float64) for _ in range(2)
    )
    weights = torch.randn(len(graph.sender), generator=generator, dtype=torch.float64)
    return graph, weights, vectors, others


def test_sums_products_and_shares_by_hand():
    graph, weights, vectors, others = problem()
    matrix = torch.zeros(5, 5, dtype=torch.float64)
    matrix[graph.receiver, graph.sender] = weights
    torch.testing.assert_close(graph.gather(weights, vectors), matrix @ vectors)
    torch.testing.assert_close(
        graph.dot(vectors, others), (vectors @ others.T)[graph.receiver, graph.sender]
    )
    shares = torch.where(matrix != 0, matrix, -torch.inf).softmax(1)[graph.receiver, graph.sender]
    torch.testing.assert_close(graph.softmax(weights), shares)
    # Scores of a size at which an exponential alone would overflow, one column a head.
    two = torch.stack([weights, weights + 1000], dim=1)
    torch.testing.assert_close(graph.softmax(two), shares[:, None].expand(-1, 2))


@pytest.mark.parametrize("self_loops", [False, True])
def test_gradients_are_those_of_finite_differences(self_loops):
    graph, weights, vectors, others = (
        part.requires_grad_() if isinstance(part, torch.Tensor) else part
        for part in problem(self_loops)
    )
    assert torch.autograd.gradcheck(graph.gather, (weights, vectors))
    assert torch.autograd.gradcheck(graph.dot, (vectors, others))
    assert torch.autograd.gradcheck(graph.softmax, (weights,))


def test_no_graph_at_all_gathers_nothing():
    graph = SparseGraph(np.zeros((2, 0), np.int64), 3, self_loops=False)
    assert torch.equal(graph.gather(torch.zeros(0), torch.ones(3, 2)), torch.zeros(3, 2))
