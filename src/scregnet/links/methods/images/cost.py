"""About how long a network of images trains on a CPU."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scregnet.links.neural.options import Training
    from scregnet.links.task import LinkTask


def rough_seconds(training: Training, task: LinkTask, *, of_a_pair: float, precision: str) -> float:
    """Return the time of a fit on one core; ``of_a_pair``: seconds of an epoch in float32."""
    # It is not known when the figure on validation pairs is best: twice the patience is a guess.
    n_epochs = min(training.max_epochs, 2 * training.patience)
    # Half of it on mDC, with a processor that has the precision.
    faster = 0.5 if precision == "bfloat16" else 1.0
    return of_a_pair * faster * n_epochs * len(task.train)
