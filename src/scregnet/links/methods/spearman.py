"""Correlation of ranks over cells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from scipy.stats import rankdata

from scregnet.links.methods.from_expression import FromExpression
from scregnet.links.methods.pearson import BLOCK, correlations

if TYPE_CHECKING:
    from scregnet.links.task import LinkTask


@dataclass(frozen=True)
class Spearman(FromExpression):
    """Absolute Spearman correlation of TF and target over cells; equal values share a mean rank.

    It has no hyper-parameters. See :doc:`/methods`.
    """

    summary: ClassVar[str] = "absolute correlation of the ranks of expression over cells"
    largest_run: ClassVar[Mapping[str, float]] = {
        "genes": 2000,
        "cells": 3000,
        "tfs": 100,
        "seconds": 0.7,
        "gib": 0.37,
    }

    def table(
        self, expression: np.ndarray, regulators: np.ndarray, task: LinkTask, seed: int
    ) -> np.ndarray:
        """Return the absolute rank correlation of each candidate TF with each gene."""
        return correlations(ranks(expression), regulators)


def ranks(values: np.ndarray) -> np.ndarray:
    """Return the rank of each value in its row, from -1 to 1, float32."""
    found = np.empty(values.shape, np.float32)
    half = max((values.shape[1] - 1) / 2, 0.5)
    for start in range(0, len(values), BLOCK):
        here = slice(start, start + BLOCK)
        # Around 0 before they are rounded to float32: else large ranks would lose their halves.
        found[here] = (rankdata(values[here], axis=1) - 1 - half) / half
    return found
