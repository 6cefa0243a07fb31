"""Every method on every data set, split and seed."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import TYPE_CHECKING, Any

from scregnet._docs import doc
from scregnet._logging import logger
from scregnet._progress import progress_bar
from scregnet._validate import check_flags, check_integer
from scregnet.bm._grid.cells import Cell, read_methods, read_seeds, read_splits
from scregnet.bm._grid.fit import fit_cell
from scregnet.bm._grid.frame import as_frame, whole
from scregnet.bm._grid.sources import check_split_arguments, read_sources
from scregnet.bm._kept.store import Store

if TYPE_CHECKING:
    import pandas as pd


@doc
def run(
    data: Any,
    methods: Sequence[str] | Mapping[str, Mapping[str, Any]] = ("joint",),
    *,
    splits: Sequence[str] | Mapping[str, Any] = ("pairs",),
    seeds: int | Sequence[int] = 5,
    prior: Any = None,
    folder: str | os.PathLike[str] | None = None,
    retry_failed: bool = False,
    n_jobs: int = 1,
    device: str | None = None,
    show_progress_bar: bool | None = None,
    mod: str = "rna",
    **fit_params: Any,
) -> pd.DataFrame:
    """Fit methods to data sets, splits and seeds, and score the test pairs of each.

    Both null models are always fitted too. All methods of a data set, split and seed have the same
    pairs. A cell of the grid that fails is recorded with its error, and the others go on. A method
    that reads no label, such as ``"grnboost2"``, is fitted once for all splits of a data set and
    seed; each cell says what that fit took.

    Parameters
    ----------
    data
        An AnnData or a MuData with a known network, an ``h5ad``, ``h5mu`` or ``zarr`` file of one,
        a folder of BEELINE (``.../<cell type>/TFs+<n>``) or of :func:`scregnet.datasets.dream4`, or
        a mapping of names to these. Labels without expression, such as public gold standards of
        yeast, go to ``prior``, beside cells of your own.
    methods
        Methods of :func:`scregnet.tl.fit_grn`; or a mapping of labels to keyword arguments, of
        which ``method`` is by default the label: ``{"no trees": {"method": "joint", "n_trees":
        0}}``.
    splits
        Kinds of split (``"pairs"``, ``"targets"``, ``"tfs"``, ``"both"``), which are drawn with
        each seed; keys of ``adata.uns["splits"]``; or a mapping of names to these, to frames, or to
        arguments of :func:`scregnet.pp.split`.
    seeds
        Seeds of splits and fits, or how many from 0.
    prior
        Known network of all data sets, or a mapping of their names to networks. ``None`` takes
        ``adata.uns["network"]``, else ``adata.varp["prior"]``.
    folder
        Keep each cell here when it is done. The same call later takes what is there, so that a run
        that was stopped goes on. Another version of the package, other data or other arguments make
        cells of their own.
    retry_failed
        Fit cells again of which ``folder`` has an error.
    n_jobs
        Cells that are fitted at a time, in processes of their own; -1 takes all cores.
    %(device)s
    %(progress)s
    %(mod)s
    **fit_params
        For all methods: ``embedding``, ``layer``, ``n_pcs``, ``max_cells``, ``label_frequency``,
        ``n_models`` and others of :func:`scregnet.tl.fit_grn`.

    Returns
    -------
    Tidy frame, one row a metric of the test pairs: ``data``, ``method``, ``split``, ``seed``,
    ``metric``, ``value``; ``best_null`` and ``difference``, the better null model in this metric
    and the difference to it; ``cpu_seconds``, ``seconds`` and ``peak_gib`` of the fit (peak memory
    of the process, NaN where the system does not tell it); ``versions``; ``error``, empty if all
    went well. Draw it with :func:`scregnet.pl.benchmark`; :func:`rank_turns` says how stable the
    order of the methods is.

    Raises
    ------
    ValueError, KeyError, TypeError, FileNotFoundError
        Data, methods, splits or seeds are none, before anything is fitted.
    RuntimeError
        Every cell failed.

    Examples
    --------
    >>> import scregnet as sr
    >>> adata = sr.datasets.simulated(n_obs=200, n_vars=100)
    >>> splits = ["pairs", "targets"]
    >>> table = sr.bm.run({"simulated": adata}, ["degree"], splits=splits, seeds=2)
    >>> table.query("metric == 'auroc'").groupby(["method", "split"]).size().tolist()
    [2, 2, 2, 2]
    """
    check_integer("n_jobs", n_jobs, minimum=-1)
    if n_jobs == 0:
        msg = "n_jobs must be at least 1, or -1 for all cores, got 0."
        raise ValueError(msg)
    check_flags(retry_failed=retry_failed)
    sources = read_sources(data, prior, mod=mod)
    chosen = read_methods(methods, fit_params)
    parts = read_splits(splits)
    check_split_arguments(parts)
    numbers = read_seeds(seeds)
    for source in sources:
        source.check(parts)
    # Methods of the same pairs follow each other: they share the null models.
    cells = [
        Cell(source, one, name, split, seed)
        for source in sources
        for name, split in parts.items()
        for seed in numbers
        for one in chosen
    ]
    store = Store(folder, whole)
    keys = [cell.key if folder is not None else str(n) for n, cell in enumerate(cells)]
    records = {key: store.read(key) for key in keys}
    waiting = {
        key: cell
        for key, cell in zip(keys, cells, strict=True)
        if records[key] is None or (retry_failed and records[key]["error"])  # type: ignore[index]
    }
    # Splits of a data set and a seed follow each other: they share what reads no label.
    order = {(id(source), seed): n for n, (source, seed) in enumerate(product(sources, numbers))}
    waiting = dict(sorted(waiting.items(), key=lambda one: order[id(one[1].source), one[1].seed]))
    if len(waiting) < len(cells):
        logger.info("run: %d of %d fits are there already", len(cells) - len(waiting), len(cells))
    with progress_bar("benchmark", len(waiting), show=show_progress_bar, unit="fit") as bar:
        for done, (key, record) in enumerate(_fitted(waiting, device, n_jobs)):
            store.write(key, record)
            records[key] = record
            if bar is not None:
                bar(done, {})
    found = [record for record in records.values() if record is not None]
    failed = [record for record in found if record["error"]]
    if failed:
        logger.warning("run: %d of %d fits failed; see the column 'error'", len(failed), len(found))
    if len(failed) == len(found):
        msg = f"every fit failed; the first one: {failed[0]['error']}"
        raise RuntimeError(msg)
    return as_frame(found)


def _fitted(
    waiting: Mapping[str, Cell], device: str | None, n_jobs: int
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the key and the record of each cell when it is done."""
    if n_jobs == 1:
        for key, cell in waiting.items():
            yield key, fit_cell(cell, device)
        return
    from joblib import Parallel, delayed

    # One thread each: the cells share the cores.
    jobs = (delayed(_keyed)(key, cell, device) for key, cell in waiting.items())
    yield from Parallel(n_jobs=n_jobs, return_as="generator_unordered")(jobs)


def _keyed(key: str, cell: Cell, device: str | None) -> tuple[str, dict[str, Any]]:
    return key, fit_cell(cell, device, n_jobs=1)
