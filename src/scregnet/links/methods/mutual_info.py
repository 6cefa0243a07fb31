"""Mutual information of TF and target over cells."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from scregnet._progress import stage
from scregnet._threads import in_threads
from scregnet._validate import check_choice, check_integer
from scregnet.links.methods.from_expression import FromExpression
from scregnet.links.methods.levels import binned, check_bins

if TYPE_CHECKING:
    from scregnet.links.task import LinkTask

ESTIMATORS = ("levels", "neighbours")


@dataclass(frozen=True)
class MutualInfo(FromExpression):
    """Mutual information of TF and target over cells, in nats.

    Parameters
    ----------
    estimator
        ``"levels"`` counts cells by the levels of both genes, less the bias of counts;
        ``"neighbours"`` is scikit-learn's estimate by nearest neighbours
        :cite:p:`kraskov2004mutual`, which takes 35 times as long.
    n_bins
        Levels of a gene, of about as many cells each; equal values share one. ``None`` takes the
        cube root of the number of cells, at least 4. Not read with ``"neighbours"``.
    n_neighbours
        Neighbours of a cell. Not read with ``"levels"``.
    """

    estimator: str = "levels"
    n_bins: int | None = None
    n_neighbours: int = 3

    summary: ClassVar[str] = "mutual information of expression over cells"
    largest_run: ClassVar[Mapping[str, float]] = {
        "genes": 2000,
        "cells": 3000,
        "tfs": 100,
        "seconds": 2.5,
        "gib": 0.32,
    }

    def __post_init__(self) -> None:
        check_choice("estimator", self.estimator, ESTIMATORS)
        check_integer("n_neighbours", self.n_neighbours, minimum=1)
        if self.n_bins is not None:
            check_bins(self.n_bins)

    def table(
        self, expression: np.ndarray, regulators: np.ndarray, task: LinkTask, seed: int
    ) -> np.ndarray:
        """Return the mutual information of each candidate TF with each gene."""
        if self.estimator == "levels":
            return self._by_levels(expression, regulators)
        return self._by_neighbours(expression, regulators, seed)

    def _by_levels(self, expression: np.ndarray, regulators: np.ndarray) -> np.ndarray:
        from scregnet.links.methods.information.compiled import mutual_information

        n_bins = self.n_bins or max(4, round(expression.shape[1] ** (1 / 3)))
        levels, n_levels = binned(expression, n_bins)

        def one(tf: int) -> np.ndarray:
            found: np.ndarray = mutual_information(levels[tf], levels, n_levels[tf], n_levels)
            return found

        return _rows(one, regulators, len(expression))

    def _by_neighbours(
        self, expression: np.ndarray, regulators: np.ndarray, seed: int
    ) -> np.ndarray:
        from sklearn.feature_selection import mutual_info_regression

        cells = expression.T
        varies = expression.min(axis=1) < expression.max(axis=1)
        # The estimate is symmetric, so that each TF can stand for the one that is predicted. It
        # adds noise to break ties, of the same seed for all.
        state = seed % 2**32

        def one(tf: int) -> np.ndarray:
            found = np.zeros(len(expression), np.float32)
            if varies[tf]:
                found[varies] = mutual_info_regression(
                    cells[:, varies],
                    expression[tf],
                    n_neighbors=self.n_neighbours,
                    random_state=state,
                )
            return found

        return _rows(one, regulators, len(expression))


def _rows(one: Callable[[int], np.ndarray], regulators: np.ndarray, n_genes: int) -> np.ndarray:
    """Return one row a TF, computed in threads."""
    found = np.zeros((len(regulators), n_genes), np.float32)
    with stage("information of each TF", len(regulators)) as tick:
        for row, values in enumerate(in_threads(one, regulators)):
            found[row] = values
            tick()
    return found
