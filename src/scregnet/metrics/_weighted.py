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

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

BLOCK = 1 << 17
"""Random numbers drawn at a time: they stay in the CPU's caches."""


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
        stratum = 2 * group + labels
        order = _in_order(stratum)
        ends = np.cumsum(np.bincount(stratum, minlength=2 * (int(group.max()) + 1)))
        self._strata = np.append(0, ends)
        del stratum
        of_pair = np.ones(0) if weights is None else check_weights(weights, n)
        self._weights = of_pair[order] if len(of_pair) else of_pair
        edges = np.bincount(group[labels], minlength=int(group.max()) + 1)
        rarer = np.minimum(edges, np.bincount(group) - edges)
        # Every resample keeps the edges and non-edges of a TF, and so the TFs with both kinds.
        both = rarer > 0
        self._enough = rarer[both] >= ENOUGH_PAIRS
        self._n_enough = float(self._enough.sum())
        steps = _Steps(labels, scores, group, both)
        self._steps, self._own_steps = steps.of_all[order], steps.of_own[order]
        self._n_steps, self._groups = steps.n_steps, steps.groups
        del steps, scores, group
        self._values, self._bins = np.zeros(0, np.float32), np.zeros(0, np.uint8)
        if probabilities is not None:
            self._values = _narrow(check_probabilities(labels, probabilities)[1])[order]
            self._bins = np.empty(n, np.uint8)
            for start in range(0, n, BLOCK):
                some = slice(start, start + BLOCK)
                self._bins[some] = bins(self._values[some].astype(np.float64))

    def __len__(self) -> int:
        return len(self._steps)

    def figures(self) -> dict[str, float]:
        """All metrics of the pairs."""
        is_edge = np.repeat(np.arange(len(self._strata) - 1) % 2 == 1, np.diff(self._strata))
        weights = self._weights if len(self._weights) else None

        def count(steps: np.ndarray, n: int) -> np.ndarray:
            of_edges = None if weights is None else weights[is_edge]
            return np.stack(
                [
                    np.bincount(steps, weights, minlength=n),
                    np.bincount(steps[is_edge], of_edges, minlength=n),
                ],
                axis=1,
            ).astype(np.float64)

        gaps, squares = np.zeros(N_BINS), 0.0
        for start in range(0, len(self._values), BLOCK):
            some = slice(start, start + BLOCK)
            residuals = self._values[some].astype(np.float64) - is_edge[some]
            errors = residuals if weights is None else weights[some] * residuals
            gaps += np.bincount(self._bins[some], errors, minlength=N_BINS)
            squares += float(errors @ residuals)
        totals = count(self._steps, self._n_steps)
        return self._from(
            _Counted(totals, count(self._own_steps, self._groups[-1] + 1), gaps, squares)
        )

    def resample(self, rng: np.random.Generator) -> dict[str, float]:
        """All metrics of as many pairs, drawn with replacement."""
        from scregnet.metrics._compiled import add_drawn

        totals, own_totals = np.zeros((self._n_steps, 2)), np.zeros((self._groups[-1] + 1, 2))
        gaps, squares = np.zeros(N_BINS), 0.0
        counts = np.zeros(int(np.diff(self._strata).max()), np.int32)
        for start in range(0, len(self), BLOCK):
            squares += add_drawn(
                rng.random(min(BLOCK, len(self) - start)),
                start,
                self._strata,
                counts,
                self._steps,
                self._own_steps,
                self._weights,
                self._values,
                self._bins,
                totals,
                own_totals,
                gaps,
            )
        return self._from(_Counted(totals, own_totals, gaps, squares))

    def _from(self, counted: _Counted) -> dict[str, float]:
        """All metrics of what was drawn."""
        from scregnet.metrics._compiled import ranked

        total, n_edges = counted.totals.sum(axis=0)
        prevalence = float(n_edges / total)
        whole = np.array([0, self._n_steps])
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
        if len(self._groups) > 1:
            *both, _ = ranked(counted.own_totals, self._groups, 0.0)
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


class _Steps:
    """Which step of the ranking each pair is in: of all pairs, and of those of its TF.

    Tied pairs are one step. So are neighbours without edges.
    """

    def __init__(
        self, labels: np.ndarray, scores: np.ndarray, group: np.ndarray, both: np.ndarray
    ) -> None:
        order = np.argsort(-scores).astype(np.int32)
        number = _merged(_differ(scores, order), labels[order])
        self.n_steps = int(number[-1]) + 1
        self.of_all = np.empty(len(order), np.int32)
        self.of_all[order] = number
        # By TF, and then by falling score.
        order = order[_in_order(group[order])]
        own = group[order]
        new_group = _differ(group, order)
        number = _merged(_differ(scores, order) | new_group, labels[order], new_group)
        # Other TFs have no ranking of their own: their pairs go to one more step, the last.
        counts = both[own]
        first = number[new_group & counts]
        n_of_tf = np.diff(np.append(number[new_group], number[-1] + 1))[both]
        begin = np.append(0, np.cumsum(n_of_tf))
        shift = np.zeros(len(both), np.int64)
        shift[both] = begin[:-1] - first
        self.groups = begin
        self.of_own = np.empty(len(order), np.int32)
        self.of_own[order] = np.where(counts, number + shift[own], begin[-1])


def _differ(values: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Return whether each of the ordered values differs from the one before it."""
    ordered = values[order]
    return np.append(True, ordered[1:] != ordered[:-1])


def _merged(new: np.ndarray, labels: np.ndarray, new_group: np.ndarray | None = None) -> np.ndarray:
    """Return the number of each ordered pair's step, where steps without edges are joined."""
    step = np.cumsum(new, dtype=np.int32) - 1
    has_edge = np.zeros(int(step[-1]) + 1, bool)
    has_edge[step[labels]] = True
    begins = has_edge | np.append(True, has_edge[:-1])
    if new_group is not None:
        begins |= new_group[new]
    number = np.cumsum(begins, dtype=np.int32) - 1
    return np.asarray(number[step])


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


def _in_order(numbers: np.ndarray) -> np.ndarray:
    """Return where numbers are in ascending order, equal ones as they come, int32."""
    # 16 bits are sorted by their digits.
    small = numbers.astype(np.uint16) if numbers.max() <= np.iinfo(np.uint16).max else numbers
    return np.argsort(small, kind="stable").astype(np.int32)
