"""Links fitted once for each fold: a labelled pair is scored by fits that never saw its label."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from scregnet.links.calibration import PlattCalibration, read_calibrations
from scregnet.links.ensemble import SHARED, mean_logits, member_scores, pool, read_members
from scregnet.links.forms.saved import read_floats, read_integers, refuse
from scregnet.links.pairs.fold_table import FoldTable, fold_table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from scregnet.links.task import FittedLinks, Pairs

BLOCK = 2**21
"""Pairs scored at a time, so that memory does not grow with them."""


@dataclass(frozen=True, eq=False)
class FoldedLinks:
    """Fitted links of one method, one for each fold of each repeat, each with its calibration.

    A repeat divides the labelled pairs into folds anew. The score is a mean of calibrated logits:
    of the members whose fold holds a labelled pair, one in each repeat, or of all members for a
    pair without a label. So ``sigmoid(score)`` is a probability.
    """

    members: tuple[FittedLinks, ...]
    calibrations: tuple[PlattCalibration, ...]
    member_folds: np.ndarray
    """Repeat of each member, and the fold that it did not see, int16 of shape (n_members, 2)."""

    table: FoldTable
    """The folds of the labelled pairs."""

    n_genes: int

    @classmethod
    def of(
        cls,
        members: Sequence[FittedLinks],
        calibrations: Sequence[PlattCalibration],
        member_folds: Sequence[tuple[int, int]] | np.ndarray,
        pairs: Pairs,
        folds: np.ndarray,
        n_genes: int,
    ) -> FoldedLinks:
        """Join members; ``folds`` are those of the labelled ``pairs``, (n_pairs, n_repeats)."""
        table = fold_table(pairs, folds, n_genes)
        return cls.with_table(members, calibrations, member_folds, table, n_genes)

    @classmethod
    def with_table(
        cls,
        members: Sequence[FittedLinks],
        calibrations: Sequence[PlattCalibration],
        member_folds: Sequence[tuple[int, int]] | np.ndarray,
        table: FoldTable,
        n_genes: int,
    ) -> FoldedLinks:
        """Join members, with the folds as a table."""
        places = np.asarray(member_folds, np.int16).reshape(-1, 2)
        return cls(tuple(members), tuple(calibrations), places, table, n_genes)

    def folds_of(self, sources: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Return the folds of each pair, (n, n_repeats), -1 for a pair without a label."""
        return self.table.folds_of(sources, targets)

    def score(
        self, sources: np.ndarray, targets: np.ndarray, *, parallel: bool = False
    ) -> np.ndarray:
        """Return the mean calibrated logit of each pair, float32.

        ``parallel`` scores by several members at a time.
        """
        scores = np.empty(len(sources), np.float32)
        for some in _blocks(len(sources)):
            found, uses = self._member_scores(sources[some], targets[some], parallel=parallel)
            scores[some] = mean_logits(found, self.calibrations, uses, len(scores[some]))
        return scores

    def score_and_sd(
        self, sources: np.ndarray, targets: np.ndarray, *, parallel: bool = False
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the score, and the standard deviation of the members' probabilities, float32."""
        scores, deviations = (np.empty(len(sources), np.float32) for _ in range(2))
        for some in _blocks(len(sources)):
            found, uses = self._member_scores(sources[some], targets[some], parallel=parallel)
            scores[some], deviations[some] = pool(found, self.calibrations, uses, len(scores[some]))
        return scores, deviations

    def _member_scores(
        self, sources: np.ndarray, targets: np.ndarray, *, parallel: bool
    ) -> tuple[Iterator[np.ndarray], list[np.ndarray]]:
        """Return the scores of each member, and of which of the pairs they are."""
        uses = self.used(sources, targets)
        return member_scores(self.members, uses, sources, targets, parallel=parallel), uses

    def used(self, sources: np.ndarray, targets: np.ndarray) -> list[np.ndarray]:
        """Return which of the pairs each member scores."""
        folds = self.folds_of(sources, targets).T
        return [
            np.flatnonzero((folds[repeat] == fold) | (folds[repeat] < 0))
            for repeat, fold in self.member_folds
        ]

    def state(self) -> dict[str, np.ndarray]:
        """Return the members' arrays; those that all members share are kept once.

        So are members that are the same object, as folds of a method that reads no label.
        """
        alike = self._alike()
        states = [member.state() for member in self.members]
        state: dict[str, np.ndarray] = {}
        for name, value in states[0].items():
            if all(name in other and _same(value, other[name]) for other in states[1:]):
                state[f"{SHARED}{name}"] = value
        for number, own in enumerate(states):
            for name, value in own.items() if alike[number] == number else ():
                if f"{SHARED}{name}" not in state:
                    state[f"{number}_{name}"] = value
        state["slopes"] = np.array([calibration.slope for calibration in self.calibrations])
        state["intercepts"] = np.array([calibration.intercept for calibration in self.calibrations])
        state["member_folds"] = self.member_folds
        if (alike != np.arange(len(alike))).any():
            state["alike"] = alike
        return state

    def _alike(self) -> np.ndarray:
        """Return for each member the number of the first that is the same object, int16."""
        first: dict[int, int] = {}
        numbers = [first.setdefault(id(member), n) for n, member in enumerate(self.members)]
        return np.array(numbers, np.int16)

    @classmethod
    def from_state(
        cls,
        method: str,
        state: dict[str, np.ndarray],
        table: FoldTable,
        n_genes: int,
    ) -> FoldedLinks:
        """Make the links again from :meth:`state` and the folds of the labelled pairs."""
        calibrations = read_calibrations(
            read_floats(state, "slopes", (None,), np.float64),
            read_floats(state, "intercepts", (None,), np.float64),
        )
        n, n_repeats = len(calibrations), table.n_repeats
        # A fold that no pair has is never looked for.
        highest = np.iinfo(np.int16).max
        member_folds = read_integers(state, "member_folds", (n, 2), high=highest, dtype=np.int16)
        if (member_folds[:, 0] >= n_repeats).any():
            refuse("member_folds", f"names a repeat beyond the {n_repeats} of its labelled pairs")
        alike = np.arange(n)
        if "alike" in state:
            alike = read_integers(state, "alike", (n,), high=n - 1, dtype=np.int16)
        members = read_members(method, state, n, n_genes, alike=alike)
        return cls.with_table(members, calibrations, member_folds, table, n_genes)


def _blocks(n: int) -> list[slice]:
    """Return where each block of pairs is."""
    return [slice(start, start + BLOCK) for start in range(0, n, BLOCK)]


def _same(one: np.ndarray, other: np.ndarray) -> bool:
    return one is other or (one.shape == other.shape and bool(np.array_equal(one, other)))
