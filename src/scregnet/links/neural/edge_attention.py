"""Attention along the edges of a graph, with its gradients written out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

if TYPE_CHECKING:
    from scregnet.links.neural.sparse_graph import SparseGraph


def attend(
    graph: SparseGraph,
    vectors: torch.Tensor,
    scores: tuple[torch.Tensor, torch.Tensor],
    negative_slope: float,
) -> torch.Tensor:
    """Return what each head hears of the neighbours of each gene, (heads, n_genes, dim).

    Head by head: ``z_r = sum_s a_rs y_s`` with ``a_rs = softmax_s(LeakyReLU(p_s + q_r))``.

    Parameters
    ----------
    graph
        The neighbours; every gene has one.
    vectors
        What genes say, y: (heads, n_genes, dim).
    scores
        Those of genes as senders and as receivers, p and q: (heads, n_genes) each.
    negative_slope
        Slope of the leaky ReLU.
    """
    return _Attend.apply(graph, vectors, *scores, negative_slope)


class _Attend(torch.autograd.Function):
    """The sums of :func:`attend`.

    With g the gradient of z, the gradient of ``p_s + q_r`` is
    ``d_rs = LeakyReLU'(p_s + q_r) a_rs (g_r · y_s - g_r · z_r)``. Then ``dq_r = sum_s d_rs``,
    ``dp_s = sum_r d_rs`` and ``dy_s = sum_r a_rs g_r``.
    """

    @staticmethod
    def forward(
        ctx: Any,
        graph: SparseGraph,
        vectors: torch.Tensor,
        senders: torch.Tensor,
        receivers: torch.Tensor,
        negative_slope: float,
    ) -> torch.Tensor:
        shares, slopes, heard = [], [], torch.empty_like(vectors)
        for head, own in enumerate(vectors):
            raw = senders[head].index_select(0, graph.sender)
            raw += receivers[head].index_select(0, graph.receiver)
            slopes.append(torch.where(raw > 0, 1.0, negative_slope))
            shares.append(graph.softmax(nn.functional.leaky_relu_(raw, negative_slope)))
            heard[head] = graph.sums(shares[-1], own)
        ctx.graph = graph
        ctx.save_for_backward(vectors, heard, *shares, *slopes)
        return heard

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        graph: SparseGraph = ctx.graph
        vectors, heard, *by_edge = ctx.saved_tensors
        heads, n_genes, _ = vectors.shape
        ones = vectors.new_ones(n_genes, 1)
        along_own = (gradient * heard).sum(2)
        of_vectors = torch.empty_like(vectors)
        of_scores = vectors.new_empty(2, heads, n_genes)
        for head, g in enumerate(gradient):
            share, slope = by_edge[head], by_edge[heads + head]
            change = graph.products(g, vectors[head])
            change -= along_own[head].index_select(0, graph.receiver)
            change *= share
            change *= slope
            # A sum over the edges of a gene is a product with ones.
            of_scores[1, head] = graph.sums(change, ones)[:, 0]
            of_scores[0, head] = graph.sums(graph.reversed(change), ones)[:, 0]
            of_vectors[head] = graph.sums(graph.reversed(share), g)
        return None, of_vectors, of_scores[0], of_scores[1], None
