"""GRN-Transformer: attention of genes to genes, learned without labels, and a forest on it."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from scregnet._threads import n_threads
from scregnet._validate import check_choice, check_flags, check_integer, check_interval
from scregnet.links.forms.regulator_scores import RegulatorScores
from scregnet.links.neural.options import check_expression
from scregnet.links.search.spaces import Range
from scregnet.links.task import FitResult, LinkMethod, LinkTask, Progress

if TYPE_CHECKING:
    import torch

    from scregnet.links.methods.grn_transformer.forest import PairFeatures

MOST_GENES = 3000
"""Attention compares all genes with all, in each layer and head."""


@dataclass(frozen=True)
class GrnTransformer(LinkMethod):
    """GRN-Transformer (Shu et al. 2022) :cite:p:`shu2022grntransformer`.

    Two steps. Without labels, a transformer learns to fill in hidden values of the matrix of cells
    × genes: axial layers attend from gene to gene, with one map for all cells, and from cell to
    cell, with one for all genes. The maps of genes may lean on five networks: Pearson and Spearman
    correlation, covariance, its inverse, and PIDC. With labels, a random forest reads the attention
    of the target to the TF in each layer and head, as it is and beyond what the TF gets of all.

    Deviations from the paper's published code:

    - Labels are the training pairs, of the cell type itself. The paper has a generic network of
      bulk data as weak labels, and leaves out those that ten forests do not believe
      (``clean_labels=True``: eleven forests in place of one).
    - At most ``n_cells`` random cells are read, and values are hidden one by one with
      ``hidden_share``.
    - No validation pair is read: neither step has an epoch to choose.

    Data hold 3,000 genes at most. Folds share the first step. With principal components as features
    (``n_pcs``) or groups of cells, the columns of the features take the place of cells.

    Parameters
    ----------
    axial_dim
        Width of a token: even, and a multiple of ``axial_heads``.
    axial_heads, axial_layers
        Attention heads, and axial layers.
    perceptron_dim
        Width inside of the perceptron of a layer.
    n_cells
        Cells that are read; all, if there are fewer.
    hidden_share
        Share of the values that are hidden in a step.
    n_epochs
        Passes over the cells. The published number takes hours without a GPU.
    batch_size
        Cells a step.
    learning_rate, weight_decay
        Of the optimiser (AdamW).
    precision
        ``"bfloat16"`` trains in it, in less time where the processor or the GPU has it. The maps
        are computed in float32.
    n_trees
        Trees of a forest.
    clean_labels
        Leave out training pairs whose label the forests do not believe.
    """

    axial_dim: int = 64
    axial_heads: int = 4
    axial_layers: int = 5
    perceptron_dim: int = 64
    n_cells: int = 1000
    hidden_share: float = 0.15
    n_epochs: int = 1500
    batch_size: int = 32
    learning_rate: float = 1e-4
    weight_decay: float = 0.01
    precision: str = "float32"
    n_trees: int = 100
    clean_labels: bool = False

    summary: ClassVar[str] = "a forest on self-supervised axial attention (Shu et al. 2022)"
    fitted: ClassVar[type[RegulatorScores]] = RegulatorScores
    needs_expression: ClassVar[bool] = True
    uses_torch: ClassVar[bool] = True
    many_threads: ClassVar[bool] = True
    citation: ClassVar[str] = "shu2022grntransformer"
    code_licence: ClassVar[str] = "MIT"
    # mDC, TFs + 1,000 genes, 20 epochs in bfloat16.
    largest_run: ClassVar[Mapping[str, float]] = {
        "genes": 1321,
        "cells": 383,
        "tfs": 21,
        "seconds": 657,
        "gib": 3.78,
    }
    search_space: ClassVar[Mapping[str, Any]] = {
        "learning_rate": Range(3e-5, 1e-3, log=True),
        "axial_layers": Range(1, 6),
        "hidden_share": Range(0.05, 0.4),
    }

    def __post_init__(self) -> None:
        for name in (
            *("axial_dim", "axial_heads", "axial_layers", "perceptron_dim", "n_cells"),
            *("n_epochs", "batch_size", "n_trees"),
        ):
            check_integer(name, getattr(self, name), minimum=1)
        for name, divisor in (("2", 2), (f"axial_heads={self.axial_heads}", self.axial_heads)):
            if self.axial_dim % divisor:
                msg = f"axial_dim must be a multiple of {name}, got {self.axial_dim}."
                raise ValueError(msg)
        check_interval("hidden_share", self.hidden_share, 0, 1, closed="neither")
        check_interval("learning_rate", self.learning_rate, 0, np.inf, closed="neither")
        check_interval("weight_decay", self.weight_decay, 0, np.inf, closed="left")
        check_choice("precision", self.precision, ("float32", "bfloat16"))
        check_flags(clean_labels=self.clean_labels)

    # The step without labels is done once for all of them.
    fold_share: ClassVar[float] = 0.0

    def rough_seconds(self, task: LinkTask) -> float | None:
        """Return about how long a fit takes on one CPU core."""
        if task.expression is None:
            return None
        # 20 epochs in bfloat16: hESC 819 s, hHEP 521, mDC 372.
        n_genes, n_cells = task.expression.shape
        faster = 0.5 if self.precision == "bfloat16" else 1.0
        return 1.2e-4 * faster * self.n_epochs * n_genes * min(n_cells, self.n_cells)

    def prepare(
        self, task: LinkTask, *, rng: np.random.Generator, device: torch.device
    ) -> PairFeatures:
        """Run the step without labels; return the features of any pair."""
        import torch

        from scregnet._device import own_randomness, seed_torch
        from scregnet.links.methods.grn_transformer.forest import PairFeatures
        from scregnet.links.methods.grn_transformer.networks import five_networks
        from scregnet.links.methods.grn_transformer.pretraining import (
            Pretraining,
            attention_maps,
            expressed_values,
            pretrain,
            refuse_divergence,
        )

        expression = check_expression(task, "grn_transformer", "it fills in hidden values of it")
        _check_size(task.n_genes)
        cells = np.sort(rng.permutation(expression.shape[1])[: self.n_cells])
        read = np.ascontiguousarray(expression[:, cells])
        summary = task.summary
        detection = None if summary is None else summary[:, 2]
        values, expressed = (
            torch.from_numpy(found).to(device) for found in expressed_values(read, detection)
        )
        spread = np.ones(task.n_genes, np.float32) if summary is None else summary[:, 1]
        networks = torch.from_numpy(five_networks(read, spread))
        how = Pretraining(
            **{name: getattr(self, name) for name in Pretraining.__dataclass_fields__}
        )
        seed = int(rng.integers(2**31))
        # Initial weights draw from torch's global generators, which are the user's.
        with own_randomness(device):
            seed_torch(seed, device)
            module = self.module(networks).to(device)
            pretrain(module, values, expressed, how, torch.Generator().manual_seed(seed))
            maps = attention_maps(module, values)
        # The loss of the last step was computed before it.
        if not np.isfinite(maps).all():
            refuse_divergence(self.n_epochs - 1, "attention", self.learning_rate)
        return PairFeatures(maps)

    def module(self, networks: torch.Tensor) -> Any:
        """Return the untrained module; it draws its weights from torch's global generator."""
        from scregnet.links.methods.grn_transformer.network import GrnTransformerModule

        return GrnTransformerModule(
            networks,
            dim=self.axial_dim,
            heads=self.axial_heads,
            n_layers=self.axial_layers,
            perceptron_dim=self.perceptron_dim,
        )

    def fit(
        self,
        task: LinkTask,
        *,
        rng: np.random.Generator,
        device: torch.device,
        progress: Progress | None = None,
        prepared: PairFeatures | None = None,
    ) -> FitResult:
        """Grow the forest on the training pairs, of what :meth:`prepare` returned or returns."""
        from scregnet.links.methods.grn_transformer.forest import forest_table

        if prepared is None:
            # A copy: the forest is the same whether the first step runs now or ran before.
            prepared = self.prepare(task, rng=deepcopy(rng), device=device)
        table = forest_table(
            prepared,
            task.train,
            n_trees=self.n_trees,
            clean=self.clean_labels,
            seed=int(rng.integers(2**31)),
            n_jobs=n_threads(),
        )
        _refuse_collapse(table)
        np.fill_diagonal(table, 0)
        return FitResult(RegulatorScores(np.arange(task.n_genes, dtype=np.int32), table))


def _refuse_collapse(table: np.ndarray) -> None:
    # Of the few validation pairs alone, a forest may well say the same.
    others = table[~np.eye(len(table), dtype=bool)]
    if len(others) and others.min() == others.max():
        msg = (
            "training collapsed: every pair has the same score. Lower learning_rate or change "
            "random_state; where no gene varies, no method can tell pairs apart."
        )
        raise RuntimeError(msg)


def _check_size(n_genes: int) -> None:
    if n_genes > MOST_GENES:
        msg = (
            f"method='grn_transformer' compares all genes with all and takes {MOST_GENES:,} at "
            f"most; there are {n_genes:,}. Select genes first, for example with "
            "sr.pp.select_genes."
        )
        raise ValueError(msg)
