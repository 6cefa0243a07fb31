"""Join several fits that differ in their seed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from scregnet._threads import in_threads
from scregnet._validate import noted
from scregnet.links.calibration import PlattCalibration, read_calibrations
from scregnet.links.forms.saved import read_floats
from scregnet.links.registry import load_fitted

if TYPE_CHECKING:
    from scregnet.links.task import FitResult, FittedLinks, LinkMethod, LinkTask, Progress


SHARED = "shared_"
"""Before the name of an array that all members have in common, which is stored once."""


@dataclass(frozen=True, eq=False)
class EnsembleLinks:
    """Fitted links of one method, each with its calibration.

    The score of a pair is the mean of the members' calibrated logits.
    """

    members: tuple[FittedLinks, ...]
    calibrations: tuple[PlattCalibration, ...]

    def score(
        self, sources: np.ndarray, targets: np.ndarray, *, parallel: bool = False
    ) -> np.ndarray:
        """Return the mean of the members' calibrated logits, float32."""
        return self.score_and_sd(sources, targets, parallel=parallel)[0]

    def score_and_sd(
        self, sources: np.ndarray, targets: np.ndarray, *, parallel: bool = False
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the score, and the standard deviation of the members' probabilities; float32.

        ``parallel`` scores by several members at a time.
        """
        everything = [slice(None)] * len(self.members)
        scores = member_scores(self.members, everything, sources, targets, parallel=parallel)
        return pool(scores, self.calibrations, everything, len(sources))

    def used(self, sources: np.ndarray, targets: np.ndarray) -> list[np.ndarray]:
        """Return which of the pairs each member scores: all of them."""
        return [np.arange(len(sources))] * len(self.members)

    def state(self) -> dict[str, np.ndarray]:
        """Return the members' arrays, named ``<member>_<array>``, and their calibrations."""
        state = {
            f"{number}_{name}": value
            for number, member in enumerate(self.members)
            for name, value in member.state().items()
        }
        state["slopes"] = np.array([calibration.slope for calibration in self.calibrations])
        state["intercepts"] = np.array([calibration.intercept for calibration in self.calibrations])
        return state

    @classmethod
    def from_state(
        cls, method: str, state: dict[str, np.ndarray], n_genes: int | None = None
    ) -> EnsembleLinks:
        """Make an equal object from its :meth:`state`; ``method`` fitted its members."""
        calibrations = read_calibrations(
            read_floats(state, "slopes", (None,), np.float64),
            read_floats(state, "intercepts", (None,), np.float64),
        )
        return cls(read_members(method, state, len(calibrations), n_genes), tuple(calibrations))


def member_scores(
    members: Sequence[FittedLinks],
    uses: Sequence[np.ndarray | slice],
    sources: np.ndarray,
    targets: np.ndarray,
    *,
    parallel: bool,
) -> Iterator[np.ndarray]:
    """Yield the scores of each member for those of the pairs that it is to score."""

    def scored(job: tuple[FittedLinks, np.ndarray | slice]) -> np.ndarray:
        member, use = job
        return member.score(sources[use], targets[use])

    return in_threads(scored, zip(members, uses, strict=True), parallel=parallel)


def pool(
    scores: Iterable[np.ndarray],
    calibrations: Sequence[PlattCalibration],
    uses: Sequence[np.ndarray | slice],
    n: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Return mean calibrated logits, and standard deviations of the probabilities; float32.

    ``uses`` says which of the ``n`` pairs the scores of each member are those of.
    """
    logits, number = np.zeros(n), np.zeros(n)
    # Welford's update of mean m and sum of squares S: with the k-th probability p_k,
    # m_k = m_(k-1) + (p_k - m_(k-1)) / k and S_k = S_(k-1) + (p_k - m_(k-1)) (p_k - m_k).
    # A difference of sums would leave rounding error where members agree.
    mean, square = np.zeros(n), np.zeros(n)
    for score, calibration, use in zip(scores, calibrations, uses, strict=True):
        logits[use] += calibration.slope * score.astype(np.float64) + calibration.intercept
        number[use] += 1
        probability = calibration(score).astype(np.float64)
        step = probability - mean[use]
        mean[use] += step / number[use]
        square[use] += step * (probability - mean[use])
    number = np.maximum(number, 1)
    return (logits / number).astype(np.float32), np.sqrt(square / number).astype(np.float32)


def mean_logits(
    scores: Iterable[np.ndarray],
    calibrations: Sequence[PlattCalibration],
    uses: Sequence[np.ndarray | slice],
    n: int,
) -> np.ndarray:
    """Return the first result of :func:`pool` alone, which takes half the time."""
    logits, number = np.zeros(n), np.zeros(n)
    for score, calibration, use in zip(scores, calibrations, uses, strict=True):
        logits[use] += calibration.slope * score.astype(np.float64) + calibration.intercept
        number[use] += 1
    return (logits / np.maximum(number, 1)).astype(np.float32)


def read_members(
    method: str,
    state: dict[str, np.ndarray],
    n: int,
    n_genes: int | None = None,
    *,
    alike: np.ndarray | None = None,
) -> tuple[FittedLinks, ...]:
    """Make ``n`` members again from arrays named ``<member>_<array>`` or ``shared_<array>``.

    ``alike`` gives for each member the number of the one whose arrays are its own.
    """
    shared = {
        name.removeprefix(SHARED): value for name, value in state.items() if name.startswith(SHARED)
    }
    own: list[dict[str, np.ndarray]] = [dict(shared) for _ in range(n)]
    for key, value in state.items():
        number, _, name = key.partition("_")
        if number.isdigit() and int(number) < n:
            own[int(number)][name] = value
    if alike is None:
        return tuple(load_fitted(method, part, n_genes) for part in own)
    made = {number: load_fitted(method, own[number], n_genes) for number in np.unique(alike)}
    return tuple(made[number] for number in alike)


def fit_members(
    method: LinkMethod,
    task: LinkTask,
    n_models: int,
    *,
    random_state: int | None,
    device: Any,
    progress: Callable[[int], Progress | None] | None = None,
) -> list[FitResult]:
    """Fit a method several times with different seeds.

    Parameters
    ----------
    method
        The method.
    task
        The same task for every member.
    n_models
        Number of fits.
    random_state
        Seed of the first member. The others have seeds derived from it.
    device
        Where to compute; ``None`` for methods without torch.
    progress
        Gives the callback of a member by its number.
    """
    first = np.random.default_rng(random_state)
    # Spawning draws nothing from the first, so a single fit and the first member are the same.
    generators = [first, *first.spawn(n_models - 1)]
    found = []
    for number, rng in enumerate(generators):
        callback = None if progress is None else progress(number)
        with noted(f"in fit {number + 1} of {n_models}") if n_models > 1 else nullcontext():
            found.append(method.fit(task, rng=rng, device=device, progress=callback))
    return found


def join(
    results: list[FitResult], task: LinkTask, *, label_frequency: float = 1.0
) -> FittedLinks | EnsembleLinks:
    """Return a single fit's links as they are; calibrate several on validation pairs and join."""
    if len(results) == 1:
        return results[0].links
    check = task.validation
    calibrations = [
        PlattCalibration.fit(
            result.links.score(check.sources, check.targets),
            check.labels,
            weights=check.weights,
            label_frequency=label_frequency,
        )
        for result in results
    ]
    return EnsembleLinks(tuple(result.links for result in results), tuple(calibrations))
