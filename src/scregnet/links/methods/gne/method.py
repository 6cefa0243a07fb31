"""GNE: vectors that find a gene's neighbours, and a regression on their products."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from scregnet._validate import check_integer, check_interval
from scregnet.links.forms.bilinear import BilinearLinks
from scregnet.links.neural.options import Training, check_expression, check_layers
from scregnet.links.search.spaces import Layers, Range
from scregnet.links.task import FitResult, LinkMethod, LinkTask, Pairs, Progress

if TYPE_CHECKING:
    import torch

    from scregnet.links.methods.gne.network import GneModule


@dataclass(frozen=True)
class Gne(LinkMethod):
    """GNE, gene network embedding (Kc et al. 2019) :cite:p:`kc2019gne`.

    A gene has a vector of its own, which stands for its place in the network, and one made of its
    expression. Joined, they learn to tell a gene's neighbours in the known network from other
    genes. A logistic regression on products of the vectors of two genes then gives the logit of a
    pair. It is the same both ways, so direction is not learned.

    Deviations from the paper and its published code:

    - Genes that neighbours are told from are drawn alike. The published code draws those of low
      number more often, whatever they are.
    - An epoch reads every known edge once in either direction; the published one takes as many
      batches, each from a random place of the shuffled list.
    - The validation pairs choose the epoch by AUROC plus AUPRC of the regression. The published
      code takes the AUROC of plain products of vectors, or 1 minus that where it is below 0.5, and
      regresses once, at the end.
    - The regression takes as many non-edges as edges from the training pairs, or all there are;
      the published code draws them from all pairs without an edge.

    Parameters
    ----------
    identity_dim
        Width of the vector of a gene's own.
    attribute_dim
        Width of the vector of its expression.
    attribute_weight
        What the latter is multiplied with, from 0.
    mlp_dims
        Width of each layer that joins the two; published is one.
    dropout
        Dropout of the joined vectors.
    n_sampled
        Other genes among which a neighbour is to be found, drawn at random once a step.
    optimizer
        ``"adam"``, ``"rmsprop"``, ``"sgd"``, or ``"nesterov"``: SGD with a momentum of 0.9.
    learning_rate, weight_decay
        Of the optimiser.
    batch_size
        Edges a step; ``None`` takes all at once.
    max_epochs, patience
        Stop after ``max_epochs``, or ``patience`` epochs without a better one on validation pairs.
    """

    identity_dim: int = 128
    attribute_dim: int = 128
    attribute_weight: float = 1.0
    mlp_dims: tuple[int, ...] = (128,)
    dropout: float = 0.5
    n_sampled: int = 10
    optimizer: str = "adam"
    learning_rate: float = 5e-3
    weight_decay: float = 0.0
    batch_size: int | None = 256
    max_epochs: int = 20
    patience: int = 3

    summary: ClassVar[str] = (
        "vectors of place and expression that find a gene's neighbours (Kc et al. 2019)"
    )
    fitted: ClassVar[type[BilinearLinks]] = BilinearLinks
    needs_expression: ClassVar[bool] = True
    uses_torch: ClassVar[bool] = True
    citation: ClassVar[str] = "kc2019gne"
    code_licence: ClassVar[str] = "GPL-3.0"
    # mESC, TFs + 500 genes, the defaults.
    largest_run: ClassVar[Mapping[str, float]] = {
        "genes": 1120,
        "cells": 421,
        "tfs": 88,
        "seconds": 15,
        "gib": 0.9,
    }
    search_space: ClassVar[Mapping[str, Any]] = {
        "learning_rate": Range(3e-4, 3e-2, log=True),
        "weight_decay": Range(1e-7, 1e-3, log=True),
        "attribute_weight": Range(0.0, 2.0),
        "dropout": Range(0.0, 0.7),
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
        check_interval("dropout", self.dropout, 0, 1, closed="left")
        check_integer("n_sampled", self.n_sampled, minimum=1)
        Training.of(self).check()

    def module(self, task: LinkTask, regressed: Pairs) -> GneModule:
        """Return the untrained module; it draws its weights from torch's global generator.

        ``regressed`` are the pairs that the regression is fitted to.
        """
        from scregnet.links.methods.gne.network import GneModule
        from scregnet.links.methods.gne.regression import regression
        from scregnet.links.neural.fitting import expression_tensor

        return GneModule(
            expression_tensor(task),
            lambda vectors: regression(vectors, regressed),
            identity_dim=self.identity_dim,
            attribute_dim=self.attribute_dim,
            attribute_weight=self.attribute_weight,
            mlp_dims=self.mlp_dims,
            dropout=self.dropout,
            n_sampled=self.n_sampled,
        )

    def fit(
        self,
        task: LinkTask,
        *,
        rng: np.random.Generator,
        device: torch.device,
        progress: Progress | None = None,
    ) -> FitResult:
        """Train on the known edges and regress; validation pairs choose the epoch."""
        check_expression(task, "gne", "it is the attribute of its genes")
        from scregnet.links.methods.gne.regression import balanced
        from scregnet.links.neural.fitting import fit_whole

        regressed = balanced(task.train, rng)
        return fit_whole(
            lambda: self.module(task, regressed),
            lambda module: module.links(),
            replace(task, train=_both_ways(task)),
            Training.of(self),
            rng=rng,
            device=device,
            progress=progress,
        )


def _both_ways(task: LinkTask) -> Pairs:
    """Return the known edges in either direction, none twice: a network without directions."""
    edges = task.message_graph
    sources, targets = np.unique(np.hstack([edges, edges[::-1]]), axis=1).astype(np.int32)
    return Pairs(sources, targets, np.ones(len(sources), bool))
