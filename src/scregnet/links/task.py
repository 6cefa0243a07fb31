"""The objects that travel through the core: labelled pairs, the task a method sees, what a method must offer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

import numpy as np

Progress = Callable[[int, dict[str, float]], None]
"""Called after each epoch with its number and the figures of its history row."""


@dataclass(frozen=True, eq=False)
class Pairs:
    """Labelled pairs of genes: ``sources`` and ``targets`` are int32 positions of genes, ``labels`` is bool."""

    sources: np.ndarray
    targets: np.ndarray
    labels: np.ndarray

    def __post_init__(self) -> None:
        if not len(self.sources) == len(self.targets) == len(self.labels):
            msg = f"sources, targets and labels differ in length: {len(self.sources)}, {len(self.targets)}, {len(self.labels)}."
            raise ValueError(msg)

    def __len__(self) -> int:
        return len(self.sources)

    @property
    def n_positive(self) -> int:
        """Number of edges among the pairs."""
        return int(self.labels.sum())

    def take(self, which: np.ndarray) -> Pairs:
        """The pairs at the given positions or under the given mask."""
        return Pairs(self.sources[which], self.targets[which], self.labels[which])


@dataclass(frozen=True, eq=False)
class Split:
    """Three disjoint parts of the labelled pairs. Only ``train`` and ``validation`` ever reach a method."""

    train: Pairs
    validation: Pairs
    test: Pairs


@dataclass(frozen=True, eq=False)
class LinkTask:
    """What a method is given: everything but the test pairs, so that none can look at them.

    ``expression`` is float32 of shape (n_genes, n_features), standardised per gene; ``embedding`` is float32 of shape
    (n_genes, width) with zero rows for genes that have none; ``summary`` is float32 of shape (n_genes, 3): mean, standard deviation and detection
    rate of the expression before it was standardised; ``families`` is int32 of shape (n_genes,), the same number for genes of one family. Each may be ``None``.
    """

    n_genes: int
    train: Pairs
    validation: Pairs
    expression: np.ndarray | None = None
    embedding: np.ndarray | None = None
    summary: np.ndarray | None = None
    families: np.ndarray | None = None

    @property
    def message_graph(self) -> np.ndarray:
        """Edges that messages may pass along; shape (2, n), the training positives, source above target."""
        known = self.train.labels
        return np.stack([self.train.sources[known], self.train.targets[known]]).astype(np.int64)


class FittedLinks(Protocol):
    """A fitted method: scores any pair and gives its state as plain arrays."""

    def score(self, sources: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Score of each pair, float32, higher for likelier edges; on the logit scale where the method has one."""
        ...

    def state(self) -> dict[str, np.ndarray]:
        """Arrays from which :meth:`from_state` makes an equal object."""
        ...

    @classmethod
    def from_state(cls, state: dict[str, np.ndarray]) -> FittedLinks:
        """The inverse of :meth:`state`."""
        ...


@dataclass(frozen=True, eq=False)
class FitResult:
    """What :meth:`LinkMethod.fit` returns: the fitted links, one history row an epoch, the epoch that was kept (-1: no epochs)."""

    links: FittedLinks
    history: list[dict[str, float]] = field(default_factory=list)
    best_epoch: int = -1


class LinkMethod(Protocol):
    """A method of link prediction: a frozen dataclass whose fields are its hyper-parameters.

    Derive from it, set ``summary`` and ``fitted``, and write ``fit``.
    """

    summary: ClassVar[str]
    """What the method is, in one line."""

    fitted: ClassVar[type[FittedLinks]]
    """Class of the fitted links. Its ``from_state`` reads what a file holds."""

    is_null: ClassVar[bool] = False
    """Whether it is a null model. It sees no expression and no embedding; every fit reports it."""

    needs_expression: ClassVar[bool] = False
    """Whether the task must have ``expression`` and ``summary``."""

    uses_embedding: ClassVar[bool] = False
    """Whether the task may have an ``embedding``."""

    uses_torch: ClassVar[bool] = False
    """Whether ``fit`` gets a torch device; else ``device`` is ``None``, and torch stays out."""

    search_space: ClassVar[Mapping[str, Any]] = {}
    """Hyper-parameters that :func:`scregnet.tl.tune_grn` searches by default."""

    ablations: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    """Name of a version without one part to the hyper-parameters that make it."""

    def fit(
        self,
        task: LinkTask,
        *,
        rng: np.random.Generator,
        device: Any,
        progress: Progress | None = None,
    ) -> FitResult:
        """Fit to the training pairs. Validation pairs may stop the training and choose, no more."""
        ...
