"""A closed world in few bytes: its edges, and the part and the folds of every pair."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from scregnet.links.forms.saved import (
    check_ascending,
    check_digest,
    read_integers,
    refuse,
    state_digest,
)
from scregnet.links.pairs.digits import n_in_byte, pack, pick, unpack
from scregnet.links.pairs.fold_table import FoldGrid
from scregnet.links.task import Pairs, Split

NO_PART = 3
"""Number of the part of a pair that is in none; 0 to 2 are training, validation and test."""

LEAST_FILLED = 0.5
"""Share of all pairs of the TFs that must be labelled: with fewer, a list takes less space."""

MOST_FOLDS = 256
MOST_CELLS = 2**33


@dataclass(frozen=True, eq=False)
class ClosedWorld:
    """Labelled pairs of TFs × genes: a pair that is no edge is a non-edge.

    A cell of the grid has the number ``row * n_genes + target``. The cell of a TF and itself is no
    pair. The parts have their pairs in the order of the cells.
    """

    tfs: np.ndarray
    """Positions of the TFs, ascending, int32."""

    n_genes: int

    edges: np.ndarray
    """Ascending cells of the edges that are in a part, int64."""

    parts: np.ndarray
    """Part of each cell (:func:`~scregnet.links.pairs.digits.pack`)."""

    base: int
    """3, or 4 where some pairs are in no part."""

    folds: np.ndarray
    """Fold of each cell in each repeat, packed, (n_repeats, n_bytes)."""

    n_folds: int
    """1 without folds."""

    @classmethod
    def of(
        cls, split: Split, n_genes: int, folds: np.ndarray | None = None, n_folds: int = 1
    ) -> ClosedWorld | None:
        """Return a split as a closed world, or ``None`` if it is none.

        ``folds`` are those of the pairs of all parts, one part after the other, (n_pairs,
        n_repeats).
        """
        n_pairs = sum(map(len, split.all))
        tfs = np.flatnonzero(sum(np.bincount(p.sources, minlength=n_genes) for p in split.all))
        n_cells = len(tfs) * n_genes
        drawn = any(pairs.share != 1 for pairs in split.all)
        if drawn or n_pairs < LEAST_FILLED * n_cells or n_folds > MOST_FOLDS:
            return None
        rows = np.zeros(n_genes, np.int64)
        rows[tfs] = np.arange(len(tfs)) * n_genes
        part = np.full(n_cells, NO_PART, np.uint8)
        n_repeats = 0 if folds is None else folds.shape[1]
        placed = np.zeros((n_repeats, n_cells), np.uint8)
        edges, start = [], 0
        for number, pairs in enumerate(split.all):
            cells = rows[pairs.sources] + pairs.targets
            if (cells[1:] <= cells[:-1]).any():
                return None
            part[cells] = number
            edges.append(cells[pairs.labels])
            for repeat in range(n_repeats):
                placed[repeat, cells] = folds[start : start + len(pairs), repeat]  # type: ignore[index]
            start += len(pairs)
        loops = np.arange(len(tfs)) * n_genes + tfs
        if (part[loops] != NO_PART).any() or np.count_nonzero(part != NO_PART) != n_pairs:
            return None
        # Where every pair is in a part, the cell of a TF and itself needs no number of its own.
        part[loops] = 0
        base = 4 if (part == NO_PART).any() else 3
        base_of_folds = max(n_folds, 2)
        n_bytes = -(-n_cells // n_in_byte(base_of_folds))
        packed = np.empty((n_repeats, n_bytes), np.uint8)
        for repeat in range(n_repeats):
            packed[repeat] = pack(placed[repeat], base_of_folds)
        return cls(
            tfs.astype(np.int32),
            n_genes,
            np.sort(np.concatenate(edges)),
            pack(part, base),
            base,
            packed,
            n_folds,
        )

    @property
    def n_cells(self) -> int:
        """Number of cells."""
        return len(self.tfs) * self.n_genes

    def state(self) -> dict[str, Any]:
        """Return plain arrays and a digest of them."""
        state = {name: np.asarray(value) for name, value in vars(self).items()}
        return {**state, "digest": state_digest(state)}

    @classmethod
    def from_state(cls, stored: Mapping[str, Any], n_genes: int) -> ClosedWorld:
        """Make it again from :meth:`state`; raise ``ValueError`` if anything does not fit."""
        names = ("tfs", "n_genes", "edges", "parts", "base", "folds", "n_folds")
        state = {name: np.asarray(stored[name]) for name in names if name in stored}
        read_integers(state, "n_genes", (), low=n_genes, high=n_genes)
        tfs = read_integers(state, "tfs", (None,), high=n_genes - 1)
        check_ascending("tfs", tfs, strictly=True)
        n_cells = len(tfs) * n_genes
        if n_cells == 0 or n_cells > MOST_CELLS:
            refuse("tfs", f"has {len(tfs):,} TFs of {n_genes:,} genes")
        edges = read_integers(state, "edges", (None,), high=n_cells - 1, dtype=np.int64)
        check_ascending("edges", edges, strictly=True)
        base = int(read_integers(state, "base", (), low=3, high=4))
        n_folds = int(read_integers(state, "n_folds", (), low=1, high=MOST_FOLDS))
        parts = _read_packed(state, "parts", (), n_cells, base)
        folds = _read_packed(state, "folds", (None,), n_cells, max(n_folds, 2))
        if (len(folds) > 0) != (n_folds > 1):
            refuse("folds", f"has {len(folds)} divisions into {n_folds} folds")
        check_digest(state, str(stored.get("digest")))
        world = cls(tfs, n_genes, edges, parts, base, folds, n_folds)
        row, target = np.divmod(edges, n_genes)
        if (tfs[row] == target).any() or (pick(parts, base, edges) == NO_PART).any():
            refuse("edges", "has pairs that are in no part")
        return world

    def split(self) -> Split:
        """Return the labelled pairs in their parts."""
        part, labels = unpack(self.parts, self.base, self.n_cells), np.zeros(self.n_cells, bool)
        labels[self.edges] = True
        part = np.where(self._loops(), NO_PART, part.reshape(-1, self.n_genes))
        found = []
        for number in range(NO_PART):
            taken = part == number
            sources = np.repeat(self.tfs, taken.sum(axis=1))
            # One TF after the other: rows and columns of all would be 64 bits each.
            targets = [np.flatnonzero(row).astype(np.int32) for row in taken]
            joined = np.concatenate(targets) if targets else np.zeros(0, np.int32)
            found.append(Pairs(sources, joined, labels[taken.ravel()]))
        return Split(*found)

    def of_pairs(self, sources: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return whether pairs are edges, and their parts, :data:`NO_PART` for other pairs.

        Positions below 0 are those of other genes.
        """
        sources, targets = (np.asarray(ends, np.int64) for ends in (sources, targets))
        row = np.searchsorted(self.tfs, sources)
        row = np.minimum(row, len(self.tfs) - 1)
        there = (self.tfs[row] == sources) & (targets >= 0) & (targets != sources)
        cells = np.where(there, row * self.n_genes + targets, 0)
        part = np.where(there, pick(self.parts, self.base, cells), NO_PART)
        place = np.minimum(np.searchsorted(self.edges, cells), max(len(self.edges) - 1, 0))
        is_edge = (
            there & (self.edges[place] == cells) if len(self.edges) else np.zeros(len(there), bool)
        )
        return is_edge, part

    def fold_table(self) -> FoldGrid:
        """Return the folds of all labelled pairs."""
        rows = np.full(self.n_genes, len(self.tfs), np.int32)
        rows[self.tfs] = np.arange(len(self.tfs))
        small = self.n_folds <= np.iinfo(np.int8).max
        shape = (len(self.folds), len(self.tfs) + 1, self.n_genes)
        grid = np.full(shape, -1, np.int8 if small else np.int16)
        nowhere = unpack(self.parts, self.base, self.n_cells).reshape(-1, self.n_genes) == NO_PART
        nowhere |= self._loops()
        for repeat, packed in enumerate(self.folds):
            folds = unpack(packed, max(self.n_folds, 2), self.n_cells)
            grid[repeat, :-1] = folds.reshape(-1, self.n_genes)
            grid[repeat, :-1][nowhere] = -1
        return FoldGrid(rows, grid)

    def renumbered(self, positions: np.ndarray, n_genes: int) -> ClosedWorld:
        """Return the same pairs, without folds, among genes at other positions."""
        order = np.argsort(positions[self.tfs])
        part = np.full((len(self.tfs), n_genes), NO_PART, np.uint8)
        own = unpack(self.parts, self.base, self.n_cells).reshape(-1, self.n_genes)
        part[:, positions] = np.where(self._loops(), NO_PART, own)
        part = part[order]
        tfs = positions[self.tfs[order]].astype(np.int32)
        row, target = np.divmod(self.edges, self.n_genes)
        new_row = np.empty(len(order), np.int64)
        new_row[order] = np.arange(len(order))
        edges = np.sort(new_row[row] * n_genes + positions[target])
        part[np.arange(len(tfs)), tfs] = 0
        base = 4 if (part == NO_PART).any() else 3
        folds = np.zeros((0, -(-part.size // n_in_byte(2))), np.uint8)
        return ClosedWorld(tfs, n_genes, edges, pack(part.ravel(), base), base, folds, 1)

    def _loops(self) -> np.ndarray:
        """Return the mask of the cells of a TF and itself, (n_tfs, n_genes)."""
        return np.arange(self.n_genes, dtype=np.int32) == self.tfs[:, None]


def _read_packed(
    state: Mapping[str, np.ndarray], name: str, more: tuple[None, ...], n: int, base: int
) -> np.ndarray:
    """Return bytes that hold ``n`` numbers each, checked."""
    in_byte = n_in_byte(base)
    shape = (*more, -(-n // in_byte))
    return read_integers(state, name, shape, high=base**in_byte - 1, dtype=np.uint8)
