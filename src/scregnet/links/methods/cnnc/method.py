"""CNNC: a convolutional network that reads the joint histogram of two genes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from scregnet._validate import check_choice, check_integer, check_interval
from scregnet.links.methods.cnnc.links import CnncLinks
from scregnet.links.methods.images.cost import rough_seconds
from scregnet.links.methods.images.sides import check_sides
from scregnet.links.neural.options import Training, check_expression, check_layers
from scregnet.links.search.spaces import Choice, Range
from scregnet.links.task import FitResult, LinkMethod, LinkTask, Progress

if TYPE_CHECKING:
    import numpy as np
    import torch

    from scregnet.links.methods.cnnc.network import CnncModule


@dataclass(frozen=True)
class Cnnc(LinkMethod):
    """CNNC (Yuan and Bar-Joseph 2019) :cite:p:`yuan2019cnnc`.

    The joint histogram of the expression of two genes over the cells is an image, and a network of
    convolutions, as VGG, reads it. Nothing else is known of a pair.

    Deviations from the paper and its published code:

    - Expression is as ``fit_grn`` reads it: of counts, the logarithm of 1 plus counts per 10,000.
      The published code takes the logarithm to base 10 of RPKM plus 0.01. Bins run from the lowest
      to the highest value of a gene in both. Rows of an image are bins of the TF, not of the
      target.
    - The validation pairs choose the epoch by AUROC plus AUPRC. The published three-fold check,
      whose sizes and rates these are, watches the accuracy on a fifth of the training pairs, and
      judges the last epoch.
    - A step has 64 pairs, not 1,024. With these, an epoch of the ten to forty thousand pairs of a
      BEELINE set is 10 to 40 steps, and the network stays at the mean of the labels.
    - The learning rate is constant; the published one is divided by 1 plus 1e-6 a step.
    - The labelled pairs are as given. The paper has as many non-edges as edges and a third class
      for the opposite direction.

    With principal components as features (``n_pcs``) or groups of cells, the columns of the
    features take the place of cells.

    Parameters
    ----------
    n_bins
        Bins of a gene; an image has their square as pixels.
    conv_dims
        Channels of each block of two convolutions and a pooling.
    dense_dim
        Width of the dense layer.
    conv_dropout, dropout
        Dropout after each block, and after the dense layer.
    optimizer
        ``"adam"``, ``"rmsprop"``, ``"sgd"``, or ``"nesterov"``: SGD with a momentum of 0.9.
    learning_rate, weight_decay
        Of the optimiser.
    batch_size
        Pairs a step.
    max_epochs, patience
        Stop after ``max_epochs``, or ``patience`` epochs without a better one on validation pairs.
    precision
        ``"bfloat16"`` trains the convolutions in it: half the time where the processor has it.
        Scores are computed in float32.
    """

    n_bins: int = 32
    conv_dims: tuple[int, ...] = (32, 64, 128)
    dense_dim: int = 512
    conv_dropout: float = 0.25
    dropout: float = 0.5
    optimizer: str = "nesterov"
    learning_rate: float = 0.01
    weight_decay: float = 0.0
    batch_size: int | None = 64
    max_epochs: int = 200
    patience: int = 50
    precision: str = "float32"

    summary: ClassVar[str] = (
        "convolutions over the joint histogram of two genes (Yuan and Bar-Joseph 2019)"
    )
    fitted: ClassVar[type[CnncLinks]] = CnncLinks
    needs_expression: ClassVar[bool] = True
    uses_torch: ClassVar[bool] = True
    many_threads: ClassVar[bool] = True
    citation: ClassVar[str] = "yuan2019cnnc"
    code_licence: ClassVar[str] = "none given"
    # mESC, TFs + 500 genes, in bfloat16.
    largest_run: ClassVar[Mapping[str, float]] = {
        "genes": 1120,
        "cells": 421,
        "tfs": 88,
        "seconds": 3529,
        "gib": 2.11,
    }
    seconds_per_link: ClassVar[float] = 5.6e-4
    search_space: ClassVar[Mapping[str, Any]] = {
        "learning_rate": Range(1e-3, 1e-1, log=True),
        "dropout": Range(0.0, 0.7),
        "batch_size": Choice((32, 64, 256)),
    }

    def __post_init__(self) -> None:
        check_layers(self, "conv_dims")
        check_sides("n_bins", self.n_bins, self.conv_dims)
        check_integer("dense_dim", self.dense_dim, minimum=1)
        check_interval("conv_dropout", self.conv_dropout, 0, 1, closed="left")
        check_interval("dropout", self.dropout, 0, 1, closed="left")
        check_choice("precision", self.precision, ("float32", "bfloat16"))
        Training.of(self).check()

    def rough_seconds(self, task: LinkTask) -> float:
        """Return about how long a fit takes on one CPU core."""
        # So that the whole fits on hHEP and hESC in bfloat16, 1,072 and 1,086 s, are met.
        training = Training.of(self)
        of_a_pair = 0.0014 * (self.n_bins / 32) ** 2
        return rough_seconds(training, task, of_a_pair=of_a_pair, precision=self.precision)

    def module(self, task: LinkTask) -> CnncModule:
        """Return the untrained module; it draws its weights from torch's global generator."""
        from scregnet.links.methods.cnnc.network import CnncModule
        from scregnet.links.methods.images.histograms import bins_of
        from scregnet.links.neural.first_weights import keras_weights

        expression = check_expression(task, "cnnc", "it draws the joint histogram of two genes")
        module = CnncModule(
            bins_of(expression, self.n_bins),
            self.n_bins,
            conv_dims=self.conv_dims,
            dense_dim=self.dense_dim,
            conv_dropout=self.conv_dropout,
            dropout=self.dropout,
            precision=self.precision,
        )
        # Those of the published code, which is written in Keras.
        keras_weights(module)
        return module

    def fit(
        self,
        task: LinkTask,
        *,
        rng: np.random.Generator,
        device: torch.device,
        progress: Progress | None = None,
    ) -> FitResult:
        """Train on the training pairs; validation pairs choose the epoch."""
        from scregnet.links.neural.fitting import fit_whole
        from scregnet.links.neural.weights import finished

        return fit_whole(
            lambda: self.module(task),
            lambda module: CnncLinks(finished(module)),
            task,
            Training.of(self),
            rng=rng,
            device=device,
            progress=progress,
        )
