"""Sums and products along the edges of a fixed graph, with gradients and no vector per edge."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from torch import nn


class SparseGraph(nn.Module):
    """A fixed graph of genes whose edges run both ways, as compressed rows.

    Row = receiver, column = sender. Values per edge (weights, scores) are in the order of
    ``sender`` and ``receiver``: by receiver, then by sender. An edge given twice or both ways
    counts once each way.

    Products run as sparse matrix products. On a CPU these are several times faster than a gather
    and a scatter of one vector per edge, in a fraction of the memory.

    Parameters
    ----------
    edges
        Edges, integers of shape (2, n_edges).
    n_genes
        Number of genes.
    self_loops
        Whether every gene is its own neighbour, too.
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
        # Edge i of the transposed graph is edge reverse[i] of this one: gradients flow backwards.
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
        """Return of each edge the dot product of its receiver's and its sender's vector.

        Both arguments hold one vector a gene, (n_genes, width).
        """
        return _EdgeDot.apply(self, receivers, senders)

    def gather(self, weights: torch.Tensor, vectors: torch.Tensor) -> torch.Tensor:
        """Return of each gene the weighted sum of its neighbours' vectors, (n_genes, width).

        ``weights`` has one number an edge, ``vectors`` one row a gene.
        """
        return _EdgeSum.apply(self, weights, vectors)

    def softmax(self, scores: torch.Tensor) -> torch.Tensor:
        """Return the softmax of scores over the edges of each receiver.

        ``scores`` has the shape (n_edges,) or (n_edges, heads).
        """
        index = self.receiver.view(-1, *[1] * (scores.ndim - 1)).expand_as(scores)
        empty = scores.new_full((len(self), *scores.shape[1:]), -math.inf)
        # The highest score of a receiver is taken off, so that exp cannot overflow. The result does
        # not depend on it, hence no gradient.
        highest = empty.scatter_reduce(0, index, scores.detach(), "amax")
        raised = (scores - highest[self.receiver]).exp()
        total = torch.zeros_like(empty).index_add(0, self.receiver, raised)
        return raised / total[self.receiver]

    def products(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        """Return what :meth:`dot` does, without gradients."""
        if left.device.type == "mps":  # no sparse kernels there
            return (left[self.receiver] * right[self.sender]).sum(1)
        # sampled_addmm computes left @ right.T at stored places only; beta=0 drops their values.
        pattern = self._matrix(left.new_zeros(len(self.sender)))
        return torch.sparse.sampled_addmm(pattern, left.contiguous(), right.T, beta=0.0).values()

    def sums(self, weights: torch.Tensor, vectors: torch.Tensor) -> torch.Tensor:
        """Return what :meth:`gather` does, without gradients."""
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
    """Dot products along edges from sender s to receiver r: ``d_rs = x_r · y_s``.

    With g the gradient of d: ``dx_r = sum_s g_rs y_s`` and ``dy_s = sum_r g_rs x_r``.
    """

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
    """Sums along edges from sender s to receiver r: ``z_r = sum_s w_rs y_s``.

    With g the gradient of z: ``dw_rs = g_r · y_s`` and ``dy_s = sum_r w_rs g_r``.
    """

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
