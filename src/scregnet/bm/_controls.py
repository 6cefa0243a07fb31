"""How much of a fit comes from the cells: the method against controls that lack something."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scregnet._anndata.access import check_names, resolve
from scregnet._anndata.features import embedding_features
from scregnet._docs import doc
from scregnet._genes.split import LabelledPairs, labelled_pairs
from scregnet._progress import progress_bar
from scregnet._validate import check_choice, check_flags, check_integer, seed_of
from scregnet.bm._new_links import first_new, known_codes, overlap
from scregnet.bm._studies import RANDOM, SHUFFLED, Study, own_ablations, without_evidence
from scregnet.links import LinkMethod, get_method, null_models
from scregnet.metrics import lift
from scregnet.metrics._metrics import METRICS, OF_THE_PAIRS
from scregnet.tl._fit.network import candidate_tfs
from scregnet.tl._fit.task import FitOptions, read_keywords

if TYPE_CHECKING:
    import scipy.sparse as sp
    from anndata import AnnData
    from mudata import MuData

    from scregnet.links import LinkTask
    from scregnet.tl._fit.fit import Fit
    from scregnet.tl._fit.folds import Folds
    from scregnet.tl._fit.verdict import Figure

FULL = "full"
PERMUTED = "permuted genes"

PERMUTE_STREAM = 7
"""Number of the random stream that permutes genes; split, fits, folds and cells have others."""

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
    found = _fit_all(versions, study, labelled, n_top, title, show_progress_bar=show_progress_bar)
    table = _table(found, [version.name for version in versions])
    return _one_row_a_control(table, metric) if wide else table


@dataclass(frozen=True, eq=False)
class _Version:
    """One row of the table: what is fitted, and how."""

    name: str
    method_name: str
    method: LinkMethod
    options: FitOptions
    change: Callable[[LinkTask], LinkTask] | None = None


@dataclass(frozen=True, eq=False)
class _Result:
    """What is kept of a fit."""

    figures: dict[str, Figure]
    top: np.ndarray
    """Codes of the first new links."""

    top_lift: np.ndarray | None
    """The same by lift; ``None`` for a null model."""


def _versions(
    name: str,
    method: LinkMethod,
    options: FitOptions,
    data: AnnData,
    fit_params: Mapping[str, Any],
) -> list[_Version]:
    """Return the method, its controls, its ablations and the null models, in this order."""
    vectors = embedding_features(data, options.embedding)[0] if method.uses_embedding else None
    versions = [_Version(FULL, name, method, options)]
    if method.needs_expression:
        shuffled = replace(options, shuffle_expression=True)
        versions.append(_Version(SHUFFLED, name, method, shuffled))
    if method.needs_expression or vectors is not None:
        change = partial(permuted_genes, random_state=options.random_state)
        versions.append(_Version(PERMUTED, name, method, options, change))
    if vectors is not None:
        versions.append(_Version(RANDOM, name, method, replace(options, random_embedding=True)))
    versions += [
        _Version(other, name, method, replace(options, **how))
        for other, how in without_evidence(options).items()
    ]
    own = {key: value for key, value in fit_params.items() if key not in vars(options)}
    versions += [
        _Version(lacking, name, get_method(name, **{**own, **keywords}), options)
        for lacking, keywords in own_ablations(method, fit_params).items()
    ]
    # Null models draw nothing: members of an ensemble would all be the same.
    once = replace(options, n_models=1, evidence=None)
    return versions + [_Version(null, null, get_method(null), once) for null in null_models()]


def permuted_genes(task: LinkTask, random_state: int | None) -> LinkTask:
    """Return the task with the expression and the embedding of each gene given to another one."""
    seed = np.random.SeedSequence(random_state, spawn_key=(PERMUTE_STREAM,))
    order = np.random.default_rng(seed).permutation(task.n_genes)
    # One cycle through all genes: none keeps its own features, as chance would let one do.
    giver = np.empty_like(order)
    giver[order] = np.roll(order, 1)
    return replace(
        task,
        expression=None if task.expression is None else task.expression[giver],
        embedding=None if task.embedding is None else task.embedding[giver],
        summary=None if task.summary is None else task.summary[giver],
    )


def _fit_all(
    versions: list[_Version],
    study: Study,
    labelled: LabelledPairs,
    n_top: int,
    title: str,
    *,
    show_progress_bar: bool | None,
) -> dict[str, _Result]:
    """Fit all versions to the same pairs. Those that fail are missing."""
    n_genes = study.data.n_vars
    candidates = candidate_tfs(study.data, labelled)
    known = known_codes(labelled, n_genes)
    folds = _folds(labelled, versions[0].options, versions[0].method)
    found = {}
    nulls: list[tuple[float, sp.csr_matrix]] = []
    # The null models come first: what the others add to them is their lift.
    ordered = sorted(versions, key=lambda version: not version.method.is_null)
    with progress_bar(title, len(ordered), show=show_progress_bar, unit="fit") as bar:
        for done, version in enumerate(ordered):
            fit = study.fit(
                version.name,
                version.method_name,
                version.method,
                labelled,
                version.options,
                nulls={},
                folds=folds,
                change=version.change,
            )
            if fit is not None:
                network = fit.network(candidates, n_genes)[0]
                top, top_lift = first_new(network, known, n_top), None
                if version.method.is_null:
                    nulls.append((fit.verdict.calibration.loss, network))
                elif nulls:
                    # The one that fits the validation pairs better, as in a fit.
                    _, null = min(nulls, key=lambda pair: pair[0])
                    network.data = lift(network.data, null.data)
                    # Of TFs without a known edge, the null models know nothing but the target: a
                    # target that they miss would fill the list with such TFs.
                    top_lift = first_new(network, known, n_top, known_tfs=True)
                found[version.name] = _Result(_figures(fit), top, top_lift)
            elif version.name == FULL:
                # There is nothing to compare the controls with.
                raise study.failures[-1]
            if bar is not None:
                bar(done, {})
    return found


def _folds(labelled: LabelledPairs, options: FitOptions, method: LinkMethod) -> Folds | None:
    """Draw the folds that all versions share."""
    if options.n_folds == 1:
        return None
    from scregnet.tl._fit.folds import Folds

    return Folds.draw(labelled, options, method)


def _figures(fit: Fit) -> dict[str, Figure]:
    """Return the figures of the delivered links: out of fold where there are folds."""
    if fit.folds is None:
        return fit.verdict.of_part("test")
    return fit.fold_verdicts[fit.method].of_part("folds")


def _table(found: Mapping[str, _Result], names: list[str]) -> pd.DataFrame:
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


def _overlaps(full: _Result, other: _Result | None) -> tuple[float, float]:
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
