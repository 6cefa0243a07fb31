"""The stronger null model: low-rank factors of the labels and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from scregnet._validate import check_integer
from scregnet.links.calibration import PlattCalibration
from scregnet.links.methods.label_factors.factors import Factors, LabelMatrix, factorise
from scregnet.links.search.spaces import Range
from scregnet.links.task import FitResult, LinkMethod, LinkTask, Pairs, Progress

TARGET_PRECISIONS = (0.5, 2.0, 8.0)
POINT_PRECISIONS = (4.0, 6.0, 9.0)
MEAN_PRECISION = 0.3
# The variational mean keeps few factors however many it may have; the point estimate gains from many weak ones.
MEAN_RANK, POINT_RANK = 8, 24
MEAN_ITERATIONS, POINT_ITERATIONS = 30, 20
# Priors are compared on a part of the targets where there are more pairs: the choice needs no more, and time grows with them.
PAIRS_COMPARED = 300_000
BLOCK = 1 << 17


@dataclass(frozen=True, eq=False)
class _Chosen:
    """The prior that the validation pairs call for, and what comes out under it on the part it was chosen on and on all."""

    choice: float
    of_part: Factors
    of_whole: Factors


def _part(labels: LabelMatrix, validation: Pairs) -> tuple[LabelMatrix, Pairs]:
    """Every k-th target and the validation pairs of these where there are many pairs."""
    step = min(-(-labels.n_pairs // PAIRS_COMPARED), len(labels.targets))
    if step == 1:
        return labels, validation
    part = labels.every(step)
    kept = np.zeros(max(part.targets.max(), validation.targets.max()) + 1, bool)
    kept[part.targets] = True
    check = validation.take(kept[validation.targets])
    # Targets that are not among them have the mean bias, so that their pairs still tell something.
    return part, check if 0 < check.n_positive < len(check) else validation


@dataclass(frozen=True, eq=False)
class FactorLinks:
    """A fitted method whose logit is a product of one vector per source and one per target.

    ``source_rows`` and ``target_rows``, int32 of shape (n_genes,), say which rows of the float32 vectors a gene has; the last row is that of all genes
    without training pairs.
    """

    source_rows: np.ndarray
    target_rows: np.ndarray
    source_vectors: np.ndarray
    target_vectors: np.ndarray

    @classmethod
    def of(
        cls, labels: LabelMatrix, estimates: list[Factors] | tuple[Factors, ...], n_genes: int
    ) -> FactorLinks:
        """The mean of the given estimates for the genes of ``labels``, extended to all genes."""
        rows, vectors = [], []
        for genes, sides in (
            (labels.sources, [estimate.source_vectors for estimate in estimates]),
            (labels.targets, [estimate.target_vectors for estimate in estimates]),
        ):
            row = np.full(n_genes, len(genes), np.int32)
            row[genes] = np.arange(len(genes))
            rows.append(row)
            vectors.append(np.concatenate([_with_unseen(side) for side in sides], axis=1))
        return cls(rows[0], rows[1], vectors[0] / np.float32(len(estimates)), vectors[1])

    def score(self, sources: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Logit of each pair, float32."""
        scores = np.empty(len(sources), np.float32)
        for start in range(0, len(sources), BLOCK):
            block = slice(start, start + BLOCK)
            left = self.source_vectors[self.source_rows[sources[block]]]
            right = self.target_vectors[self.target_rows[targets[block]]]
            scores[block] = np.einsum("ij,ij->i", left, right)
        return scores

    def state(self) -> dict[str, np.ndarray]:
        """Rows and vectors."""
        return dict(vars(self))

    @classmethod
    def from_state(cls, state: dict[str, np.ndarray]) -> FactorLinks:
        """The inverse of :meth:`state`."""
        return cls(
            np.asarray(state["source_rows"], np.int32),
            np.asarray(state["target_rows"], np.int32),
            np.asarray(state["source_vectors"], np.float32),
            np.asarray(state["target_vectors"], np.float32),
        )


