"""One group of cells: fit, judge and score all links; what ``varp`` gets of it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from scregnet._progress import progress_bar
from scregnet.links.prepared import prepared_once
from scregnet.tl._fit.fit import Fit, fit_links
from scregnet.tl._fit.signs import network_signs

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from scregnet._anndata.groups import CellGroup
    from scregnet.links import LinkTask
    from scregnet.links.task import Progress
    from scregnet.tl._fit.plan import Plan


def fit_group(
    task: LinkTask, plan: Plan, group: CellGroup, *, show_progress_bar: bool | None
) -> Fit:
    """Fit and judge the method on one group of cells, then fit its folds."""
    # Folds repeat only what their labels change.
    method, options = prepared_once(plan.method), plan.options
    fit = partial(
        fit_links, plan.name, method, task, plan.labelled, options, plan.nulls, device=plan.device
    )
    n_epochs = getattr(method, "max_epochs", 0)
    if n_epochs:
        total = options.n_models * n_epochs
        with progress_bar(f"fit {group.key}", total, show=show_progress_bar) as bar:
            progress = None if bar is None else partial(_member_progress, bar, n_epochs)
            found = fit(progress=progress)
    else:
        found = fit()
    if plan.folds is None:
        return found
    from scregnet.tl._fit.folds import with_folds

    return with_folds(found, method, task, plan.folds, plan.fold_nulls, plan.device)


def matrices(
    fit: Fit, task: LinkTask, candidates: np.ndarray, genes: pd.Index, key: str
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what ``varp`` gets of one network, and what ``uns`` gets of its signs."""
    network = fit.network(candidates, len(genes))
    found = {key: network.probabilities}
    for slot, matrix in (("sd", network.deviations), ("null", network.null)):
        if matrix is not None:
            found[f"{key}_{slot}"] = matrix
    signs = network_signs(
        network.probabilities, fit.labelled.signs, task, genes, fit.options.random_state, name=key
    )
    if signs is None:
        return found, {}
    found[f"{key}_sign"], record = signs
    return found, {"signs": record}


def _member_progress(bar: Progress, n_epochs: int, number: int) -> Progress:
    return lambda epoch, row: bar(number * n_epochs + epoch, row)
