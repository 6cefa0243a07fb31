"""Say before a fit about how long it takes, where that is more than a minute."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from scregnet._progress import announce
from scregnet._threads import n_threads
from scregnet.tl._fit.folds import PARALLEL_PAIRS

if TYPE_CHECKING:
    from scregnet.tl._fit.folds import Folds
    from scregnet.tl._fit.inputs import Inputs

LEAST_SECONDS = 60


def announce_time(inputs: Inputs, folds: Folds | None, *, n_groups: int, device: Any) -> None:
    """Show and log a rough time, if the method can tell and it is more than a minute.

    The first group stands for all. Nothing is said of a fit on another device than the CPU.
    """
    if device is not None and device.type != "cpu":
        return
    method, task, n_models = inputs.method, inputs.first, inputs.options.n_models
    one = method.rough_seconds(task)
    if one is None:
        return
    # Of an ensemble each model has folds of its own; where a repeat is cheap, there are more.
    n_members = n_models if folds is None else folds.n_folds * folds.folds.shape[1]
    rest, first = 0.0, n_models * one
    if method.needs_labels:
        n_links = len(np.unique(task.train.sources)) * task.n_genes
        rest += method.seconds_per_link * n_links * n_members
        rest += 0 if folds is None else method.fold_share * n_members * one
    # A method without labels goes through the genes in threads, and fits no fold. Of others, folds
    # are fitted in threads where there are many pairs, and torch's steps where they are large.
    if method.many_threads or not method.needs_labels:
        seconds = (first + rest) / n_threads()
    elif len(task.train) > PARALLEL_PAIRS and not method.uses_torch:
        seconds = first + rest / n_threads()
    else:
        seconds = first + rest
    if n_groups * seconds > LEAST_SECONDS:
        announce(n_groups * seconds)
