"""DeepDRIM: the joint histogram of two genes, and those with their neighbours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from scregnet._validate import check_choice, check_integer, check_interval
from scregnet.links.methods.deepdrim.links import DeepDrimLinks
from scregnet.links.methods.deepdrim.neighbours import NEIGHBOURS, strongest_neighbours
from scregnet.links.methods.images.cost import rough_seconds
from scregnet.links.methods.images.sides import check_sides
from scregnet.links.neural.options import Training, check_expression, check_layers
from scregnet.links.search.spaces import Choice, Range
from scregnet.links.task import FitResult, LinkMethod, LinkTask, Progress

if TYPE_CHECKING:
    import numpy as np
    import torch

    from scregnet.links.methods.deepdrim.network import DeepDrimModule


@dataclass(frozen=True)
class DeepDrim(LinkMethod):
    """DeepDRIM (Chen et al. 2021) :cite:p:`chen2021deepdrim`.

    One network of convolutions reads the joint histogram of the two genes of a pair. A second one
    reads those of the TF and of the target with themselves and with the genes that each varies with
    most, which tells direct from indirect relations. Dense layers join all images.

    Deviations from the paper and its published code:

    - Covariances are of expression as ``fit_grn`` reads it: of counts, the logarithm of 1 plus
      counts per 10,000. The published ones are of the values in a file, be they RPKM or logarithms.
    - The layer that joins all images is a sum of terms, so that images of neighbours are read once
      for a gene and not once for a pair. Dropout of the images of a gene is drawn once for all its
      pairs in a step, that of a pair's own image for each pair.
    - Bins of an image, learning rate and the choice of the epoch are as in ``"cnnc"``: the
      published code stops after 10 epochs without a higher accuracy on a fifth of the training
      pairs, and judges the last one.
    - All labelled pairs are fitted, where the paper draws as many non-edges as edges.

    With principal components as features (``n_pcs``) or groups of cells, the columns of the
    features take the place of cells. A step reads ``n_neighbours + 1`` images of each gene in it:
    large data need a GPU.

    Parameters
    ----------
    n_neighbours
        Neighbours of a gene.
    neighbours
        The genes of the highest ``"covariance"`` with it, negative ones last. As published, its own
        variance is ranked as well, so a gene that varies much is a neighbour of itself. Or those of
        the highest ``"correlation"``, or ``"absolute_correlation"``, itself left out.
    n_bins
        Bins of a gene; an image has their square as pixels.
    conv_dims
        Channels of each block of two convolutions and a pooling, in both networks.
    image_dim
        Width of the dense layer after the blocks, in both networks. It has no ReLU.
    dense_dims
        Width of each dense layer; the first joins all images of a pair.
    conv_dropout, dropout
        Dropout after each block, and before each of the latter layers.
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

    n_neighbours: int = 10
    neighbours: str = "covariance"
    n_bins: int = 32
    conv_dims: tuple[int, ...] = (32, 64, 128)
    image_dim: int = 512
    dense_dims: tuple[int, ...] = (512, 128)
    conv_dropout: float = 0.25
    dropout: float = 0.5
    optimizer: str = "nesterov"
    learning_rate: float = 0.01
    weight_decay: float = 0.0
    batch_size: int | None = 32
    max_epochs: int = 200
    patience: int = 10
    precision: str = "float32"

    summary: ClassVar[str] = (
        "joint histograms of two genes, and with their neighbours (Chen et al. 2021)"
    )
    fitted: ClassVar[type[DeepDrimLinks]] = DeepDrimLinks
    needs_expression: ClassVar[bool] = True
    uses_torch: ClassVar[bool] = True
    many_threads: ClassVar[bool] = True
    citation: ClassVar[str] = "chen2021deepdrim"
    code_licence: ClassVar[str] = "none given"
    # mESC, TFs + 500 genes, in bfloat16, images of 16 × 16 bins, 8 epochs.
    largest_run: ClassVar[Mapping[str, float]] = {
        "genes": 1120,
        "cells": 421,
        "tfs": 88,
        "seconds": 2126,
        "gib": 0.92,
    }
    # Neighbours are read once a gene, and not counted.
    seconds_per_link: ClassVar[float] = 5.7e-4
    search_space: ClassVar[Mapping[str, Any]] = {
        "learning_rate": Range(1e-3, 1e-1, log=True),
        "dropout": Range(0.0, 0.7),
        "n_neighbours": Range(1, 20),
        "batch_size": Choice((32, 128, 256)),
    }

    def __post_init__(self) -> None:
        check_layers(self, "conv_dims", "dense_dims")
        check_integer("n_neighbours", self.n_neighbours, minimum=1)
        check_sides("n_bins", self.n_bins, self.conv_dims)
        check_choice("neighbours", self.neighbours, NEIGHBOURS)
        check_integer("image_dim", self.image_dim, minimum=1)
        check_interval("conv_dropout", self.conv_dropout, 0, 1, closed="left")
        check_interval("dropout", self.dropout, 0, 1, closed="left")
        check_choice("precision", self.precision, ("float32", "bfloat16"))
        Training.of(self).check()

    def rough_seconds(self, task: LinkTask) -> float:
        """Return about how long a fit takes on one CPU core."""
        # 160 s an epoch of mDC's 9,891 pairs in bfloat16, taken twice.
        training = Training.of(self)
        of_a_pair = 0.035 * (self.n_bins / 32) ** 2
        return rough_seconds(training, task, of_a_pair=of_a_pair, precision=self.precision)

    def module(self, task: LinkTask) -> DeepDrimModule:
        """Return the untrained module; it draws its weights from torch's global generator."""
        from scregnet.links.methods.deepdrim.network import DeepDrimModule, Scored
        from scregnet.links.methods.images.histograms import bins_of

        expression = check_expression(task, "deepdrim", "it draws joint histograms of genes")
        scored = Scored(
            bins_of(expression, self.n_bins),
            self.n_bins,
            conv_dims=self.conv_dims,
            image_dim=self.image_dim,
            dense_dims=self.dense_dims,
            conv_dropout=self.conv_dropout,
            dropout=self.dropout,
            precision=self.precision,
        )
        neighbours = strongest_neighbours(
            expression,
            self.n_neighbours,
            by=self.neighbours,
            # Without a summary, expression is taken as it was.
            spread=None if task.summary is None else task.summary[:, 1],
        )
        return DeepDrimModule(scored, neighbours, conv_dropout=self.conv_dropout)

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
            lambda module: DeepDrimLinks(finished(module.kept())),
            task,
            Training.of(self),
            rng=rng,
            device=device,
            progress=progress,
        )
