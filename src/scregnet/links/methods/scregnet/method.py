"""scRegNet: a frozen foundation-model embedding joined with a graph network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from scregnet._validate import check_choice, check_integer, check_interval
from scregnet.links.forms.additive import AdditiveLinks
from scregnet.links.neural.options import (
    GNNS,
    REDUCTIONS,
    Fusion,
    Training,
    check_features,
    layer_sizes,
)
from scregnet.links.search.spaces import Choice, Given, Layers, Range
from scregnet.links.task import FitResult, LinkMethod, LinkTask, Progress

if TYPE_CHECKING:
    import numpy as np
    import torch

    from scregnet.links.methods.scregnet.network import ScRegNetModule


@dataclass(frozen=True)
class ScRegNet(LinkMethod):
    """scRegNet (Kommu et al., bioRxiv 2024.12.16.628715), equations 4 to 7.

    A graph network over the training edges, a frozen embedding, and a perceptron that every gene
    passes. The logit of a pair is one term of the TF plus one of the target: :doc:`/methods` says
    why, what follows from it, and where this differs from the published code.

    Parameters
    ----------
    gnn
        Graph network: ``"gcn"``, ``"graphsage"``, ``"gat"``, or ``None`` for none.
    gnn_dims
        Width of each layer of the graph network; for ``"gat"`` of each head.
    gat_heads
        Heads of ``"gat"``: one number for all layers, or one a layer.
    gat_reduction
        Concatenate the heads (``"concat"``) or average them (``"mean"``); those of the last layer
        are averaged.
    gat_negative_slope
        Slope of the leaky ReLUs of ``"gat"``.
    fusion
        Join embedding and graph network by ``"concat"`` or ``"cross_attention"``
        (:class:`~scregnet.links.neural.fusion.CrossAttentionFusion`).
    fusion_dim, fusion_tokens, fusion_heads, fusion_layers
        Cross-attention: width of the result, tokens of each side, heads, rounds.
    mlp_dims
        Width of each layer of the perceptron.
    dropout
        Dropout between layers, and on what cross-attention adds. ``"gat"`` has none but that of
        attention weights, 0.5 as published.
    optimizer
        ``"adam"``, ``"rmsprop"``, ``"sgd"``, or ``"nesterov"``: SGD with a momentum of 0.9.
    learning_rate, weight_decay
        Of the optimiser.
    batch_size
        Pairs a step.
    max_epochs, patience
        Stop after ``max_epochs``, or ``patience`` epochs without a better one on validation pairs.
    """

    # One set of defaults for all data, where the paper tunes each on its test pairs. What else was
    # tried is in docs/results/main_path.md, and for batch_size in docs/results/fit.md.
    gnn: str | None = "gcn"
    gnn_dims: tuple[int, ...] = (128,)
    gat_heads: int | tuple[int, ...] = 2
    gat_reduction: str = "concat"
    gat_negative_slope: float = 0.2
    fusion: str = "concat"
    fusion_dim: int = 128
    fusion_tokens: int = 4
    fusion_heads: int = 2
    fusion_layers: int = 1
    mlp_dims: tuple[int, ...] = (128,)
    dropout: float = 0.3
    optimizer: str = "adam"
    learning_rate: float = 1e-3
    weight_decay: float = 1e-5
    batch_size: int = 256
    max_epochs: int = 300
    patience: int = 30

    summary: ClassVar[str] = (
        "frozen embedding and graph network, pair classifier (Kommu et al. 2025)"
    )
    fitted: ClassVar[type[AdditiveLinks]] = AdditiveLinks
    citation: ClassVar[str] = "kommu2025scregnet"
    code_licence: ClassVar[str] = "none stated"
    # mESC, TFs + 500 genes, no embedding.
    largest_run: ClassVar[Mapping[str, float]] = {
        "genes": 1_120,
        "cells": 421,
        "tfs": 88,
        "seconds": 96,
        "gib": 0.61,
    }
    needs_expression: ClassVar[bool] = True
    uses_embedding: ClassVar[bool] = True
    uses_torch: ClassVar[bool] = True
    # The space of the authors' own search (their public repository, read on 2026-11-20). A
    # hyper-parameter must follow those that it depends on.
    search_space: ClassVar[Mapping[str, Any]] = {
        "learning_rate": Range(1e-5, 1e-2, log=True),
        "weight_decay": Range(1e-7, 1e-4, log=True),
        "dropout": Range(0.1, 0.8),
        "batch_size": Range(32, 256),
        "optimizer": Choice(("adam", "rmsprop", "sgd")),
        "gnn_dims": Given("gnn", ("gcn", "graphsage", "gat"), Layers(4, 256, depth=(1, 6))),
        "mlp_dims": Layers(4, 256, depth=(1, 6)),
        "gat_heads": Given("gnn", ("gat",), Layers(1, 8, depth="gnn_dims")),
        "gat_reduction": Given("gnn", ("gat",), Choice(("concat", "mean"))),
        "gat_negative_slope": Given("gnn", ("gat",), Range(0.01, 0.5)),
    }
    ablations: ClassVar[Mapping[str, Mapping[str, Any]]] = {"no graph network": {"gnn": None}}

    def __post_init__(self) -> None:
        if self.gnn is not None:
            check_choice("gnn", self.gnn, GNNS)
        check_choice("gat_reduction", self.gat_reduction, REDUCTIONS)
        # The dataclass is frozen; sequences of any type become tuples.
        for name in ("gnn_dims", "mlp_dims"):
            object.__setattr__(self, name, layer_sizes(name, getattr(self, name)))
        if self.gnn is not None and not self.gnn_dims:
            msg = (
                "gnn_dims must name at least one layer's width, got an empty sequence. "
                "For no graph network pass gnn=None."
            )
            raise ValueError(msg)
        if not self.mlp_dims:
            msg = "mlp_dims must name at least one layer's width, got an empty sequence."
            raise ValueError(msg)
        object.__setattr__(self, "gat_heads", self._checked_heads())
        check_interval("gat_negative_slope", self.gat_negative_slope, 0, 1, closed="left")
        Training.of(self).check()
        Fusion.of(self).check(self._no_graph)

    def _checked_heads(self) -> int | tuple[int, ...]:
        if not isinstance(self.gat_heads, Iterable):
            check_integer("gat_heads", self.gat_heads, minimum=1)
            return int(self.gat_heads)
        heads = layer_sizes("gat_heads", self.gat_heads)
        if self.gnn == "gat" and len(heads) != len(self.gnn_dims):
            msg = (
                f"gat_heads names {len(heads)} layers but gnn_dims names {len(self.gnn_dims)}; "
                "give one number for all, or one a layer."
            )
            raise ValueError(msg)
        return heads

    @property
    def heads(self) -> tuple[int, ...]:
        """Heads of each layer of a GAT."""
        if isinstance(self.gat_heads, int):
            return (self.gat_heads,) * len(self.gnn_dims)
        return self.gat_heads

    @property
    def _no_graph(self) -> str | None:
        """The hyper-parameter that leaves the graph network out."""
        return "gnn=None" if self.gnn is None else None

    def module(self, task: LinkTask) -> ScRegNetModule:
        """Return the untrained module; it draws its weights from torch's global generator."""
        from scregnet.links.methods.scregnet.network import ScRegNetModule
        from scregnet.links.neural.fitting import embedding_tensor
        from scregnet.links.neural.fusion import make_fusion
        from scregnet.links.neural.gnns import GraphNetwork

        embedding = embedding_tensor(task)
        graph = fusion = None
        if self.gnn is not None and task.expression is not None:
            graph = GraphNetwork(
                self.gnn,
                task.expression,
                task.message_graph,
                self.gnn_dims,
                dropout=self.dropout,
                heads=self.heads,
                reduction=self.gat_reduction,
                negative_slope=self.gat_negative_slope,
            )
            fusion = make_fusion(Fusion.of(self), embedding.shape[1], graph.out_dim)
        return ScRegNetModule(
            embedding, graph, fusion, mlp_dims=self.mlp_dims, dropout=self.dropout
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
        check_features(task, "scregnet", fusion=self.fusion, no_graph=self._no_graph)
        from scregnet.links.neural.fitting import fit_module

        return fit_module(
            lambda: self.module(task),
            AdditiveLinks,
            task,
            Training.of(self),
            rng=rng,
            device=device,
            progress=progress,
        )
