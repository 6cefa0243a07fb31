"""Known signs, as arrays of positions."""

from __future__ import annotations

from collections.abc import Iterator
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

    def without_outside(self, tfs: np.ndarray) -> KnownSigns:
        """Return the signs without the outside edges of some TFs."""
        outside = self.outside.copy()
        # What regulates these genes stays: that is not their sign as TFs.
        outside[tfs, :2] = 0
        return replace(self, outside=outside)

    def by_tf(self) -> Iterator[tuple[int, np.ndarray]]:
        """Yield each regulator and the positions of its edges."""
        order = np.argsort(self.sources, kind="stable")
        tfs, starts = np.unique(self.sources[order], return_index=True)
        for tf, edges in zip(tfs, np.split(order, starts[1:]), strict=True):
            yield int(tf), edges

    def tf_counts(self) -> np.ndarray:
        """Return how often each gene activates and represses as a TF, int64 (n_genes, 2)."""
        counts = self.outside[:, :2].astype(np.int64)
        np.add.at(counts, (self.sources, (~self.activates).astype(np.intp)), 1)
        return counts

    @property
    def share(self) -> float:
        """Share of the edges in the data that activate."""
        return float(self.activates.mean())
