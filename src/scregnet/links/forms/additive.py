"""Links whose score is a sum of one number per source and one per target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from scregnet.links.forms.saved import read_floats

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, eq=False)
class AdditiveLinks:
    """Fitted links with the logit ``source_term[source] + target_term[target]``.

    Both terms are float32 of shape (n_genes,).
    """

    source_term: np.ndarray
    target_term: np.ndarray

    @property
    def n_genes(self) -> int:
        """Number of genes."""
        return len(self.source_term)

    def score(self, sources: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Return the logit of each pair, float32."""
        return self.source_term[sources] + self.target_term[targets]

    def terms(self, sources: np.ndarray, targets: np.ndarray) -> dict[str, np.ndarray]:
        """Return both terms of each pair; they add up to :meth:`score`."""
        return {
            "tf_popularity": self.source_term[sources],
            "target_popularity": self.target_term[targets],
        }

    def state(self) -> dict[str, np.ndarray]:
        """Both terms."""
        return {"source_term": self.source_term, "target_term": self.target_term}

    @classmethod
    def from_state(cls, state: dict[str, np.ndarray]) -> AdditiveLinks:
        """The inverse of :meth:`state`; arrays that do not fit together raise ``ValueError``."""
        source_term = read_floats(state, "source_term", (None,))
        return cls(source_term, read_floats(state, "target_term", source_term.shape))
