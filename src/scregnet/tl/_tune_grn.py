"""Search the hyper-parameters of a method on validation pairs."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scregnet._anndata.access import check_names, resolve, write
from scregnet._anndata.uns import check_key
from scregnet._device import resolve_device, torch_threads
from scregnet._docs import doc
from scregnet._logging import logger
from scregnet._progress import progress_bar
from scregnet._validate import check_integer, check_interval
from scregnet.links import get_method
from scregnet.links.search.spaces import read_space
from scregnet.tl._fit.labelled import labelled_pairs
from scregnet.tl._fit.task import make_task

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData

    from scregnet.links.search.tuning import TrialRecord


@doc
def tune_grn(
    adata: AnnData | MuData,
    prior: Any = None,
    method: str = "joint",
    *,
    n_trials: int = 50,
    timeout: float | None = None,
    space: Mapping[str, Any] | None = None,
    storage: str | PathLike[str] | None = None,
    study_name: str | None = None,
    embedding: str | pd.DataFrame | None = "auto",
    layer: str | None = None,
    n_pcs: int | None = None,
    split: str | pd.DataFrame = "pairs",
    negatives: str = "all",
    negative_ratio: float = 1.0,
    test_fraction: float = 0.33,
    validation_fraction: float | None = None,
    random_embedding: bool = False,
    key_added: str | None = None,
    device: str | None = None,
    random_state: int | None = 0,
    show_progress_bar: bool | None = None,
    copy: bool = False,
    mod: str = "rna",
    **method_params: Any,
) -> AnnData | MuData | None:
    """Search the hyper-parameters with which a method does best on the validation pairs.

    Optuna (``pip install scregnet[tune]``) proposes them (tree-structured Parzen estimator); a trial is judged by AUROC + AUPRC on the validation pairs, and one that
    is not among the best quarter of those that got as far is ended early (successive halving). The test pairs are set aside and never scored. Fit with what was found:

    >>> sr.tl.fit_grn(adata, prior, **sr.get.tuned(adata))  # doctest: +SKIP

    which also takes over split and seed, and so leaves the same test pairs unseen.

    Parameters
    ----------
    %(adata)s
    %(prior)s

        ``None`` takes ``adata.varp["prior"]``, or the positives of ``split`` if that is a frame.
    method
        Method of :func:`scregnet.tl.fit_grn`.
    n_trials
        Number of trials; those found in ``storage`` count.
    timeout
        Seconds after which no further trial is begun.
    space
        What to search in place of the method's own space: name of a hyper-parameter to a list of values, to ``(low, high)``, of integers or of
        numbers, or to ``(low, high, "log")``. ``None`` takes the method's own: for ``"joint"`` number, size and learning rate of the trees and the variances of the
        process; for ``"scregnet"`` that of its authors: learning rate, weight decay, dropout, batch size, optimiser, number and widths of the layers, and heads, reduction and slope of a GAT.
    storage
        File that keeps the trials, so that a search that was ended goes on when the same call is made again: SQLite if its name ends in ``.db`` or ``.sqlite``, else a journal. Also a
        database URL as Optuna takes it. ``None`` keeps them in memory.
    study_name
        Name of the search within ``storage``; ``None`` takes ``"scregnet_<method>"``.
    embedding, layer, n_pcs, split, negatives, negative_ratio, test_fraction, validation_fraction, random_embedding
        As in :func:`scregnet.tl.fit_grn`.
    %(key_added)s Here ``"tune"``.
    %(device)s
    %(random_state)s It draws the split, starts every fit, and makes the proposals.
    %(progress)s
    %(copy)s
    %(mod)s
    **method_params
        Hyper-parameters that are set and not searched, such as ``n_trees=0``, or ``gnn="gat"`` of ``"scregnet"``.

    Returns
    -------
    ``None`` if ``copy=False``, else the changed copy. Sets the following field, with ``key`` for ``key_added``:

    - ``adata.uns[key]``: ``best``, the hyper-parameters of the best trial, with those that were set (:func:`scregnet.get.tuned` gives them for a fit); ``value``, its validation AUROC +
      AUPRC; ``trials``, a frame with a row for each: ``number``, ``state`` (``"complete"``, ``"pruned"``, ``"failed"``), ``validation_auroc`` and ``validation_auprc`` (the
      best epoch's), ``n_epochs``, ``seconds``, ``failure`` (the message of a fit that diverged or collapsed), and a column for each hyper-parameter;
      ``params``, what was asked for.

    Raises
    ------
    ImportError
        Optuna is not installed.
    ValueError
        ``space`` is not a search space, ``storage`` holds a search of another problem, or what :func:`scregnet.tl.fit_grn` raises.
    RuntimeError
        No trial was completed.

    Examples
    --------
    >>> import scregnet as sr
    >>> adata = sr.datasets.simulated(n_obs=200, n_vars=100)
    >>> sr.tl.tune_grn(adata, adata.uns["network"], method="degree", n_trials=3)
    >>> adata.uns["tune"]["trials"]["state"].tolist()
    ['complete', 'complete', 'complete']
    >>> sr.tl.fit_grn(adata, adata.uns["network"], **sr.get.tuned(adata))
    """
    from scregnet.links.search.tuning import tune

    data = resolve(adata, mod)
    check_names(data)
    key = "tune" if key_added is None else key_added
    check_key(key)
    check_integer("n_trials", n_trials, minimum=1)
    if timeout is not None:
        check_interval("timeout", timeout, 0, np.inf, closed="neither")
    base = get_method(method, **method_params)
    searched = read_space(method, base, space, method_params)
    target_device = resolve_device(device)
    labelled, _, _ = labelled_pairs(
        data,
        prior,
        split,
        test_fraction=test_fraction,
        validation_fraction=validation_fraction,
        random_state=random_state,
        negatives=negatives,
        negative_ratio=negative_ratio,
    )
    task, record = make_task(
        data,
        base,
        labelled,
        embedding=embedding,
        layer=layer,
        n_pcs=n_pcs,
        random_state=random_state,
        random_embedding=random_embedding,
    )
    with (
        torch_threads(),
        progress_bar(f"tune {method}", n_trials, show=show_progress_bar, unit="trial") as bar,
    ):
        trials = tune(
            method,
            base,
            searched,
            task,
            n_trials=n_trials,
            timeout=timeout,
            storage=None if storage is None else _path(storage),
            study_name=f"scregnet_{method}" if study_name is None else study_name,
            random_state=random_state,
            device=target_device,
            progress=bar,
        )
    best = _best(trials)
    value = best.auroc + best.auprc
    logger.info(
        "tune %s: trial %d of %d is the best, validation AUROC + AUPRC %.3f",
        method,
        best.number,
        len(trials),
        value,
    )
    entry = {
        "best": {name: _plain(item) for name, item in {**method_params, **best.parameters}.items()},
        "best_trial": best.number,
        "value": value,
        "trials": _frame(trials, list(searched)),
        "params": {
            "method": method,
            "method_params": {name: _plain(item) for name, item in method_params.items()},
            "space": {name: repr(dimension) for name, dimension in searched.items()},
            "n_trials": n_trials,
            "split": split if isinstance(split, str) else "frame",
            "negatives": negatives,
            "negative_ratio": negative_ratio,
            "test_fraction": test_fraction,
            "validation_fraction": validation_fraction,
            "embedding_asked": _embedding_name(embedding, record),
            "layer": layer,
            "n_pcs": n_pcs,
            "random_embedding": random_embedding,
            "random_state": random_state,
            "scregnet_version": version("scregnet"),
            **record,
        },
    }
    result = adata.copy() if copy else adata
    write(resolve(result, mod), uns={key: entry})
    return result if copy else None


def _embedding_name(embedding: str | pd.DataFrame | None, record: Mapping[str, Any]) -> str | None:
    """The embedding as a fit can be told of it: ``"auto"`` by the name of what was found, which stays right when there is a second one."""
    if isinstance(embedding, pd.DataFrame):
        return "frame"
    if embedding != "auto" or "embedding" not in record:
        return embedding
    return None if record["embedding"] == "none" else str(record["embedding"])


def _path(storage: str | PathLike[str]) -> str | Path:
    return storage if isinstance(storage, str) else Path(storage)


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _best(trials: list[TrialRecord]) -> TrialRecord:
    complete = [trial for trial in trials if trial.state == "complete"]
    if not complete:
        failures = [trial.failure for trial in trials if trial.failure]
        why = f" The last failed with: {failures[-1]}" if failures else ""
        msg = f"none of {len(trials)} trials was completed.{why}"
        raise RuntimeError(msg)
    # The first of equals, as Optuna has it.
    return max(complete, key=lambda trial: (trial.auroc + trial.auprc, -trial.number))


def _frame(trials: list[TrialRecord], searched: list[str]) -> pd.DataFrame:
    columns: dict[str, Any] = {
        "number": [trial.number for trial in trials],
        "state": [trial.state for trial in trials],
        "validation_auroc": np.array([trial.auroc for trial in trials]),
        "validation_auprc": np.array([trial.auprc for trial in trials]),
        "n_epochs": [trial.n_epochs for trial in trials],
        "seconds": np.array([trial.seconds for trial in trials]),
        "failure": [trial.failure for trial in trials],
    }
    for name in searched:
        values = [trial.parameters[name] for trial in trials]
        # Files keep no mixed columns: what is not a number throughout is written as text.
        numbers = all(
            isinstance(value, (int, float)) and not isinstance(value, bool) for value in values
        )
        columns[name] = values if numbers else [_text(value) for value in values]
    return pd.DataFrame(columns)


def _text(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
