"""What the studies share: fits that write nothing, and the versions to compare with."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scregnet._anndata.evidence import layer_names
from scregnet._logging import logger
from scregnet._validate import noted, with_notes
from scregnet.bm._kept.digest import digest_of_cells, of_fit
from scregnet.bm._kept.store import Store, file_name
from scregnet.tl._fit.fit import Fit, fit_links
from scregnet.tl._fit.task import FitOptions, device_of, make_task
from scregnet.tl._fit.verdict import METRIC_COLUMNS, Verdict, judge_nulls, metric_rows

if TYPE_CHECKING:
    from anndata import AnnData

    from scregnet._genes.split import LabelledPairs
    from scregnet.links import LinkMethod, LinkTask
    from scregnet.tl._fit.folds import Folds

SET_BY_THE_STUDY = ("n_bootstrap", "n_folds", "threshold", "top_n_targets", "random_state")
"""Options of a fit that a study does not take: it writes no network and sets the seeds."""

SHUFFLED = "shuffled cells"
RANDOM = "random embedding"
NO_EVIDENCE, RANDOM_EVIDENCE = "no evidence", "random evidence"


def without_evidence(options: FitOptions | Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the versions without the evidence layers and with shuffled ones, if there are any."""
    given = options.get("evidence") if isinstance(options, Mapping) else options.evidence
    if not layer_names(given):
        return {}
    return {
        NO_EVIDENCE: {"evidence": None, "random_evidence": False},
        RANDOM_EVIDENCE: {"random_evidence": True},
    }


def own_ablations(method: LinkMethod, fit_params: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the versions without one part that the method's class names, by name."""
    # What the user took away already is no ablation of the rest.
    return {
        name: dict(keywords)
        for name, keywords in method.ablations.items()
        if not keywords.items() <= fit_params.items()
    }


FIGURES = ["model", "split", "metric", "value"]
"""Columns of the figures of one fit."""


class Study:
    """Fits one after the other. Those that diverge or collapse are NaN, unless all of them do.

    ``folder`` keeps the figures of each fit that is done.
    """

    def __init__(
        self,
        data: AnnData,
        device: str | None,
        folder: str | os.PathLike[str] | None = None,
    ) -> None:
        self.data = data
        self.device = device
        self.store = Store(folder, _figures_of)
        self.cells = "" if folder is None else digest_of_cells(data).hexdigest()
        self.n_fits = 0
        self.failures: list[RuntimeError] = []

    def fit(
        self,
        title: str,
        name: str,
        method: LinkMethod,
        labelled: LabelledPairs,
        options: FitOptions,
        *,
        nulls: dict[str, Verdict],
        folds: Folds | None = None,
        change: Callable[[LinkTask], LinkTask] | None = None,
    ) -> Fit | None:
        """Fit once, and once for each fold if there are folds; ``None`` if that fails.

        ``title`` is for the log. ``change`` gets the task with its features and returns the one to
        fit to.
        """
        self.n_fits += 1
        device = device_of(self.device, method)
        try:
            with noted(f"in the fit {title!r}"):
                task, _ = make_task(self.data, method, labelled, options)
                task = task if change is None else change(task)
                found = fit_links(name, method, task, labelled, options, nulls, device=device)
                if folds is None:
                    return found
                from scregnet.tl._fit.folds import with_folds

                return with_folds(found, method, task, folds, {}, device)
        except RuntimeError as error:
            logger.warning("%s. Its figures are NaN.", with_notes(error))
            self.failures.append(error)
            return None

    def figures(
        self,
        title: str,
        name: str,
        method: LinkMethod,
        labelled: LabelledPairs,
        options: FitOptions,
    ) -> pd.DataFrame:
        """Return the metrics of one fit: model, split, metric, value. ``title`` is for people.

        What the folder has is not fitted again. A fit that failed is not kept.
        """
        options = options.for_pairs(labelled)
        key = ""
        if self.store.folder is not None:
            parts = of_fit(name, method, labelled, options, self.data)
            key = file_name((name, title), [self.cells, *parts])
        kept = self.store.read(key)
        if kept is not None:
            logger.info("%s is there already", title)
            self.n_fits += 1
            return kept
        nulls = judge_nulls(labelled.parts, self.data.n_vars, options, but=name)
        fit = self.fit(title, name, method, labelled, options, nulls=nulls)
        if fit is not None:
            table = fit.metrics()[FIGURES].copy()
            self.store.write(key, {"title": title, "figures": table.to_numpy().tolist()})
            return table
        table = pd.DataFrame(metric_rows(nulls, name), columns=METRIC_COLUMNS)
        failed = table[table["model"] == table["model"].iloc[0]]
        table = pd.concat([failed.assign(model=name, value=np.nan), table], ignore_index=True)
        return table[FIGURES].copy()

    def check(self) -> None:
        """Raise the last failure if every fit failed."""
        if self.n_fits and len(self.failures) == self.n_fits:
            raise self.failures[-1]


def _figures_of(record: dict[str, Any]) -> pd.DataFrame:
    """Return the figures of a record as they were kept."""
    return pd.DataFrame(record["figures"], columns=FIGURES).astype({"value": np.float64})
