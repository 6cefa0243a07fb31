"""What the studies share: fits that write nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scregnet._logging import logger
from scregnet.tl._fit.fit import METRIC_COLUMNS, fit_links, judge_nulls
from scregnet.tl._fit.task import FitOptions, device_of, make_task

if TYPE_CHECKING:
    from anndata import AnnData

    from scregnet._genes.split import LabelledPairs
    from scregnet.links import LinkMethod

SET_BY_THE_STUDY = ("n_bootstrap", "n_folds", "threshold", "top_n_targets", "random_state")
"""Options of a fit that a study does not take: it writes no network and sets the seeds."""


class Study:
    """Fits one after the other. Those that diverge or collapse are NaN, unless all of them do."""

    def __init__(self, data: AnnData, device: str | None) -> None:
        self.data = data
        self.device = device
        self.n_fits = 0
        self.failures: list[RuntimeError] = []

    def figures(
        self,
        title: str,
        name: str,
        method: LinkMethod,
        labelled: LabelledPairs,
        options: FitOptions,
    ) -> pd.DataFrame:
        """Return the metrics of one fit: model, split, metric, value. ``title`` is for the log."""
        self.n_fits += 1
        options.check_pairs(labelled)
        nulls = judge_nulls(labelled.parts, self.data.n_vars, options, but=name)
        try:
            task, _ = make_task(self.data, method, labelled.parts, options)
            fit = fit_links(
                name, method, task, labelled, options, nulls, device=device_of(self.device, method)
            )
        except RuntimeError as error:
            logger.warning("%s: %s Its figures are NaN.", title, error)
            self.failures.append(error)
            rows = [(model, *row) for model, found in nulls.items() for row in found.figures]
            table = pd.DataFrame(rows, columns=METRIC_COLUMNS)
            failed = table[table["model"] == table["model"].iloc[0]]
            table = pd.concat([failed.assign(model=name, value=np.nan), table], ignore_index=True)
        else:
            table = fit.metrics()
        return table[["model", "split", "metric", "value"]].copy()

    def check(self) -> None:
        """Raise the last failure if every fit failed."""
        if self.n_fits and len(self.failures) == self.n_fits:
            raise self.failures[-1]
