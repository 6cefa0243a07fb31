"""Links whose score is what a neural network says of a pair. Imports torch when it computes."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, Self

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, eq=False)
class NetworkLinks:
    """Fitted links that hold a trained module.

    The module maps positions of sources and targets to logits, a block at a time. Its ``arrays()``
    are what it needs beside its weights, its ``n_genes`` the number of genes.
    """

    network: Any

    home: ClassVar[str]
    """The Python module whose ``read_network`` makes the network of checked arrays."""

    @property
    def n_genes(self) -> int:
        """Number of genes that it was fitted to."""
        return int(self.network.n_genes)

    def score(self, sources: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Return the logit of each pair, float32."""
        from scregnet.links.neural.weights import score_pairs

        return score_pairs(self.network, sources, targets)

    def state(self) -> dict[str, np.ndarray]:
        """The arrays of the network and its weights."""
        from scregnet.links.neural.weights import weights_state

        return self.network.arrays() | weights_state(self.network)

    @classmethod
    def from_state(cls, state: dict[str, np.ndarray]) -> Self:
        """The inverse of :meth:`state`; arrays that do not fit together raise ``ValueError``."""
        return cls(import_module(cls.home).read_network(state))
