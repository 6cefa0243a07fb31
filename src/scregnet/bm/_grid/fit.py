"""Fit one cell of the grid: figures on the test pairs next to the null models', and the cost."""

from __future__ import annotations

from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, cast

from scregnet._logging import logger
from scregnet._settings import settings
from scregnet._validate import with_notes
from scregnet.bm._grid.measure import Cost, measured
from scregnet.bm._grid.once import shared_between_splits
from scregnet.bm._kept.digest import of_pairs
from scregnet.bm._studies import SET_BY_THE_STUDY
from scregnet.tl._fit.fit import Fit, fit_links
from scregnet.tl._fit.task import device_of, make_task, read_keywords
from scregnet.tl._fit.verdict import judge_nulls

if TYPE_CHECKING:
    from scregnet._genes.split import LabelledPairs
    from scregnet.bm._grid.cells import Cell
    from scregnet.links import LinkMethod
    from scregnet.tl._fit.task import FitOptions
    from scregnet.tl._fit.verdict import Verdict

COMPUTE_WITH = ("scregnet", "numpy", "scipy", "scikit-learn", "lightgbm", "torch")
"""Packages whose versions a figure may hang on."""

# Null models of the pairs that were fitted last: the methods of one split follow each other.
_last_nulls: dict[tuple[Any, ...], dict[str, Verdict]] = {}


def fit_cell(cell: Cell, device: str | None = None, n_jobs: int | None = None) -> dict[str, Any]:
    """Return the record of one cell; a fit that fails is recorded with its error.

    ``n_jobs`` are the threads of a worker that is not alone.
    """
    if n_jobs is not None:
        settings.n_jobs = n_jobs
    record: dict[str, Any] = {
        "data": cell.source.name,
        "method": cell.chosen.label,
        "split": cell.split,
        "seed": cell.seed,
        "versions": versions(),
    }
    try:
        fit, cost = _fit(cell, device)
    # Whatever stops one fit must not stop the others; it is in the frame, and in the log.
    except Exception as error:  # noqa: BLE001
        logger.warning("%s failed: %s", cell.title, with_notes(error))
        return {**record, "error": with_notes(error), "figures": []}
    return {**record, **cost._asdict(), "error": "", "figures": _figures(fit)}


def _fit(cell: Cell, device: str | None) -> tuple[Fit, Cost]:
    chosen, data = cell.chosen, cell.source.data
    method, options = read_keywords(chosen.method, chosen.keywords, fixed=SET_BY_THE_STUDY)
    # No intervals: those of a benchmark are over seeds and splits.
    options = replace(options, n_bootstrap=0, random_state=cell.seed)
    labelled = cell.source.pairs(cell.split_of, cell.seed)
    options = options.for_pairs(labelled)
    nulls = _nulls(cell, labelled, options)
    others = {name: found for name, found in nulls.items() if name != chosen.method}
    once = shared_between_splits(method, cell)

    def fit() -> Fit:
        task, _ = make_task(data, method, labelled, options)
        place = device_of(device, method)
        fitted = cast("LinkMethod", once or method)
        return fit_links(chosen.method, fitted, task, labelled, options, others, device=place)

    found, cost = measured(fit)
    return found, once.whole(cost) if once else cost


def _nulls(cell: Cell, labelled: LabelledPairs, options: FitOptions) -> dict[str, Verdict]:
    # Not by the name of the split: another call may mean other pairs by it.
    key = (cell.source.digest, cell.seed, options.label_frequency, *of_pairs(labelled))
    if key not in _last_nulls:
        _last_nulls.clear()
        _last_nulls[key] = judge_nulls(labelled.parts, cell.source.data.n_vars, options, but=None)
    return _last_nulls[key]


def _figures(fit: Fit) -> list[tuple[str, float, str, float]]:
    """Return metric, value, best null model and the difference to it, on the test pairs."""
    table = fit.metrics()
    table = table[(table["model"] == fit.method) & (table["split"] == "test")]
    # A null model is not compared with the other one.
    named = table["best_null"].astype(object).where(table["best_null"].notna(), "")
    return list(zip(table["metric"], table["value"], named, table["difference"], strict=True))


def versions() -> str:
    """Return the versions of what computes, as one text."""
    found = []
    for name in COMPUTE_WITH:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return ", ".join(found)
