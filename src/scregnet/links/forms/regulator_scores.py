"""Links whose score stands in a table of candidate TFs × genes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scregnet.links.forms.saved import check_ascending, read_floats, read_integers


@dataclass(frozen=True, eq=False)
class RegulatorScores:
    """Fitted links of a method without labels.

    ``values`` is float32 of shape (n_tfs, n_genes), ``regulators`` the ascending positions of the
    TFs. A pair whose source is no candidate TF has the lowest score, 0.
    """

    regulators: np.ndarray
    values: np.ndarray

    @property
    def n_genes(self) -> int:
        """Number of genes that it was fitted to."""
        return self.values.shape[1]

    def score(self, sources: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Return the score of each pair, float32, 0 or more."""
        scores = np.zeros(len(sources), np.float32)
        known = self.scored(sources)
        rows = np.searchsorted(self.regulators, np.asarray(sources)[known])
        scores[known] = self.values[rows, np.asarray(targets)[known]]
        return scores

    def scored(self, sources: np.ndarray) -> np.ndarray:
        """Return which of the genes are candidate TFs."""
        return np.isin(sources, self.regulators)

    def state(self) -> dict[str, np.ndarray]:
        """Both arrays."""
        return {"regulators": self.regulators, "values": self.values}

    @classmethod
    def from_state(cls, state: dict[str, np.ndarray]) -> RegulatorScores:
        """The inverse of :meth:`state`; arrays that do not fit together raise ``ValueError``."""
        values = read_floats(state, "values", (None, None))
        n_tfs, n_genes = values.shape
        regulators = read_integers(state, "regulators", (n_tfs,), high=n_genes - 1)
        check_ascending("regulators", regulators, strictly=True)
        return cls(regulators, values)

    @classmethod
    def mean(cls, members: list[RegulatorScores]) -> RegulatorScores:
        """Return the mean of the scores of several fits to the same candidates."""
        total = np.zeros(members[0].values.shape, np.float32)
        for member in members:
            total += member.values
        return cls(members[0].regulators, total / np.float32(len(members)))
