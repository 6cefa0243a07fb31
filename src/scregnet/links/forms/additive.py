"""Scores that are a sum of one number per source and one per target."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class AdditiveLinks:
    """A fitted method whose logit is ``source_term[source] + target_term[target]``; both terms float32 of shape (n_genes,)."""

    source_term: np.ndarray
    target_term: np.ndarray

    def score(self, sources: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Logit of each pair, float32."""
        return self.source_term[sources] + self.target_term[targets]

    def state(self) -> dict[str, np.ndarray]:
        """Both terms."""
        return {"source_term": self.source_term, "target_term": self.target_term}

    @classmethod
    def from_state(cls, state: dict[str, np.ndarray]) -> AdditiveLinks:
        """The inverse of :meth:`state`."""
        return cls(
            np.asarray(state["source_term"], np.float32),
            np.asarray(state["target_term"], np.float32),
        )
