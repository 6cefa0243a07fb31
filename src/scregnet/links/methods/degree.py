"""The null model: two rates and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from scipy.special import logit

from scregnet._validate import check_interval
from scregnet.links.calibration import PlattCalibration
from scregnet.links.forms.additive import AdditiveLinks
from scregnet.links.search.spaces import Range
from scregnet.links.task import FitResult, LinkMethod, LinkTask, Progress

PSEUDO_COUNTS = (0.3, 1.0, 3.0, 10.0, 30.0)


@dataclass(frozen=True)
class Degree(LinkMethod):
    """How often is this TF a regulator, how often is this gene a target: the logits of two rates, added.

    The rates are counted over the training pairs, each shrunk to the overall rate by ``pseudo_count`` pairs; ``None`` chooses the
    pseudo count that gives the validation pairs the highest likelihood, which makes the null model as strong as it can be. A TF or a gene without
    training pairs has the overall rate. No expression, no graph, no embedding is seen.
    """

    pseudo_count: float | None = None

    summary: ClassVar[str] = "null model: share of edges of this TF and of this target"
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
        """Count both rates over the training pairs."""
        choices = PSEUDO_COUNTS if self.pseudo_count is None else (self.pseudo_count,)
        fits = [_rates(task, choice) for choice in choices]
        check = task.validation
        losses = [
            PlattCalibration.fit(fit.score(check.sources, check.targets), check.labels).loss
            for fit in fits
        ]
        return FitResult(fits[int(np.argmin(losses))])


def _rates(task: LinkTask, pseudo_count: float) -> AdditiveLinks:
    train = task.train
    overall = train.n_positive / len(train)
    terms = []
    for genes in (train.sources, train.targets):
        edges = np.bincount(genes, weights=train.labels, minlength=task.n_genes)
        pairs = np.bincount(genes, minlength=task.n_genes)
        terms.append(logit((edges + pseudo_count * overall) / (pairs + pseudo_count)))
    return AdditiveLinks(
        terms[0].astype(np.float32), (terms[1] - logit(overall)).astype(np.float32)
    )
