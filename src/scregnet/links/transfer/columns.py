"""What is said of a pair in any data set: columns that mean the same everywhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from scregnet.links.evidence import EvidenceLayer, PairColumns
from scregnet.links.forms.layers import columns_from_state, columns_state
from scregnet.links.forms.saved import State, read_floats

OF_LAYER = ("popularity", "track", "near", "size")
"""Columns of each layer."""

OF_CELLS = ("mean", "spread", "detection")
"""Columns of the target's expression."""

COVERAGE = "coverage"
"""Share of the layers that cover the target."""


MOST = 3.0
"""Most standard deviations of a track: an experiment that found few genes has large ones, which
would outweigh all else."""


class Column(NamedTuple):
    """The place of a column: a layer, or ``None`` for what is said of the target alone."""

    layer: int | None
    name: str


def columns_of(n_layers: int) -> list[Column]:
    """Return the columns in their order."""
    of_layers = [Column(number, name) for number in range(n_layers) for name in OF_LAYER]
    return [*of_layers, *(Column(None, name) for name in (*OF_CELLS, COVERAGE))]


@dataclass(frozen=True, eq=False)
class TransferColumns:
    """Layers of evidence and a summary of expression, as columns of any pair.

    Each is relative to the other genes of the same data, so that a weight learned on one data set
    has the same meaning on another.
    """

    layers: tuple[PairColumns, ...]
    profiles: tuple[np.ndarray, ...]
    """float32 (n_genes, width) of each layer."""

    of_targets: np.ndarray
    """float32 (n_layers + 4, n_genes): size of each profile, ``OF_CELLS``, coverage."""

    @classmethod
    def of(cls, layers: Sequence[EvidenceLayer], summary: np.ndarray) -> TransferColumns:
        """Describe genes by layers and by a summary of expression, (n_genes, 3)."""
        sizes = [_standardised(np.linalg.norm(layer.profile, axis=1)) for layer in layers]
        cells = [_ranks(column) for column in summary.T]
        covered = np.mean([layer.covered for layer in layers], axis=0)
        return cls(
            tuple(PairColumns.of(layer) for layer in layers),
            tuple(layer.profile for layer in layers),
            np.stack([*sizes, *cells, covered]).astype(np.float32),
        )

    @property
    def n_genes(self) -> int:
        """Number of genes."""
        return int(self.of_targets.shape[1])

    @property
    def places(self) -> list[Column]:
        """The columns, in the order of :meth:`of_tf`."""
        return columns_of(len(self.layers))

    def of_tf(self, source: int, used: np.ndarray | None = None) -> np.ndarray:
        """Return the columns of all targets of one TF, float32 (n_columns, n_genes).

        For each layer

        - ``popularity`` and ``track`` of :meth:`PairColumns.of_tf`, the track at most ``MOST``; a
          gene that the layer does not cover is taken as one that no experiment found;
        - ``near``: similarity of the target's profile to those of the TF's track, standardised; 0
          for a TF without a track;
        - ``size``: length of the target's profile, standardised.

        Then the target's ranks, from -0.5 to 0.5, in mean, spread and detection rate, and its
        coverage. Columns that are not ``used`` may be 0.
        """
        n_layers, width = len(self.layers), len(OF_LAYER)
        columns = np.zeros((n_layers * width + self.of_targets.shape[0] - n_layers, self.n_genes))
        for number, (layer, profile) in enumerate(zip(self.layers, self.profiles, strict=True)):
            first = number * width
            columns[first : first + 2] = _found_nowhere(layer.of_tf(source), layer.covered)
            np.minimum(columns[first + 1], MOST, out=columns[first + 1])
            if layer.has_track[source] and (used is None or used[first + 2]):
                columns[first + 2] = _near(layer, profile, source)
            columns[first + 3] = self.of_targets[number]
        columns[n_layers * width :] = self.of_targets[n_layers:]
        return columns.astype(np.float32)

    def state(self) -> dict[str, np.ndarray]:
        """Plain arrays from which :meth:`from_state` makes an equal object."""
        profiles = {f"profile_{number}": profile for number, profile in enumerate(self.profiles)}
        return columns_state(self.layers) | profiles | {"of_targets": self.of_targets}

    @classmethod
    def from_state(cls, state: State) -> TransferColumns:
        """The inverse of :meth:`state`; raise ``ValueError`` if arrays do not fit together."""
        of_targets = read_floats(state, "of_targets", (None, None))
        n_genes = of_targets.shape[1]
        layers = columns_from_state(state, n_genes, "")
        of_targets = read_floats(state, "of_targets", (len(layers) + len(OF_CELLS) + 1, n_genes))
        profiles = tuple(
            read_floats(state, f"profile_{number}", (n_genes, None))
            for number in range(len(layers))
        )
        return cls(layers, profiles, of_targets)


def _found_nowhere(columns: np.ndarray, covered: np.ndarray) -> np.ndarray:
    """Give genes that a layer does not cover the least popularity and track.

    An experiment reads the whole genome. A gene that none of them found is rarely a target.
    """
    if covered.any() and not covered.all():
        columns[:, ~covered] = columns[:, covered].min(axis=1, keepdims=True)
    return columns


def _near(layer: PairColumns, profile: np.ndarray, source: int) -> np.ndarray:
    start, end = layer.tracks.indptr[source : source + 2]
    centre = layer.tracks.data[start:end] @ profile[layer.tracks.indices[start:end]]
    return _standardised(profile @ centre)


def _standardised(values: np.ndarray) -> np.ndarray:
    values = np.asarray(values, np.float64)
    spread = values.std()
    # A column without variation says nothing.
    return (values - values.mean()) / spread if spread > 1e-9 else np.zeros_like(values)


def _ranks(values: np.ndarray) -> np.ndarray:
    from scipy.stats import rankdata

    return (rankdata(values) - 0.5) / len(values) - 0.5
