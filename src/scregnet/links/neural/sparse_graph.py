"""Sums and products along the edges of a fixed graph, with gradients, in memory that does not hold a vector per edge."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from torch import nn


class SparseGraph(nn.Module):
    """A fixed graph of genes whose edges run both ways, as compressed rows: row = receiver, column = sender.

    What is per edge (weights, scores) is in the order of ``sender`` and ``receiver``: by receiver, then by sender. Edges that are given twice or both ways count once each way.
    Products run as sparse matrix products: on a CPU several times faster than a gather and a scatter of one vector per edge, in a fraction of the memory.

    Parameters
    ----------
    edges
        Edges, integers of shape (2, n_edges).
    n_genes
        Number of genes.
    self_loops
        Whether every gene is its own neighbour as well.
    """

    start: torch.Tensor
    sender: torch.Tensor
    receiver: torch.Tensor
    reverse: torch.Tensor

    def __init__(self, edges: np.ndarray, n_genes: int, *, self_loops: bool) -> None:
        super().__init__()
        shape = (n_genes, n_genes)
        pattern = sp.csr_array((np.ones(edges.shape[1], bool), (edges[1], edges[0])), shape=shape)
        pattern = sp.csr_array(pattern + pattern.T)
        if self_loops:
            pattern = sp.csr_array(pattern + sp.eye_array(n_genes, dtype=bool))
        pattern.sort_indices()
        place = sp.csr_array((np.arange(pattern.nnz), pattern.indices, pattern.indptr), shape=shape)
        reverse = sp.csr_array(place.T)
        reverse.sort_indices()
        arrays = {
            "start": pattern.indptr,
            "sender": pattern.indices,
            "receiver": np.repeat(np.arange(n_genes), np.diff(pattern.indptr)),
            "reverse": reverse.data,
        }
        for name, values in arrays.items():
            self.register_buffer(
                name, torch.from_numpy(np.asarray(values, np.int64)), persistent=False
            )

    def __len__(self) -> int:
        return len(self.start) - 1

    @property
    def n_neighbours(self) -> torch.Tensor:
        """Number of neighbours of each gene, int64 (n_genes,)."""
        return self.start.diff()

    def dot(self, receivers: torch.Tensor, senders: torch.Tensor) -> torch.Tensor:
        """Per edge the dot product of its receiver's and its sender's vector, both (n_genes, width)."""
        return _EdgeDot.apply(self, receivers, senders)

    def gather(self, weights: torch.Tensor, vectors: torch.Tensor) -> torch.Tensor:
        """Per gene the sum of its neighbours' vectors (n_genes, width), each times the weight of its edge (n_edges,)."""
        return _EdgeSum.apply(self, weights, vectors)

    def softmax(self, scores: torch.Tensor) -> torch.Tensor:
        """Per edge the share of its score among all edges of its receiver; (n_edges,) or (n_edges, heads)."""
        index = self.receiver.view(-1, *[1] * (scores.ndim - 1)).expand_as(scores)
        empty = scores.new_full((len(self), *scores.shape[1:]), -math.inf)
        highest = empty.scatter_reduce(0, index, scores.detach(), "amax")
        raised = (scores - highest[self.receiver]).exp()
        total = torch.zeros_like(empty).index_add(0, self.receiver, raised)
        return raised / total[self.receiver]

    def products(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        """:meth:`dot` without gradients."""
        if left.device.type == "mps":  # has no sparse kernels
            return (left[self.receiver] * right[self.sender]).sum(1)
        pattern = self._matrix(left.new_zeros(len(self.sender)))
        return torch.sparse.sampled_addmm(pattern, left.contiguous(), right.T, beta=0.0).values()

    def sums(self, weights: torch.Tensor, vectors: torch.Tensor) -> torch.Tensor:
        """:meth:`gather` without gradients."""
        if vectors.device.type == "mps":
            total = vectors.new_zeros(len(self), vectors.shape[1])
            return total.index_add_(0, self.receiver, weights[:, None] * vectors[self.sender])
        return self._matrix(weights.contiguous()) @ vectors.contiguous()

    def _matrix(self, values: torch.Tensor) -> torch.Tensor:
        with warnings.catch_warnings():
            # torch says once a process that its compressed rows are "in beta state".
            warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta state")
            return torch.sparse_csr_tensor(
                self.start, self.sender, values, (len(self), len(self)), check_invariants=False
            )


class _EdgeDot(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, graph: SparseGraph, receivers: torch.Tensor, senders: torch.Tensor
    ) -> torch.Tensor:
        ctx.graph = graph
        ctx.save_for_backward(receivers, senders)
        return graph.products(receivers, senders)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        receivers, senders = ctx.saved_tensors
        graph: SparseGraph = ctx.graph
        return (
            None,
            graph.sums(gradient, senders) if ctx.needs_input_grad[1] else None,
            graph.sums(gradient[graph.reverse], receivers) if ctx.needs_input_grad[2] else None,
        )


class _EdgeSum(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, graph: SparseGraph, weights: torch.Tensor, vectors: torch.Tensor
    ) -> torch.Tensor:
        ctx.graph = graph
        ctx.save_for_backward(weights, vectors)
        return graph.sums(weights, vectors)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        weights, vectors = ctx.saved_tensors
        graph: SparseGraph = ctx.graph
        return (
            None,
            graph.products(gradient, vectors) if ctx.needs_input_grad[1] else None,
            graph.sums(weights[graph.reverse], gradient) if ctx.needs_input_grad[2] else None,
        )