@dataclass(frozen=True)
class LabelFactors(LinkMethod):
    """Which TFs have targets in common: a logistic factorisation of the training labels, TFs × targets.

    The logit of a pair is ``a[TF] + b[target] + u[TF] · v[target]``. Two estimates are averaged, because they err
    differently: the mean under variational Bayes, in which few strong factors remain, and the most probable values under a stronger prior,
    which leaves many weak ones. How strong the priors are, and whether there are factors at all or only the two biases, is chosen by the likelihood of
    the validation pairs. A TF or a gene without training pairs has no factors and the mean bias.

    No expression, no graph and no embedding is seen, and nothing is drawn at random. ``rank`` is the largest number of
    factors; 0 leaves the two biases.
    """

    rank: int = POINT_RANK

    fitted: ClassVar[type[FactorLinks]] = FactorLinks
    summary: ClassVar[str] = "null model: TFs with common targets, low-rank factors of the labels"
    is_null: ClassVar[bool] = True
    search_space: ClassVar[Mapping[str, Range]] = {"rank": Range(0, 64)}

    def __post_init__(self) -> None:
        check_integer("rank", self.rank, minimum=0)

    def fit(
        self,
        task: LinkTask,
        *,
        rng: np.random.Generator,
        device: Any = None,
        progress: Progress | None = None,
    ) -> FitResult:
        """Factorise the training labels; validation pairs choose the priors."""
        whole = LabelMatrix.of(task.train)
        part, check = _part(whole, task.validation)

        def loss(labels: LabelMatrix, check: Pairs, *estimates: Factors) -> float:
            scores = FactorLinks.of(labels, estimates, task.n_genes).score(
                check.sources, check.targets
            )
            return PlattCalibration.fit(scores, check.labels).loss

        def mean(labels: LabelMatrix, rank: int, target_precision: float) -> Factors:
            return factorise(
                labels,
                min(rank, MEAN_RANK),
                precision=MEAN_PRECISION,
                target_precision=target_precision,
                variational=True,
                n_iterations=MEAN_ITERATIONS,
            )

        def point(labels: LabelMatrix, precision: float, target_precision: float) -> Factors:
            return factorise(
                labels,
                self.rank,
                precision=precision,
                target_precision=target_precision,
                variational=False,
                n_iterations=POINT_ITERATIONS,
            )

        def chosen(
            fit: Callable[[LabelMatrix, float], Factors], choices: tuple[float, ...], *more: Factors
        ) -> _Chosen:
            fits = [fit(part, choice) for choice in choices]
            best = int(np.argmin([loss(part, check, *more, estimate) for estimate in fits]))
            of_part = fits[best]
            return _Chosen(
                choices[best], of_part, of_part if part is whole else fit(whole, choices[best])
            )

        estimates = [chosen(lambda labels, b: mean(labels, 0, b), TARGET_PRECISIONS).of_whole]
        if self.rank:
            first = chosen(lambda labels, b: mean(labels, self.rank, b), TARGET_PRECISIONS)
            second = chosen(
                lambda labels, p: point(labels, p, first.choice), POINT_PRECISIONS, first.of_part
            )
            both = [first.of_whole, second.of_whole]
            # A part of the targets may be too little to find factors in that all of them show.
            if loss(whole, task.validation, *both) < loss(whole, task.validation, *estimates):
                estimates = both
        return FitResult(FactorLinks.of(whole, estimates, task.n_genes))


def _with_unseen(vectors: np.ndarray) -> np.ndarray:
    """The vectors and a last one without factors, with the mean of both last columns: bias and 1."""
    unseen = np.zeros((1, vectors.shape[1]), np.float32)
    unseen[:, -2:] = vectors[:, -2:].mean(axis=0)
    return np.concatenate([vectors, unseen])
