"""Search hyper-parameters: Optuna proposes, validation pairs judge, hopeless fits end early."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scregnet._logging import logger
from scregnet.links.search.spaces import Dimension, draw
from scregnet.links.search.storage import opened
from scregnet.links.task import FittedLinks, LinkMethod, LinkTask, Pairs

if TYPE_CHECKING:
    from optuna.storages import BaseStorage
    from optuna.study import Study
    from optuna.trial import FrozenTrial, Trial


_STATES = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}


@dataclass(frozen=True, eq=False)
class TrialRecord:
    """One fit of the search: hyper-parameters, validation metrics (NaN if failed), how it ended."""

    number: int
    state: str
    auroc: float
    auprc: float
    n_epochs: int
    seconds: float
    failure: str
    parameters: dict[str, Any]


def tune(
    name: str,
    base: LinkMethod,
    space: Mapping[str, Dimension],
    task: LinkTask,
    *,
    n_trials: int,
    timeout: float | None,
    storage: str | Path | None,
    study_name: str,
    random_state: int | None,
    device: Any,
    progress: Callable[[int, dict[str, float]], None] | None = None,
) -> list[TrialRecord]:
    """Fit ``base`` with hyper-parameters drawn from ``space`` until there are ``n_trials`` fits.

    A fit is judged by validation AUROC + AUPRC, the sum that early stopping uses too. Successive
    halving ends fits early. A fit that raises ``RuntimeError`` (diverged, collapsed) is a failed
    trial.

    Only finished trials are stored, and proposals depend on these and the seed alone. So a search
    that was killed and started again equals one that was not killed.

    Parameters
    ----------
    name, base
        The method's name, and the method with all hyper-parameters that are not searched.
    space
        What to draw, by hyper-parameter.
    task
        The training and validation pairs.
    n_trials
        Number of fits, including those found in ``storage``.
    timeout
        Start no further fit after this many seconds.
    storage, study_name
        File or database to keep the trials in, and the name of the search in it.
    random_state
        Seed of the proposals and of every fit.
    device
        Where to fit.
    progress
        Called after every trial with its number and the best sum so far.

    Returns
    -------
    One record per trial, in order.
    """
    optuna = _optuna()
    with _quiet(optuna), opened(optuna, storage) as place:
        study = _new_study(optuna, base)
        stored = None
        if place is not None:
            fingerprint = _fingerprint(name, _fields(base), space, task, random_state)
            stored = _stored_study(optuna, place, study_name, fingerprint)
            if n_known := _copy_finished(stored, study):
                logger.info(
                    "study %r: %d trials found, going on to %d", study_name, n_known, n_trials
                )
        start = time.monotonic()
        while (number := len(_trials(study))) < n_trials:
            if timeout is not None and time.monotonic() - start >= timeout:
                logger.warning(
                    "study %r: stopped by timeout after %d of %d trials",
                    *(study_name, number, n_trials),
                )
                break
            # A new sampler for each trial: its state need not be stored to continue the search.
            study.sampler = optuna.samplers.TPESampler(seed=_seed(random_state, number))
            trial = study.ask()
            parameters = draw(space, trial, base)
            _run(optuna, study, trial, base, parameters, task, random_state, device)
            if stored is not None:
                stored.add_trial(_trials(study)[-1])
            if progress is not None:
                progress(number, {"best": max(map(_value, _trials(study)), default=np.nan)})
        return [_record(trial, space) for trial in _trials(study)]


def _fields(base: LinkMethod) -> dict[str, Any]:
    return {field.name: getattr(base, field.name) for field in fields(base)}  # type: ignore[arg-type]


def _trials(study: Study) -> list[FrozenTrial]:
    return study.get_trials(deepcopy=False)


def _seed(random_state: int | None, number: int) -> int | None:
    """A seed for the sampler of one trial."""
    if random_state is None:
        return None
    return int(np.random.SeedSequence([random_state, number]).generate_state(1)[0])


def _new_study(optuna: Any, base: LinkMethod) -> Study:
    """A study in memory that maximises, with successive halving."""
    epochs = int(_fields(base).get("max_epochs", 1))
    # After 1/32, 1/8 and 1/2 of the epochs, a fit goes on only if its best epoch so far is among
    # the best quarter of the fits that got as far.
    pruner = optuna.pruners.SuccessiveHalvingPruner(
        min_resource=max(1, epochs // 32), reduction_factor=4
    )
    return optuna.create_study(direction="maximize", pruner=pruner)


def _stored_study(optuna: Any, storage: BaseStorage, study_name: str, fingerprint: str) -> Study:
    """The study in a file or database, created if it is new; raise if it is about another problem.

    Trials run in the study in memory, and only finished ones are copied here: a kill in the middle
    of a trial leaves no trace.
    """
    stored = optuna.create_study(
        storage=storage,
        study_name=study_name,
        direction="maximize",
        load_if_exists=True,
    )
    _check_problem(stored, fingerprint, study_name)
    return stored


def _copy_finished(stored: Study, study: Study) -> int:
    """Copy finished trials from the storage; return their number."""
    for known in _trials(stored):
        if known.state.name in _STATES:
            study.add_trial(known)
    return len(study.trials)


class _Watch:
    """Follows a fit: reports its best epoch to the trial, and ends the fit if it is hopeless."""

    def __init__(self, optuna: Any, trial: Trial) -> None:
        self.optuna, self.trial = optuna, trial
        self.best = -np.inf
        self.reached: dict[str, Any] = {
            "auroc": np.nan,
            "auprc": np.nan,
            "n_epochs": 0,
            "failure": "",
        }

    def __call__(self, epoch: int, row: dict[str, float]) -> None:
        now = row["validation_auroc"] + row["validation_auprc"]
        if now > self.best:
            self.best = now
            self.reached.update(auroc=row["validation_auroc"], auprc=row["validation_auprc"])
        # Optuna takes every step once, in ascending order.
        if epoch < self.reached["n_epochs"]:
            return
        self.reached["n_epochs"] = epoch + 1
        self.trial.report(self.best, epoch + 1)
        if self.trial.should_prune():
            raise self.optuna.TrialPruned


def _run(
    optuna: Any,
    study: Study,
    trial: Trial,
    base: LinkMethod,
    parameters: dict[str, Any],
    task: LinkTask,
    random_state: int | None,
    device: Any,
) -> None:
    """Fit once, and record in the study how it went."""
    watch = _Watch(optuna, trial)
    reached = watch.reached
    start = time.monotonic()
    state, value = optuna.trial.TrialState.COMPLETE, None
    method: LinkMethod = replace(base, **parameters)  # type: ignore[type-var]
    try:
        rng = np.random.default_rng(random_state)
        links = method.fit(task, rng=rng, device=device, progress=watch).links
    except optuna.TrialPruned:
        state = optuna.trial.TrialState.PRUNED
    except RuntimeError as error:
        logger.warning("trial %d failed: %s", trial.number, error)
        state = optuna.trial.TrialState.FAIL
        reached.update(auroc=np.nan, auprc=np.nan, failure=str(error))
    else:
        reached.update(_validation_metrics(links, task.validation))
        value = reached["auroc"] + reached["auprc"]
    for key, item in reached.items():
        # Stores keep attributes as JSON, which has no NaN.
        trial.set_user_attr(key, None if isinstance(item, float) and math.isnan(item) else item)
    trial.set_user_attr("seconds", time.monotonic() - start)
    trial.set_user_attr("parameters", parameters)
    study.tell(trial, value, state=state)


def _validation_metrics(links: FittedLinks, pairs: Pairs) -> dict[str, float]:
    from sklearn.metrics import average_precision_score, roc_auc_score

    scores = links.score(pairs.sources, pairs.targets)
    return {
        "auroc": float(roc_auc_score(pairs.labels, scores, sample_weight=pairs.weights)),
        "auprc": float(average_precision_score(pairs.labels, scores, sample_weight=pairs.weights)),
    }


def _value(trial: FrozenTrial) -> float:
    """The sum that a complete trial reached; minus infinity for others."""
    return trial.value if trial.state.name == "COMPLETE" and trial.value is not None else -np.inf


def _record(trial: FrozenTrial, space: Mapping[str, Dimension]) -> TrialRecord:
    known = dict(trial.user_attrs)
    figures = {
        key: np.nan if known[key] is None else float(known[key]) for key in ("auroc", "auprc")
    }
    return TrialRecord(
        number=trial.number,
        state=_STATES[trial.state.name],
        n_epochs=known["n_epochs"],
        seconds=known["seconds"],
        failure=known["failure"],
        parameters={name: _tuples(known["parameters"][name]) for name in space},
        **figures,
    )


def _tuples(value: Any) -> Any:
    """Return ``value`` with tuples again where a store made them lists."""
    return tuple(_tuples(item) for item in value) if isinstance(value, (list, tuple)) else value


def _optuna() -> Any:
    try:
        import optuna
    except ImportError as error:
        msg = (
            "the search for hyper-parameters needs Optuna, which is not installed: "
            "pip install scregnet[tune]"
        )
        raise ImportError(msg) from error
    return optuna


@contextmanager
def _quiet(optuna: Any) -> Iterator[None]:
    """Silence Optuna's log of studies and trials: scregnet has its own log and progress bar."""
    former = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(max(former, optuna.logging.WARNING))
    try:
        yield
    finally:
        optuna.logging.set_verbosity(former)


def _check_problem(stored: Study, fingerprint: str, study_name: str) -> None:
    """Raise if the stored study is about something else: its trials would not be comparable."""
    found = stored.user_attrs.get("scregnet_problem")
    if found is None and not stored.get_trials(deepcopy=False):
        stored.set_user_attr("scregnet_problem", fingerprint)
    elif found != fingerprint:
        msg = (
            f"storage holds a study {study_name!r} of another problem: other training or "
            "validation pairs, features, hyper-parameters, space or random_state. "
            "Repeat the call that began it, or choose another study_name= or storage=."
        )
        raise ValueError(msg)


def _fingerprint(
    name: str,
    fixed: dict[str, Any],
    space: Mapping[str, Dimension],
    task: LinkTask,
    random_state: int | None,
) -> str:
    """A digest of all that decides how good a trial is."""
    digest = hashlib.sha256(repr((name, fixed, dict(space), random_state, task.n_genes)).encode())
    for field in fields(task):
        value = getattr(task, field.name)
        arrays = (
            (value.sources, value.targets, value.labels) if isinstance(value, Pairs) else (value,)
        )
        for array in arrays:
            if isinstance(array, np.ndarray):
                digest.update(f"{field.name}{array.shape}{array.dtype}".encode())
                digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
