"""GRNBoost2: stochastic gradient boosting of each gene on the candidate TFs."""

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
class GRNBoost2(FromExpression):
    """GRNBoost2 :cite:p:`moerman2019grnboost2`: boosted trees predict each gene from the TFs.

    Importances are as published: the gains of a TF's cuts, as a share of all gains of the gene,
    times the number of its trees. The defaults are the published settings. Deviations:

    - expression is read in ``n_bins`` levels, and cuts lie between levels;
    - a compiled loop of our own takes the place of scikit-learn's trees;
    - boosting stops by the improvement that each tree makes on its own left-out cells. The
      scikit-learn of today compares the left-out cells of one tree with those of the tree before,
      which stops much earlier.

    Parameters
    ----------
    learning_rate
        Step of each tree.
    max_trees
        Most trees of a gene.
    max_features
        Share of the TFs that a cut is chosen among.
    subsample
        Share of the cells that a tree is grown on.
    max_depth
        Depth of the trees.
    window
        Trees over which the improvement is averaged; boosting stops where that is negative.
    n_bins
        Levels of expression, at most 64.
    """

    learning_rate: float = 0.01
    max_trees: int = 5000
    max_features: float = 0.1
    subsample: float = 0.9
    max_depth: int = 3
    window: int = 25
    n_bins: int = 64

    summary: ClassVar[str] = "gradient boosting of each gene on the TFs"
    citation: ClassVar[str] = "moerman2019grnboost2"
    code_licence: ClassVar[str] = "BSD-3-Clause"
    largest_run: ClassVar[Mapping[str, float]] = {
        "genes": 2000,
        "cells": 3000,
        "tfs": 100,
        "seconds": 173.7,
        "gib": 0.33,
    }

    def __post_init__(self) -> None:
        check_interval("learning_rate", self.learning_rate, 0, 1, closed="right")
        check_interval("max_features", self.max_features, 0, 1, closed="right")
        check_interval("subsample", self.subsample, 0, 1, closed="neither")
        for name in ("max_trees", "max_depth", "window"):
            check_integer(name, getattr(self, name), minimum=1)
        check_bins(self.n_bins, most=MOST_LEVELS)

    def table(
        self, expression: np.ndarray, regulators: np.ndarray, task: LinkTask, seed: int
    ) -> np.ndarray:
        """Return the importance of each candidate TF for each gene."""
        from scregnet.links.methods.target_trees.compiled import boosted
        from scregnet.links.methods.target_trees.importances import importances

        n_cells = expression.shape[1]
        n_drawn = min(max(int(self.subsample * n_cells), 1), n_cells - 1)

        def grow(levels: np.ndarray, n_levels: np.ndarray, y: np.ndarray, own: int) -> np.ndarray:
            gains = np.zeros(len(levels))
            n_trees = boosted(
                levels,
                n_levels,
                y,
                self.learning_rate,
                self.max_trees,
                max(1, int(self.max_features * len(levels))),
                n_drawn,
                self.max_depth,
                self.window,
                own,
                gains,
            )
            return n_trees * gains / max(gains.sum(), np.finfo(float).tiny)

        return importances(expression, regulators, grow, n_bins=self.n_bins, seed=seed)
