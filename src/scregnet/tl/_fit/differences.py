"""How far the networks of groups differ, next to those of random halves of one group."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from scregnet._genes.frames import PARTS
from scregnet._logging import logger
from scregnet.tl._fit.fit import threads

if TYPE_CHECKING:
    from scregnet._anndata.groups import CellGroup
    from scregnet._genes.split import LabelledPairs
    from scregnet.links import LinkMethod, LinkTask
    from scregnet.tl._fit.shared import SharedCells

Halves = dict[int, tuple[np.ndarray, np.ndarray]]
"""Cells of both halves of a group, by size."""

COLUMNS = ["group_a", "group_b", "statistic", "n_cells", "value", "floor", "low", "high", "above"]

LEAST_HALF = 10
"""Cells of a half, at least. A smaller group is not compared."""

FIRST_LINKS = 100
"""New links at the head of the list whose overlap is counted."""

MOST_PAIRS = 1_000_000
"""Links compared at most: of more, a random share of the targets. Bounds memory."""

LEAST_PAIRS = 10
"""New links of a TF from which their ranks are compared."""

RESAMPLES = 1_000

STREAM = 13
"""Number of the random stream of halves, targets and resamples."""

NAMED = 5
"""Pairs of groups that the log names."""


@dataclass(frozen=True, eq=False)
class NewLinks:
    """The links that are compared: known to no fit, neither as an edge nor as a non-edge."""

    tfs: np.ndarray
    """Positions of the candidate TFs, sorted."""

    targets: np.ndarray
    mask: np.ndarray
    """bool (n_tfs, n_targets)."""

    @classmethod
    def of(
        cls,
        labelled: LabelledPairs,
        candidates: np.ndarray,
        n_genes: int,
        rng: np.random.Generator,
    ) -> NewLinks:
        """Leave out training pairs, known edges, and the link of a TF to itself."""
        n_targets = min(n_genes, max(FIRST_LINKS, MOST_PAIRS // len(candidates)))
        targets = np.sort(rng.permutation(n_genes)[:n_targets])
        mask = candidates[:, None] != targets
        left_out = labelled.left_out
        told = [(left_out[0], left_out[1])]
        for part in PARTS:
            pairs = getattr(labelled.parts, part)
            # Held-out non-edges are unknown to the fits: they count as new.
            which = np.ones(len(pairs), bool) if part == "train" else pairs.labels
            told.append((pairs.sources[which], pairs.targets[which]))
        row, column = np.full(n_genes, -1), np.full(n_genes, -1)
        row[candidates], column[targets] = np.arange(len(candidates)), np.arange(n_targets)
        for sources, ends in told:
            there = (row[sources] >= 0) & (column[ends] >= 0)
            mask[row[sources[there]], column[ends[there]]] = False
        return cls(candidates, targets, mask)

    def pairs(self) -> tuple[np.ndarray, np.ndarray]:
        """Return sources and targets, int32, TF by TF."""
        rows, columns = np.nonzero(self.mask)
        return self.tfs[rows].astype(np.int32), self.targets[columns].astype(np.int32)

    def summarise(self, scores: np.ndarray) -> Summary:
        """Return what is compared of the scores of :meth:`pairs`."""
        from scipy.stats import rankdata

        n_first = min(FIRST_LINKS, len(scores))
        first = np.argsort(-scores, kind="stable")[:n_first]
        ends = np.cumsum(self.mask.sum(axis=1))[:-1]
        ranks = []
        for own in np.split(scores, ends):
            rank = rankdata(own).astype(np.float32) if len(own) >= LEAST_PAIRS else own[:0]
            rank = rank - rank.mean() if len(rank) else rank
            # Unit vectors: a product of two is Spearman's correlation.
            length = float(np.linalg.norm(rank))
            ranks.append(rank / length if length > 0 else rank[:0])
        return Summary(first, ranks)


class Summary(NamedTuple):
    """What is compared of one network."""

    first: np.ndarray
    """Places of the first new links."""

    ranks: list[np.ndarray]
    """Centred ranks of each TF's new links, unit vectors; empty where there are too few."""


