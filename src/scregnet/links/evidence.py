"""What other experiments know about genes and TFs, as arrays: one layer."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse as sp


@dataclass(frozen=True, eq=False)
class EvidenceLayer:
    """One layer, by the positions of the genes. What is not known is marked, and is not 0."""

    name: str

    profile: np.ndarray
    """Similar for genes that the same experiments find, float32 of shape (n_genes, width). Zeros
    where not covered."""

    popularity: np.ndarray
    """Mean over the TFs of the layer, float32 of shape (n_genes,). 0 where not covered."""

    covered: np.ndarray
    """Which genes the experiments may find, bool of shape (n_genes,)."""

    tracks: sp.csr_matrix
    """Mean of the experiments of each TF, not negative, float32 of shape (n_genes, n_genes). Rows
    are TFs."""

    has_track: np.ndarray
    """Which genes are TFs with an experiment, bool of shape (n_genes,)."""

    n_tfs: int
    """Number of TFs of the layer, with those that are no gene of the data."""

    def shuffled(self, rng: np.random.Generator) -> EvidenceLayer:
        """Return the layer with its covered genes permuted, as targets: a control of its shape."""
        place = np.arange(len(self.covered))
        covered = np.flatnonzero(self.covered)
        place[covered] = rng.permutation(covered)
        return EvidenceLayer(
            self.name,
            self.profile[place],
            self.popularity[place],
            self.covered,
            sp.csr_matrix(self.tracks[:, place]),
            self.has_track,
            self.n_tfs,
        )


@dataclass(frozen=True, eq=False)
class PairColumns:
    """Two numbers for each pair of genes, from the tracks of a layer: :meth:`of_tf`."""

    popularity: np.ndarray
    covered: np.ndarray
    tracks: sp.csr_matrix
    has_track: np.ndarray
    n_tfs: int

    @classmethod
    def of(cls, layer: EvidenceLayer) -> PairColumns:
        """Take what is needed of a layer."""
        return cls(layer.popularity, layer.covered, layer.tracks, layer.has_track, layer.n_tfs)

    def of_tf(self, source: int) -> np.ndarray:
        """Return two numbers for each gene as a target of one TF, float32 (2, n_genes).

        - Log popularity among the *other* TFs of the layer, standardised over the covered genes.
        - The TF's own track elsewhere, standardised over the covered genes.

        0, the mean, where the layer does not know.
        """
        columns = np.zeros((2, len(self.covered)), np.float32)
        here = self.covered
        if not self.has_track[source]:
            columns[0, here] = self._popularity[here]
            return columns
        track = self._track(source)
        # The TF's own share of popularity is already in its track.
        others = (self.n_tfs * self.popularity - track) / max(self.n_tfs - 1, 1)
        columns[0, here] = self._standardised(others)[here]
        columns[1, here] = _standardised(track[here], *_moments(track[here]))
        return columns

    def _track(self, source: int) -> np.ndarray:
        start, end = self.tracks.indptr[source : source + 2]
        track = np.zeros(len(self.covered), np.float32)
        track[self.tracks.indices[start:end]] = self.tracks.data[start:end]
        return track

    @cached_property
    def _least(self) -> float:
        """Added before the logarithm: a tenth of the mean, so that rare genes are not extreme."""
        return float(self.popularity[self.covered].mean()) / 10 if self.covered.any() else 0.0

    @cached_property
    def _size(self) -> tuple[float, float]:
        return _moments(self._log(self.popularity[self.covered]))

    @cached_property
    def _popularity(self) -> np.ndarray:
        return self._standardised(self.popularity)

    def _standardised(self, popularity: np.ndarray) -> np.ndarray:
        return _standardised(self._log(popularity), *self._size)

    def _log(self, popularity: np.ndarray) -> np.ndarray:
        return np.log(np.maximum(popularity, 0) + self._least + 1e-12)


def _moments(values: np.ndarray) -> tuple[float, float]:
    return (float(values.mean()), float(values.std())) if values.size else (0.0, 0.0)


def _standardised(values: np.ndarray, mean: float, spread: float) -> np.ndarray:
    # A column without variation says nothing.
    return (values - mean) / spread if spread > 1e-6 else np.zeros_like(values)
