"""GENELink: graph attention over the known network, and a perceptron for either role."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from scregnet._validate import check_interval
from scregnet.links.forms.bilinear import BilinearLinks
from scregnet.links.neural.options import Training, check_expression, check_layers, layer_sizes
from scregnet.links.search.spaces import Layers, Range
from scregnet.links.task import FitResult, LinkMethod, LinkTask, Progress

if TYPE_CHECKING:
    import numpy as np
    import torch

    from scregnet.links.methods.genelink.network import GeneLinkModule


@dataclass(frozen=True)
class GeneLink(LinkMethod):
    """GENELink :cite:p:`chen2022genelink`, with the inner product as its decoder.

    Two layers of graph attention over the known edges, with the expression of the genes as node
    features. Two perceptrons, one for genes as TFs and one for genes as targets. The logit of a
    pair is the inner product of their two vectors.

    Deviations from the paper and its published code:

    - The validation pairs choose the epoch; the published code takes the last of 20.
    - Dropout is off when scores are computed.
    - Attention runs on known edges only, never on a matrix of genes × genes. So the weights of a
      gene without known edges, which attends to all genes alike, are not dropped out.

    Parameters
    ----------
    attention_dims
        Width of a head in the first and in the second layer of attention.
    heads
        Heads of either layer; those of the first are joined, those of the second averaged.
    channel_dims
        Width of each layer of either perceptron.
    negative_slope
        Slope of the leaky ReLUs of the attention.
    attention_dropout
        Dropout of attention weights.
    dropout
        Dropout between the layers of a perceptron.
    optimizer
        ``"adam"``, ``"rmsprop"``, ``"sgd"``, or ``"nesterov"``: SGD with a momentum of 0.9.
    learning_rate, weight_decay
        Of the optimiser.
    learning_rate_decay
        Factor of the learning rate at every step.
    batch_size
        Pairs a step; ``None`` takes all pairs at once.
    max_epochs, patience
        Stop after ``max_epochs``, or ``patience`` epochs without a better one on validation pairs.
    """

    attention_dims: tuple[int, ...] = (128, 64)
    heads: tuple[int, ...] = (3, 3)
    channel_dims: tuple[int, ...] = (32, 16)
    negative_slope: float = 0.2
    attention_dropout: float = 0.5
    dropout: float = 0.01
    optimizer: str = "adam"
    learning_rate: float = 3e-3
    weight_decay: float = 0.0
    learning_rate_decay: float = 0.99
    batch_size: int | None = 256
    max_epochs: int = 20
    patience: int = 20  # never stops early, as the published code does not

    summary: ClassVar[str] = (
        "graph attention over the known network, inner product (Chen and Liu 2022)"
    )
    fitted: ClassVar[type[BilinearLinks]] = BilinearLinks
    needs_expression: ClassVar[bool] = True
    uses_torch: ClassVar[bool] = True
    citation: ClassVar[str] = "chen2022genelink"
    code_licence: ClassVar[str] = "none given"
    # mESC, TFs + 500 genes, the defaults.
    largest_run: ClassVar[Mapping[str, float]] = {
        "genes": 1120,
        "cells": 421,
        "tfs": 88,
        "seconds": 361,
        "gib": 0.82,
    }
    search_space: ClassVar[Mapping[str, Any]] = {
        "learning_rate": Range(3e-4, 3e-2, log=True),
        "weight_decay": Range(1e-7, 1e-3, log=True),
        "dropout": Range(0.0, 0.5),
        "channel_dims": Layers(8, 64, depth=(1, 3)),
    }

    def __post_init__(self) -> None:
        check_layers(self, "channel_dims")
        for name in ("attention_dims", "heads"):
            object.__setattr__(self, name, layer_sizes(name, getattr(self, name)))
            if len(getattr(self, name)) != 2:
                msg = f"{name} must have two numbers, one a layer, got {getattr(self, name)!r}."
                raise ValueError(msg)
        check_interval("negative_slope", self.negative_slope, 0, 1, closed="left")
        check_interval("attention_dropout", self.attention_dropout, 0, 1, closed="left")
        check_interval("dropout", self.dropout, 0, 1, closed="left")
        Training.of(self).check()

    def module(self, task: LinkTask) -> GeneLinkModule:
        """Return the untrained module; it draws its weights from torch's global generator."""
        from scregnet.links.methods.genelink.network import GeneLinkModule
        from scregnet.links.neural.fitting import expression_tensor
        from scregnet.links.neural.sparse_graph import SparseGraph

        return GeneLinkModule(
            expression_tensor(task),
            SparseGraph(task.message_graph, task.n_genes, self_loops=False),
            attention_dims=self.attention_dims,  # type: ignore[arg-type]
            heads=self.heads,  # type: ignore[arg-type]
            channel_dims=self.channel_dims,
            negative_slope=self.negative_slope,
            attention_dropout=self.attention_dropout,
            dropout=self.dropout,
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
        check_expression(task, "genelink", "it is the node feature of its graph network")
        from scregnet.links.neural.fitting import fit_module

        return fit_module(
            lambda: self.module(task),
            BilinearLinks,
            task,
            Training.of(self),
            rng=rng,
            device=device,
            progress=progress,
        )
