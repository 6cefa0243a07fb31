"""Links whose score is a product of one vector per source and one per target."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scregnet.links.forms.saved import read_floats

BLOCK = 1 << 16
"""Pairs whose vectors are in memory at a time."""


@dataclass(frozen=True, eq=False)
class BilinearLinks:
    """Fitted links with the logit ``source_vectors[source] · target_vectors[target]``.

    Both sets of vectors are float32 of shape (n_genes, width).
    """

    source_vectors: np.ndarray
    target_vectors: np.ndarray

    @property
    def n_genes(self) -> int:
        """Number of genes."""
        return len(self.source_vectors)

    def score(self, sources: np.ndarray, targets: np.ndarray, *, block: int = BLOCK) -> np.ndarray:
        """Return the logit of each pair, float32; ``block`` pairs are computed at a time."""
        scores = np.empty(len(sources), np.float32)
        for start in range(0, len(sources), block):
            here = slice(start, start + block)
            # No names for the vectors: they would keep a block's vectors in memory while the next
            # block's are made.
            scores[here] = np.einsum(
                "ij,ij->i", self.source_vectors[sources[here]], self.target_vectors[targets[here]]
            )
        return scores

    def state(self) -> dict[str, np.ndarray]:
        """Both sets of vectors."""
        return {"source_vectors": self.source_vectors, "target_vectors": self.target_vectors}

    @classmethod
    def from_state(cls, state: dict[str, np.ndarray]) -> BilinearLinks:
        """The inverse of :meth:`state`; arrays that do not fit together raise ``ValueError``."""
        source_vectors = read_floats(state, "source_vectors", (None, None))
        return cls(source_vectors, read_floats(state, "target_vectors", source_vectors.shape))
