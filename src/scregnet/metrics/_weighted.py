"""All metrics of one set of pairs from one sort, for the pairs themselves and for resamples."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from scregnet.metrics._arrays import read_tfs
from scregnet.metrics._metrics import (
    ENOUGH_PAIRS,
    N_BINS,
    bins,
    check_probabilities,
    check_scores,
    check_weights,
)
from scregnet.metrics._ranking import rank
from scregnet.metrics._uniform import uniform_blocks

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

BLOCK = 1 << 17
"""Probabilities that are made float64 at a time."""


class _Counted(NamedTuple):
    """How many pairs were drawn of each step of the rankings, and their errors."""

    totals: np.ndarray
    own_totals: np.ndarray
    gaps: np.ndarray
    squares: float


class WeightedMetrics:
    """All metrics of one set of pairs, and of resamples with replacement.

    Edges and non-edges of each TF are drawn separately, so that every resample has the same TFs.
    Non-edges between two edges of a ranking are counted together: their order changes no figure.
    """

    def __init__(
        self,
        labels: ArrayLike,
        scores: ArrayLike,
        groups: ArrayLike,
        probabilities: ArrayLike | None = None,
        weights: ArrayLike | None = None,
    ) -> None:
        labels, numbers = check_scores(labels, scores)
        scores = _narrow(numbers)
        del numbers
        n = len(scores)
        group = _numbered(read_tfs("groups", groups, n))
        # Pairs by TF, non-edges before edges.
        n_tfs = int(group.max()) + 1
        edges = np.bincount(group[labels], minlength=n_tfs)
        others = np.bincount(group, minlength=n_tfs) - edges
        self._strata = np.append(0, np.cumsum(np.stack([others, edges], axis=1)))
        rarer = np.minimum(edges, others)
        # Every resample keeps the edges and non-edges of a TF, and so the TFs with both kinds.
        both = rarer > 0
        self._enough = rarer[both] >= ENOUGH_PAIRS
        self._n_enough = float(self._enough.sum())
        values, of_values = np.zeros(0, np.float32), np.zeros(0, np.uint8)
        if probabilities is not None:
            values = _narrow(check_probabilities(labels, probabilities)[1])
            of_values = _bins(values)
        ranking, order = rank(labels, scores, group, strata=self._strata, bins=of_values)
        self._ranking = ranking
        self._weights = (
            np.zeros(0, np.int32) if weights is None else check_weights(weights, n)[order]
        )
        self._values = values[order] if len(values) else values

    def __len__(self) -> int:
        return len(self._ranking.places)

    def figures(self) -> dict[str, float]:
        """All metrics of the pairs."""
        return self._from(self._counted(None))

    def resample(self, rng: np.random.Generator) -> dict[str, float]:
        """All metrics of as many pairs, drawn with replacement."""
        return self._from(self._counted(rng))

    def _counted(self, rng: np.random.Generator | None) -> _Counted:
        """Draw as many pairs, with replacement; without ``rng``, take each once."""
        from scregnet.metrics._compiled import add_drawn, add_each

        ranking = self._ranking
        totals = np.zeros((2, ranking.n_steps))
        own_totals, gaps = np.zeros((2, ranking.groups[-1] + 1)), np.zeros(N_BINS)
        kinds = (np.dtype(np.int32), self._weights.dtype, self._weights.dtype)
        room = tuple(np.zeros(int(np.diff(self._strata).max()), kind) for kind in kinds)
        known = (self._strata, room, ranking[:8], self._weights, self._values)
        grows = (totals, own_totals, gaps)
        if rng is None:
            return _Counted(*grows, add_each(*known, grows))
        squares, start = 0.0, 0
        for uniform in uniform_blocks(rng, len(self)):
            squares += add_drawn(uniform, start, *known, grows)
            start += len(uniform)
        return _Counted(totals, own_totals, gaps, squares)

    def _from(self, counted: _Counted) -> dict[str, float]:
        """All metrics of what was drawn."""
        from scregnet.metrics._compiled import ranked

        total, n_edges = counted.totals.sum(axis=1)
        prevalence = float(n_edges / total)
        whole = np.array([0, self._ranking.n_steps])
        (auroc,), (auprc,), found = ranked(counted.totals, whole, float(n_edges))
        figures = {
            "auroc": auroc,
            "auprc": auprc,
            "auprc_ratio": auprc / prevalence,
            # Precision among as many pairs as there are edges.
            "epr": found / n_edges / prevalence,
            "per_tf_auroc": float("nan"),
            "per_tf_auprc": float("nan"),
            "per_tf_auroc_5": float("nan"),
            "per_tf_auprc_5": float("nan"),
        }
        if len(self._ranking.groups) > 1:
            *both, _ = ranked(counted.own_totals, self._ranking.groups, 0.0)
            for name, values in zip(("auroc", "auprc"), both, strict=True):
                figures[f"per_tf_{name}"] = values.mean()
                if self._n_enough:
                    figures[f"per_tf_{name}_5"] = values[self._enough].mean()
        if len(self._values):
            figures["brier"] = counted.squares / total
            figures["ece"] = np.abs(counted.gaps).sum() / total
        return {
            **{metric: float(value) for metric, value in figures.items()},
            "prevalence": prevalence,
            "n_tfs_5": self._n_enough,
        }


def _bins(values: np.ndarray) -> np.ndarray:
    """Return the bin of each probability, uint8."""
    found = np.empty(len(values), np.uint8)
    for start in range(0, len(values), BLOCK):
        some = slice(start, start + BLOCK)
        found[some] = bins(values[some].astype(np.float64))
    return found


def _narrow(values: np.ndarray) -> np.ndarray:
    """Return numbers in 32 bits if that changes none: they are sorted twice as fast."""
    with np.errstate(over="ignore"):
        small = values.astype(np.float32)
    return small if (small == values).all() else values


def _numbered(names: np.ndarray) -> np.ndarray:
    """Return the number of each name among the sorted names, int32."""
    largest = 2**24
    if names.dtype.kind in "iu" and names.min() >= 0 and names.max() < largest:
        # Positions of genes: millions need not be sorted.
        there = np.zeros(int(names.max()) + 1, bool)
        there[names] = True
        return (np.cumsum(there, dtype=np.int32) - 1)[names]
    return np.unique(names, return_inverse=True)[1].astype(np.int32)
