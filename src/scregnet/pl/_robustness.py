"""The robustness study as lines."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np

from scregnet._docs import doc
from scregnet.links import null_models
from scregnet.pl._figure import colours, finish, panels
from scregnet.pl._study import LABELS, check_frame, check_not_pooled, legend

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LINES = ("-", (0, (4, 1.2)), ":", "-.")
_MARKERS = ("o", "s", "^", "D", "v", "P")


@doc
def robustness(
    frame: pd.DataFrame,
    *,
    metrics: Sequence[str] = ("auroc", "auprc"),
    groupby: str | None = None,
    palette: Sequence[str] | None = None,
    ax: Axes | Sequence[Axes] | None = None,
    figsize: tuple[float, float] | None = None,
    dpi: float | None = None,
    show: bool | None = None,
    save: str | PathLike[str] | None = None,
    return_fig: bool = False,
) -> Figure | Axes | np.ndarray | None:
    """Draw the metrics of a robustness study against the share of wrong labels.

    Dots are single priors, lines their mean, bars their standard deviation. A robust method has a
    level line; a useful one lies above the null models.

    Parameters
    ----------
    frame
        Frame of :func:`scregnet.bm.robustness_study`, or several of them concatenated: those of
        other methods, or of other data sets with a further column for ``groupby``.
    %(metrics)s One panel each, or one row of panels with ``groupby``.
    groupby
        Column whose values get a column of panels each, such as the name of the data set.
    palette
        Colours of the models; methods first, then null models.
    ax
        One axes per panel (``metrics`` × values of ``groupby``), row by row; ``None`` makes a
        figure.
    %(figure)s

    Returns
    -------
    %(plot_returns)s

    Raises
    ------
    ValueError
        ``frame`` is not that of a robustness study, lacks a metric, or has several values in a
        column ``data`` that is not ``groupby``, or ``palette`` or ``ax`` does not fit.

    Examples
    --------
    >>> import scregnet as sr
    >>> adata = sr.datasets.simulated(n_obs=200, n_vars=100)
    >>> table = sr.bm.robustness_study(adata, adata.uns["network"], "degree", n_priors=3)
    >>> sr.pl.robustness(table)
    """
    needed = ["noise", "prior", "model", "metric", "value"]
    table = check_frame("robustness_study", frame, needed, groupby=groupby, metrics=metrics)
    check_not_pooled(table, ["data"], groupby)
    models = sorted(table["model"].unique(), key=lambda model: model in null_models())
    colour = dict(zip(models, colours(palette, models, "models"), strict=True))
    groups = [None] if groupby is None else list(table[groupby].unique())
    # Without groups, all metrics are in one row; with groups, each metric has a row.
    n_rows = 1 if groupby is None else len(metrics)
    n = len(metrics) * len(groups)
    size = (4.2 * (n // n_rows), 3.6 * n_rows)
    axes = panels(ax, n, figsize=figsize, dpi=dpi, default_size=size, save=save, rows=n_rows)
    for position, one in enumerate(axes):
        metric, group = metrics[position // len(groups)], groups[position % len(groups)]
        here = table[table["metric"] == metric]
        if groupby is not None:
            here = here[here[groupby] == group]
            one.set_title(str(group))
        _panel(one, here, colour)
        one.set_ylabel(LABELS.get(metric, metric))
    legend(axes, given=ax is not None, ncols=4)
    return finish(axes, given=ax is not None, show=show, save=save, return_fig=return_fig)


def _panel(ax: Axes, table: pd.DataFrame, colour: dict[str, str]) -> None:
    levels = np.unique(table["noise"].to_numpy(float))
    step = float(np.diff(levels).min()) if len(levels) > 1 else 0.01
    for rank, model in enumerate(colour):
        rows = table[table["model"] == model].dropna(subset="value")
        # Models are shifted sideways, or the bars of one would hide those of the next.
        shift = (rank - (len(colour) - 1) / 2) * 0.16 * step
        if len(rows):
            _draw_model(ax, rows, model, rank, shift, step, colour[model])
    ax.set_xticks(100 * levels, [f"{100 * level:g}" for level in levels])
    n_failed = int(table["value"].isna().sum())
    ax.set_xlabel("Wrong labels (%)" + (f"; {n_failed} fits failed" if n_failed else ""))


def _draw_model(
    ax: Axes, rows: pd.DataFrame, model: str, rank: int, shift: float, step: float, colour: str
) -> None:
    """Draw dots, means and standard deviations of one model; ``rank`` sets line and marker."""
    by_level = rows.groupby("noise")["value"]
    mean, spread = by_level.mean(), by_level.std(ddof=1).fillna(0)
    # To the right of the mean, where the bar does not cover them.
    x = 100 * (rows["noise"] + shift + 0.05 * step)
    ax.scatter(x, rows["value"], s=8, color=colour, alpha=0.4, linewidth=0, zorder=2)
    style: dict[str, Any] = {
        "color": colour,
        "linestyle": _LINES[rank % len(_LINES)],
        "marker": _MARKERS[rank % len(_MARKERS)],
        "markersize": 4.5,
        "capsize": 2.5,
        "elinewidth": 1,
        "label": f"null model: {model.replace('_', ' ')}" if model in null_models() else model,
        "zorder": 4 - 0.1 * rank,
    }
    x_mean = 100 * (mean.index.to_numpy() + shift)
    ax.errorbar(x_mean, mean.to_numpy(float), spread.to_numpy(float), **style)
