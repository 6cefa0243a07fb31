"""Do once what reads no label, for all splits: a whole method, or the first step of one."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from scregnet.bm._grid.measure import Cost, measured

if TYPE_CHECKING:
    import numpy as np

    from scregnet.bm._grid.cells import Cell
    from scregnet.links import FitResult, LinkMethod, LinkTask

# What was made last of one data set with one seed, with what it took.
_last: dict[str, tuple[Any, Cost]] = {}
_last_of: list[tuple[str, int]] = []


class Once:
    """A method that takes what was made without labels in an equal fit, where there was one."""

    def __init__(self, method: LinkMethod, cell: Cell) -> None:
        self.method = method
        self.what = f"{cell.chosen.arguments} {cell.inputs}"
        self.spared: list[Cost] = []
        """What was not repeated took so much."""
        here = (cell.source.digest, cell.seed)
        if _last_of != [here]:
            _last.clear()
            _last_of[:] = [here]

    def __getattr__(self, name: str) -> Any:
        # A copy asks before it has a method: the question would go round for ever.
        if name == "method":
            raise AttributeError(name)
        return getattr(self.method, name)

    def whole(self, cost: Cost) -> Cost:
        """Return what a call took, with what it was spared."""
        return Cost(
            cost.cpu_seconds + sum(spared.cpu_seconds for spared in self.spared),
            cost.seconds + sum(spared.seconds for spared in self.spared),
            max([cost.peak_gib, *(spared.peak_gib for spared in self.spared)]),
        )

    def _once(self, key: str, make: Callable[[], Any]) -> Any:
        if key in _last:
            self.spared.append(_last[key][1])
        else:
            _last[key] = measured(make, inside=True)
        return _last[key][0]


class FittedOnce(Once):
    """A method without labels, which is fitted once for all splits."""

    def fit(self, task: LinkTask, *, rng: np.random.Generator, **how: Any) -> FitResult:
        """Fit the method, unless an equal fit was just made."""
        # The candidate TFs are all of the task that a split can change.
        key = f"{self.what} {rng.bit_generator.state} {task.candidates.tolist()}"
        found: FitResult = self._once(key, lambda: self.method.fit(task, rng=rng, **how))
        return found


class PreparedOnce(Once):
    """A method with labels whose first step, which has none, is run once for all splits."""

    def fit(
        self, task: LinkTask, *, rng: np.random.Generator, device: Any, **how: Any
    ) -> FitResult:
        """Fit the method to what its first step gave, now or before."""
        method: Any = self.method
        key = f"{self.what} {rng.bit_generator.state}"
        # A copy: what the fit draws must not hang on whether the step ran now.
        made = self._once(key, lambda: method.prepare(task, rng=deepcopy(rng), device=device))
        found: FitResult = method.fit(task, rng=rng, device=device, prepared=made, **how)
        return found


def shared_between_splits(method: LinkMethod, cell: Cell) -> Once | None:
    """Return a method that repeats nothing without labels, or ``None`` if all of it has labels."""
    if not method.needs_labels:
        return FittedOnce(method, cell)
    return PreparedOnce(method, cell) if hasattr(method, "prepare") else None
