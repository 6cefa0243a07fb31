"""The stronger null model: low-rank factors of the labels and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from scregnet._threads import in_threads
from scregnet._validate import check_integer
from scregnet.links.calibration import PlattCalibration
from scregnet.links.forms.saved import read_floats, read_integers
from scregnet.links.methods.label_factors.factors import (
    FactorPrior,
    Factors,
    factorise,
)
from scregnet.links.methods.label_factors.label_matrix import LabelMatrix
from scregnet.links.search.spaces import Range
from scregnet.links.task import FitResult, LinkMethod, LinkTask, Pairs, Progress

# Set by hand. The validation pairs of each fit choose one value of each tuple.
TARGET_PRECISIONS = (0.5, 2.0, 8.0)
POINT_PRECISIONS = (4.0, 6.0, 9.0)
MEAN_PRECISION = 0.3
# The variational mean keeps few factors, however many it may have. The point estimate gains from
# many weak ones.
MEAN_RANK, POINT_RANK = 8, 24
# Known cells from which factors are estimated in threads.
PARALLEL_PAIRS = 50_000
MEAN_ITERATIONS, POINT_ITERATIONS = 30, 20
# Training pairs, and targets, above which priors are compared on a part of the targets. The choice
# needs no more, and time grows with both.
PAIRS_COMPARED, TARGETS_COMPARED = 300_000, 4_000
# Pairs whose rows are looked up at a time.
BLOCK = 1 << 17


@dataclass(frozen=True, eq=False)
class FactorLinks:
    """Fitted links whose logit is a product of one vector per source and one per target.

    ``source_rows`` and ``target_rows``, int32 of shape (n_genes,), are the rows of the float32
    vectors that each gene has. The last row is that of all genes without training pairs.
    """

    source_rows: np.ndarray
    target_rows: np.ndarray
    source_vectors: np.ndarray
    target_vectors: np.ndarray

    @classmethod
    def of(cls, labels: LabelMatrix, estimates: Sequence[Factors], n_genes: int) -> FactorLinks:
        """Return the mean of the estimates, extended from the genes of ``labels`` to all genes."""
        rows, vectors = [], []
        for genes, sides in (
            (labels.sources, [estimate.source_vectors for estimate in estimates]),
            (labels.targets, [estimate.target_vectors for estimate in estimates]),
        ):
            row = np.full(n_genes, len(genes), np.int32)
            row[genes] = np.arange(len(genes))
            rows.append(row)
            # Side by side, so that one product sums the logits of all estimates.
            vectors.append(np.concatenate([_with_unseen(side) for side in sides], axis=1))
        return cls(rows[0], rows[1], vectors[0] / np.float32(len(estimates)), vectors[1])

    @property
    def n_genes(self) -> int:
        """Number of genes."""
        return len(self.source_rows)

    def score(self, sources: np.ndarray, targets: np.ndarray, *, block: int = BLOCK) -> np.ndarray:
        """Return the logit of each pair, float32; ``block`` pairs are computed at a time."""
        from scregnet.links.methods.compiled import pair_products

        scores = np.empty(len(sources), np.float32)
        for start in range(0, len(sources), block):
            here = slice(start, start + block)
            rows, columns = self.source_rows[sources[here]], self.target_rows[targets[here]]
            scores[here] = pair_products(self.source_vectors, self.target_vectors, rows, columns)
        return scores

    def state(self) -> dict[str, np.ndarray]:
        """Rows and vectors."""
        return dict(vars(self))

    @classmethod
    def from_state(cls, state: dict[str, np.ndarray]) -> FactorLinks:
        """The inverse of :meth:`state`; raise ``ValueError`` if the arrays do not fit together."""
        source_vectors = read_floats(state, "source_vectors", (None, None))
        target_vectors = read_floats(state, "target_vectors", (None, source_vectors.shape[1]))
        source_rows = read_integers(state, "source_rows", (None,), high=len(source_vectors) - 1)
        target_rows = read_integers(
            state, "target_rows", source_rows.shape, high=len(target_vectors) - 1
        )
        return cls(source_rows, target_rows, source_vectors, target_vectors)


@dataclass(frozen=True)
class LabelFactors(LinkMethod):
    """Null model of TFs with common targets: a logistic factorisation of the training labels.

    The logit of a pair is ``a[TF] + b[target] + u[TF] · v[target]``. It is the mean of two
    estimates. The validation pairs choose the priors, and whether there are factors at all. A TF or
    gene without training pairs gets no factors and the mean bias. The method sees no expression and
    no embedding, and draws nothing at random. See :doc:`/methods`.

    Parameters
    ----------
    rank
        Factors at most; 0 leaves the two biases.
    pairs_compared
        Training pairs above which priors are compared on a part of the targets.
    """

    rank: int = POINT_RANK
    pairs_compared: int = PAIRS_COMPARED

    fitted: ClassVar[type[FactorLinks]] = FactorLinks
    summary: ClassVar[str] = "null model: TFs with common targets, low-rank factors of the labels"
    # A closed world.
    largest_run: ClassVar[Mapping[str, float]] = {
        "genes": 20_000,
        "tfs": 1_170,
        "pairs": 23_400_000,
        "seconds": 41,
        "gib": 1.5,
    }
    is_null: ClassVar[bool] = True
    search_space: ClassVar[Mapping[str, Range]] = {"rank": Range(0, 64)}

    def __post_init__(self) -> None:
        check_integer("rank", self.rank, minimum=0)
        check_integer("pairs_compared", self.pairs_compared, minimum=1)

    def fit(
        self,
        task: LinkTask,
        *,
        rng: np.random.Generator,
        device: Any = None,
        progress: Progress | None = None,
    ) -> FitResult:
        """Factorise the training labels; validation pairs choose the priors."""
        whole, n_genes = LabelMatrix.of(task.train), task.n_genes
        part, check = comparable_part(whole, task.validation, self.pairs_compared)
        biases = best_prior(mean_priors(0), part, check, n_genes)
        estimates = [biases.fitted_to(whole)]
        if self.rank:
            mean = best_prior(mean_priors(self.rank), part, check, n_genes)
            # The point estimate is chosen for what it adds to the mean.
            points = point_priors(self.rank, mean.prior.target_precision)
            point = best_prior(points, part, check, n_genes, given=[mean.factors])
            both = list(
                in_threads(
                    lambda chosen: chosen.fitted_to(whole),
                    (mean, point),
                    parallel=worth_threads(whole),
                )
            )
            # Compared on all targets: a part may be too little to find factors in.
            losses = [
                validation_loss(whole, some, task.validation, n_genes) for some in (both, estimates)
            ]
            if losses[0] < losses[1]:
                estimates = both
        return FitResult(FactorLinks.of(whole, estimates, n_genes))


def mean_priors(rank: int) -> list[FactorPrior]:
    """Return the priors to choose from for the variational mean."""
    return [
        FactorPrior(
            min(rank, MEAN_RANK),
            MEAN_PRECISION,
            target_precision,
            variational=True,
            n_iterations=MEAN_ITERATIONS,
        )
        for target_precision in TARGET_PRECISIONS
    ]


def point_priors(rank: int, target_precision: float) -> list[FactorPrior]:
    """Return the priors to choose from for the most probable values."""
    return [
        FactorPrior(
            rank, precision, target_precision, variational=False, n_iterations=POINT_ITERATIONS
        )
        for precision in POINT_PRECISIONS
    ]


@dataclass(frozen=True, eq=False)
class Chosen:
    """A prior, and the factors that it gives on the labels it was chosen on."""

    prior: FactorPrior
    labels: LabelMatrix
    factors: Factors

    def fitted_to(self, labels: LabelMatrix) -> Factors:
        """Return the factors of ``labels`` under this prior."""
        return self.factors if labels is self.labels else factorise(labels, self.prior)


def best_prior(
    priors: Sequence[FactorPrior],
    labels: LabelMatrix,
    validation: Pairs,
    n_genes: int,
    *,
    given: Sequence[Factors] = (),
) -> Chosen:
    """Return the prior of least validation loss, in the mean with the ``given`` estimates."""
    fits = list(
        in_threads(lambda prior: factorise(labels, prior), priors, parallel=worth_threads(labels))
    )
    losses = [validation_loss(labels, [*given, fit], validation, n_genes) for fit in fits]
    best = int(np.argmin(losses))
    return Chosen(priors[best], labels, fits[best])


def worth_threads(labels: LabelMatrix) -> bool:
    """Whether most of the time is spent in large arrays and compiled loops."""
    return labels.n_pairs > PARALLEL_PAIRS


def validation_loss(
    labels: LabelMatrix, estimates: Sequence[Factors], validation: Pairs, n_genes: int
) -> float:
    """Return the loss of the calibrated mean of the estimates on the validation pairs."""
    links = FactorLinks.of(labels, estimates, n_genes)
    scores = links.score(validation.sources, validation.targets)
    return PlattCalibration.fit(scores, validation.labels, weights=validation.weights).loss


def comparable_part(
    labels: LabelMatrix, validation: Pairs, pairs_compared: int
) -> tuple[LabelMatrix, Pairs]:
    """Return every k-th target with its validation pairs, so that few enough pairs remain."""
    n_targets = len(labels.targets)
    step = max(-(-labels.n_pairs // pairs_compared), -(-n_targets // TARGETS_COMPARED))
    step = min(step, n_targets)
    if step <= 1:
        return labels, validation
    part = labels.every(step)
    kept = np.zeros(max(part.targets.max(), validation.targets.max()) + 1, bool)
    kept[part.targets] = True
    check = validation.take(kept[validation.targets])
    # The loss needs edges and non-edges. Without them, all validation pairs are used: targets that
    # are not in the part have the mean bias, so their pairs still show something.
    return part, check if 0 < check.n_positive < len(check) else validation


def _with_unseen(vectors: np.ndarray) -> np.ndarray:
    """Append the vector of unseen genes: no factors, and the mean of the last two columns."""
    unseen = np.zeros((1, vectors.shape[1]), np.float32)
    unseen[:, -2:] = vectors[:, -2:].mean(axis=0)
    return np.concatenate([vectors, unseen])
