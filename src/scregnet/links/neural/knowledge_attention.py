"""scTransNet's graph network: attention over known regulators, known targets and the gene."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from scregnet.links.neural.sparse_graph import SparseGraph
from scregnet.links.pairs.codes import pair_codes

# Their positions are the numbers that stand for them in a graph.
NODE_TYPES = ("target", "TF", "TF and target")
RELATIONS = ("regulates", "is regulated by", "regulate each other", "self")


class KnowledgeGraph(SparseGraph):
    """The neighbours of every gene, itself among them, with node types and relations.

    Each edge has a relation of sender to receiver and the types of both. Equation 9 depends on
    these three only, so the few combinations that occur are numbered: ``combinations`` (n, 3)
    lists them, ``combination`` has the number of each edge.

    Parameters
    ----------
    edges
        Known edges, integers of shape (2, n_edges), the source above the target.
    is_tf
        bool, (n_genes,): which genes are TFs, with or without a known target.
    """

    node_type: torch.Tensor
    combination: torch.Tensor
    combinations: torch.Tensor

    def __init__(self, edges: np.ndarray, is_tf: np.ndarray) -> None:
        n = len(is_tf)
        super().__init__(edges, n, self_loops=True)
        sender, receiver = self.sender.numpy(), self.receiver.numpy()
        known = pair_codes(edges[0], edges[1], n)
        regulates = np.isin(pair_codes(sender, receiver, n), known)
        regulated = np.isin(pair_codes(receiver, sender, n), known)
        # Numbers of RELATIONS; the first that holds counts.
        relation = np.select(
            [sender == receiver, regulates & regulated, regulates], [3, 2, 0], default=1
        )
        is_target = np.zeros(n, bool)
        is_target[edges[1]] = True
        node_type = np.where(is_tf, 1 + is_target, 0)  # numbers of NODE_TYPES
        kinds = np.stack([relation, node_type[sender], node_type[receiver]], axis=1)
        combinations, combination = np.unique(kinds, axis=0, return_inverse=True)
        arrays = {
            "node_type": node_type,
            "combination": combination.reshape(-1),
            "combinations": combinations,
        }
        for name, values in arrays.items():
            self.register_buffer(
                name, torch.from_numpy(np.asarray(values, np.int64)), persistent=False
            )


class KnowledgeAttention(nn.Module):
    """Representations of genes from messages along known edges.

    Equations 7 to 13 of scTransNet (Kommu et al., arXiv:2407.18181).

    Parameters
    ----------
    features
        Node features, float32 of shape (n_genes, n_features).
    edges
        Known edges, integers of shape (2, n_edges), the source above the target.
    is_tf
        bool, (n_genes,): which genes are TFs.
    dims
        Width of each layer.
    type_dim
        Width of the embeddings of node types and relations, and of r in equation 9.
    dropout
        Dropout on a layer's input and between the two layers of its perceptron.
    """

    features: torch.Tensor

    def __init__(
        self,
        features: np.ndarray,
        edges: np.ndarray,
        is_tf: np.ndarray,
        dims: Sequence[int],
        *,
        type_dim: int = 16,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.register_buffer(
            "features", torch.from_numpy(np.array(features, np.float32)), persistent=False
        )
        self.graph = KnowledgeGraph(edges, is_tf)
        self.node_types = nn.Embedding(len(NODE_TYPES), type_dim)
        self.relations = nn.Embedding(len(RELATIONS), type_dim)
        self.relate = two_layers(3 * type_dim, type_dim, type_dim)
        widths = (features.shape[1], *dims)
        self.layers = nn.ModuleList(
            AttentionLayer(a, b, type_dim, dropout)
            for a, b in zip(widths, widths[1:], strict=False)
        )
        self.out_dim = widths[-1]

    def forward(self) -> torch.Tensor:
        """Return representations of all genes, (n_genes, out_dim)."""
        types = self.node_types.weight  # u, shared by all layers, as is r
        v, relations = self.features, self.relation_vectors()
        for layer in self.layers:
            v = layer(v, types, relations, self.graph)
        return v

    def relation_vectors(self) -> torch.Tensor:
        """Return r of equation 9, for every combination of relation and types that occurs."""
        # r_st = f([relation of s to t | u_s | u_t])
        relation, sender, receiver = self.graph.combinations.T
        types = self.node_types.weight
        return self.relate(
            torch.cat([self.relations(relation), types[sender], types[receiver]], dim=1)
        )


class AttentionLayer(nn.Module):
    """One round of messages: equations 8 and 10 to 13.

    For a sender s and a receiver t, with representations v, node types u and relations r:

    - message (10): ``m_st = f_m([v_s | u_s | r_st])``
    - query (11): ``q_s = f_q([v_s | u_s])``
    - key (12): ``k_t = f_k([v_t | u_t | r_st])``
    - attention (13): ``alpha_st = softmax_s(q_s · k_t / sqrt(D))``
    - update (8): ``v'_t = f_n(sum_s alpha_st m_st) + v_t``

    The maps are linear: ``f([v | u | r]) = A v + B u + C r + b``. So ``A v`` is computed once a
    gene, ``B u`` once a node type and ``C r`` once a combination of relation and types. Only the
    products along edges grow with the number of edges.
    """

    def __init__(self, in_dim: int, dim: int, type_dim: int, dropout: float) -> None:
        super().__init__()
        self.message = nn.Linear(in_dim + 2 * type_dim, dim)
        self.query = nn.Linear(in_dim + type_dim, dim)
        self.key = nn.Linear(in_dim + 2 * type_dim, dim)
        self.transform = two_layers(dim, dim, dim, dropout)
        # Equation 8 adds v_t as it is. A layer of another width has to map it first.
        self.residual = nn.Identity() if in_dim == dim else nn.Linear(in_dim, dim, bias=False)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, v: torch.Tensor, types: torch.Tensor, relations: torch.Tensor, graph: KnowledgeGraph
    ) -> torch.Tensor:
        """Map (n_genes, in_dim) to (n_genes, dim)."""
        v = self.dropout(v)
        alpha = self.attention(v, types, relations, graph)
        by_gene, by_relation = self._parts(self.message, v, types, relations, graph)
        # sum_s alpha_st m_st = sum_s alpha_st (A v + B u + b) + sum_c attended_tc (C r)_c, where
        # attended_tc is the attention of gene t to all edges of combination c.
        place = graph.receiver * len(relations) + graph.combination
        attended = alpha.new_zeros(len(graph) * len(relations)).index_add(0, place, alpha)
        received = graph.gather(alpha, by_gene) + attended.view(len(graph), -1) @ by_relation
        return self.transform(received) + self.residual(v)

    def attention(
        self, v: torch.Tensor, types: torch.Tensor, relations: torch.Tensor, graph: KnowledgeGraph
    ) -> torch.Tensor:
        """Return alpha of each edge, equations 11 to 13; those of one receiver sum to one."""
        query, _ = self._parts(self.query, v, types, None, graph)
        key, by_relation = self._parts(self.key, v, types, relations, graph)
        # q_s · k_t = q_s · (A v + B u + b)_t + q_s · (C r)_st
        gamma = graph.dot(key, query) + (query @ by_relation.T)[graph.sender, graph.combination]
        return graph.softmax(gamma / math.sqrt(query.shape[1]))

    @staticmethod
    def _parts(
        linear: nn.Linear,
        v: torch.Tensor,
        types: torch.Tensor,
        relations: torch.Tensor | None,
        graph: KnowledgeGraph,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return A v + B u + b, one row a gene, and C r, one row a combination."""
        width = linear.in_features - v.shape[1] - types.shape[1]
        a, b, c = linear.weight.split([v.shape[1], types.shape[1], width], dim=1)
        by_gene = nn.functional.linear(v, a, linear.bias) + (types @ b.T)[graph.node_type]
        return by_gene, by_gene.new_zeros(0) if relations is None else relations @ c.T


def two_layers(in_dim: int, hidden: int, out_dim: int, dropout: float = 0.0) -> nn.Sequential:
    """Return a perceptron with one hidden layer."""
    return nn.Sequential(
        nn.Linear(in_dim, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, out_dim)
    )
