"""The objects that travel through the core: labelled pairs, a task, and what a method offers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np

if TYPE_CHECKING:
    from scregnet.links.evidence import EvidenceLayer

Progress = Callable[[int, dict[str, float]], None]
"""Called after each epoch with its number and its history row."""


@dataclass(frozen=True, eq=False)
class Pairs:
    """Labelled pairs: int32 positions of genes as ``sources`` and ``targets``, bool ``labels``."""

    sources: np.ndarray
    targets: np.ndarray
    labels: np.ndarray
    share: float = 1.0
    """Share of the non-edges that these pairs hold, drawn at random; all edges are there."""

    def __post_init__(self) -> None:
        if not len(self.sources) == len(self.targets) == len(self.labels):
            msg = (
                "sources, targets and labels differ in length: "
                f"{len(self.sources)}, {len(self.targets)}, {len(self.labels)}."
            )
            raise ValueError(msg)

    def __len__(self) -> int:
        return len(self.sources)

    @property
    def n_positive(self) -> int:
        """Number of edges among the pairs."""
        return int(self.labels.sum())

    def take(self, which: np.ndarray) -> Pairs:
        """Return the pairs at the given positions or under the given mask."""
        return replace(
            self,
            sources=self.sources[which],
            targets=self.targets[which],
            labels=self.labels[which],
        )

    @property
    def weights(self) -> np.ndarray | None:
        """How many pairs each stands for, float64 of shape (n,); ``None`` if each is one."""
        return None if self.share == 1 else np.where(self.labels, 1.0, 1 / self.share)


@dataclass(frozen=True, eq=False)
class Split:
    """Three disjoint parts of the labelled pairs. A method never gets ``test``."""

    train: Pairs
    validation: Pairs
    test: Pairs

    @property
    def all(self) -> tuple[Pairs, Pairs, Pairs]:
        """The three parts."""
        return self.train, self.validation, self.test


@dataclass(frozen=True, eq=False)
class LinkTask:
    """What a method is given: everything but the test pairs. Each feature may be ``None``."""

    n_genes: int
    train: Pairs
    validation: Pairs
    expression: np.ndarray | None = None
    """Standardised per gene, float32 of shape (n_genes, n_features)."""

    embedding: np.ndarray | None = None
    """Float32 of shape (n_genes, width); zero rows for genes without a vector."""

    summary: np.ndarray | None = None
    """Mean, standard deviation and detection rate before standardising, float32 (n_genes, 3)."""

    families: np.ndarray | None = None
    """The same number for genes of one family, int32 of shape (n_genes,)."""

    evidence: tuple[EvidenceLayer, ...] = ()
    """Layers of other experiments; none for methods without ``uses_evidence``."""

    regulators: np.ndarray | None = None
    """Ascending positions of the candidate TFs; ``None`` takes all genes. Only methods without
    ``needs_labels`` get them."""

    pseudotime: np.ndarray | None = None
    """Place in time of each column of ``expression``, float64; for ``needs_pseudotime``."""

    @property
    def candidates(self) -> np.ndarray:
        """Positions of the candidate TFs, int32."""
        found = np.arange(self.n_genes) if self.regulators is None else self.regulators
        return np.asarray(found, np.int32)

    @property
    def message_graph(self) -> np.ndarray:
        """Training positives of shape (2, n), source above target. Messages pass along them."""
        known = self.train.labels
        return np.stack([self.train.sources[known], self.train.targets[known]]).astype(np.int64)


class Scorer(Protocol):
    """What can be judged: it scores any pair."""

    def score(self, sources: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Return the score of each pair, float32, higher for likelier edges; best a logit."""
        ...


class FittedLinks(Scorer, Protocol):
    """A fitted method: it scores any pair and gives its state as plain arrays."""

    @property
    def n_genes(self) -> int:
        """Number of genes that it was fitted to."""
        ...

    def state(self) -> dict[str, np.ndarray]:
        """Return arrays from which :meth:`from_state` makes an equal object."""
        ...

    @classmethod
    def from_state(cls, state: dict[str, np.ndarray]) -> FittedLinks:
        """Make an equal object from its :meth:`state`."""
        ...


