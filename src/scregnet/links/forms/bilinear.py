"""Scores that are a product of one vector per source and one per target."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

BLOCK = 1 << 16
"""Pairs whose vectors are held at a time."""


@dataclass(frozen=True, eq=False)
class BilinearLinks:
    """A fitted method whose logit is ``source_vectors[source] @ target_vectors[target]``; both float32 of shape (n_genes, width)."""

    source_vectors: np.ndarray
    target_vectors: np.ndarray

    def score(self, sources: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Logit of each pair, float32; memory beside it does not grow with the number of pairs."""
        scores = np.empty(len(sources), np.float32)
        for start in range(0, len(sources), BLOCK):
            block = slice(start, start + BLOCK)
            # Not kept under names, or a block's vectors would still be there while the next are made.
            scores[block] = np.einsum(
                "ij,ij->i", self.source_vectors[sources[block]], self.target_vectors[targets[block]]
            )
        return scores

    def state(self) -> dict[str, np.ndarray]:
        """Both sets of vectors."""
        return {"source_vectors": self.source_vectors, "target_vectors": self.target_vectors}

    @classmethod
    def from_state(cls, state: dict[str, np.ndarray]) -> BilinearLinks:
        """The inverse of :meth:`state`."""
        return cls(
            np.asarray(state["source_vectors"], np.float32),
            np.asarray(state["target_vectors"], np.float32),
        )
