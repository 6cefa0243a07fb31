"""A closed world as ``uns`` keeps it: named genes, and bits for the pairs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from scregnet._genes.frames import PARTS
from scregnet.links.pairs.world import NO_PART, ClosedWorld
from scregnet.links.task import Split

WORLD = "world"
"""Its name in the entries of a split and of a fitted network."""

MANY_PAIRS = 1_000_000
"""Labelled pairs above which a closed world is kept as bits, with a frame of some of its pairs."""

KEPT_OTHERS, OTHERS_PER_EDGE = 100_000, 1
"""Non-edges that such a frame holds: so many, or so many for each edge if these are more."""


def kept_pairs(parts: Split) -> np.ndarray:
    """Return the positions of the pairs for a frame, among those of all parts one after the other.

    These are all edges, and the same random non-edges at every call.
    """
    labels = np.concatenate([pairs.labels for pairs in parts.all])
    n_edges = int(np.count_nonzero(labels))
    wanted = max(KEPT_OTHERS, OTHERS_PER_EDGE * n_edges)
    share = wanted / max(len(labels) - n_edges, 1)
    drawn = np.random.default_rng(0).random(len(labels), np.float32) < share
    return np.flatnonzero(labels | drawn)


def some_pairs(parts: Split, kept: np.ndarray) -> Split:
    """Return the kept pairs of each part; their non-edges stand for all."""
    found, start, n_others, n_kept = [], 0, 0, 0
    for pairs in parts.all:
        inside = kept[(kept >= start) & (kept < start + len(pairs))] - start
        found.append(pairs.take(inside))
        start += len(pairs)
        n_others += len(pairs) - pairs.n_positive
        n_kept += len(inside) - found[-1].n_positive
    share = n_kept / n_others
    return Split(*(replace(pairs, share=share) for pairs in found))


class NamedWorld(NamedTuple):
    """A closed world and the names of its genes."""

    world: ClosedWorld
    genes: pd.Index

    def to_uns(self) -> dict[str, Any]:
        """Return what ``uns`` keeps."""
        return {"genes": self.genes.to_numpy(str).astype(object), **self.world.state()}

    def of_links(
        self, rows: np.ndarray, columns: np.ndarray, names: pd.Index
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return whether links between named genes are edges, and their parts, 3 for none."""
        place = self.genes.get_indexer(names.astype(str))
        return self.world.of_pairs(place[rows], place[columns])

    def pairs_of(self, end: str, gene: str) -> pd.DataFrame:
        """Return the labelled pairs of one gene as a ``"source"`` or as a ``"target"``."""
        place = self.genes.get_indexer(pd.Index([gene]))
        others = np.arange(len(self.genes)) if end == "source" else self.world.tfs
        ends = (place, others) if end == "source" else (others, place)
        sources, targets = np.broadcast_arrays(*ends)
        labels, part = self.world.of_pairs(sources, targets)
        there = part != NO_PART
        return pd.DataFrame(
            {
                "source": self.genes[sources[there]],
                "target": self.genes[targets[there]],
                "label": labels[there],
                "split": np.array(PARTS)[part[there]],
            }
        )


def pairs_of(
    entry: Mapping[str, Any], source: str, target: str
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return all labelled pairs of a TF, and all of a target.

    The frame of the labelled pairs has some of a closed world's only.
    """
    world, pairs = read_world(entry), entry["pairs"]
    if world is not None:
        return world.pairs_of("source", source), world.pairs_of("target", target)
    return pairs[pairs["source"] == source], pairs[pairs["target"] == target]


def read_world(entry: Mapping[str, Any]) -> NamedWorld | None:
    """Return the closed world of an entry of ``uns``, checked; ``None`` if it has none."""
    if WORLD not in entry:
        return None
    stored = entry[WORLD]
    if not isinstance(stored, Mapping) or "genes" not in stored:
        msg = (
            f"the entry {WORLD!r} of the labelled pairs is damaged or was not written by this "
            "version: draw the split, or fit the network, again."
        )
        raise ValueError(msg)
    # Through object: zarr gives numpy's texts of any length.
    genes = pd.Index(np.asarray(stored["genes"], dtype=object).ravel()).astype(str)
    if not genes.is_unique:
        msg = (
            f"the genes of the entry {WORLD!r} of the labelled pairs are not unique: it is damaged."
        )
        raise ValueError(msg)
    return NamedWorld(ClosedWorld.from_state(stored, len(genes)), genes)
