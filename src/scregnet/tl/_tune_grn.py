"""Search the hyper-parameters of a method on validation pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scregnet._anndata.access import check_names, check_writable, resolve, write
from scregnet._anndata.evidence import layer_names
from scregnet._anndata.taken import check_free
from scregnet._docs import doc
from scregnet._genes.split import labelled_pairs
from scregnet._logging import logger
from scregnet._progress import progress_bar
from scregnet._validate import (
    check_integer,
    check_interval,
    check_name,
    seed_of,
    shortened,
)
from scregnet.get._tuned import is_search
from scregnet.links import get_method
from scregnet.links.search.spaces import read_space
from scregnet.tl._fit.fit import threads
from scregnet.tl._fit.task import (
    FitOptions,
    check_method_params,
    device_of,
    log_unread,
    make_task,
)

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
    split: str | pd.DataFrame | None = None,
    embedding: str | pd.DataFrame | None = "auto",
    layer: str | None = None,
    n_pcs: int | None = None,
    random_embedding: bool = False,
    evidence: str | Sequence[str] | None = None,
    pseudotime: str | None = None,
    n_trials: int = 50,
    timeout: float | None = None,
    space: Mapping[str, Any] | None = None,
    storage: str | PathLike[str] | None = None,
    study_name: str | None = None,
    gene_symbols: str | None = None,
    key_added: str | None = None,
    device: str | None = None,
    random_state: int | None = 0,
    show_progress_bar: bool | None = None,
    copy: bool = False,
    mod: str = "rna",
    **method_params: Any,
) -> AnnData | MuData | None:
    """Search the hyper-parameters with which a method does best on the validation pairs.

    Needs Optuna (``pip install scregnet[tune]``). A trial is judged by validation AUROC + AUPRC;
    hopeless ones end early (successive halving). Test pairs are never scored. Fit with the result:
    ``sr.tl.fit_grn(adata, prior, **sr.get.tuned(adata))``.

    Parameters
    ----------
    %(adata)s
    %(prior)s

        ``None`` takes ``adata.varp["prior"]``, or the edges of ``split``.
    method
        Method of :func:`scregnet.tl.fit_grn`.
    split, embedding, layer, n_pcs, random_embedding, evidence, pseudotime, gene_symbols
        As in :func:`scregnet.tl.fit_grn`.
    n_trials
        Number of trials; those found in ``storage`` count.
    timeout
        Seconds after which no further trial begins.
    space
        Hyper-parameter to a list of values, to ``(low, high)``, or to ``(low, high, "log")``.
        ``None`` takes the method's own space.
    storage
        File that keeps the trials, so that the same call goes on where it ended: SQLite if its name
        ends in ``.db`` or ``.sqlite``, else a journal; or a database URL. ``None`` keeps none.
    study_name
        Name of the search within ``storage``; ``None`` takes ``"scregnet_<method>"``.
    %(key_added)s Here ``"tune"``.
    %(device)s Not read by methods without torch.
    random_state
        Seed of the default split, of every fit, and of the proposals; ``None`` draws it. A search
        in ``storage`` goes on with the same seed.
    %(progress)s
    %(copy)s
    %(mod)s
    **method_params
        Hyper-parameters that are set and not searched.

    Returns
    -------
    ``None`` if ``copy=False``, else the changed copy. Sets ``adata.uns[key_added]``: ``best``
    (hyper-parameters), ``best_trial``, ``value`` (validation AUROC + AUPRC), ``trials`` (a frame,
    one row a trial) and ``params``.

    Raises
    ------
    ImportError
        Optuna is not installed.
    ValueError
        ``space`` is no search space, ``storage`` holds another search, ``key_added`` names what is
        no search, or what a fit raises.
    RuntimeError
        No trial was completed.

    Examples
    --------
    >>> import scregnet as sr
    >>> adata = sr.datasets.simulated(n_obs=200, n_vars=100)
    >>> sr.tl.tune_grn(adata, adata.uns["network"], method="degree", n_trials=3)
    >>> sr.tl.fit_grn(adata, adata.uns["network"], **sr.get.tuned(adata))
    """
    random_state = seed_of(random_state)
    from scregnet.links.search.tuning import tune

    data = resolve(adata, mod)
    check_names(data)
    check_writable(data, copy=copy)
    key = "tune" if key_added is None else key_added
    own = is_search(data.uns.get(key)) if isinstance(key, str) else False
    check_free(data, "key_added", key, [] if own else [("uns", key)], "a search of sr.tl.tune_grn")
    check_name("study_name", study_name)
    path = None if storage is None else _path(storage)
    check_integer("n_trials", n_trials, minimum=1)
    if timeout is not None:
        check_interval("timeout", timeout, 0, np.inf, closed="neither")
    check_method_params(method, method_params, tune_grn)
    base = get_method(method, **method_params)
    searched = read_space(method, base, space, method_params)
    options = FitOptions(
        embedding=embedding,
        layer=layer,
        n_pcs=n_pcs,
        random_embedding=random_embedding,
        evidence=evidence,
        pseudotime=pseudotime,
        random_state=random_state,
    )
    labelled = labelled_pairs(
        data, prior, split, random_state=random_state, gene_symbols=gene_symbols
    )
    log_unread(method, base, options)
    task, record = make_task(data, base, labelled, options)
    title = f"tune {method}"
    with (
        threads(base),
        progress_bar(title, n_trials, show=show_progress_bar, unit="trial") as bar,
    ):
        trials = tune(
            method,
            base,
            searched,
            task,
            n_trials=n_trials,
            timeout=timeout,
            storage=path,
            study_name=f"scregnet_{method}" if study_name is None else study_name,
            random_state=random_state,
            device=device_of(device, base),
            progress=bar,
        )
    params = {
        "method": method,
        "method_params": {name: _plain(item) for name, item in method_params.items()},
        **options.params(),
        "split": labelled.params(),
        "space": {name: repr(dimension) for name, dimension in searched.items()},
        "n_trials": n_trials,
        "scregnet_version": version("scregnet"),
        **record,
    }
    entry = {
        **_entry(method, method_params, trials, list(searched)),
        "fit": _fit_keywords(method, options, labelled.key, record),
        "params": params,
    }
    result = adata.copy() if copy else adata
    write(resolve(result, mod), uns={key: entry})
    return result if copy else None


def _entry(
    method: str, fixed: Mapping[str, Any], trials: list[TrialRecord], searched: list[str]
) -> dict[str, Any]:
    """Return what ``uns`` keeps of the trials, and say which is the best."""
    best = _best(trials)
    value = best.auroc + best.auprc
    logger.info(
        "tune %s: trial %d of %d is the best, validation AUROC + AUPRC %.3f",
        *(method, best.number, len(trials), value),
    )
    return {
        "best": {name: _plain(item) for name, item in {**fixed, **best.parameters}.items()},
        "best_trial": best.number,
        "value": value,
        "trials": _frame(trials, searched),
    }


def _fit_keywords(
    method: str, options: FitOptions, split: str | None, record: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the keywords with which a fit has the data, pairs and seed of the search.

    Frames are not kept. An embedding that ``"auto"`` found goes by its name, which stays right when
    there is a second one.
    """
    shared = ("layer", "n_pcs", "random_embedding", "random_state")
    keywords = {"method": method, **{name: getattr(options, name) for name in shared}}
    if options.pseudotime is not None:
        keywords["pseudotime"] = options.pseudotime
    if names := layer_names(options.evidence):
        keywords["evidence"] = names
    if split is not None:
        keywords["split"] = split
    if not isinstance(options.embedding, pd.DataFrame):
        found = record.get("embedding", options.embedding)
        keywords["embedding"] = None if found == "none" else found
    return keywords


def _path(storage: str | PathLike[str]) -> str | Path:
    if not isinstance(storage, (str, PathLike)) or storage == "":
        msg = f"storage must be the path of a file, or None; got {shortened(storage)}."
        raise TypeError(msg)
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
