"""The ablation study as bars."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np

from scregnet._docs import doc
from scregnet.links import null_models
from scregnet.pl._figure import PALETTE, finish, panels
from scregnet.pl._study import CHANCE, LABELS, check_frame, legend

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_BAR = 0.8
_NULL_LINES = ((0, (4, 1.2)), ":", "-.")


@doc
def ablation(
    frame: pd.DataFrame,
    *,
    metrics: Sequence[str] = ("auroc", "auprc"),
    split: str = "test",
    groupby: str | None = None,
    palette: Sequence[str] | None = None,
    ax: Axes | Sequence[Axes] | None = None,
    figsize: tuple[float, float] | None = None,
    dpi: float | None = None,
    show: bool | None = None,
    save: str | PathLike[str] | None = None,
    return_fig: bool = False,
) -> Figure | Axes | np.ndarray | None:
    """Draw an ablation study: mean, standard deviation and single seeds of every version of the method, with the null models as lines.

    Bars rise from chance (0.5 for AUROC, 0 for the others). A part that does not lift its bar above that of the version without it, or
    above the lines, has not been shown to contribute. Where versions were fitted on different pairs, the lines are those of the first.

    Parameters
    ----------
    frame
        Frame of :func:`scregnet.bm.ablation_study`, or several of them below one another with a further column for ``groupby``.
    metrics
        Metrics to draw, one panel each.
    split
        ``"test"`` or ``"validation"``.
    groupby
        Column by which bars are put side by side, such as one that you added with the name of the data set.
    palette
        Colours of the versions, in the order of their first appearance.
    ax
        As many axes as ``metrics``; ``None`` makes a figure.
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
        ``frame`` is not that of an ablation study, lacks a metric or ``split``, or ``palette`` or ``ax`` does not fit.

    Examples
    --------
    >>> import scregnet as sr
    >>> adata = sr.datasets.simulated(n_obs=200, n_vars=100)
    >>> variants = {"shrunk little": {"pseudo_count": 0.3}, "shrunk much": {"pseudo_count": 30.0}}
    >>> table = sr.bm.ablation_study(adata, adata.uns["network"], "degree", variants=variants, n_seeds=3)
    >>> sr.pl.ablation(table)
    """
    needed = ["variant", "seed", "model", "split", "metric", "value"]
    table = check_frame("ablation_study", frame, needed, groupby=groupby, metrics=metrics)
    table = table[table["split"].astype(str) == split]
    if len(table) == 0:
        msg = f"frame has no rows with split={split!r}."
        raise ValueError(msg)
    names = list(table["variant"].unique())
    colours = tuple(palette or PALETTE)
    if len(colours) < len(names):
        msg = f"palette has {len(colours)} colours, but there are {len(names)} variants: {', '.join(names)}."
        raise ValueError(msg)
    groups = [""] if groupby is None else list(table[groupby].astype(str).unique())
    width = max(3.4, (1.3 if len(groups) == 1 else 0.42) * len(names) * len(groups) + 1.4)
    size = (width * len(metrics), 4.2)
    axes = panels(ax, len(metrics), figsize=figsize, dpi=dpi, default_size=size)
    for one, metric in zip(axes, metrics, strict=True):
        _panel(one, table[table["metric"] == metric], metric, names, groups, groupby, colours)
    legend(axes, given=ax is not None, ncols=4)
    return finish(axes, given=ax is not None, show=show, save=save, return_fig=return_fig)


def _panel(
    ax: Axes,
    table: pd.DataFrame,
    metric: str,
    names: list[str],
    groups: list[str],
    groupby: str | None,
    colours: Sequence[str],
) -> None:
    single = len(groups) == 1
    is_null = table["model"].isin(null_models())
    own = table[~is_null] if (~is_null).any() else table[table["model"] == table["model"].iloc[0]]
    baselines = table[is_null & ~table["model"].isin(own["model"].unique())]
    bar = _BAR if single else _BAR / len(names)
    bottom = CHANCE.get(metric, 0.0)
    ends = [bottom, float(table["value"].min()), float(table["value"].max())]
    for i, group in enumerate(groups):
        here = own if groupby is None else own[own[groupby].astype(str) == group]
        for j, (name, colour) in enumerate(zip(names, colours, strict=False)):
            values = here.loc[here["variant"] == name, "value"].to_numpy(float)
            if len(values) == 0:
                continue
            x = float(j) if single else i + (j - (len(names) - 1) / 2) * bar
            label = name if i == 0 and not single else None
            ends += _bar(
                ax, x, bar, values, bottom=bottom, colour=colour, label=label, large=single
            )
        _null_lines(ax, baselines, groupby, group, i, None if single else (i - 0.45, i + 0.45))
    low, high = np.nanmin(ends), np.nanmax(ends)
    # Room for the numbers above the bars; below, none is wanted where the bars begin.
    ax.set_ylim(low - (0.04 * (high - low) if low < bottom else 0), high + 0.14 * (high - bottom))
    if single:
        ax.set_xticks(range(len(names)), [name.replace(" ", "\n", 1) for name in names])
    else:
        ax.set_xticks(range(len(groups)), groups)
    ax.set_ylabel(LABELS.get(metric, metric))


def _bar(
    ax: Axes,
    x: float,
    width: float,
    values: np.ndarray,
    *,
    bottom: float,
    colour: str,
    label: str | None,
    large: bool,
) -> tuple[float, float]:
    """Draw one version's mean, standard deviation and seeds; return the lowest and highest value that is drawn."""
    n_failed = int((~np.isfinite(values)).sum())
    values = values[np.isfinite(values)]
    if len(values) == 0:
        ax.text(
            x,
            bottom,
            "failed",
            ha="center",
            va="bottom",
            rotation=90,
            fontsize="small",
            color="0.3",
        )
        return bottom, bottom
    mean, spread = values.mean(), values.std(ddof=1) if len(values) > 1 else 0.0
    low, high = min(values.min(), mean - spread), max(values.max(), mean + spread)
    ax.bar(
        x,
        mean - bottom,
        width * 0.92,
        bottom=bottom,
        color=colour,
        alpha=0.55,
        label=label,
        zorder=2,
    )
    if len(values) > 1:
        ax.errorbar(
            x, mean, spread, color="0.15", capsize=3 if large else 1.5, elinewidth=1.2, zorder=5
        )
    offsets = np.linspace(-0.22, 0.22, len(values)) * width if len(values) > 1 else np.zeros(1)
    ax.scatter(
        x + offsets,
        values,
        s=14 if large else 6,
        color=colour,
        edgecolor="0.15",
        linewidth=0.5,
        zorder=4,
    )
    if large:
        note = f"{mean:.3f}" + (f"\n{n_failed} failed" if n_failed else "")
        box: dict[str, Any] = {
            "boxstyle": "square,pad=0.1",
            "facecolor": "white",
            "edgecolor": "none",
            "alpha": 0.85,
        }
        style: dict[str, Any] = {"ha": "center", "fontsize": "small", "bbox": box, "zorder": 6}
        ax.annotate(note, (x, high), (0, 4), textcoords="offset points", **style)
    return float(low), float(high)


def _null_lines(
    ax: Axes,
    baselines: pd.DataFrame,
    groupby: str | None,
    group: str,
    number: int,
    extent: tuple[float, float] | None,
) -> None:
    """A line for each null model: across the panel, or across one group of bars."""
    for rank, null in enumerate(name for name in null_models() if name in set(baselines["model"])):
        rows = baselines[baselines["model"] == null]
        if groupby is not None:
            rows = rows[rows[groupby].astype(str) == group]
        # Versions on other pairs have other null models; the line is that of the first version.
        rows = rows[rows["variant"] == rows["variant"].iloc[0]] if len(rows) else rows
        if len(rows) == 0:
            continue
        style: dict[str, Any] = {
            "color": "0.2",
            "linestyle": _NULL_LINES[rank % len(_NULL_LINES)],
            "linewidth": 1.3,
            "zorder": 3,
        }
        label = f"null model: {null.replace('_', ' ')}" if number == 0 else None
        value = float(rows["value"].mean())
        if extent is None:
            ax.axhline(value, label=label, **style)
        else:
            ax.plot(extent, (value, value), label=label, **style)
