"""The evaluation of a fitted network as a tidy frame, or one row a model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scregnet._anndata.access import resolve
from scregnet._anndata.slots import check_probabilities, fitted, read_groups
from scregnet._docs import doc
from scregnet._validate import check_choice, check_flags

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData


@doc
def metrics(
    adata: AnnData | MuData,
    *,
    key: str = "grn",
    split: str | None = None,
    wide: bool = False,
    group: str | None = None,
    mod: str = "rna",
) -> pd.DataFrame:
    """Return how well a fitted network and its null models rank the held-out pairs.

    Parameters
    ----------
    %(adata)s
    %(key)s
    split
        Pairs to read the metrics of: ``"validation"``, ``"test"`` or ``"folds"`` (all labelled
        pairs, out of fold); ``None`` reads all.
    wide
        Return one row per model and one column per metric, without intervals.
    %(groups)s
    %(mod)s

    Returns
    -------
    Tidy frame, a copy, with one row per figure:

    - ``model``: the method of the fit, or a null model such as ``"degree"``; ``split``;
    - ``metric``, ``value``: a metric of :func:`scregnet.metrics.evaluate`;
    - ``low``, ``high``: its 95 %% bootstrap interval, NaN where there is none;
    - ``best_null``: for the method on test pairs and folds, the best null model in this metric;
    - ``difference``, ``difference_low``, ``difference_high``: the method minus that null model, and
      the 95 %% interval of a paired bootstrap (:ref:`differences`). Below 0 is better for
      ``brier`` and ``ece``.

    With ``wide``, the index is the model, after the group and the split where there are several.

    Raises
    ------
    KeyError
        There is no fitted network named ``key``, or no such ``group``.
    ValueError
        There are no metrics of ``split``, or the network was fitted without a known one.

    Examples
    --------
    >>> import scregnet as sr
    >>> adata = sr.datasets.simulated(n_obs=200, n_vars=100)
    >>> sr.tl.fit_grn(adata, adata.uns["network"], method="degree")
    >>> table = sr.get.metrics(adata, split="test", wide=True)
    >>> list(table.index)
    ['degree', 'label_factors']
    """
    check_flags(wide=wide)
    data = resolve(adata, mod)
    table = read_groups(data, key, group, lambda member: _read(data, member))
    if split is not None:
        check_choice("split", split, list(table["split"].astype(str).unique()))
        table = table[table["split"] == split].reset_index(drop=True)
    return _one_row_a_model(table, split) if wide else table


def _read(data: AnnData, key: str) -> pd.DataFrame:
    check_probabilities(data, key, "Judging on labelled pairs")
    table: pd.DataFrame = fitted(data, key)["metrics"].reset_index(drop=True)
    return table


def _one_row_a_model(table: pd.DataFrame, split: str | None) -> pd.DataFrame:
    """Return the values with models as rows and metrics as columns, in the order of the fit."""
    index = [name for name in ("group", "split", "model") if name in table]
    if split is not None:
        index.remove("split")
    table = table.astype(dict.fromkeys(index, str))
    values = table.set_index([*index, "metric"])["value"].unstack("metric")
    # unstack sorts by name; groups, splits and models come in the order of the fit instead.
    codes = [pd.factorize(table[name])[0] for name in index]
    rows = table.iloc[np.lexsort(codes[::-1])].set_index(index).index.unique()
    wide = values.reindex(index=rows, columns=table["metric"].unique())
    wide.columns.name = None
    # Names of a single level would be printed as an empty line.
    return wide if len(index) > 1 else wide.rename_axis(index=None)
