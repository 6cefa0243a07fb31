"""A benchmark as dots: methods on data sets, null models as lines."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import TYPE_CHECKING

import numpy as np

from scregnet._docs import doc
from scregnet._validate import check_choice, check_one_value, listed
from scregnet.links import null_models
from scregnet.metrics._metrics import LOWER_IS_BETTER
from scregnet.pl._figure import colours, finish, panels
from scregnet.pl._study import CHANCE, LABELS, check_frame, legend

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LINES = ("-", (0, (4, 1.2)))
NEEDED = ["data", "method", "split", "seed", "metric", "value"]


@doc
def benchmark(
    frame: pd.DataFrame,
    *,
    metrics: Sequence[str] = ("auroc", "auprc"),
    split: str | None = None,
    palette: Sequence[str] | None = None,
    ax: Axes | Sequence[Axes] | None = None,
    figsize: tuple[float, float] | None = None,
    dpi: float | None = None,
    show: bool | None = None,
    save: str | PathLike[str] | None = None,
    return_fig: bool = False,
) -> Figure | Axes | np.ndarray | None:
    """Draw the methods of a benchmark on each data set, next to the null models.

    A dot is the mean over seeds, a bar goes from the lowest to the highest. The dot is hollow where
    others have more seeds, and so other test pairs. Lines are the means of the null models, which
    use the known links only: what lies left of them learned less than popularity. The method that
    is most above the mean of the data sets is at the top.

    Parameters
    ----------
    frame
        Frame of :func:`scregnet.bm.run`, or several of them concatenated.
    %(metrics)s One row of panels each, with a panel for each data set.
    split
        Which split to draw; ``None`` if there is only one.
    palette
        Colour of the methods, then those of the null models.
    ax
        One axes per panel (``metrics`` × data sets), row by row; ``None`` makes a figure.
    %(figure)s

    Returns
    -------
    %(plot_returns)s

    Raises
    ------
    ValueError
        ``frame`` is not that of a benchmark, lacks a metric, has several splits and none is named,
        or several figures of the same data set, method, split and seed; or ``palette`` or ``ax``
        does not fit.

    Examples
    --------
    >>> import scregnet as sr
    >>> adata = sr.datasets.simulated(n_obs=200, n_vars=100)
    >>> table = sr.bm.run({"simulated": adata}, ["pearson"], seeds=2)
    >>> sr.pl.benchmark(table)
    """
    table = check_frame("run", frame, NEEDED, groupby=None, metrics=metrics)
    check_one_value(table, NEEDED[:-1], "value")
    table = table[table["split"] == _split(table, split)]
    nulls = [name for name in null_models() if name in set(table["method"])]
    sets = list(table["data"].unique())
    own = table[~table["method"].isin(nulls)]
    methods = _order(own, metrics[0])
    colour = colours(palette, ["methods", *nulls], "kinds of models")
    n = len(metrics) * len(sets)
    size = (1.4 + 2.5 * len(sets), (0.9 + 0.3 * max(len(methods), 3)) * len(metrics))
    axes = panels(ax, n, figsize=figsize, dpi=dpi, default_size=size, save=save, rows=len(metrics))
    for position, one in enumerate(axes):
        metric, name = metrics[position // len(sets)], sets[position % len(sets)]
        here = table[table["data"] == name]
        tried = set(here["method"])
        here = here[here["metric"] == metric]
        _dots(one, here, methods, tried, colour[0])
        for line, null, own_colour in zip(_LINES, nulls, colour[1:], strict=False):
            value = here.loc[here["method"] == null, "value"].mean()
            label = f"null model: {null.replace('_', ' ')}"
            one.axvline(value, color=own_colour, linestyle=line, linewidth=1.4, label=label)
        if metric in CHANCE:
            one.axvline(CHANCE[metric], color="0.8", linewidth=0.8, zorder=0)
        one.set_xlabel(LABELS.get(metric, metric))
        # Null models alone are lines without a row.
        one.set_ylim(max(len(methods), 1) - 0.5, -0.5)
        first = position % len(sets) == 0
        one.set_yticks(range(len(methods)), methods if first else [""] * len(methods))
        one.grid(axis="y", color="0.9", linewidth=0.8)
        one.set_axisbelow(True)
        if position < len(sets):
            one.set_title(name)
    legend(axes, given=ax is not None, ncols=3)
    return finish(axes, given=ax is not None, show=show, save=save, return_fig=return_fig)


def _split(table: pd.DataFrame, split: str | None) -> str:
    """Return the split to draw."""
    there = list(table["split"].unique())
    if split is not None:
        check_choice("split", split, there)
        return split
    if len(there) > 1:
        msg = f"split=None, and the frame has several: {listed(there)}. Name one."
        raise ValueError(msg)
    return str(there[0])


def _order(own: pd.DataFrame, metric: str) -> list[str]:
    """Return the methods, the best one in the mean of all data sets first."""
    here = own[own["metric"] == metric]
    # Of each data set first, so that one with more seeds counts no more; and as differences to
    # its mean, so that a method that was not run on an easy one is not behind for that.
    of_sets = here.groupby(["method", "data"])["value"].mean()
    means = (of_sets - of_sets.groupby("data").transform("mean")).groupby("method").mean()
    ordered = means.sort_values(ascending=metric in LOWER_IS_BETTER).index
    # Methods of which every fit failed come last.
    return [*ordered, *(name for name in own["method"].unique() if name not in ordered)]


def _dots(ax: Axes, here: pd.DataFrame, methods: list[str], tried: set[str], colour: str) -> None:
    """Draw mean, lowest and highest value of each method; say of the others why there is none."""
    found = {name: of_it.dropna() for name, of_it in here.groupby("method")["value"]}
    most, named = max(map(len, found.values()), default=0), set[str]()
    for row, method in enumerate(methods):
        values = found[method].to_numpy(float) if method in found else np.empty(0)
        if len(values) == 0:
            why = "failed" if method in tried else "not run"
            # Left of the middle: the null models are mostly on the right.
            where = ax.get_yaxis_transform()
            style = {"ha": "center", "va": "center", "color": "0.4", "fontsize": "small"}
            ground = {"facecolor": "white", "edgecolor": "none", "pad": 1}
            ax.text(0.3, row, why, style, transform=where, bbox=ground)
            continue
        ax.plot([values.min(), values.max()], [row, row], color=colour, linewidth=1.6)
        whole = len(values) == most
        kind = "method" if whole else "method, fewer seeds"
        # Once, for the legends of users.
        label = None if kind in named else kind
        named.add(kind)
        (dot,) = ax.plot(values.mean(), row, "o", color=colour, markersize=5, label=label)
        if not whole:
            dot.set_markerfacecolor("white")