@dataclass(frozen=True, eq=False)
class FitResult:
    """What :meth:`LinkMethod.fit` returns."""

    links: FittedLinks
    history: list[dict[str, float]] = field(default_factory=list)
    """One row an epoch; empty for methods without epochs."""

    best_epoch: int = -1
    """The epoch that was kept; -1 for methods without epochs."""


@dataclass(frozen=True, eq=False)
class FoldFit:
    """What a method's ``fit_folds`` yields: links that never saw a fold, and what calibrates them.

    The scores belong to pairs outside the fold, each scored without its own label.
    """

    links: FittedLinks
    repeat: int
    """Which of the columns of ``folds`` it belongs to."""

    fold: int
    places: np.ndarray
    """Positions of the scored pairs among the labelled ones."""

    scores: np.ndarray
    weights: np.ndarray
    """Number of pairs that each of them counts for; above 1 where non-edges were sampled."""


class LinkMethod(Protocol):
    """A method of link prediction: a frozen dataclass whose fields are its hyper-parameters.

    Derive from it, set ``summary`` and ``fitted``, and write ``fit``. A method that fits all folds
    faster than one after the other may also write ``fit_folds(task, folds, *, rng, device)``. It
    gets all labelled pairs as ``task.train`` and their folds, of shape (n_pairs, n_repeats), and
    yields a :class:`FoldFit` for each fold of each repeat.

    A method with a costly step that reads no label may write that as ``prepare(task, *, rng,
    device)``, and take what it returns as ``fit(..., prepared=)``: folds and splits then share it.
    ``fit`` must do the same, to the last bit, if it has to call ``prepare`` itself.
    """

    summary: ClassVar[str]
    """What the method is, in one line."""

    fitted: ClassVar[type[FittedLinks]]
    """Class of the fitted links. Its ``from_state`` reads stored models."""

    is_null: ClassVar[bool] = False
    """Whether it is a null model. It sees no expression and no embedding; every fit reports it."""

    needs_labels: ClassVar[bool] = True
    """Whether ``fit`` reads labelled pairs. A method without is fitted to ``expression`` alone, and
    works without a known network."""

    needs_expression: ClassVar[bool] = False
    """Whether the task must have ``expression`` and ``summary``."""

    needs_pseudotime: ClassVar[bool] = False
    """Whether the task must have ``pseudotime``; a method may set it by its hyper-parameters."""

    uses_embedding: ClassVar[bool] = False
    """Whether the task may have an ``embedding``."""

    uses_evidence: ClassVar[bool] = False
    """Whether the task may have ``evidence``. To other methods that use an embedding, the profiles
    of the layers are part of it."""

    uses_torch: ClassVar[bool] = False
    """Whether ``fit`` gets a torch device; else ``device`` is ``None``, and torch stays out."""

    many_threads: ClassVar[bool] = False
    """Whether steps of torch are so large that a second thread helps. Small ones only wait."""

    citation: ClassVar[str] = ""
    """Key in ``docs/references.bib`` of its paper; empty for the package's own."""

    code_licence: ClassVar[str] = ""
    """Licence of the code that was published with that paper; empty if there is none. None of it is
    in this package."""

    largest_run: ClassVar[Mapping[str, float]] = {}
    """Size of the largest data it was run on here, as ``genes``, ``cells`` (or ``pairs``) and
    ``tfs``, and what that took, as CPU ``seconds`` and peak memory ``gib``."""

    search_space: ClassVar[Mapping[str, Any]] = {}
    """Hyper-parameters that :func:`scregnet.tl.tune_grn` searches by default."""

    ablations: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    """Name of a version without one part to the hyper-parameters that make it."""

    fold_share: ClassVar[float] = 1.0
    """Time of the fit of a fold, as a share of that of the fit which is evaluated."""

    seconds_per_link: ClassVar[float] = 1e-6
    """Time to score a link of a TF with labels by one fitted model, on one CPU core."""

    def rough_seconds(self, task: LinkTask) -> float | None:
        """Return about how long a fit takes on one CPU core; ``None`` if that is not known."""
        return None

    def fit(
        self,
        task: LinkTask,
        *,
        rng: np.random.Generator,
        device: Any,
        progress: Progress | None = None,
    ) -> FitResult:
        """Fit to the training pairs.

        Validation pairs may choose hyper-parameters and stop the training, no more: they also
        calibrate the scores.
        """
        ...
