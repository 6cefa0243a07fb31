"""DeepDRIM: the joint histogram of two genes, and those with their neighbours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from scregnet._validate import check_choice, check_integer, check_interval
from scregnet.links.methods.deepdrim.links import DeepDrimLinks
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
    reads those of the TF and of the target with the genes that each is most correlated with, which
    tells direct from indirect relations. Dense layers join both.

    Deviations from the paper and its published code:

    - Neighbours are those of the highest absolute Pearson correlation over all cells, the gene
      itself left out. Each gene also has an image with itself.
    - The dense layer that joins all images comes right after the two networks, so that images of
      neighbours are read once for a gene and not once for a pair. One dense layer follows, not
      several.
    - Both networks have the same widths, those of ``"cnnc"``.
    - Expression, bins, learning rate and the choice of the epoch are as in ``"cnnc"``. All labelled
      pairs are fitted, where the paper has as many non-edges as edges of each TF.

    With principal components as features (``n_pcs``) or groups of cells, the columns of the
    features take the place of cells. A step reads ``n_neighbours + 1`` images of each gene in it:
    large data need a GPU.

    Parameters
    ----------
    n_neighbours
        Neighbours of a gene.
    n_bins
        Bins of a gene; an image has their square as pixels.
    conv_dims
        Channels of each block of two convolutions and a pooling, in both networks.
    dense_dim
        Width of the dense layers.
    conv_dropout, dropout
        Dropout after each block, and after the joined layer.
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
    n_bins: int = 32
    conv_dims: tuple[int, ...] = (32, 64, 128)
    dense_dim: int = 512
    conv_dropout: float = 0.25
    dropout: float = 0.5
    optimizer: str = "nesterov"
    learning_rate: float = 0.01
    weight_decay: float = 0.0
    batch_size: int | None = 32
    max_epochs: int = 200
    patience: int = 20
    precision: str = "float32"

    summary: ClassVar[str] = (
        "joint histograms of two genes, and with their neighbours (Chen et al. 2021)"
    )
    fitted: ClassVar[type[DeepDrimLinks]] = DeepDrimLinks
    needs_expression: ClassVar[bool] = True
    uses_torch: ClassVar[bool] = True
    citation: ClassVar[str] = "chen2021deepdrim"
    code_licence: ClassVar[str] = "none given"
    search_space: ClassVar[Mapping[str, Any]] = {
        "learning_rate": Range(1e-3, 1e-1, log=True),
        "dropout": Range(0.0, 0.7),
        "n_neighbours": Range(1, 20),
        "batch_size": Choice((32, 128, 256)),
    }

    def __post_init__(self) -> None:
        check_layers(self, "conv_dims")
        check_integer("n_neighbours", self.n_neighbours, minimum=1)
        check_sides("n_bins", self.n_bins, self.conv_dims)
        check_integer("dense_dim", self.dense_dim, minimum=1)
        check_interval("conv_dropout", self.conv_dropout, 0, 1, closed="left")
        check_interval("dropout", self.dropout, 0, 1, closed="left")
        check_choice("precision", self.precision, ("float32", "bfloat16"))
        Training.of(self).check()

    def module(self, task: LinkTask) -> DeepDrimModule:
        """Return the untrained module; it draws its weights from torch's global generator."""
        from scregnet.links.methods.deepdrim.neighbours import strongest_neighbours
        from scregnet.links.methods.deepdrim.network import DeepDrimModule, Scored
        from scregnet.links.methods.images.histograms import bins_of

        expression = check_expression(task, "deepdrim", "it draws joint histograms of genes")
        scored = Scored(
            bins_of(expression, self.n_bins),
            self.n_bins,
            conv_dims=self.conv_dims,
            dense_dim=self.dense_dim,
            conv_dropout=self.conv_dropout,
            dropout=self.dropout,
            precision=self.precision,
        )
        neighbours = strongest_neighbours(expression, self.n_neighbours)
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
