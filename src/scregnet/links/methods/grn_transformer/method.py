"""GRN-Transformer: axial attention over the matrix of cells × genes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from scregnet._validate import check_integer, check_interval
from scregnet.links.forms.bilinear import BilinearLinks
from scregnet.links.neural.options import Training, check_expression
from scregnet.links.search.spaces import Choice, Range
from scregnet.links.task import FitResult, LinkMethod, LinkTask, Progress

if TYPE_CHECKING:
    import numpy as np
    import torch

    from scregnet.links.methods.grn_transformer.network import GrnTransformerModule


@dataclass(frozen=True)
class GrnTransformer(LinkMethod):
    """GRN-Transformer (Shu et al. 2022) :cite:p:`shu2022grntransformer`.

    Every entry of the matrix of cells × genes is a token. A layer of axial attention lets the
    tokens of a cell attend to each other, then those of a gene, then passes each through a
    perceptron. The mean over cells represents a gene; the logit of a pair is the inner product of
    a map of the TF's and a map of the target's, plus a constant. No gene has a vector of its own.

    Deviations from the paper, whose text was at hand in summary only:

    - Labels are the training pairs. The paper learns from a generic network of bulk data, as weak
      labels, for a cell type that has none.
    - The head of a pair, the widths, the numbers of layers and heads and all hyper-parameters of
      training are choices made here, one set for all data.
    - ``n_cells`` random cells are read, the same in training and in scoring.
    - Where there are more than ``max_genes`` genes, all attend to a random panel of so many.
    - The validation pairs choose the epoch.

    With principal components as features (``n_pcs``) or groups of cells, the columns of the
    features take the place of cells.

    Parameters
    ----------
    axial_dim
        Width of a token, a multiple of ``axial_heads``.
    axial_heads, axial_layers
        Attention heads, and layers of axial attention.
    n_cells
        Cells that are read; all, if there are fewer.
    max_genes
        Genes that a gene attends to.
    dropout
        Dropout on what each part of a layer adds.
    optimizer
        ``"adam"``, ``"rmsprop"``, ``"sgd"``, or ``"nesterov"``: SGD with a momentum of 0.9.
    learning_rate, weight_decay
        Of the optimiser.
    batch_size
        Pairs a step; ``None`` takes all pairs at once. A step reads the matrix once.
    max_epochs, patience
        Stop after ``max_epochs``, or ``patience`` epochs without a better one on validation pairs.
    """

    axial_dim: int = 32
    axial_heads: int = 4
    axial_layers: int = 2
    n_cells: int = 64
    max_genes: int = 2000
    dropout: float = 0.1
    optimizer: str = "adam"
    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    batch_size: int | None = 1024
    max_epochs: int = 100
    patience: int = 20

    summary: ClassVar[str] = "axial attention over cells and genes (Shu et al. 2022)"
    fitted: ClassVar[type[BilinearLinks]] = BilinearLinks
    needs_expression: ClassVar[bool] = True
    uses_torch: ClassVar[bool] = True
    citation: ClassVar[str] = "shu2022grntransformer"
    code_licence: ClassVar[str] = "MIT"
    search_space: ClassVar[Mapping[str, Any]] = {
        "learning_rate": Range(3e-4, 1e-2, log=True),
        "dropout": Range(0.0, 0.5),
        "axial_dim": Choice((16, 32, 64)),
        "axial_layers": Range(1, 4),
    }

    def __post_init__(self) -> None:
        for name in ("axial_dim", "axial_heads", "axial_layers", "n_cells", "max_genes"):
            check_integer(name, getattr(self, name), minimum=1)
        if self.axial_dim % self.axial_heads:
            msg = (
                f"axial_dim must be a multiple of axial_heads={self.axial_heads}, "
                f"got {self.axial_dim}."
            )
            raise ValueError(msg)
        check_interval("dropout", self.dropout, 0, 1, closed="left")
        Training.of(self).check()

    def module(self, task: LinkTask) -> GrnTransformerModule:
        """Return the untrained module; it draws from torch's global generator."""
        import torch

        from scregnet.links.methods.grn_transformer.network import GrnTransformerModule
        from scregnet.links.neural.fitting import expression_tensor

        expression = expression_tensor(task)
        cells, panel = (
            torch.randperm(n)[:most].sort().values
            for n, most in (
                (expression.shape[1], self.n_cells),
                (task.n_genes, self.max_genes),
            )
        )
        return GrnTransformerModule(
            expression[:, cells],
            panel,
            dim=self.axial_dim,
            heads=self.axial_heads,
            n_layers=self.axial_layers,
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
        check_expression(task, "grn_transformer", "its tokens are the entries of that matrix")
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
