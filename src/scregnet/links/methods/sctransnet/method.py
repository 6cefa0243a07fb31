"""scTransNet: a foundation-model embedding joined with attention over the known network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from scregnet._validate import check_choice, check_integer
from scregnet.links.forms.bilinear import BilinearLinks
from scregnet.links.methods.sctransnet.hard_negatives import DENSITIES, HardNegatives
from scregnet.links.neural.options import Fusion, Training, check_features, layer_sizes
from scregnet.links.search.spaces import Layers, Range
from scregnet.links.task import FitResult, LinkMethod, LinkTask, Progress

if TYPE_CHECKING:
    import torch

    from scregnet.links.methods.sctransnet.network import ScTransNetModule


@dataclass(frozen=True)
class ScTransNet(LinkMethod):
    """scTransNet (Kommu et al., arXiv:2407.18181), sections 3.3, 3.4 and 4.2.

    Attention over the known neighbours of a gene, a frozen embedding, and two perceptrons
    ("channels"), one for genes as TFs and one for genes as targets. The logit of a pair is the
    product of their two vectors plus a constant. Every epoch draws new hard negatives.
    :doc:`/methods` has the formula and what was chosen where the paper leaves a choice.

    Parameters
    ----------
    graph_dims
        Width of each layer of the graph network; ``()`` for none.
    type_dim
        Width of the embeddings of node types and relations.
    channel_dims
        Width of each layer of either channel.
    fusion
        Join embedding and graph network by ``"concat"`` or ``"cross_attention"``
        (:class:`~scregnet.links.neural.fusion.CrossAttentionFusion`).
    fusion_dim, fusion_tokens, fusion_heads, fusion_layers
        Cross-attention: width of the result, tokens of each side, heads, rounds.
    negative_density
        Share of edges that sets the number of hard negatives: that of the ``"tf"`` or of the
        whole ``"network"``.
    dropout
        Dropout on the input of graph layers, in their perceptrons and in the channels.
    optimizer
        ``"adam"``, ``"rmsprop"``, ``"sgd"``, or ``"nesterov"``: SGD with a momentum of 0.9.
    learning_rate, weight_decay
        Of the optimiser.
    batch_size
        Pairs a step; ``None`` takes all pairs of an epoch at once.
    max_epochs, patience
        Stop after ``max_epochs``, or ``patience`` epochs without a better one on validation pairs.
    """

    # Section 4.2 names graph_dims, learning_rate and max_epochs. channel_dims, dropout and
    # weight_decay were set on validation pairs of hESC and hHEP, one set for all data.
    graph_dims: tuple[int, ...] = (256, 128)
    type_dim: int = 16
    channel_dims: tuple[int, ...] = (128, 64)
    fusion: str = "concat"
    fusion_dim: int = 128
    fusion_tokens: int = 4
    fusion_heads: int = 2
    fusion_layers: int = 1
    negative_density: str = "tf"
    dropout: float = 0.2
    optimizer: str = "adam"
    learning_rate: float = 3e-3
    weight_decay: float = 3e-3
    batch_size: int | None = None
    max_epochs: int = 100
    patience: int = 100  # never stops early, as the paper does not

    summary: ClassVar[str] = (
        "frozen embedding and attention over the known network, hard negatives (Kommu et al. 2024)"
    )
    fitted: ClassVar[type[BilinearLinks]] = BilinearLinks
    citation: ClassVar[str] = "kommu2024sctransnet"
    code_licence: ClassVar[str] = "not public"
    # mESC, TFs + 500 genes, no embedding.
    # A network of CollecTRI's size on simulated cells: the whole call with null models.
    largest_run: ClassVar[Mapping[str, float]] = {
        "genes": 18_000,
        "cells": 3_000,
        "tfs": 1_170,
        "seconds": 532,
        "gib": 2.6,
    }
    needs_expression: ClassVar[bool] = True
    uses_embedding: ClassVar[bool] = True
    uses_torch: ClassVar[bool] = True
    # The authors name no search. These ranges lie around their values and the defaults.
    search_space: ClassVar[Mapping[str, Any]] = {
        "learning_rate": Range(3e-4, 3e-2, log=True),
        "weight_decay": Range(1e-5, 1e-2, log=True),
        "dropout": Range(0.0, 0.6),
        "graph_dims": Layers(16, 256, depth=(1, 3)),
        "channel_dims": Layers(16, 256, depth=(1, 3)),
        "type_dim": Range(4, 32),
    }
    ablations: ClassVar[Mapping[str, Mapping[str, Any]]] = {"no graph network": {"graph_dims": ()}}

    def __post_init__(self) -> None:
        check_choice("negative_density", self.negative_density, DENSITIES)
        # The dataclass is frozen; sequences of any type become tuples.
        for name in ("graph_dims", "channel_dims"):
            object.__setattr__(self, name, layer_sizes(name, getattr(self, name)))
        if not self.channel_dims:
            msg = "channel_dims must name at least one layer's width, got an empty sequence."
            raise ValueError(msg)
        check_integer("type_dim", self.type_dim, minimum=1)
        Training.of(self).check()
        Fusion.of(self).check(self._no_graph)

    @property
    def _no_graph(self) -> str | None:
        """The hyper-parameter that leaves the graph network out."""
        return None if self.graph_dims else "graph_dims=()"

    def module(self, task: LinkTask) -> ScTransNetModule:
        """Return the untrained module; it draws its weights from torch's global generator."""
        from scregnet.links.methods.sctransnet.network import ScTransNetModule
        from scregnet.links.neural.fitting import embedding_tensor
        from scregnet.links.neural.fusion import make_fusion
        from scregnet.links.neural.knowledge_attention import KnowledgeAttention

        embedding = embedding_tensor(task)
        graph = fusion = None
        if self.graph_dims and task.expression is not None:
            # Every gene with training pairs as a source is a TF, with or without a known target.
            is_tf = np.zeros(task.n_genes, bool)
            is_tf[task.train.sources] = True
            graph = KnowledgeAttention(
                task.expression,
                task.message_graph,
                is_tf,
                self.graph_dims,
                type_dim=self.type_dim,
                dropout=self.dropout,
            )
            fusion = make_fusion(Fusion.of(self), embedding.shape[1], graph.out_dim)
        return ScTransNetModule(
            embedding, graph, fusion, channel_dims=self.channel_dims, dropout=self.dropout
        )

    def fit(
        self,
        task: LinkTask,
        *,
        rng: np.random.Generator,
        device: torch.device,
        progress: Progress | None = None,
    ) -> FitResult:
        """Train on the training pairs; validation pairs choose the epoch."""
        check_features(task, "sctransnet", fusion=self.fusion, no_graph=self._no_graph)
        from scregnet.links.neural.fitting import fit_module

        negatives = HardNegatives(task.train, self.negative_density)
        return fit_module(
            lambda: self.module(task),
            BilinearLinks,
            task,
            Training.of(self),
            rng=rng,
            device=device,
            progress=progress,
            resample=lambda: negatives.draw(rng),
        )
