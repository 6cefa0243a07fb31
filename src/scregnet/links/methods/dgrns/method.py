"""DGRNS: a recurrent network and convolutions over lagged correlations of ordered cells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from scregnet._validate import check_choice, check_integer, check_interval
from scregnet.links.methods.dgrns.links import DgrnsLinks
from scregnet.links.methods.images.cost import rough_seconds
from scregnet.links.methods.images.sides import check_sides, last_side
from scregnet.links.neural.options import Training, check_expression, check_layers
from scregnet.links.search.spaces import Choice, Range
from scregnet.links.task import FitResult, LinkMethod, LinkTask, Progress

if TYPE_CHECKING:
    import numpy as np
    import torch

    from scregnet.links.methods.dgrns.network import DgrnsModule

ORDERS = ("component", "given", "pseudotime")


@dataclass(frozen=True)
class Dgrns(LinkMethod):
    """DGRNS (Zhao et al. 2022) :cite:p:`zhao2022dgrns`.

    Windows slide over cells in an order. Each window of a TF is correlated with the windows of a
    target that start 0, 1, 2, ... gaps later. A gated recurrent network reads these correlations
    window by window, convolutions read its outputs as an image, and dense layers follow.

    Deviations from the paper and its published code:

    - The published code reads cells in the order of pseudotime: ``cell_order="pseudotime"`` with
      ``pseudotime=``, a column of ``adata.obs``, does. Without it the order is that along the
      leading principal component.
    - Expression is as ``fit_grn`` reads it: of counts, the logarithm of 1 plus counts per 10,000.
      The published code takes the logarithm to base 10 of the values plus 0.01.
    - Windows are as wide as ``n_lags`` and ``gap`` leave them, as published. Data for which the
      published ones are too many get a smaller gap, or fewer lags (``least_share``).
    - The labelled pairs and their parts are as given. The published code takes all pairs of a TF
      and a gene that has an edge, 3:1:1 at random.
    - The validation pairs choose the epoch by AUROC plus AUPRC, not by accuracy.
    - A step has 64 pairs, not 1,024: as in ``"cnnc"``, too few steps are left of a BEELINE set.
    - The learning rate is constant; the published one falls by 1e-6 a step.
    - The gates are those of torch: logistic, where Keras has straight lines, and the reset gate
      acts after a product of matrices. They share one mask of dropped lags.

    With principal components as features (``n_pcs``) or groups of cells, the columns of the
    features take the place of cells.

    Parameters
    ----------
    cell_order
        ``"component"``: along the leading principal component; ``"given"``: as in the data;
        ``"pseudotime"``: by the column that ``pseudotime=`` of ``fit_grn`` names.
    n_lags
        Lags of a target, and as many windows of the TF.
    gap
        Cells from one window to the next, and of a lag.
    least_share
        Share of the cells that a window holds at least, three cells at least. Where it holds fewer,
        the gap shrinks, and with a gap of 1 the number of lags.
    recurrent_dim
        Width of the recurrent network.
    conv_dims
        Channels of each block of two convolutions and a pooling.
    dense_dims
        Widths of two dense layers. The second has no activation, as published.
    recurrent_dropout, conv_dropout, dropout
        Dropout of lags, after each block, and after the first dense layer.
    optimizer
        ``"adam"``, ``"rmsprop"``, ``"sgd"``, or ``"nesterov"``: SGD with a momentum of 0.9.
    learning_rate, weight_decay
        Of the optimiser.
    batch_size
        Pairs a step.
    max_epochs, patience
        Stop after ``max_epochs``, or ``patience`` epochs without a better one on validation pairs.
    precision
        ``"bfloat16"`` trains convolutions and the first dense layer in it: about half the time
        where the processor has it. Scores are computed in float32.
    """

    cell_order: str = "component"
    n_lags: int = 64
    gap: int = 5
    least_share: float = 0.25
    recurrent_dim: int = 128
    conv_dims: tuple[int, ...] = (32,)
    dense_dims: tuple[int, ...] = (512, 128)
    recurrent_dropout: float = 0.2
    conv_dropout: float = 0.25
    dropout: float = 0.5
    optimizer: str = "nesterov"
    learning_rate: float = 0.02
    weight_decay: float = 0.0
    batch_size: int | None = 64
    max_epochs: int = 50
    patience: int = 50
    precision: str = "float32"

    summary: ClassVar[str] = (
        "recurrent network and convolutions over lagged correlations of two genes along ordered "
        "cells (Zhao et al. 2022)"
    )
    fitted: ClassVar[type[DgrnsLinks]] = DgrnsLinks
    needs_expression: ClassVar[bool] = True
    uses_torch: ClassVar[bool] = True
    many_threads: ClassVar[bool] = True
    citation: ClassVar[str] = "zhao2022dgrns"
    code_licence: ClassVar[str] = "none given"
    # mESC, TFs + 500 genes, half of the lags and of the width, in bfloat16, 20 epochs.
    largest_run: ClassVar[Mapping[str, float]] = {
        "genes": 1120,
        "cells": 421,
        "tfs": 88,
        "seconds": 2002,
        "gib": 1.53,
    }
    seconds_per_link: ClassVar[float] = 3.9e-3
    search_space: ClassVar[Mapping[str, Any]] = {
        "learning_rate": Range(1e-3, 1e-1, log=True),
        "dropout": Range(0.0, 0.7),
        "n_lags": Choice((32, 64, 96)),
        "recurrent_dim": Choice((32, 64, 128)),
    }

    def __post_init__(self) -> None:
        check_choice("cell_order", self.cell_order, ORDERS)
        # Of this method, not of its class: other orders take no column.
        object.__setattr__(self, "needs_pseudotime", self.cell_order == "pseudotime")
        check_layers(self, "conv_dims", "dense_dims")
        check_sides("n_lags", self.n_lags, self.conv_dims)
        check_sides("recurrent_dim", self.recurrent_dim, self.conv_dims)
        check_integer("gap", self.gap, minimum=1)
        check_interval("least_share", self.least_share, 0, 1, closed="left")
        if len(self.dense_dims) != 2:
            msg = f"dense_dims must name the widths of two layers, got {self.dense_dims!r}."
            raise ValueError(msg)
        for name in ("recurrent_dropout", "conv_dropout", "dropout"):
            check_interval(name, getattr(self, name), 0, 1, closed="left")
        check_choice("precision", self.precision, ("float32", "bfloat16"))
        Training.of(self).check()

    def rough_seconds(self, task: LinkTask) -> float:
        """Return about how long a fit takes on one CPU core."""
        # 87 s an epoch of mDC's 9,891 pairs in float32, 56 in bfloat16.
        training = Training.of(self)
        of_a_pair = 0.009 * (self.n_lags / 64) * (self.recurrent_dim / 128)
        return rough_seconds(training, task, of_a_pair=of_a_pair, precision=self.precision)

    def module(self, task: LinkTask) -> DgrnsModule:
        """Return the untrained module; it draws its weights from torch's global generator."""
        import torch

        from scregnet.links.forms.compact import halved
        from scregnet.links.methods.dgrns.network import DgrnsModule
        from scregnet.links.methods.dgrns.windows import order_of_cells, plan_windows
        from scregnet.links.neural.first_weights import keras_weights

        expression = check_expression(task, "dgrns", "it correlates windows of it")
        n_cells = expression.shape[1]
        windows = plan_windows(n_cells, self.n_lags, self.gap, least_share=self.least_share)
        if last_side(windows.n_lags, len(self.conv_dims)) == 0:
            msg = (
                f"dgrns needs more cells: {n_cells:,} (columns of expression) hold windows for "
                f"{windows.n_lags} lags, too few for {len(self.conv_dims)} blocks of convolutions; "
                "give more cells, lower least_share or shorten conv_dims."
            )
            raise ValueError(msg)
        order = order_of_cells(expression, self.cell_order, task.pseudotime)
        module = DgrnsModule(
            # Half as many bytes in a file; the fit itself sees no other values.
            torch.from_numpy(halved(expression[:, order])),
            windows,
            recurrent_dim=self.recurrent_dim,
            conv_dims=self.conv_dims,
            dense_dims=self.dense_dims,
            recurrent_dropout=self.recurrent_dropout,
            conv_dropout=self.conv_dropout,
            dropout=self.dropout,
            precision=self.precision,
        )
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
            lambda module: DgrnsLinks(finished(module)),
            task,
            Training.of(self),
            rng=rng,
            device=device,
            progress=progress,
        )
