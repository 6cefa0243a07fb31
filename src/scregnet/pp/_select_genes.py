"""Select the genes to fit a network on, by BEELINE's rule."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scregnet._anndata.access import (
    check_names,
    check_writable,
    flags,
    resolve,
    undone_on_failure,
    write,
)
from scregnet._anndata.shards import check_client
from scregnet._anndata.taken import check_free
from scregnet._docs import doc
from scregnet._logging import logger
from scregnet._validate import (
    check_flags,
    check_integer,
    check_interval,
    check_name,
    check_text,
    listed,
)
from scregnet.pp._moments import Moments, holds_counts, moments
from scregnet.pp._variation import poisson_p_values, pseudotime_p_values, trend_p_values

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData


@doc
def select_genes(
    adata: AnnData | MuData,
    n_top: int = 500,
    *,
    tfs: str | None = "is_tf",
    p_values: str | None = None,
    pseudotime: str | None = None,
    alpha: float | None = 0.01,
    layer: str | None = None,
    subset: bool = False,
    key_added: str | None = None,
    client: Any = None,
    copy: bool = False,
    mod: str = "rna",
) -> AnnData | MuData | None:
    """Select the TFs that vary significantly and the ``n_top`` most varying other genes.

    BEELINE's rule "TFs + N" :cite:p:`pratapa2020beeline`: a gene passes if its p-value is below
    ``alpha`` / number of genes tested. :doc:`/methods` describes the tests.

    Parameters
    ----------
    %(adata)s
    n_top
        Number of genes to select in addition to the TFs, by their variance.
    tfs
        Column of ``adata.var`` that marks TFs; ``None`` treats all genes alike.
    p_values
        Column of ``adata.var`` with your own p-values. Genes with NaN count as not tested.
    pseudotime
        Column of ``adata.obs`` with numbers. Cells with NaN are left out of the test.
    alpha
        Level of the test; ``None`` tests nothing and takes every gene that varies at all.
    %(layer)s Raw counts (the more powerful test), or log-normalised expression.
    subset
        Keep only the selected genes in ``adata``, in place. Not for a MuData.
    %(key_added)s
    %(client)s The test along pseudotime reads here.
    %(copy)s
    %(mod)s

    Returns
    -------
    Returns `None` if `copy=False`, else the changed copy. Sets the following fields:

    - ``.var["selected"]`` (or ``key_added``): bool; ``.var["selected_variance"]``: variance of
      log-normalised expression; ``.var["selected_p_value"]``: before correction, NaN if not tested.
    - ``.uns["selected"]``: parameters, the test, its threshold, and numbers of genes.

    Raises
    ------
    ValueError, KeyError
        If the matrix holds negative or non-finite values, if nothing can be tested or passes, or
        if a column or layer does not exist.

    Examples
    --------
    >>> import scregnet as sr
    >>> adata = sr.datasets.simulated(300, 100)
    >>> sr.pp.select_genes(adata, n_top=20, tfs=None)
    """
    source = resolve(adata, mod)
    check_names(source)
    check_writable(source, copy=copy)
    check_flags(subset=subset)
    for argument, column in {"tfs": tfs, "p_values": p_values, "pseudotime": pseudotime}.items():
        check_name(argument, column)
    key = "selected" if key_added is None else key_added
    _check_own(source, key)
    _check_arguments(n_top, alpha, p_values, pseudotime)
    if subset and (source is not adata or source.isbacked):
        msg = (
            "subset=True needs an AnnData in memory; select first, "
            "and subset with adata[:, adata.var['selected']]."
        )
        raise ValueError(msg)
    is_tf = _marked_tfs(source, tfs)
    client = check_client(client, source, layer)

    counts, found = _read(source, layer, client)
    test, p = "none", np.full(source.n_vars, np.nan)
    if alpha is not None:
        test, p = _test(source, layer, found, p_values, pseudotime, counts=counts)
    n_tested = int(np.isfinite(p).sum())
    threshold = None if alpha is None else alpha / max(n_tested, 1)
    # NaN, a gene that was not tested, is not below any threshold.
    passes = found.variance > 0 if threshold is None else p < threshold
    selected = _choose(passes, is_tf, found.variance, n_top)

    report = {
        "n_top": n_top,
        "tfs": tfs,
        "alpha": alpha,
        "layer": layer,
        "test": test,
        "p_values": p_values,
        "pseudotime": pseudotime,
        "log_normalised_here": counts,
        "threshold": threshold,
        "n_tested": n_tested,
        **_numbers_of_genes(selected, passes, is_tf, found),
    }
    # Before anything is written, so that a call that selects nothing changes nothing.
    _check_selected(report)
    _log(report)

    data = adata.copy() if copy else adata
    target = resolve(data, mod)
    values = (selected, found.variance, p)
    columns = dict(zip(_columns(key), values, strict=True))
    with undone_on_failure(target, {"var": list(columns), "uns": [key]}):
        write(target, var=columns, uns={key: report})
        if subset:
            target._inplace_subset_var(selected)
    return data if copy else None


def _check_arguments(
    n_top: int, alpha: float | None, p_values: str | None, pseudotime: str | None
) -> None:
    check_integer("n_top", n_top, minimum=0)
    if alpha is not None:
        check_interval("alpha", alpha, 0, 1, closed="right")
    if p_values is not None and pseudotime is not None:
        msg = "p_values and pseudotime are both given; name one of them."
        raise ValueError(msg)


def _marked_tfs(adata: AnnData, tfs: str | None) -> np.ndarray:
    """Which genes are TFs, by the column ``tfs``."""
    if tfs is None:
        return np.zeros(adata.n_vars, dtype=bool)
    hint = "Call sr.pp.tfs(adata, names) or sr.pp.prior(adata, network) first, or pass tfs=None."
    return flags(adata, tfs, hint)


def _read(adata: AnnData, layer: str | None, client: Any) -> tuple[bool, Moments]:
    """Whether the matrix holds raw counts, and the moments of its log-normalised expression."""
    counts = holds_counts(adata, layer, client)
    if counts:
        logger.info(
            "select_genes: %s holds raw counts; variances are of log1p of counts per 10,000",
            layer or "X",
        )
    return counts, moments(adata, layer, counts=counts, client=client)


def _test(
    adata: AnnData,
    layer: str | None,
    found: Moments,
    p_values: str | None,
    pseudotime: str | None,
    *,
    counts: bool,
) -> tuple[str, np.ndarray]:
    """The name of the test and its p-values, one per gene."""
    if p_values is not None:
        p = _column(adata.var, p_values, "p_values", "adata.var")
        if ((p < 0) | (p > 1)).any() or not np.isfinite(p).any():
            msg = (
                f"p_values={p_values!r}: adata.var[{p_values!r}] must hold numbers between 0 and 1."
            )
            raise ValueError(msg)
        return "p_values", p
    if pseudotime is not None:
        time = _column(adata.obs, pseudotime, "pseudotime", "adata.obs")
        return "pseudotime", pseudotime_p_values(adata, layer, time, found, counts=counts)
    return ("poisson", poisson_p_values(found)) if counts else ("trend", trend_p_values(found))


def _column(frame: pd.DataFrame, column: str, argument: str, where: str) -> np.ndarray:
    """A column of numbers as float64; missing values are NaN."""
    if column not in frame:
        numeric = [name for name in frame if pd.api.types.is_numeric_dtype(frame[name])]
        msg = (
            f"{argument}={column!r} is not a column of {where}; "
            f"its numeric columns: {listed(numeric)}."
        )
        raise KeyError(msg)
    if not pd.api.types.is_numeric_dtype(frame[column]):
        msg = (
            f"{argument}={column!r}: {where}[{column!r}] holds {frame[column].dtype}, not numbers."
        )
        raise ValueError(msg)
    return frame[column].to_numpy(dtype=np.float64, na_value=np.nan)


def _choose(passes: np.ndarray, is_tf: np.ndarray, variance: np.ndarray, n_top: int) -> np.ndarray:
    """Every TF that passes, and of the other genes that pass the ``n_top`` of highest variance."""
    others = np.flatnonzero(passes & ~is_tf)
    # Stable: among genes of one variance the first in the data win, on every machine.
    top = others[np.argsort(-variance[others], kind="stable")[:n_top]]
    selected = passes & is_tf
    selected[top] = True
    return selected


def _columns(key: str) -> tuple[str, str, str]:
    """Return the names of the columns of ``var`` that are written."""
    return key, f"{key}_variance", f"{key}_p_value"


def _check_own(adata: AnnData, key: str) -> None:
    """Raise if the call would overwrite what no call of its kind wrote."""
    check_text("key_added", key)
    entry = adata.uns.get(key)
    own = isinstance(entry, Mapping) and {"n_top", "n_passed", "n_tested"} <= set(entry)
    slots = [("uns", key), *(("var", column) for column in _columns(key))]
    check_free(adata, "key_added", key, [] if own else slots, "a choice of sr.pp.select_genes")


def _numbers_of_genes(
    selected: np.ndarray, passes: np.ndarray, is_tf: np.ndarray, found: Moments
) -> dict[str, int]:
    return {
        "n_passed": int(passes.sum()),
        "n_tfs_given": int(is_tf.sum()),
        "n_tfs_selected": int((selected & is_tf).sum()),
        "n_others_selected": int((selected & ~is_tf).sum()),
        "n_genes_never_seen": int((found.variance == 0).sum()),
        "n_empty_cells": found.n_empty_cells,
    }


def _check_selected(report: dict[str, Any]) -> None:
    """Raise if no gene was selected, warn if fewer than asked for."""
    passed = (
        "vary at all"
        if report["alpha"] is None
        else f"pass the {report['test']} test at {report['alpha']} / {report['n_tested']:,}"
    )
    if report["n_tfs_selected"] + report["n_others_selected"] == 0:
        msg = (
            f"no gene is selected: of {report['n_tested']:,} genes tested, "
            f"{report['n_passed']:,} {passed}. Raise n_top or alpha, name raw counts with layer=, "
            "or pass alpha=None to select without a test."
        )
        raise ValueError(msg)
    if report["n_others_selected"] < report["n_top"]:
        hint = ""
        if report["test"] == "trend":
            hint = " Raw counts (layer=) give a more powerful test; alpha=None skips the test."
        logger.warning(
            "select_genes: only %d genes other than TFs %s, fewer than n_top=%d.%s",
            *(report["n_others_selected"], passed, report["n_top"], hint),
        )


def _log(report: dict[str, Any]) -> None:
    if report["n_genes_never_seen"] or report["n_empty_cells"]:
        logger.info(
            "select_genes: %d genes do not vary (never seen, mostly) and %d cells are empty",
            *(report["n_genes_never_seen"], report["n_empty_cells"]),
        )
    logger.info(
        "select_genes: %d of %d TFs and %d other genes",
        *(report["n_tfs_selected"], report["n_tfs_given"], report["n_others_selected"]),
    )
