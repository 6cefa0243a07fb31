"""A weighted sum of columns as fitted links."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scregnet.links.forms.saved import State, read_floats
from scregnet.links.pairs.codes import grouped
from scregnet.links.transfer.columns import OF_LAYER, TransferColumns


@dataclass(frozen=True, eq=False)
class TransferLinks:
    """Score of a pair: the sum of its columns, each times a weight."""

    columns: TransferColumns
    weights: np.ndarray
    """float32 (n_columns,)."""

    @property
    def n_genes(self) -> int:
        """Number of genes."""
        return self.columns.n_genes

    def score(self, sources: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Return the score of each pair, float32."""
        scores = np.empty(len(sources), np.float32)
        for source, places in grouped(sources):
            scores[places] = self.of_tf(source)[targets[places]]
        return scores

    def of_tf(self, source: int) -> np.ndarray:
        """Return the scores of all genes as targets of one TF, float32."""
        used = self.weights != 0
        return np.asarray(self.weights[used] @ self.columns.of_tf(source, used)[used])

    def state(self) -> dict[str, np.ndarray]:
        """Plain arrays from which :meth:`from_state` makes an equal object.

        Profiles are kept only where a weight needs them.
        """
        state = self.columns.state() | {"weights": self.weights}
        near = OF_LAYER.index("near")
        for number, profile in enumerate(self.columns.profiles):
            if self.weights[number * len(OF_LAYER) + near] == 0:
                state[f"profile_{number}"] = np.zeros((len(profile), 0), np.float32)
        return state

    @classmethod
    def from_state(cls, state: State) -> TransferLinks:
        """The inverse of :meth:`state`; raise ``ValueError`` if arrays do not fit together."""
        columns = TransferColumns.from_state(state)
        return cls(columns, read_floats(state, "weights", (len(columns.places),)))
