"""Changed versions of what a fit is given: other seeds, fewer cells, fewer known edges."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scregnet._genes.frames import PARTS
from scregnet._validate import (
    check_text,
    listed,
)

if TYPE_CHECKING:
    from anndata import AnnData

    from scregnet._genes.split import LabelledPairs
    from scregnet.tl._fit.folds import Folds

PERTURBATIONS = ("seed", "fit", "cell", "cells", "halves", "edges", "donors")

DROPPED = 0.1
"""Share of the cells and of the known edges that is dropped."""

STREAM = 11
"""Number of the random stream of what is dropped; split, fits and folds have others."""


@dataclass(frozen=True, eq=False)
class Given:
    """What one fit is given."""

    labelled: LabelledPairs
    folds: Folds | None
    """``None``: the network of one fit is delivered."""

    rows: np.ndarray | None
    """Positions of the cells; ``None`` for all. A cell may be there twice."""

    random_state: int
    """Seed of the fit itself."""


@dataclass(frozen=True, eq=False)
class Perturbed:
    """Makes changed versions of what the reference fit is given.

    What is not changed on purpose stays: pairs, split, folds and seed.
    """

    given: Given
    n_obs: int
    n_genes: int
    draw_folds: Callable[[LabelledPairs, int], Folds | None]
    donors: list[np.ndarray]
    """Cells of each donor."""

    def versions(self, name: str, repeat: int) -> list[Given]:
        """Return the version of one repeat; of ``"halves"`` both halves."""
        # A stream for each: what is drawn does not depend on which others are asked for.
        key = (STREAM, PERTURBATIONS.index(name), repeat)
        seed = np.random.SeedSequence(self.given.random_state, spawn_key=key)
        rng = np.random.default_rng(seed)
        given = self.given
        if name == "seed":
            return [self._other_seed(given.random_state + 1 + repeat)]
        if name == "fit":
            return [replace(given, random_state=given.random_state + 1 + repeat)]
        if name == "edges":
            return [without_edges(given, rng)]
        return [replace(given, rows=rows) for rows in self._cells(name, rng)]

    def _other_seed(self, random_state: int) -> Given:
        labelled = self.given.labelled.redrawn(random_state, self.n_genes)
        folds = self.draw_folds(labelled, random_state)
        return Given(labelled, folds, self.given.rows, random_state)

    def _cells(self, name: str, rng: np.random.Generator) -> list[np.ndarray]:
        """Return the cells of a version, ascending."""
        if name == "donors":
            # As many donors as there are, with replacement: the bootstrap of Efron.
            drawn = rng.integers(len(self.donors), size=len(self.donors))
            return [np.sort(np.concatenate([self.donors[number] for number in drawn]))]
        order = rng.permutation(self.n_obs)
        if name == "halves":
            middle = self.n_obs // 2
            return [np.sort(order[:middle]), np.sort(order[middle:])]
        n_dropped = 1 if name == "cell" else max(1, round(DROPPED * self.n_obs))
        return [np.sort(order[n_dropped:])]


def without_edges(given: Given, rng: np.random.Generator) -> Given:
    """Drop a share of the known edges of each part; the other pairs keep their part and folds.

    In a closed world a dropped edge is a non-edge, as any pair that is not listed. Otherwise its
    pair is dropped. So are the pairs of a TF that has no edge any more.
    """
    parts = [getattr(given.labelled.parts, part) for part in PARTS]
    sources = np.concatenate([part.sources for part in parts])
    labels = np.concatenate([part.labels for part in parts])
    left = np.concatenate([_without(part.labels, rng) for part in parts])
    lost = np.setdiff1d(sources[labels], sources[left])
    keep = ~np.isin(sources, lost)
    if not _closed_world(given.labelled):
        keep &= ~labels | left
    bounds = np.cumsum([len(part) for part in parts])[:-1]
    changed = [
        replace(part, labels=own).take(kept)
        for part, own, kept in zip(
            parts, np.split(left, bounds), np.split(keep, bounds), strict=True
        )
    ]
    split = replace(given.labelled.parts, **dict(zip(PARTS, changed, strict=True)))
    folds = given.folds
    if folds is not None:
        # Folds hold the pairs of all parts, one part after the other.
        pairs = replace(folds.pairs, labels=left).take(keep)
        folds = replace(folds, pairs=pairs, folds=folds.folds[keep], is_test=folds.is_test[keep])
    return replace(given, labelled=replace(given.labelled, parts=split), folds=folds)


def _without(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return labels of which a share of the positive ones is gone."""
    edges = rng.permutation(np.flatnonzero(labels))
    left = labels.copy()
    # Rounded down: a part never loses its only edge.
    left[edges[: int(DROPPED * len(edges))]] = False
    return left


def _closed_world(labelled: LabelledPairs) -> bool:
    return labelled.options is not None and labelled.negatives == "all"


def cells_of_donors(data: AnnData, donor: str) -> list[np.ndarray]:
    """Return the cells of each donor; raise unless ``donor`` is a column with two or more."""
    check_text("donor", donor)
    if donor not in data.obs:
        msg = f"donor={donor!r} is not a column of adata.obs; it has {listed(data.obs.columns)}."
        raise KeyError(msg)
    codes = pd.Categorical(data.obs[donor]).codes
    cells = [np.flatnonzero(codes == code) for code in np.unique(codes[codes >= 0])]
    if len(cells) < 2:
        msg = (
            f"donor={donor!r}: a bootstrap of donors needs two or more, "
            f"adata.obs[{donor!r}] has {len(cells)}."
        )
        raise ValueError(msg)
    return cells
