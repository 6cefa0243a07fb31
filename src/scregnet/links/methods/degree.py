"""The null model of two rates: how often a TF regulates, how often a gene is a target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from scipy.special import logit

from scregnet._validate import check_interval
from scregnet.links.calibration import PlattCalibration
from scregnet.links.forms.additive import AdditiveLinks
from scregnet.links.pairs.codes import counted
from scregnet.links.search.spaces import Range
from scregnet.links.task import FitResult, LinkMethod, LinkTask, Progress

# Steps of about a factor of three. The validation pairs choose one.
PSEUDO_COUNTS = (0.3, 1.0, 3.0, 10.0, 30.0)


@dataclass(frozen=True)
class Degree(LinkMethod):
    """Null model of degrees: the logits of two rates, added.

    The rates are the share of edges among the training pairs of the TF, and among those of the
    target. A TF or gene without training pairs gets the overall rate. The method sees no expression
    and no embedding. See :doc:`/methods`.

    Parameters
    ----------
    pseudo_count
        Pairs of the overall rate that are added to each TF and target. ``None`` chooses the number
        with the highest likelihood of the validation pairs, so that the null model is as strong as
        it can be.
    """

    pseudo_count: float | None = None

    summary: ClassVar[str] = "null model: share of edges of this TF and of this target"
    # A closed world, with both null models and intervals of their figures.
    largest_run: ClassVar[Mapping[str, float]] = {
        "genes": 20_000,
        "tfs": 1_170,
        "pairs": 23_400_000,
        "seconds": 125,
        "gib": 1.2,
    }
    fitted: ClassVar[type[AdditiveLinks]] = AdditiveLinks
    is_null: ClassVar[bool] = True
    search_space: ClassVar[Mapping[str, Range]] = {"pseudo_count": Range(0.1, 100.0, log=True)}

    def __post_init__(self) -> None:
        if self.pseudo_count is not None:
            check_interval("pseudo_count", self.pseudo_count, 0, np.inf, closed="neither")

    def fit(
        self,
        task: LinkTask,
        *,
        rng: np.random.Generator,
        device: Any = None,
        progress: Progress | None = None,
    ) -> FitResult:
        """Count both rates over the training pairs; validation pairs choose the pseudo-count."""
        choices = PSEUDO_COUNTS if self.pseudo_count is None else (self.pseudo_count,)
        fits = _rates(task, choices)
        check = task.validation
        losses = [
            PlattCalibration.fit(
                fit.score(check.sources, check.targets), check.labels, weights=check.weights
            ).loss
            for fit in fits
        ]
        return FitResult(fits[int(np.argmin(losses))])


def _rates(task: LinkTask, pseudo_counts: Sequence[float]) -> list[AdditiveLinks]:
    """Return ``logit(r[TF]) + logit(r[target]) - logit(r)``, ``r`` the overall rate.

    One for each of the pseudo-counts.
    """
    train = task.train
    overall = train.n_positive / len(train)
    terms = []
    for genes in (train.sources, train.targets):
        edges = np.bincount(genes[train.labels], minlength=task.n_genes)
        pairs = counted(genes, task.n_genes)
        terms.append([logit((edges + n * overall) / (pairs + n)) for n in pseudo_counts])
    # Both rates contain the overall rate, so it is subtracted once.
    return [
        AdditiveLinks(of_tf.astype(np.float32), (of_target - logit(overall)).astype(np.float32))
        for of_tf, of_target in zip(*terms, strict=True)
    ]
