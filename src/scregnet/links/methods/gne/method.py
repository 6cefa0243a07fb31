"""GNE: a vector of each gene's own, joined with one of its expression."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from scregnet._validate import check_integer, check_interval
from scregnet.links.forms.bilinear import BilinearLinks
from scregnet.links.neural.options import Training, check_expression, check_layers
from scregnet.links.search.spaces import Layers, Range
from scregnet.links.task import FitResult, LinkMethod, LinkTask, Progress

if TYPE_CHECKING:
    import torch

    from scregnet.links.methods.gne.network import GneModule


@dataclass(frozen=True)
class Gne(LinkMethod):
    """GNE, gene network embedding (Kc et al. 2019) :cite:p:`kc2019gne`.

    A gene has a vector of its own, which stands for its place in the network, and one that a linear
    map makes of its expression. A perceptron joins the two. The logit of a pair is the inner
    product of the TF's joint vector and an output vector of the target, plus a constant.

    Widths, learning rate and batch are those of the published code. Deviations from the paper and
    this code:

    - The labelled pairs are fitted, edges and non-edges, by the product that is also the score.
      The published vectors are learned from edges alone, in both directions, by a softmax against
      10 sampled genes. Then a logistic regression on the products of two genes' vectors, each the
      sum of a joint and an output vector, is fitted to edges and as many non-edges.
    - The output vector of a gene is a linear map of its joint vector. The published one is a free
      parameter, and a gene without training pairs would have none. One constant is added to the
      logit, not one a gene.
    - A gene without training pairs has zeros for a vector of its own.
    - The vector of expression is a linear map with a constant, and the hidden layer has an ELU. The
      published code has the ELU after the map, divides both vectors by their lengths, and has a
      tanh in the hidden layer, without constants.
    - There is no dropout; the published hidden layer has one of 0.5 before it.
    - At most 50 epochs, and 10 without a better one by AUROC plus AUPRC on validation pairs; the
      published code has 20, and stops at the third in a row without a higher AUROC.

    Parameters
    ----------
    identity_dim
        Width of the vector of a gene's own.
    attribute_dim
        Width of the vector of its expression.
    attribute_weight
        What the latter is multiplied with, from 0.
    mlp_dims
        Width of each layer of the perceptron.
    optimizer
        ``"adam"``, ``"rmsprop"``, ``"sgd"``, or ``"nesterov"``: SGD with a momentum of 0.9.
    learning_rate, weight_decay
        Of the optimiser.
    batch_size
        Pairs a step; ``None`` takes all pairs at once.
    max_epochs, patience
        Stop after ``max_epochs``, or ``patience`` epochs without a better one on validation pairs.
    """

    identity_dim: int = 128
    attribute_dim: int = 128
    attribute_weight: float = 1.0
    mlp_dims: tuple[int, ...] = (128,)
    optimizer: str = "adam"
    learning_rate: float = 5e-3
    weight_decay: float = 0.0
    batch_size: int | None = 256
    max_epochs: int = 50
    patience: int = 10

    summary: ClassVar[str] = (
        "a vector of each gene's own joined with one of its expression (Kc et al. 2019)"
    )
    fitted: ClassVar[type[BilinearLinks]] = BilinearLinks
    needs_expression: ClassVar[bool] = True
    uses_torch: ClassVar[bool] = True
    citation: ClassVar[str] = "kc2019gne"
    code_licence: ClassVar[str] = "GPL-3.0"
    # hESC, TFs + 500 genes, the defaults.
    largest_run: ClassVar[Mapping[str, float]] = {
        "genes": 910,
        "cells": 758,
        "tfs": 34,
        "seconds": 14,
        "gib": 0.5,
    }
    search_space: ClassVar[Mapping[str, Any]] = {
        "learning_rate": Range(3e-4, 3e-2, log=True),
        "weight_decay": Range(1e-7, 1e-3, log=True),
        "attribute_weight": Range(0.0, 2.0),
        "mlp_dims": Layers(32, 256, depth=(1, 3)),
    }
    ablations: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "no expression": {"attribute_weight": 0.0}
    }

    def __post_init__(self) -> None:
        check_layers(self, "mlp_dims")
        check_integer("identity_dim", self.identity_dim, minimum=1)
        check_integer("attribute_dim", self.attribute_dim, minimum=1)
        check_interval("attribute_weight", self.attribute_weight, 0, np.inf, closed="left")
        Training.of(self).check()

    def module(self, task: LinkTask) -> GneModule:
        """Return the untrained module; it draws its weights from torch's global generator."""
        import torch

        from scregnet.links.methods.gne.network import GneModule
        from scregnet.links.neural.fitting import expression_tensor

        known = np.zeros(task.n_genes, bool)
        known[task.train.sources] = known[task.train.targets] = True
        return GneModule(
            expression_tensor(task),
            torch.from_numpy(known),
            identity_dim=self.identity_dim,
            attribute_dim=self.attribute_dim,
            attribute_weight=self.attribute_weight,
            mlp_dims=self.mlp_dims,
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
        check_expression(task, "gne", "it is the attribute of its genes")
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
