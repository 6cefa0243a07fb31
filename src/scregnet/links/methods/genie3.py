"""GENIE3: a random forest predicts each gene from the candidate TFs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from scregnet._validate import check_integer, check_interval
from scregnet.links.methods.from_expression import FromExpression
from scregnet.links.methods.levels import MOST_LEVELS, check_bins

if TYPE_CHECKING:
    from scregnet.links.task import LinkTask


@dataclass(frozen=True)
class Genie3(FromExpression):
    """GENIE3 :cite:p:`huynhthu2010genie3`: a random forest predicts each gene from the TFs.

    The importance of a TF is its share of the gains of all cuts, mean over the trees of the gene.
    The defaults are the published settings. Deviations:

    - expression is read in ``n_bins`` levels, and cuts lie between levels;
    - a compiled loop of our own takes the place of the published code's trees.

    Parameters
    ----------
    n_estimators
        Trees of a gene. Each is grown on a bootstrap of the cells until its nodes are pure.
    max_features
        ``"sqrt"``, ``"all"``, or a share: the TFs that a cut is chosen among.
    n_bins
        Levels of expression, at most 64.
    """

    n_estimators: int = 1000
    max_features: str | float = "sqrt"
    n_bins: int = 64

    summary: ClassVar[str] = "random forest of each gene on the TFs"
    citation: ClassVar[str] = "huynhthu2010genie3"
    code_licence: ClassVar[str] = "GPL-2.0-or-later (R), BSD-3-Clause (arboreto)"
    largest_run: ClassVar[Mapping[str, float]] = {
        "genes": 910,
        "cells": 758,
        "tfs": 410,
        "seconds": 1055,
        "gib": 0.47,
    }

    def __post_init__(self) -> None:
        check_integer("n_estimators", self.n_estimators, minimum=1)
        if self.max_features not in ("sqrt", "all"):
            if isinstance(self.max_features, str):
                msg = (
                    f"max_features={self.max_features!r} is not known; it takes 'sqrt', 'all' or a "
                    "share between 0 and 1."
                )
                raise ValueError(msg)
            check_interval("max_features", self.max_features, 0, 1, closed="right")
        check_bins(self.n_bins, most=MOST_LEVELS)

    def rough_seconds(self, task: LinkTask) -> float | None:
        """Return about how long a fit takes on one CPU core."""
        if task.expression is None or task.regulators is None:
            return None
        # 1.0 a gene with 758 cells and 410 TFs, 0.4 with 383 and 323.
        n_genes, n_cells = task.expression.shape
        of_a_gene = 6e-8 * self.n_estimators * n_cells * self._n_looked_at(len(task.regulators))
        return n_genes * of_a_gene

    def table(
        self, expression: np.ndarray, regulators: np.ndarray, task: LinkTask, seed: int
    ) -> np.ndarray:
        """Return the importance of each candidate TF for each gene."""
        from scregnet.links.methods.target_trees.compiled import forest
        from scregnet.links.methods.target_trees.importances import importances

        def grow(levels: np.ndarray, n_levels: np.ndarray, y: np.ndarray, own: int) -> np.ndarray:
            gains = np.zeros(len(levels))
            forest(
                levels, n_levels, y, self.n_estimators, self._n_looked_at(len(levels)), own, gains
            )
            # A tree without a cut has no gains.
            return gains / max(gains.sum(), np.finfo(float).tiny)

        return importances(expression, regulators, grow, n_bins=self.n_bins, seed=seed)

    def _n_looked_at(self, n_tfs: int) -> int:
        if self.max_features == "all":
            return n_tfs
        n = np.sqrt(n_tfs) if self.max_features == "sqrt" else float(self.max_features) * n_tfs
        return max(1, int(n))
