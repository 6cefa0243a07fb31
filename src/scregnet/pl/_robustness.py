"""The robustness study as lines."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np

from scregnet._docs import doc
from scregnet.links import null_models
from scregnet.pl._figure import PALETTE, finish, panels
from scregnet.pl._study import LABELS, check_frame, legend

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
    """Draw a robustness study: the figures on clean test pairs over the share of wrong labels, for the method and the null models.

    Dots are single priors, lines their mean, bars their standard deviation. A method is robust if its line stays level; whether it is worth its
    while is the distance to the null models.

    Parameters
    ----------
    frame
        Frame of :func:`scregnet.bm.robustness_study`, or several of them below one another: those of other methods, or of other data sets with a further column for
        ``groupby``.
    metrics
        Metrics to draw, one panel each, or one row of panels with ``groupby``.
    groupby
        Column whose values get a column of panels each, such as one that you added with the name of the data set.
    palette
        Colours of the models; methods first, then null models.
    ax
        As many axes as there are panels (``metrics`` × values of ``groupby``), row by row; ``None`` makes a figure.
    figsize
        Width and height of a new figure in inches.
    dpi
        Resolution of a new figure; ``None`` takes matplotlib's.
    show
        Show the figure; ``None`` shows it in an interactive session unless ``ax``, ``save`` or ``return_fig`` is given.
    save
        Path to write the figure to.
    return_fig
        Return the figure.

    Returns
    -------
    The :class:`~matplotlib.figure.Figure` if ``return_fig``, the :class:`~matplotlib.axes.Axes` (an array where there are several) if
    ``show=False``, else ``None``.

    Raises
    ------
    ValueError
        ``frame`` is not that of a robustness study or lacks a metric, or ``palette`` or ``ax`` does not fit.

    Examples
    --------
    >>> import scregnet as sr
    >>> adata = sr.datasets.simulated(n_obs=200, n_vars=100)
    >>> table = sr.bm.robustness_study(adata, adata.uns["network"], "degree", n_priors=3)
    >>> sr.pl.robustness(table)
    """
    needed = ["noise", "prior", "model", "metric", "value"]
    table = check_frame("robustness_study", frame, needed, groupby=groupby, metrics=metrics)
    groups = [None] if groupby is None else list(table[groupby].unique())
    models = sorted(table["model"].unique(), key=lambda model: model in null_models())
    colours = tuple(palette or PALETTE)
    if len(colours) < len(models):
        msg = f"palette has {len(colours)} colours, but there are {len(models)} models: {', '.join(models)}."
        raise ValueError(msg)
    size = (
        4.2 * max(len(groups), len(metrics) if groupby is None else 1),
        3.6 * (1 if groupby is None else len(metrics)),
    )
    rows = 1 if groupby is None else len(metrics)
    axes = panels(
        ax, len(metrics) * len(groups), figsize=figsize, dpi=dpi, default_size=size, rows=rows
    )
    for position, one in enumerate(axes):
        metric, group = metrics[position // len(groups)], groups[position % len(groups)]
        here = table[table["metric"] == metric]
        if groupby is not None:
            here = here[here[groupby] == group]
        _panel(one, here, models, colours)
        one.set_ylabel(LABELS.get(metric, metric))
        if group is not None:
            one.set_title(str(group))
    legend(axes, given=ax is not None, ncols=4)
    return finish(axes, given=ax is not None, show=show, save=save, return_fig=return_fig)


def _panel(ax: Axes, table: pd.DataFrame, models: list[str], colours: Sequence[str]) -> None:
    levels = np.unique(table["noise"].to_numpy(float))
    step = float(np.diff(levels).min()) if len(levels) > 1 else 0.01
    n_failed = 0
    for rank, (model, colour) in enumerate(zip(models, colours, strict=False)):
        rows = table[table["model"] == model]
        n_failed += int(rows["value"].isna().sum())
        rows = rows.dropna(subset="value")
        if len(rows) == 0:
            continue
        by_level = rows.groupby("noise")["value"]
        mean, spread = by_level.mean(), by_level.std(ddof=1).fillna(0)
        # Beside one another, or the spread of one hides that of the next.
        shift = (rank - (len(models) - 1) / 2) * 0.16 * step
        style: dict[str, Any] = {
            "color": colour,
            "linestyle": _LINES[rank % len(_LINES)],
            "zorder": 4 - 0.1 * rank,
        }
        ax.scatter(
            100 * (rows["noise"] + shift + 0.05 * step),
            rows["value"],
            s=8,
            color=colour,
            alpha=0.4,
            linewidth=0,
            zorder=2,
        )
        ax.errorbar(
            100 * (mean.index.to_numpy() + shift),
            mean.to_numpy(float),
            spread.to_numpy(float),
            marker=_MARKERS[rank % len(_MARKERS)],
            markersize=4.5,
            capsize=2.5,
            elinewidth=1,
            label=f"null model: {model.replace('_', ' ')}" if model in null_models() else model,
            **style,
        )
    ax.set_xticks(100 * levels, [f"{100 * level:g}" for level in levels])
    ax.set_xlabel("Wrong labels (%)" + (f"; {n_failed} fits failed" if n_failed else ""))
