"""PIDC: partial information decomposition of three genes at a time, in the context of each gene."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from scregnet._progress import stage
from scregnet._threads import in_threads
from scregnet._validate import check_choice
from scregnet.links.methods.from_expression import FromExpression

if TYPE_CHECKING:
    from scregnet.links.task import LinkTask

MOST_GENES = 10_000
"""All genes are compared with all: of more, the matrix of float32 is larger than 400 MB."""

DISCRETISERS = ("bayesian_blocks", "uniform_width")


@dataclass(frozen=True)
class PIDC(FromExpression):
    """PIDC :cite:p:`chan2017pidc`: what two genes say of each other that no third one says.

    The score is symmetric: it says nothing of direction. All genes are read as third genes, so that
    data hold 10,000 genes at most. Probabilities are counts by cells (maximum likelihood), as the
    published default. Deviations from the paper and its published code:

    - sums over third genes are computed from sorted lists, with the same result;
    - expression is as ``fit_grn`` reads it, where the published code reads values as they are;
    - a gene of one level (no cell has it, say) is no third gene, and its scores are 0;
    - scores of a gene that hold a 0, to which no Gamma distribution fits, are taken as normal. The
      published code gives the pairs of such a gene a z-score, which may lie above all others.

    Parameters
    ----------
    discretiser
        How expression becomes levels, each gene for itself: ``"bayesian_blocks"``, the published
        default, or ``"uniform_width"``, as many bins as the square root of the number of cells.
    """

    discretiser: str = "bayesian_blocks"

    summary: ClassVar[str] = "unique information of two genes about each other"
    citation: ClassVar[str] = "chan2017pidc"
    code_licence: ClassVar[str] = "MIT"
    largest_run: ClassVar[Mapping[str, float]] = {
        "genes": 2000,
        "cells": 3000,
        "tfs": 100,
        "seconds": 31.9,
        "gib": 0.36,
    }

    def __post_init__(self) -> None:
        check_choice("discretiser", self.discretiser, DISCRETISERS)

    def table(
        self, expression: np.ndarray, regulators: np.ndarray, task: LinkTask, seed: int
    ) -> np.ndarray:
        """Return the confidence of each candidate TF with each gene, between 0 and 2."""
        n_genes = len(expression)
        if n_genes > MOST_GENES:
            msg = (
                f"method='pidc' compares all genes with all and takes {MOST_GENES:,} at most; "
                f"there are {n_genes:,}. Select genes first, for example with sr.pp.select_genes."
            )
            raise ValueError(msg)
        from scregnet.links.methods.information import blocks

        by_block = self.discretiser == "bayesian_blocks"
        levels = (blocks.block_levels if by_block else blocks.width_levels)(expression)
        n_vary = int((levels.max(axis=1) > 0).sum())
        if n_vary < 3:
            msg = (
                "method='pidc' compares three genes at a time that have more than one level of "
                f"expression; {n_vary} of {n_genes} have. Give it more genes or cells."
            )
            raise ValueError(msg)
        return scores(levels, regulators)


def scores(levels: np.ndarray, regulators: np.ndarray) -> np.ndarray:
    """Return the confidence of each candidate TF with each gene, 0 where one has one level."""
    varies = np.flatnonzero(levels.max(axis=1) > 0)
    found = np.zeros((len(regulators), len(levels)), np.float32)
    # Without a third gene, nothing is decomposed.
    if len(varies) > 2:
        rows = np.flatnonzero(np.isin(regulators, varies))
        own = np.searchsorted(varies, regulators[rows])
        found[np.ix_(rows, varies)] = confidence(contributions(levels[varies]), own)
    return found


def contributions(levels: np.ndarray) -> np.ndarray:
    """Return the proportional unique contribution of each pair of genes, float32, symmetric."""
    from scregnet.links.methods.information.compiled import unique_shares

    n_genes = len(levels)
    n_levels = levels.max(axis=1).astype(np.int64) + 1
    shares = np.zeros((n_genes, n_genes), np.float32)

    def one(gene: int) -> None:
        shares[gene] = unique_shares(gene, levels, n_levels)

    with stage("unique information of each gene", n_genes) as tick:
        for _ in in_threads(one, range(n_genes)):
            tick()
    # In place, a block at a time: a transpose beside it would be a second matrix.
    for start in range(0, n_genes, 256):
        here = slice(start, start + 256)
        rest = slice(start, n_genes)
        both = shares[here, rest] + shares[rest, here].T
        shares[here, rest] = both
        shares[rest, here] = both.T
    return shares


def confidence(shares: np.ndarray, regulators: np.ndarray) -> np.ndarray:
    """Return how high each score stands among those of both of its genes, in sum.

    The scores of a gene with all others are taken as Gamma-distributed, or as normal where some are
    0.
    """
    from scipy.stats import gamma, norm

    n_genes = len(shares)
    shapes, scales = np.zeros(n_genes), np.zeros(n_genes)
    means, spreads = np.zeros(n_genes), np.zeros(n_genes)
    for gene in range(n_genes):
        own = np.delete(shares[gene], gene).astype(np.float64)
        means[gene], spreads[gene] = own.mean(), own.std()
        if own.min() > 0 and spreads[gene] > 0:
            shapes[gene] = gamma_shape(own)
            scales[gene] = means[gene] / shapes[gene]
    found = np.zeros((len(regulators), n_genes), np.float32)
    for row, tf in enumerate(regulators):
        score = shares[tf].astype(np.float64)
        for which in (np.full(n_genes, tf), np.arange(n_genes)):
            shape, varies = shapes[which], spreads[which] > 0
            is_gamma = shape > 0
            of_gamma = gamma.cdf(
                score, np.where(is_gamma, shape, 1), scale=np.where(is_gamma, scales[which], 1)
            )
            of_normal = norm.cdf(score, means[which], np.where(varies, spreads[which], 1))
            found[row] += np.where(is_gamma, of_gamma, np.where(varies, of_normal, 0))
    return found


def gamma_shape(values: np.ndarray) -> float:
    """Return the most likely shape of a Gamma distribution, by Newton's method."""
    from scipy.special import digamma, polygamma

    # log k - digamma(k) = s, with s the log of the mean less the mean of the logs.
    s = max(float(np.log(values.mean()) - np.log(values).mean()), 1e-12)
    shape = (3 - s + np.sqrt((s - 3) ** 2 + 24 * s)) / (12 * s)
    for _ in range(20):
        step = (np.log(shape) - digamma(shape) - s) / (1 / shape - polygamma(1, shape))
        shape = max(shape - step, shape / 10)
        if abs(step) < 1e-10 * shape:
            break
    return float(shape)
