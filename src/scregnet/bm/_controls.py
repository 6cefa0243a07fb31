"""How much of a fit comes from the cells: the method against controls that lack something."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scregnet._anndata.access import check_names, resolve
from scregnet._anndata.features import embedding_features
from scregnet._docs import doc
from scregnet._genes.split import labelled_pairs
from scregnet._progress import progress_bar
from scregnet._validate import check_choice, check_flags, check_integer, seed_of
from scregnet.bm._controlled import ControlFits, Result, Version, permuted_genes, read_result
from scregnet.bm._kept.store import Store
from scregnet.bm._new_links import overlap
from scregnet.bm._studies import RANDOM, SHUFFLED, Study, own_ablations, without_evidence
from scregnet.links import LinkMethod, get_method, null_models
from scregnet.metrics._metrics import METRICS, OF_THE_PAIRS
from scregnet.tl._fit.task import FitOptions, read_keywords

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData


FULL = "full"
PERMUTED = "permuted genes"

SET_BY_CONTROLS = (
    "random_embedding",
    "random_evidence",
    "shuffle_expression",
    "threshold",
    "top_n_targets",
    "random_state",
)
"""Options of a fit that are set here, or that concern what is written."""

DIFFERENCES = ["difference", "difference_low", "difference_high"]
OVERLAPS = ["top_overlap", "top_overlap_lift"]


@doc
def controls(
    adata: AnnData | MuData,
    prior: Any = None,
    method: str = "joint",
    *,
    split: str | pd.DataFrame | None = None,
    metric: str = "per_tf_auroc",
    n_top: int = 100,
    wide: bool = True,
    folder: str | os.PathLike[str] | None = None,
    device: str | None = None,
    random_state: int | None = 0,
    show_progress_bar: bool | None = None,
    mod: str = "rna",
    **fit_params: Any,
) -> pd.DataFrame:
    """Compare a method with controls that lack something, and with the null models.

    All fits share pairs and seed. :ref:`controls` says how to read the table.

    Parameters
    ----------
    %(adata)s
    %(prior)s

        ``None`` takes ``adata.varp["prior"]``, or the edges of ``split``.
    method
        Method of :func:`scregnet.tl.fit_grn`, not a null model.
    split
        As in :func:`scregnet.tl.fit_grn`.
    metric
        Metric whose differences are shown.
    n_top
        Number of the most probable new links to compare.
    wide
        Return one row per control. ``False``: one row per control and metric, with all differences.
    %(folder)s Null models are always fitted.
    %(device)s
    %(random_state)s
    %(progress)s
    %(mod)s
    **fit_params
        ``embedding``, ``evidence``, ``layer``, ``n_pcs``, ``label_frequency``, ``n_models``,
        ``n_folds``, ``n_bootstrap``, and hyper-parameters of the method.

    Returns
    -------
    Frame whose rows are ``full``, ``shuffled cells``, ``permuted genes``, ``random embedding`` (if
    there is an embedding), ``no evidence`` and ``random evidence`` (if there are layers), the
    method's ablations and the null models. Columns:

    - the metrics on the test pairs, or out of fold on all labelled pairs if ``n_folds`` is above 1;
    - ``difference``, ``difference_low``, ``difference_high``: ``metric`` of ``full`` minus that of
      the control, and its 95 %% interval by a paired bootstrap;
    - ``top_overlap``: share of the first ``n_top`` new links of ``full`` that the control shares;
    - ``top_overlap_lift``: the same of the first ones by lift over the better null model, among
      those of TFs with a known edge; NaN for null models.

    Without ``wide``, the columns are ``control``, ``split``, ``metric``, ``value``, ``low``,
    ``high``, the differences and the overlaps. A fit that diverged or collapsed is NaN.
    ``adata`` is not changed.

    Raises
    ------
    ValueError
        ``method`` is a null model, ``metric`` is not known, or what a fit raises.
    RuntimeError
        The full fit diverged or collapsed.

    Examples
    --------
    >>> import scregnet as sr
    >>> adata = sr.datasets.simulated(n_obs=200, n_vars=100)
    >>> table = sr.bm.controls(adata, adata.uns["network"], n_trees=20, n_folds=1)
    >>> list(table.index)[:3]
    ['full', 'shuffled cells', 'permuted genes']
    """
    seed = seed_of(random_state)
    data = resolve(adata, mod)
    check_names(data)
    check_choice("metric", metric, METRICS)
    check_integer("n_top", n_top, minimum=1)
    check_flags(wide=wide)
    chosen, options = read_keywords(method, fit_params, fixed=SET_BY_CONTROLS)
    if chosen.is_null:
        msg = f"method={method!r} is a null model and reads no cells: there is nothing to control."
        raise ValueError(msg)
    options = replace(options, random_state=seed)
    versions = _versions(method, chosen, options, data, fit_params)
    labelled = labelled_pairs(data, prior, split, random_state=seed)
    versions = [
        replace(version, options=version.options.for_pairs(labelled)) for version in versions
    ]

    title, study = f"controls of {method}", Study(data, device)
    fits = ControlFits.of(versions[0], study, labelled, n_top, Store(folder, read_result))
    found = _fit_all(versions, fits, title, show_progress_bar=show_progress_bar)
    table = _table(found, [version.name for version in versions])
    return _one_row_a_control(table, metric) if wide else table


def _versions(
    name: str,
    method: LinkMethod,
    options: FitOptions,
    data: AnnData,
    fit_params: Mapping[str, Any],
) -> list[Version]:
    """Return the method, its controls, its ablations and the null models, in this order."""
    vectors = embedding_features(data, options.embedding)[0] if method.uses_embedding else None
    versions = [Version(FULL, name, method, options)]
    if method.needs_expression:
        shuffled = replace(options, shuffle_expression=True)
        versions.append(Version(SHUFFLED, name, method, shuffled))
    if method.needs_expression or vectors is not None:
        change = partial(permuted_genes, random_state=options.random_state)
        versions.append(Version(PERMUTED, name, method, options, change))
    if vectors is not None:
        versions.append(Version(RANDOM, name, method, replace(options, random_embedding=True)))
    versions += [
        Version(other, name, method, replace(options, **how))
        for other, how in without_evidence(options).items()
    ]
    own = {key: value for key, value in fit_params.items() if key not in vars(options)}
    versions += [
        Version(lacking, name, get_method(name, **{**own, **keywords}), options)
        for lacking, keywords in own_ablations(method, fit_params).items()
    ]
    # Null models draw nothing: members of an ensemble would all be the same.
    once = replace(options, n_models=1, evidence=None)
    return versions + [Version(null, null, get_method(null), once) for null in null_models()]


def _fit_all(
    versions: list[Version], fits: ControlFits, title: str, *, show_progress_bar: bool | None
) -> dict[str, Result]:
    """Fit all versions to the same pairs. Those that fail are missing."""
    found = {}
    # The null models come first: what the others add to them is their lift.
    ordered = sorted(versions, key=lambda version: not version.method.is_null)
    with progress_bar(title, len(ordered), show=show_progress_bar, unit="fit") as bar:
        for done, version in enumerate(ordered):
            result = fits.result(version)
            if result is not None:
                found[version.name] = result
            elif version.name == FULL:
                # There is nothing to compare the controls with.
                raise fits.study.failures[-1]
            if bar is not None:
                bar(done, {})
    return found


def _table(found: Mapping[str, Result], names: list[str]) -> pd.DataFrame:
    """Return one row per control and metric."""
    full = found[FULL]
    prevalence = full.figures["prevalence"].value
    rows = []
    for name in names:
        result = found.get(name)
        shared = _overlaps(full, result)
        for metric, whole in full.figures.items():
            figures, ends = (np.nan,) * 3, (np.nan,) * 3
            if result is not None:
                own = result.figures[metric]
                figures = (own.value, own.low, own.high)
                if name != FULL and metric not in OF_THE_PAIRS:
                    ends = whole.minus(own, prevalence)
            rows.append((name, whole.split, metric, *figures, *ends, *shared))
    columns = ["control", "split", "metric", "value", "low", "high", *DIFFERENCES, *OVERLAPS]
    return pd.DataFrame(rows, columns=columns)


def _overlaps(full: Result, other: Result | None) -> tuple[float, float]:
    """Return the share of the first new links that are the same, by probability and by lift."""
    if other is None:
        return np.nan, np.nan
    if full.top_lift is None or other.top_lift is None:
        return overlap(full.top, other.top), np.nan
    return overlap(full.top, other.top), overlap(full.top_lift, other.top_lift)


def _one_row_a_control(table: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Return the values of all metrics, the differences of one, and the overlaps."""
    values = table.pivot(index="control", columns="metric", values="value")
    chosen = table[table["metric"] == metric].set_index("control")
    wide = values.reindex(index=chosen.index, columns=table["metric"].unique())
    wide = wide.join(chosen[[*DIFFERENCES, *OVERLAPS]])
    # The names would be printed as an empty line.
    return wide.rename_axis(index=None, columns=None)