@dataclass(frozen=True, eq=False)
class NoiseFloor:
    """Fits of random halves of groups, and their comparison."""

    groups: list[CellGroup]
    links: NewLinks
    steps: dict[tuple[int, int], int]
    """Size of the halves for each pair of groups."""

    halves: dict[int, Halves]
    """By number of the group."""

    shared: SharedCells
    summaries: dict[tuple[int, int], list[Summary]] = field(default_factory=dict)
    """Of both halves, by number of the group and size."""

    @classmethod
    def of(
        cls,
        groups: list[CellGroup],
        labelled: LabelledPairs,
        candidates: np.ndarray,
        shared: SharedCells,
    ) -> NoiseFloor:
        """Draw the halves, and choose the links that are compared."""
        random_state = shared.random_state
        steps, halves = draw_halves(groups, random_state)
        links = NewLinks.of(labelled, candidates, len(shared.summary), _stream(random_state))
        return cls(groups, links, steps, halves, shared)

    def add(self, number: int, method: LinkMethod, task: LinkTask, device: Any) -> None:
        """Fit the halves of one group, each as a group of its own.

        One fit for each half, without folds: the links that are compared are in no training pair.
        All fits have the pairs and the seed of the group's own.
        """
        sources, targets = self.links.pairs()
        for size, parts in self.halves.get(number, {}).items():
            found = []
            for rows in parts:
                expression, summary, _ = self.shared.features(rows)
                half = replace(task, expression=expression, summary=summary)
                with threads(method):
                    rng = np.random.default_rng(self.shared.random_state)
                    links = method.fit(half, rng=rng, device=device).links
                found.append(self.links.summarise(links.score(sources, targets)))
            self.summaries[number, size] = found

    def compare(self, key: str) -> pd.DataFrame:
        """Return how far halves of two groups differ and how far those of one, and log it."""
        rows = []
        for (a, b), size in self.steps.items():
            names = (self.groups[a].name, self.groups[b].name)
            one, two = self.summaries[a, size], self.summaries[b, size]
            for statistic, distance in STATISTICS.items():
                across = np.stack([distance(x, y) for x in one for y in two])
                inside = np.stack([distance(*one), distance(*two)])
                figures = _figures(across, inside, _stream(self.shared.random_state))
                rows.append((*names, statistic, size, *figures))
        frame = pd.DataFrame(rows, columns=COLUMNS)
        _log(frame, key)
        return frame


def draw_halves(
    groups: list[CellGroup], random_state: int | None
) -> tuple[dict[tuple[int, int], int], dict[int, Halves]]:
    """Return the size of the halves for each pair of groups, and the cells of the halves.

    Networks of fewer cells differ more by chance, so that all four halves of a pair of groups have
    one size: that of the smaller group's halves, or somewhat less. Sizes double from the smallest
    group's on, so that few halves serve all pairs.
    """
    sizes = {number: len(group.cells) // 2 for number, group in enumerate(groups)}
    sizes = {number: size for number, size in sizes.items() if size >= LEAST_HALF}
    steps: dict[tuple[int, int], int] = {}
    for a, b in combinations(sizes, 2):
        least = min(sizes.values())
        steps[a, b] = least * 2 ** int(np.log2(min(sizes[a], sizes[b]) / least))
    found: dict[int, Halves] = {}
    streams = _stream(random_state).spawn(len(groups))
    for number in sizes:
        order = streams[number].permutation(groups[number].cells)
        needed = sorted({size for pair, size in steps.items() if number in pair})
        found[number] = {
            size: (np.sort(order[:size]), np.sort(order[size : 2 * size])) for size in needed
        }
    return steps, found


def _overlap(one: Summary, two: Summary) -> np.ndarray:
    """Return the share of the first new links that the other network has not, of shape (1,)."""
    return np.array([1 - len(np.intersect1d(one.first, two.first)) / max(1, len(one.first))])


def _rank_distance(one: Summary, two: Summary) -> np.ndarray:
    """Return one minus Spearman's correlation of each TF's new links; NaN where there is none."""
    return np.array(
        [
            1 - float(a @ b) if len(a) and len(b) else np.nan
            for a, b in zip(one.ranks, two.ranks, strict=True)
        ]
    )


STATISTICS = {"new_links": _overlap, "ranks": _rank_distance}


def _figures(
    across: np.ndarray, inside: np.ndarray, rng: np.random.Generator
) -> tuple[float, float, float, float, bool]:
    """Return value, floor, the interval of their difference, and whether it is above.

    ``across`` has a row for each of the four pairs of halves of two groups, ``inside`` one for each
    group; columns are TFs, or a single one.
    """
    there = np.isfinite(across).all(axis=0) & np.isfinite(inside).all(axis=0)
    across, inside = across[:, there], inside[:, there]
    if not there.any():
        return np.nan, np.nan, np.nan, np.nan, False
    # TFs of one network share the noise of its cells, which resampled TFs do not show. So the true
    # pairing of the four halves also has to be closer than both others: a1b1 + a2b2, a1b2 + a2b1.
    mean = across.mean(axis=1)
    above = bool(inside.mean(axis=1).sum() < min(mean[0] + mean[3], mean[1] + mean[2]))
    excess, low, high = across.mean(axis=0) - inside.mean(axis=0), np.nan, np.nan
    if len(excess) > 1:
        drawn = rng.integers(len(excess), size=(RESAMPLES, len(excess)))
        low, high = np.quantile(excess[drawn].mean(axis=1), (0.025, 0.975)).tolist()
        above = above and low > 0
    return float(across.mean()), float(inside.mean()), low, high, above


def _log(frame: pd.DataFrame, key: str) -> None:
    """Say in one line which groups' networks differ by more than halves of one group."""
    ranks = frame[frame["statistic"] == "ranks"]
    if ranks.empty:
        return
    above = ranks["above"].to_numpy()
    alike = [f"{row.group_a} and {row.group_b}" for row in ranks[~above].itertuples()]
    logger.info(
        "%s: networks of %d of %d pairs of groups differ by more than halves of one group%s",
        key,
        above.sum(),
        len(ranks),
        f"; no more than that: {_some(alike)}" if alike else "",
    )


def _some(names: list[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def _stream(random_state: int | None) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(random_state, spawn_key=(STREAM,)))
