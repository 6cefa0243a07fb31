"""Say before a fit about how long it takes, where that is more than a minute."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scregnet._progress import announce
from scregnet._threads import n_threads
from scregnet.tl._fit.folds import PARALLEL_PAIRS

if TYPE_CHECKING:
    from scregnet._genes.split import LabelledPairs
    from scregnet.links import LinkMethod
    from scregnet.tl._fit.folds import Folds

LEAST_SECONDS = 60

FOLD_SHARE = 0.25
"""Time of the fit of one fold, of that of the fit which is evaluated (mESC, simulated cells)."""

SECONDS_PER_LINK = 1e-6
"""Time to score a link of a TF with labels by one fitted model, on one core (20,000 genes: 0.9).

Links of other TFs take a tenth of it or less and are not counted.
"""


def announce_time(
    method: LinkMethod, labelled: LabelledPairs, folds: Folds | None, n_genes: int, n_groups: int
) -> None:
    """Show and log a rough time, if the method can tell and it is more than a minute."""
    train = labelled.parts.train
    one = method.rough_seconds(len(train), len(np.unique(train.targets)))
    if one is None:
        return
    n_members = 1 if folds is None else folds.n_folds * folds.folds.shape[1]
    rest = SECONDS_PER_LINK * len(np.unique(train.sources)) * n_genes * n_members
    if folds is not None:
        rest += FOLD_SHARE * n_members * one
    # The fit that is evaluated runs in one thread.
    threads = n_threads() if len(train) > PARALLEL_PAIRS else 1
    seconds = n_groups * (one + rest / threads)
    if seconds > LEAST_SECONDS:
        announce(seconds)
