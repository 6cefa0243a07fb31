"""What methods share that are fitted to expression alone."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from scregnet.links.forms.regulator_scores import RegulatorScores
from scregnet.links.task import FitResult, LinkMethod, LinkTask, Progress


@dataclass(frozen=True)
class FromExpression(LinkMethod):
    """A method that reads no label: derive from it and write ``table``."""

    fitted: ClassVar[type[RegulatorScores]] = RegulatorScores
    needs_labels: ClassVar[bool] = False
    needs_expression: ClassVar[bool] = True

    @abstractmethod
    def table(
        self, expression: np.ndarray, regulators: np.ndarray, task: LinkTask, seed: int
    ) -> np.ndarray:
        """Return the scores of all pairs, float32 of shape (n_tfs, n_genes), 0 or more.

        Parameters
        ----------
        expression
            Standardised per gene, float32 (n_genes, n_cells), C-contiguous.
        regulators
            Ascending positions of the candidate TFs.
        task
            All else that is given.
        seed
            Seed of what the method draws, below 2^63.
        """
        ...

    def fit(
        self,
        task: LinkTask,
        *,
        rng: np.random.Generator,
        device: Any = None,
        progress: Progress | None = None,
    ) -> FitResult:
        """Score every gene as a target of every candidate TF; no labelled pair is read."""
        assert task.expression is not None
        regulators = task.candidates
        expression = np.ascontiguousarray(task.expression, np.float32)
        # Drawn in any case: what a method draws itself then hangs on the seed alone.
        seed = int(rng.integers(2**63))
        values = np.asarray(self.table(expression, regulators, task, seed), np.float32)
        values[np.arange(len(regulators)), regulators] = 0
        return FitResult(RegulatorScores(regulators, values))
