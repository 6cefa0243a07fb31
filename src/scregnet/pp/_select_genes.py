"""Select the genes to infer a network on: BEELINE's rule."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scregnet._anndata.access import check_names, flags, is_counts, resolve, write
from scregnet._docs import doc
from scregnet._logging import logger
from scregnet._validate import check_integer, check_interval, listed
from scregnet.pp._variation import (
    Moments,
    moments,
    poisson_p_values,
    pseudotime_p_values,
    trend_p_values,
)

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
    copy: bool = False,
    mod: str = "rna",
) -> AnnData | MuData | None:
    """Select the TFs that vary significantly and the ``n_top`` most varying other genes: BEELINE's "TFs + N".

    As in BEELINE (Pratapa et al., *Nature Methods* 17, 2020): a gene passes if its p-value is below ``alpha`` divided by the
    number of genes tested (Bonferroni); every TF that passes is selected, and of the other genes that pass the ``n_top`` of
    highest variance. If fewer pass, all of them are selected, and a warning is logged.

    BEELINE takes its p-values from a generalised additive model of expression along pseudotime, so it needs a trajectory. Here
    they come from, in this order,

    - ``p_values``: your own, for example BEELINE's ``VGAMpValue``;
    - ``pseudotime``: an F test of a cubic spline of log-normalised expression along pseudotime (5 coefficients besides the
      constant, knots at quantiles) against the constant alone: the nearest to BEELINE's;
    - raw counts: Pearson's statistic of each gene's counts against sequencing depth, with its exact mean, variance and skewness
      when reads fall on cells by depth alone. A gene passes that varies more than sampling noise. Of genes with some ten
      reads or fewer, the p-values are approximate (about one in 20,000 passes by chance);
    - log-normalised expression: variance against the running trend of variance on mean. A gene passes that varies more
      than genes of its mean do, which few genes can; raw counts give the more powerful test. Of 18,000 to 19,000 simulated
      genes that do not vary, 5 to 41 of low mean passed all the same.

    Variances are those of log-normalised expression. Raw counts are log-normalised for it in memory (log1p of counts per
    10,000 of the cell); ``adata``'s own matrices stay as they are.

    Parameters
    ----------
    %(adata)s
    n_top
        Number of most varying genes to select besides the TFs.
    tfs
        Column of ``adata.var`` that marks TFs, from :func:`scregnet.pp.tfs` or :func:`scregnet.pp.prior`; ``None`` gives no
        gene that privilege.
    p_values
        Column of ``adata.var`` with p-values; genes without one (NaN) do not pass and do not count as tested.
    pseudotime
        Column of ``adata.obs`` with numbers; cells without one (NaN) are left out of the test.
    alpha
        Level of the test after Bonferroni's correction. ``None`` tests nothing: all TFs that vary at all and the ``n_top``
        most varying other genes.
    %(layer)s Raw counts, or log-normalised expression.
    subset
        Keep only the selected genes in ``adata``, in place. Not for a MuData.
    %(key_added)s
    %(copy)s
    %(mod)s

    Returns
    -------
    Returns `None` if `copy=False`, else the changed copy. Sets the following fields:

    - ``.var["selected"]`` (or ``key_added``): bool.
    - ``.var["selected_variance"]``: variance of log-normalised expression over cells.
    - ``.var["selected_p_value"]``: p-value of the test before correction; NaN for genes that were not tested.
    - ``.uns["selected"]``: parameters, the test used, the p-value to pass, and how many genes were tested, passed and selected.

    Raises
    ------
    ValueError
        If the matrix holds negative, NaN or infinite values, if nothing can be tested, or if nothing passes.
    KeyError
        If a column or layer does not exist.

    Examples
    --------
    >>> import scregnet as sr
    >>> adata = sr.datasets.simulated(300, 100)
    >>> sr.pp.tfs(adata, adata.uns["network"]["source"])
    >>> sr.pp.select_genes(adata, n_top=20)
    >>> int((adata.var["selected"] & ~adata.var["is_tf"]).sum())
    20
    """
    source = resolve(adata, mod)
    check_names(source)
    key = "selected" if key_added is None else key_added
    check_integer("n_top", n_top, minimum=0)
    if alpha is not None:
        check_interval("alpha", alpha, 0, 1, closed="right")
    if p_values is not None and pseudotime is not None:
        msg = "p_values and pseudotime are both given; name one of them."
        raise ValueError(msg)
    if subset and (source is not adata or source.isbacked):
        msg = "subset=True needs an AnnData in memory; select first, and subset with adata[:, adata.var['selected']]."
        raise ValueError(msg)
    is_tf = np.zeros(source.n_vars, dtype=bool)
    if tfs is not None:
        is_tf = flags(
            source,
            tfs,
            "Call sr.pp.tfs(adata, names) or sr.pp.prior(adata, network) first, or pass tfs=None.",
        )

    counts = is_counts(source, layer)
    if counts:
        logger.info(
            "select_genes: %s holds raw counts; variances are of log1p of counts per 10,000",
            layer or "X",
        )
    found = moments(source, layer, counts=counts)
    test, p = _test(
        source, layer, found, p_values, pseudotime, counts=counts, wanted=alpha is not None
    )

    n_tested = int(np.isfinite(p).sum())
    threshold = None if alpha is None else alpha / max(n_tested, 1)
    # NaN, a gene not tested, is not below anything.
    passes = found.variance > 0 if threshold is None else p < threshold
    others = np.flatnonzero(passes & ~is_tf)
    top = others[np.argsort(-found.variance[others], kind="stable")[:n_top]]
    selected = passes & is_tf
    selected[top] = True
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
        "n_passed": int(passes.sum()),
        "n_tfs_given": int(is_tf.sum()),
        "n_tfs_selected": int((selected & is_tf).sum()),
        "n_others_selected": len(top),
        "n_genes_never_seen": int((found.variance == 0).sum()),
        "n_empty_cells": found.n_empty_cells,
    }
    _tell(report)

    data = adata.copy() if copy else adata
    target = resolve(data, mod)
    write(
        target,
        var={key: selected, f"{key}_variance": found.variance, f"{key}_p_value": p},
        uns={key: report},
    )
    if subset:
        target._inplace_subset_var(selected)
    return data if copy else None


def _test(
    adata: AnnData,
    layer: str | None,
    found: Moments,
    p_values: str | None,
    pseudotime: str | None,
    *,
    counts: bool,
    wanted: bool,
) -> tuple[str, np.ndarray]:
    """The name of the test and its p-values, one per gene."""
    if not wanted:
        return "none", np.full(adata.n_vars, np.nan)
    if p_values is not None:
        p = _numbers(adata.var, p_values, "p_values", "adata.var")
        if ((p < 0) | (p > 1)).any() or not np.isfinite(p).any():
            msg = (
                f"p_values={p_values!r}: adata.var[{p_values!r}] must hold numbers between 0 and 1."
            )
            raise ValueError(msg)
        return "p_values", p
    if pseudotime is not None:
        time = _numbers(adata.obs, pseudotime, "pseudotime", "adata.obs")
        return "pseudotime", pseudotime_p_values(adata, layer, time, found, counts=counts)
    return ("poisson", poisson_p_values(found)) if counts else ("trend", trend_p_values(found))


def _numbers(frame: pd.DataFrame, column: str, argument: str, where: str) -> np.ndarray:
    if column not in frame:
        numeric = [name for name in frame if pd.api.types.is_numeric_dtype(frame[name])]
        msg = f"{argument}={column!r} is not a column of {where}; its numeric columns: {listed(numeric)}."
        raise KeyError(msg)
    if not pd.api.types.is_numeric_dtype(frame[column]):
        msg = (
            f"{argument}={column!r}: {where}[{column!r}] holds {frame[column].dtype}, not numbers."
        )
        raise ValueError(msg)
    return frame[column].to_numpy(dtype=np.float64, na_value=np.nan)


def _tell(report: dict) -> None:
    """Log what was selected; raise where nothing was, warn where less than was asked for."""
    passed = (
        "vary at all"
        if report["alpha"] is None
        else f"pass the {report['test']} test at {report['alpha']} / {report['n_tested']:,}"
    )
    if report["n_tfs_selected"] + report["n_others_selected"] == 0:
        msg = (
            f"no gene is selected: of {report['n_tested']:,} genes tested, {report['n_passed']:,} {passed}. "
            "Raise n_top or alpha, name raw counts with layer=, or pass alpha=None to select without a test."
        )
        raise ValueError(msg)
    if report["n_others_selected"] < report["n_top"]:
        hint = (
            " Raw counts (layer=) give a more powerful test; alpha=None none at all."
            if report["test"] == "trend"
            else ""
        )
        logger.warning(
            "select_genes: only %d genes other than TFs %s, fewer than n_top=%d.%s",
            report["n_others_selected"],
            passed,
            report["n_top"],
            hint,
        )
    if report["n_genes_never_seen"] or report["n_empty_cells"]:
        logger.info(
            "select_genes: %d genes do not vary (never seen, mostly) and %d cells are empty",
            report["n_genes_never_seen"],
            report["n_empty_cells"],
        )
    logger.info(
        "select_genes: %d of %d TFs and %d other genes",
        report["n_tfs_selected"],
        report["n_tfs_given"],
        report["n_others_selected"],
    )
