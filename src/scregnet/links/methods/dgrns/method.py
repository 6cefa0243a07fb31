"""DGRNS: windows over ordered cells, a recurrent network and convolutions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from scregnet._validate import check_choice, check_integer, check_interval
from scregnet.links.methods.dgrns.links import DgrnsLinks
from scregnet.links.methods.images.sides import check_sides
from scregnet.links.neural.options import Training, check_expression, check_layers
from scregnet.links.search.spaces import Range
from scregnet.links.task import FitResult, LinkMethod, LinkTask, Progress

if TYPE_CHECKING:
    import numpy as np
    import torch

    from scregnet.links.methods.dgrns.network import DgrnsModule

ORDERS = ("component", "given")


@dataclass(frozen=True)
class Dgrns(LinkMethod):
    """DGRNS (Zhao et al. 2022) :cite:p:`zhao2022dgrns`.

    Windows slide over cells in an order. The correlations of the windows of a TF with those of a
    target are a matrix. A gated recurrent network reads it window by window of the TF, and
    convolutions read it as an image; dense layers join both. The matrix has a direction: its rows
    are windows of the TF.

    Deviations from the paper, whose text was at hand in summary only:

    - The order of the cells is that along the leading principal component, or as given. The paper
      orders them by pseudotime: sort the cells of the AnnData by it and pass
      ``cell_order="given"``.
    - What is read of two windows, their number and width, how the two networks are joined, all
      widths and all hyper-parameters of training are choices made here, one set for all data.
    - The validation pairs choose the epoch.

    With principal components as features (``n_pcs``) or groups of cells, the columns of the
    features take the place of cells.

    Parameters
    ----------
    cell_order
        ``"component"``: along the leading principal component; ``"given"``: as in the data.
    n_windows
        Windows over the cells, evenly spaced.
    window_share
        Share of the cells that a window holds, three cells at least.
    recurrent_dim
        Width of the recurrent network.
    conv_dims
        Channels of each block of two convolutions and a pooling.
    dense_dim
        Width of the dense layers.
    conv_dropout, dropout
        Dropout after each block, and before the last layer.
    optimizer
        ``"adam"``, ``"rmsprop"``, ``"sgd"``, or ``"nesterov"``: SGD with a momentum of 0.9.
    learning_rate, weight_decay
        Of the optimiser.
    batch_size
        Pairs a step.
    max_epochs, patience
        Stop after ``max_epochs``, or ``patience`` epochs without a better one on validation pairs.
    """

    cell_order: str = "component"
    n_windows: int = 16
    window_share: float = 0.2
    recurrent_dim: int = 64
    conv_dims: tuple[int, ...] = (16, 32)
    dense_dim: int = 64
    conv_dropout: float = 0.1
    dropout: float = 0.3
    optimizer: str = "adam"
    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    batch_size: int | None = 256
    max_epochs: int = 50
    patience: int = 10

    summary: ClassVar[str] = (
        "windows over ordered cells, a recurrent network and convolutions (Zhao et al. 2022)"
    )
    fitted: ClassVar[type[DgrnsLinks]] = DgrnsLinks
    needs_expression: ClassVar[bool] = True
    uses_torch: ClassVar[bool] = True
    citation: ClassVar[str] = "zhao2022dgrns"
    code_licence: ClassVar[str] = "not known"
    # mDC, TFs + 500 genes, 8 epochs.
    largest_run: ClassVar[Mapping[str, float]] = {
        "genes": 821,
        "cells": 383,
        "tfs": 20,
        "seconds": 50,
        "gib": 0.61,
    }
    search_space: ClassVar[Mapping[str, Any]] = {
        "learning_rate": Range(1e-4, 1e-2, log=True),
        "dropout": Range(0.0, 0.6),
        "window_share": Range(0.05, 0.5),
        "recurrent_dim": Range(16, 128),
    }

    def __post_init__(self) -> None:
        check_choice("cell_order", self.cell_order, ORDERS)
        check_layers(self, "conv_dims")
        check_sides("n_windows", self.n_windows, self.conv_dims)
        check_interval("window_share", self.window_share, 0, 1, closed="right")
        check_integer("recurrent_dim", self.recurrent_dim, minimum=1)
        check_integer("dense_dim", self.dense_dim, minimum=1)
        check_interval("conv_dropout", self.conv_dropout, 0, 1, closed="left")
        check_interval("dropout", self.dropout, 0, 1, closed="left")
        Training.of(self).check()

    def module(self, task: LinkTask) -> DgrnsModule:
        """Return the untrained module; it draws its weights from torch's global generator."""
        import torch

        from scregnet.links.forms.compact import halved
        from scregnet.links.methods.dgrns.network import DgrnsModule
        from scregnet.links.methods.dgrns.windows import order_of_cells, window_cells

        expression = check_expression(task, "dgrns", "it correlates windows of it")
        order = order_of_cells(expression, self.cell_order)
        # Half as many bytes in a file; the fit itself sees no other values.
        values = torch.from_numpy(halved(expression[:, order]))
        cells = torch.from_numpy(window_cells(len(order), self.n_windows, self.window_share))
        return DgrnsModule(
            values,
            cells,
            recurrent_dim=self.recurrent_dim,
            conv_dims=self.conv_dims,
            dense_dim=self.dense_dim,
            conv_dropout=self.conv_dropout,
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
        from scregnet.links.neural.fitting import fit_whole
        from scregnet.links.neural.weights import finished

        return fit_whole(
            lambda: self.module(task),
            lambda module: DgrnsLinks(finished(module)),
            task,
            Training.of(self),
            rng=rng,
            device=device,
            progress=progress,
        )
