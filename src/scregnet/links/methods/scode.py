"""SCODE: a linear differential equation of few factors, fitted along pseudotime."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from scregnet._validate import check_integer, check_interval
from scregnet.links.methods.from_expression import FromExpression

if TYPE_CHECKING:
    from scregnet.links.task import LinkTask

JITTER = 1e-3
"""Half the width of the noise on the factors, so that two of one rate are not collinear."""

TOLERANCE = float(np.sqrt(np.finfo(np.float64).eps))
"""Share of the largest singular value below which one counts as 0 in a pseudo-inverse."""


@dataclass(frozen=True)
class Scode(FromExpression):
    """SCODE :cite:p:`matsumoto2017scode`: ``dx = A x dt`` with ``A = W B W⁺``, B diagonal.

    Expression is ``W z`` with ``z = exp(b t)`` along pseudotime. Rates b are drawn one at a time
    and kept if the residuals shrink. The score of a TF for a gene is the absolute entry of A, mean
    over runs. ``pseudotime=`` of :func:`scregnet.tl.fit_grn` names the column of ``adata.obs``.
    Deviations: all genes have an equation, not TFs alone, and A is averaged over ``n_runs``.

    Parameters
    ----------
    n_factors
        Number of factors.
    n_draws
        Rates that are tried in a run.
    lowest_rate, highest_rate
        Rates are drawn between them; pseudotime runs from 0 to 1.
    n_runs
        Runs with other draws; the mean of their A counts.
    """

    n_factors: int = 4
    n_draws: int = 100
    lowest_rate: float = -10.0
    highest_rate: float = 2.0
    n_runs: int = 10

    summary: ClassVar[str] = "linear differential equation along pseudotime"
    citation: ClassVar[str] = "matsumoto2017scode"
    code_licence: ClassVar[str] = "none stated"
    largest_run: ClassVar[Mapping[str, float]] = {
        "genes": 2000,
        "cells": 3000,
        "tfs": 100,
        "seconds": 12.7,
        "gib": 0.36,
    }
    needs_pseudotime: ClassVar[bool] = True

    def __post_init__(self) -> None:
        for name in ("n_factors", "n_draws", "n_runs"):
            check_integer(name, getattr(self, name), minimum=1)
        check_interval("lowest_rate", self.lowest_rate, -np.inf, np.inf, closed="neither")
        check_interval(
            "highest_rate", self.highest_rate, self.lowest_rate, np.inf, closed="neither"
        )

    def table(
        self, expression: np.ndarray, regulators: np.ndarray, task: LinkTask, seed: int
    ) -> np.ndarray:
        """Return the absolute effect of each candidate TF on the change of each gene."""
        time = np.asarray(task.pseudotime, np.float64)
        span = time.max() - time.min()
        if span == 0:
            msg = "pseudotime is the same for all cells; SCODE needs cells at different times."
            raise ValueError(msg)
        time = (time - time.min()) / span
        values = expression.astype(np.float64)
        if task.summary is not None:
            # As it was before it was standardised: a mean of 0 has no exponential decay.
            values = values * task.summary[:, 1:2] + task.summary[:, :1]
        rng = np.random.default_rng(seed)
        effects = np.zeros((len(values), len(regulators)))
        for _ in range(self.n_runs):
            rates = self._rates(values, time, rng)
            loadings = values @ np.linalg.pinv(_factors(rates, time, rng), rcond=TOLERANCE)
            back = np.linalg.pinv(loadings, rcond=TOLERANCE)
            effects += (loadings * rates) @ back[:, regulators]
        found = np.abs(effects / self.n_runs).T.astype(np.float32)
        # Of a gene that no cell has, rounding leaves more than 0: an order of nothing.
        silent = np.flatnonzero(~values.any(axis=1))
        found[np.isin(regulators, silent)] = 0
        found[:, silent] = 0
        return found

    def _rates(self, values: np.ndarray, time: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return the rates with the smallest residuals among those drawn."""
        ends = (self.lowest_rate, self.highest_rate)
        rates: np.ndarray = rng.uniform(*ends, size=self.n_factors)
        best = _explained(values, _factors(rates, time, rng))
        for _ in range(self.n_draws):
            tried = rates.copy()
            tried[rng.integers(self.n_factors)] = rng.uniform(*ends)
            found = _explained(values, _factors(tried, time, rng))
            if found > best:
                rates, best = tried, found
        return rates


def _factors(rates: np.ndarray, time: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return ``exp(b t)`` of each rate and cell, with a little noise."""
    factors = np.exp(rates[:, None] * time)
    return factors + rng.uniform(-JITTER, JITTER, factors.shape)


def _explained(values: np.ndarray, factors: np.ndarray) -> float:
    """Return the sum of squares that the factors explain; the rest are residuals."""
    basis, _ = np.linalg.qr(factors.T)
    return float(np.square(values @ basis).sum())
