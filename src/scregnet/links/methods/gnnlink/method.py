"""GNNLink: a graph convolutional network over the known network, and an inner product."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from scregnet._validate import check_interval
from scregnet.links.forms.bilinear import BilinearLinks
from scregnet.links.neural.options import Training, check_expression, check_layers
from scregnet.links.search.spaces import Layers, Range
from scregnet.links.task import FitResult, LinkMethod, LinkTask, Progress

if TYPE_CHECKING:
    import numpy as np
    import torch

    from scregnet.links.methods.gnnlink.network import GnnLinkModule


@dataclass(frozen=True)
class GnnLink(LinkMethod):
    """GNNLink (Mao et al. 2023) :cite:p:`mao2023gnnlink`.

    Graph convolutions over the known edges, with the expression of the genes as node features. A
    TF gathers what its known targets express; a gene without known targets has its own expression.
    The score of a pair is the inner product of the vectors of its genes, fitted to the labels by
    least squares. It is the same both ways, so direction is not learned.

    Deviations from the paper and its published code:

    - The validation pairs choose the epoch; the published code takes the last of 100.
    - The error is the mean over the training pairs. The published code takes the root of a mean
      over all pairs of genes, where those without a label count 0.
    - Scores below 0 are made 0 while training only. The published code does so always, and cannot
      tell these pairs apart.
    - Convolutions run on known edges only, never on a matrix of genes × genes.

    Parameters
    ----------
    gnn_dims
        Width of each graph convolution.
    dropout
        Dropout between graph convolutions.
    optimizer
        ``"adam"``, ``"rmsprop"``, ``"sgd"``, or ``"nesterov"``: SGD with a momentum of 0.9.
    learning_rate, weight_decay
        Of the optimiser.
    batch_size
        Pairs a step; ``None`` takes all pairs at once.
    max_epochs, patience
        Stop after ``max_epochs``, or ``patience`` epochs without a better one on validation pairs.
    """

    gnn_dims: tuple[int, ...] = (128, 64)
    dropout: float = 0.0
    optimizer: str = "adam"
    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    batch_size: int | None = None
    max_epochs: int = 100
    patience: int = 100  # never stops early, as the published code does not

    summary: ClassVar[str] = (
        "graph convolutions over the known network, inner product (Mao et al. 2023)"
    )
    fitted: ClassVar[type[BilinearLinks]] = BilinearLinks
    needs_expression: ClassVar[bool] = True
    uses_torch: ClassVar[bool] = True
    citation: ClassVar[str] = "mao2023gnnlink"
    code_licence: ClassVar[str] = "none given"
    # mESC, TFs + 500 genes, the defaults.
    # A network of CollecTRI's size on simulated cells: the whole call with null models.
    largest_run: ClassVar[Mapping[str, float]] = {
        "genes": 18_000,
        "cells": 3_000,
        "tfs": 1_170,
        "seconds": 87,
        "gib": 2.0,
    }
    search_space: ClassVar[Mapping[str, Any]] = {
        "learning_rate": Range(1e-4, 1e-2, log=True),
        "weight_decay": Range(1e-7, 1e-3, log=True),
        "dropout": Range(0.0, 0.6),
        "gnn_dims": Layers(16, 256, depth=(1, 3)),
    }

    def __post_init__(self) -> None:
        check_layers(self, "gnn_dims")
        check_interval("dropout", self.dropout, 0, 1, closed="left")
        Training.of(self).check()

    def module(self, task: LinkTask) -> GnnLinkModule:
        """Return the untrained module; it draws its weights from torch's global generator."""
        from scregnet.links.methods.gnnlink.network import GnnLinkModule
        from scregnet.links.neural.fitting import unit_rows

        return GnnLinkModule(
            unit_rows(task), task.message_graph, self.gnn_dims, dropout=self.dropout
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
        check_expression(task, "gnnlink", "it is the node feature of its graph network")
        from torch.nn.functional import mse_loss

        from scregnet.links.neural.fitting import fit_module

        return fit_module(
            lambda: self.module(task),
            BilinearLinks,
            task,
            Training.of(self),
            rng=rng,
            device=device,
            progress=progress,
            loss=mse_loss,
        )
