"""What a model in training has to offer, and the batches that it is given."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import torch

    from scregnet.encoders.protocol import CellStream, GeneMatch
    from scregnet.encoders.weights.files import Weights

IGNORED = -100
"""Label of positions that are not to be predicted; torch's own value for this."""


@dataclass(frozen=True)
class MaskedBatch:
    """Cells with some positions hidden, as rectangular arrays, cells × positions.

    ``inputs`` (int64) is what the model sees. ``mask`` (bool) is ``False`` at padding. ``labels``
    (int64) is what the model should predict, and :data:`IGNORED` elsewhere.
    """

    inputs: np.ndarray
    mask: np.ndarray
    labels: np.ndarray

    @property
    def n_masked(self) -> int:
        """Positions to predict."""
        return int((self.labels != IGNORED).sum())

    def parts(self, size: int) -> Iterator[MaskedBatch]:
        """Yield ``size`` cells at a time, without the padding that they do not need."""
        for start in range(0, len(self.inputs), size):
            rows = slice(start, start + size)
            width = int(self.mask[rows].sum(axis=1).max())
            yield MaskedBatch(
                self.inputs[rows, :width], self.mask[rows, :width], self.labels[rows, :width]
            )


class MaskedModel(ABC):
    """A model in training: its network, the cells as tokens, how they are masked, and its files."""

    network: torch.nn.Module
    lengths: np.ndarray
    """Positions of every cell that has any (int64)."""
    room: int = 4 << 30
    """Bytes that layers may keep for the backward pass; beyond, they are computed a second time."""

    @classmethod
    @abstractmethod
    def from_scratch(
        cls,
        cells: CellStream,
        genes: np.ndarray,
        *,
        n_layers: int,
        hidden_size: int,
        n_heads: int,
        seed: int,
    ) -> MaskedModel:
        """Make a network with random weights, and the vocabulary of the genes of the data."""

    @classmethod
    @abstractmethod
    def from_weights(cls, weights: Weights) -> MaskedModel:
        """Read network, head and vocabulary from their files."""

    @abstractmethod
    def match(self, genes: np.ndarray) -> GeneMatch:
        """Find genes in the vocabulary."""

    @abstractmethod
    def read(
        self, cells: CellStream, genes: np.ndarray, *, scratch: Path | None = None
    ) -> GeneMatch:
        """Turn the cells into tokens and keep them; leave out cells without any.

        Tokens that are too many for the memory go to a file in the folder ``scratch``.
        """

    @abstractmethod
    def masked(self, cells: np.ndarray, rng: np.random.Generator) -> MaskedBatch:
        """Return cells with some positions hidden."""

    @abstractmethod
    def loss(self, batch: MaskedBatch, device: torch.device) -> torch.Tensor:
        """Return the cross-entropy (natural logarithm), summed over the hidden positions."""

    @abstractmethod
    def frequencies(self, cells: np.ndarray) -> Callable[[MaskedBatch], float]:
        """Return the loss of a null model, a function like :meth:`loss`.

        The null model knows only how frequent each answer is in ``cells``.
        """

    @abstractmethod
    def state(self) -> dict[str, torch.Tensor]:
        """Return the tensors of the network under their published names."""

    @abstractmethod
    def load(self, state: Mapping[str, torch.Tensor]) -> None:
        """Take back what :meth:`state` returned."""

    @abstractmethod
    def digest(self) -> str:
        """Return a hash of the cells' tokens and the vocabulary."""

    @abstractmethod
    def write(self, folder: Path) -> None:
        """Write weights, configuration and dictionaries in the layout that the encoder reads."""
