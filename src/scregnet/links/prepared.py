"""A method whose first step reads no label: fits of one seed to the same cells share that step."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    import numpy as np

    from scregnet.links.task import FitResult, LinkMethod, LinkTask


def prepared_once(method: LinkMethod) -> LinkMethod:
    """Return a method that repeats its ``prepare`` for other cells or seeds only, if it has one."""
    return cast("LinkMethod", _Prepared(method)) if hasattr(method, "prepare") else method


class _Prepared:
    """What the last fit prepared is kept, and serves the next one of the same seed and features."""

    def __init__(self, method: Any) -> None:
        self.method = method
        self._last: tuple[Any, Any, Any] = (None, None, None)

    def __getattr__(self, name: str) -> Any:
        # A copy asks before it has a method: the question would go round for ever.
        if name == "method":
            raise AttributeError(name)
        return getattr(self.method, name)

    def fit(
        self, task: LinkTask, *, rng: np.random.Generator, device: Any, progress: Any = None
    ) -> FitResult:
        """Fit to what is prepared; the same as without this class, to the last bit."""
        expression, state, made = self._last
        now = rng.bit_generator.state
        if expression is not task.expression or state != now:
            made = self.method.prepare(task, rng=deepcopy(rng), device=device)
            self._last = (task.expression, now, made)
        found: FitResult = self.method.fit(
            task, rng=rng, device=device, progress=progress, prepared=made
        )
        return found
