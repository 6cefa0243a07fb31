"""Correlation of expression over cells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from scregnet.links.methods.from_expression import FromExpression

if TYPE_CHECKING:
    from scregnet.links.task import LinkTask


@dataclass(frozen=True)
class Pearson(FromExpression):
    """Absolute Pearson correlation of TF and target over cells.

    It has no hyper-parameters. A gene that does not vary has 0 with all. See :doc:`/methods`.
    """

    summary: ClassVar[str] = "absolute correlation of expression over cells"
    largest_run: ClassVar[Mapping[str, float]] = {
        "genes": 2000,
        "cells": 3000,
        "tfs": 100,
        "seconds": 0.3,
        "gib": 0.3,
    }

    def table(
        self, expression: np.ndarray, regulators: np.ndarray, task: LinkTask, seed: int
    ) -> np.ndarray:
        """Return the absolute correlation of each candidate TF with each gene."""
        return correlations(expression, regulators)


BLOCK = 1024
"""Genes whose values are copied at a time."""


def correlations(values: np.ndarray, regulators: np.ndarray) -> np.ndarray:
    """Return absolute correlations of some rows with all rows, float32 (n_tfs, n_genes).

    ``values`` is of shape (n_genes, n_cells); rows need not be standardised.
    """
    tfs = _unit(values[regulators])
    found = np.empty((len(regulators), len(values)), np.float32)
    for start in range(0, len(values), BLOCK):
        here = slice(start, start + BLOCK)
        found[:, here] = tfs @ _unit(values[here]).T
    # Rounding may lead beyond 1.
    return np.minimum(np.abs(found, out=found), 1, out=found)


def _unit(rows: np.ndarray) -> np.ndarray:
    """Return rows of mean 0 and length 1; one that does not vary becomes 0."""
    centred = rows - rows.mean(axis=1, keepdims=True, dtype=np.float64).astype(np.float32)
    length = np.sqrt(np.square(centred, dtype=np.float64).sum(axis=1, keepdims=True))
    # Standardised values have a length of the root of the number of cells: below this is rounding.
    varies = length > 1e-5 * np.sqrt(rows.shape[1])
    scale = np.divide(1, length, out=np.zeros_like(length), where=varies)
    return np.asarray(centred * scale.astype(np.float32), np.float32)
