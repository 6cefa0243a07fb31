"""The search for hyper-parameters: Optuna proposes, validation pairs judge, hopeless fits are ended early."""

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
from scregnet.links.task import LinkMethod, LinkTask, Pairs

if TYPE_CHECKING:
    from optuna.storages import BaseStorage
    from optuna.study import Study
    from optuna.trial import FrozenTrial, Trial

SQLITE = (".db", ".sqlite", ".sqlite3")

_STATES = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}


@dataclass(frozen=True, eq=False)
class TrialRecord:
    """One fit of the search: its hyper-parameters, the validation figures it reached (NaN where it failed) and why it ended."""

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
    """Fit ``base`` with hyper-parameters drawn from ``space`` until there are ``n_trials`` fits, those found in ``storage`` included.

    A fit is judged by validation AUROC + AUPRC, by which :func:`scregnet.links.neural.training.train` also keeps its epoch. Successive halving ends a fit whose best epoch so far is not
    among the best quarter of the fits that got as far, after 1/32, 1/8 and 1/2 of ``max_epochs``. A fit that raises ``RuntimeError`` (diverged, collapsed) is a failed trial.

    Only finished trials are stored, and what is proposed next depends on these and the seed alone: a search that was killed and started again is the search that was
    not killed.

    Returns
    -------
    One record a trial, in order.
    """
    optuna = _optuna()
    fixed = {field.name: getattr(base, field.name) for field in fields(base)}  # type: ignore[arg-type]
    with _quiet(optuna):
        epochs = int(fixed.get("max_epochs", 1))
        pruner = optuna.pruners.SuccessiveHalvingPruner(
            min_resource=max(1, epochs // 32), reduction_factor=4
        )
        study = optuna.create_study(direction="maximize", pruner=pruner)
        stored = None
        if storage is not None:
            stored = optuna.create_study(
                storage=_storage(optuna, storage),
                study_name=study_name,
                direction="maximize",
                load_if_exists=True,
            )
            _check_problem(stored, _fingerprint(name, fixed, space, task, random_state), study_name)
            for known in stored.get_trials(deepcopy=False):
                if known.state.name in _STATES:
                    study.add_trial(known)
            if n_known := len(study.trials):
                logger.info(
                    "study %r: %d trials found, going on to %d", study_name, n_known, n_trials
                )
        start = time.monotonic()
        while (number := len(study.get_trials(deepcopy=False))) < n_trials:
            if timeout is not None and time.monotonic() - start >= timeout:
                logger.warning(
                    "study %r: stopped by timeout after %d of %d trials",
                    study_name,
                    number,
                    n_trials,
                )
                break
            # A sampler of its own for each trial: its state need not be stored to go on in the same way.
            seed = (
                None
                if random_state is None
                else int(np.random.SeedSequence([random_state, number]).generate_state(1)[0])
            )
            study.sampler = optuna.samplers.TPESampler(seed=seed)
            trial = study.ask()
            _run(
                optuna,
                study,
                trial,
                base,
                draw(space, trial, base),
                task,
                random_state=random_state,
                device=device,
            )
            if stored is not None:
                stored.add_trial(study.get_trials(deepcopy=False)[-1])
            if progress is not None:
                progress(
                    number,
                    {
                        "best": max(
                            (_value(t) for t in study.get_trials(deepcopy=False)), default=np.nan
                        )
                    },
                )
        return [_record(trial, space) for trial in study.get_trials(deepcopy=False)]


def _run(
    optuna: Any,
    study: Study,
    trial: Trial,
    base: LinkMethod,
    parameters: dict[str, Any],
    task: LinkTask,
    *,
    random_state: int | None,
    device: Any,
) -> None:
    """Fit once and tell the study how it went."""
    reached: dict[str, Any] = {"auroc": np.nan, "auprc": np.nan, "n_epochs": 0, "failure": ""}
    best = -np.inf

    def watch(epoch: int, row: dict[str, float]) -> None:
        nonlocal best
        now = row["validation_auroc"] + row["validation_auprc"]
        if now > best:
            best = now
            reached.update(auroc=row["validation_auroc"], auprc=row["validation_auprc"])
        if epoch < reached["n_epochs"]:
            return
        reached["n_epochs"] = epoch + 1
        trial.report(best, epoch + 1)
        if trial.should_prune():
            raise optuna.TrialPruned

    start = time.monotonic()
    state, value = optuna.trial.TrialState.COMPLETE, None
    method: LinkMethod = replace(base, **parameters)  # type: ignore[type-var]
    try:
        links = method.fit(
            task, rng=np.random.default_rng(random_state), device=device, progress=watch
        ).links
    except optuna.TrialPruned:
        state = optuna.trial.TrialState.PRUNED
    except RuntimeError as error:
        logger.warning("trial %d failed: %s", trial.number, error)
        state = optuna.trial.TrialState.FAIL
        reached.update(auroc=np.nan, auprc=np.nan, failure=str(error))
    else:
        from sklearn.metrics import average_precision_score, roc_auc_score

        check = task.validation
        scores = links.score(check.sources, check.targets)
        reached["auroc"] = float(roc_auc_score(check.labels, scores))
        reached["auprc"] = float(average_precision_score(check.labels, scores))
        value = reached["auroc"] + reached["auprc"]
    for key, item in reached.items():
        # JSON, which stores keep attributes in, knows no NaN.
        trial.set_user_attr(key, None if isinstance(item, float) and math.isnan(item) else item)
    trial.set_user_attr("seconds", time.monotonic() - start)
    trial.set_user_attr("parameters", parameters)
    study.tell(trial, value, state=state)


def _value(trial: FrozenTrial) -> float:
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
    """Give ``value`` as it was before a store made lists of tuples."""
    return tuple(_tuples(item) for item in value) if isinstance(value, (list, tuple)) else value


def _optuna() -> Any:
    try:
        import optuna
    except ImportError as error:
        msg = "the search for hyper-parameters needs Optuna, which is not installed: pip install scregnet[tune]"
        raise ImportError(msg) from error
    return optuna


@contextmanager
def _quiet(optuna: Any) -> Iterator[None]:
    """Silence Optuna's own account of studies and trials: scregnet's log and progress bar give one."""
    former = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(max(former, optuna.logging.WARNING))
    try:
        yield
    finally:
        optuna.logging.set_verbosity(former)


def _storage(optuna: Any, storage: str | Path) -> BaseStorage | str:
    if "://" in str(storage):
        return str(storage)
    path = Path(storage).expanduser()
    if not path.parent.is_dir():
        msg = f"storage: the folder {str(path.parent)!r} does not exist."
        raise FileNotFoundError(msg)
    if path.suffix in SQLITE:
        return f"sqlite:///{path.resolve()}"
    return optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(path)))


def _check_problem(stored: Study, fingerprint: str, study_name: str) -> None:
    """Raise where the stored study is about something else: its trials would not compare with new ones."""
    found = stored.user_attrs.get("scregnet_problem")
    if found is None and not stored.get_trials(deepcopy=False):
        stored.set_user_attr("scregnet_problem", fingerprint)
    elif found != fingerprint:
        msg = (
            f"storage holds a study {study_name!r} of another problem: other training or validation pairs, features, hyper-parameters, space or random_state. "
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
