"""Links fitted once for each fold: a labelled pair is scored by fits that never saw its label."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from scregnet.links.calibration import PlattCalibration
from scregnet.links.pairs.codes import find_codes, pair_codes
from scregnet.links.registry import load_fitted

if TYPE_CHECKING:
    from scregnet.links.task import FittedLinks, Pairs

SHARED = "shared_"
"""Before the name of an array that all members have in common, which is stored once."""


@dataclass(frozen=True, eq=False)
class FoldedLinks:
    """Fitted links of one method, one or more for each fold, each with its calibration.

    The score is a mean of calibrated logits: of the members of a labelled pair's own fold, or of
    all members for a pair without a label. So ``sigmoid(score)`` is a probability.
    """

    members: tuple[FittedLinks, ...]
    calibrations: tuple[PlattCalibration, ...]
    member_folds: np.ndarray
    """The fold that each member did not see, int16."""

    codes: np.ndarray
    """Ascending codes of the labelled pairs (:func:`~scregnet.links.pairs.codes.pair_codes`)."""

    code_folds: np.ndarray
    """The fold of each of them, int16."""

    n_genes: int

    @classmethod
    def of(
        cls,
        members: list[FittedLinks],
        calibrations: list[PlattCalibration],
        member_folds: list[int],
        pairs: Pairs,
        fold: np.ndarray,
        n_genes: int,
    ) -> FoldedLinks:
        """Join members; ``fold`` is that of each of the labelled ``pairs``."""
        codes = pair_codes(pairs.sources, pairs.targets, n_genes)
        order = np.argsort(codes)
        return cls(
            tuple(members),
            tuple(calibrations),
            np.asarray(member_folds, np.int16),
            codes[order],
            fold[order].astype(np.int16),
            n_genes,
        )

    def fold_of(self, sources: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Return the fold of each pair, -1 for a pair without a label."""
        place = find_codes(self.codes, pair_codes(sources, targets, self.n_genes))
        return np.where(place >= 0, self.code_folds[place], np.int16(-1))

    def score(self, sources: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Mean calibrated logit of each pair, float32."""
        return self.score_and_sd(sources, targets)[0]

    def score_and_sd(
        self, sources: np.ndarray, targets: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the score, and the standard deviation of the members' probabilities, float32."""
        fold = self.fold_of(sources, targets)
        logits = np.zeros(len(sources))
        mean, square = np.zeros(len(sources)), np.zeros(len(sources))
        number = np.zeros(len(sources))
        for member, calibration, own in zip(
            self.members, self.calibrations, self.member_folds, strict=True
        ):
            use = np.flatnonzero((fold == own) | (fold < 0))
            if not len(use):
                continue
            score = member.score(sources[use], targets[use])
            logits[use] += calibration.slope * score.astype(np.float64) + calibration.intercept
            # Welford's update: a difference of sums would leave rounding error.
            number[use] += 1
            probability = calibration(score).astype(np.float64)
            step = probability - mean[use]
            mean[use] += step / number[use]
            square[use] += step * (probability - mean[use])
        number = np.maximum(number, 1)
        deviation = np.sqrt(square / number)
        return (logits / number).astype(np.float32), deviation.astype(np.float32)

    def state(self) -> dict[str, np.ndarray]:
        """Return the members' arrays; those that all members share are kept once."""
        states = [member.state() for member in self.members]
        state: dict[str, np.ndarray] = {}
        for name, value in states[0].items():
            if all(name in other and _same(value, other[name]) for other in states[1:]):
                state[f"{SHARED}{name}"] = value
        for number, own in enumerate(states):
            for name, value in own.items():
                if f"{SHARED}{name}" not in state:
                    state[f"{number}_{name}"] = value
        state["slopes"] = np.array([calibration.slope for calibration in self.calibrations])
        state["intercepts"] = np.array([calibration.intercept for calibration in self.calibrations])
        state["member_folds"] = self.member_folds
        return state

    @classmethod
    def from_state(
        cls,
        method: str,
        state: dict[str, np.ndarray],
        pairs: Pairs,
        fold: np.ndarray,
        n_genes: int,
    ) -> FoldedLinks:
        """Make the links again from :meth:`state`, the labelled pairs and their folds."""
        calibrations = _calibrations(state)
        member_folds = np.asarray(state["member_folds"])
        n = len(calibrations)
        if member_folds.shape != (n,) or member_folds.dtype.kind not in "iu":
            msg = (
                f"the stored model has {n} calibrations and folds of shape {member_folds.shape}; "
                "they do not belong together."
            )
            raise ValueError(msg)
        shared = {
            name.removeprefix(SHARED): value
            for name, value in state.items()
            if name.startswith(SHARED)
        }
        own: list[dict[str, np.ndarray]] = [dict(shared) for _ in range(n)]
        for key, value in state.items():
            number, _, name = key.partition("_")
            if number.isdigit() and int(number) < n:
                own[int(number)][name] = value
        members = [load_fitted(method, part) for part in own]
        return cls.of(members, calibrations, member_folds.tolist(), pairs, fold, n_genes)


def _same(one: np.ndarray, other: np.ndarray) -> bool:
    return one is other or (one.shape == other.shape and bool(np.array_equal(one, other)))


def _calibrations(state: dict[str, np.ndarray]) -> list[PlattCalibration]:
    """Read slopes and intercepts; what comes from a file must be finite and keep the order."""
    slopes, intercepts = (np.asarray(state[name], float) for name in ("slopes", "intercepts"))
    sound = slopes.shape == intercepts.shape and slopes.ndim == 1 and len(slopes) > 0
    if not sound or not np.isfinite([slopes, intercepts]).all() or (slopes <= 0).any():
        msg = "the stored calibrations are not finite numbers with positive slopes."
        raise ValueError(msg)
    return [PlattCalibration(float(s), float(i)) for s, i in zip(slopes, intercepts, strict=True)]
