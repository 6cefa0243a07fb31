"""How often the order of two methods turns round."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd

from scregnet._validate import check_choice, check_one_value
from scregnet.metrics._metrics import LOWER_IS_BETTER

CELL = ["data", "split", "seed"]
# Means of equal figures differ by rounding.
TIE = 1e-9


def rank_turns(frame: pd.DataFrame, *, metric: str = "auprc") -> pd.DataFrame:
    """How often the order of two methods turns round between seeds, splits and data sets.

    Half of all pairs of contexts turn by chance if two methods are equally good. Two gold standards
    of the same cells are two data sets: give the rows of these alone.

    Parameters
    ----------
    frame
        Frame of :func:`run`.
    metric
        A metric of it.

    Returns
    -------
    One row for each two methods: ``first``, ``second``, the better one in the mean first; ``n``,
    contexts (data set, split, seed) that have both; ``tied``, share of them with equal figures, as
    null models have within the TFs of unseen targets; ``ahead``, share of the others in which
    ``first`` is ahead; ``turned_seeds``, ``turned_splits``, ``turned_data``: of all pairs of
    contexts that differ in the seed alone, in the split alone (mean over seeds), or in the data set
    alone (mean over seeds), the share with the other order. Ties have no order and are left out.
    NaN where there is no such pair.

    Raises
    ------
    ValueError
        ``frame`` is not that of :func:`run`, has fewer than two methods, or lacks the metric; or it
        has several figures of the same data set, method, split and seed.

    Examples
    --------
    >>> import scregnet as sr
    >>> adata = sr.datasets.simulated(n_obs=200, n_vars=100)
    >>> table = sr.bm.run(adata, ["degree"], splits=["pairs", "tfs"], seeds=2)
    >>> sr.bm.rank_turns(table, metric="auroc")["n"].tolist()
    [4]
    """
    needed = {*CELL, "method", "metric", "value"}
    if not isinstance(frame, pd.DataFrame) or not needed <= set(frame):
        msg = "frame must be what sr.bm.run returns."
        raise ValueError(msg)
    check_choice("metric", metric, sorted(set(frame["metric"]) - {""}))
    chosen = frame[frame["metric"] == metric]
    check_one_value(chosen, [*CELL, "method"], "value")
    wide = chosen.pivot_table(index=CELL, columns="method", values="value", observed=True)
    # As differences to the mean of a data set and split: not every method was run on all of them,
    # and one that was run on an easy one alone is not the better one for that.
    means = wide.groupby(level=["data", "split"]).mean()
    above = means.sub(means.mean(axis=1), axis=0).mean()
    methods = above.sort_values(ascending=metric in LOWER_IS_BETTER).index
    if len(methods) < 2:
        msg = f"frame has {len(methods)} method with the metric {metric!r}; an order needs two."
        raise ValueError(msg)
    sign = -1 if metric in LOWER_IS_BETTER else 1
    rows = []
    for first, second in combinations(methods, 2):
        gain = (sign * (wide[first] - wide[second])).dropna()
        ordered = gain[gain.abs() > TIE]
        mean = gain.groupby(level=["data", "split"]).mean()
        rows.append(
            {
                "first": first,
                "second": second,
                "n": len(gain),
                "tied": 1 - len(ordered) / len(gain) if len(gain) else np.nan,
                "ahead": float((ordered > 0).mean()) if len(ordered) else np.nan,
                "turned_seeds": _turned(gain, ["data", "split"]),
                "turned_splits": _turned(mean, ["data"]),
                "turned_data": _turned(mean, ["split"]),
            }
        )
    return pd.DataFrame(rows)


def _turned(gain: pd.Series, same: list[str]) -> float:
    """Return the share of pairs within groups whose gains have other signs, ties left out."""
    n_pairs = n_turned = 0
    # One name alone, not a list of one: pandas is about to change what that gives.
    for _, values in gain[gain.abs() > TIE].groupby(level=same if len(same) > 1 else same[0]):
        n, ahead = len(values), int((values > 0).sum())
        n_pairs += n * (n - 1) // 2
        n_turned += ahead * (n - ahead)
    return n_turned / n_pairs if n_pairs else float("nan")
