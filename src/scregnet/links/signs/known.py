"""Known signs, as arrays of positions."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

ROLES = ("tf_activates", "tf_represses", "target_activated", "target_repressed")
"""Columns of :attr:`KnownSigns.outside`."""


@dataclass(frozen=True, eq=False)
class KnownSigns:
    """The edges whose sign a known network gives."""

    sources: np.ndarray
    """int32 positions of the regulators, one per edge."""

    targets: np.ndarray
    """int32 positions of the targets, one per edge."""

    activates: np.ndarray
    """bool: the edge activates; else it represses."""

    outside: np.ndarray
    """Signed edges of each gene whose other gene is not in the data: int32 (n_genes, 4), with the
    columns :data:`ROLES`. They still tell whether a TF usually represses."""

    @property
    def n_genes(self) -> int:
        """Number of genes of the data."""
        return len(self.outside)

    @property
    def n_repressing(self) -> int:
        """Number of edges that repress."""
        return int((~self.activates).sum())

    def __len__(self) -> int:
        return len(self.activates)

    def take(self, which: np.ndarray) -> KnownSigns:
        """Return the edges at the given positions or under a mask, with all outside edges."""
        return replace(
            self,
            sources=self.sources[which],
            targets=self.targets[which],
            activates=self.activates[which],
        )

    def without_tfs(self, tfs: np.ndarray) -> KnownSigns:
        """Return the signs without all that is known of some TFs, also outside the data."""
        outside = self.outside.copy()
        # As targets these genes stay: that is another question.
        outside[tfs, :2] = 0
        kept = self.take(~np.isin(self.sources, tfs))
        return replace(kept, outside=outside)

    def tf_counts(self) -> np.ndarray:
        """Return how often each gene activates and represses as a TF, int64 (n_genes, 2)."""
        counts = self.outside[:, :2].astype(np.int64)
        np.add.at(counts, (self.sources, (~self.activates).astype(np.intp)), 1)
        return counts

    @property
    def share(self) -> float:
        """Share of the edges in the data that activate."""
        return float(self.activates.mean())
