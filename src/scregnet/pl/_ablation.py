"""The ablation study as bars."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np

from scregnet._docs import doc
from scregnet.links import null_models
from scregnet.pl._figure import colours, finish, panels
from scregnet.pl._study import CHANCE, LABELS, check_frame, check_not_pooled, legend

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Share of the distance between two ticks that bars take.
_BAR = 0.8
_NULL_LINES = ((0, (4, 1.2)), ":", "-.")


@dataclass(frozen=True)
class _Layout:
    """Where bars are drawn: without groups one per tick, with groups side by side at each tick."""

    variants: list[str]
    colours: list[str]
    groupby: str | None
    groups: list[str]

    @property
    def single(self) -> bool:
        return len(self.groups) == 1

    @property
    def bar(self) -> float:
        return _BAR if self.single else _BAR / len(self.variants)

    def place(self, group: int, variant: int) -> float:
        if self.single:
            return float(variant)
        return group + (variant - (len(self.variants) - 1) / 2) * self.bar

    def rows_of(self, table: pd.DataFrame, group: str) -> pd.DataFrame:
        if self.groupby is None:
            return table
        return table[table[self.groupby].astype(str) == group]


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
    """Draw mean, standard deviation and single seeds of every version of an ablation study.

    Bars start at chance (0.5 for AUROC, else 0); lines are the null models. If versions were fitted
    on different pairs, the lines are those of the first.

    Parameters
    ----------
    frame
        Frame of :func:`scregnet.bm.ablation_study`, or several of them concatenated, with a further
        column for ``groupby``.
    %(metrics)s One panel each.
    split
        ``"test"`` or ``"validation"``.
    groupby
        Column whose values get a group of bars each, such as the name of the data set.
    palette
        Colours of the versions, in the order of their first appearance.
    ax
        As many axes as ``metrics``; ``None`` makes a figure.
    %(figure)s

    Returns
    -------
    %(plot_returns)s

    Raises
    ------
    ValueError
        ``frame`` is not that of an ablation study, lacks a metric or ``split``, or has several
        values in a column ``data`` or ``method`` that is not ``groupby``, or ``palette`` or ``ax``
        does not fit.

    Examples
    --------
    >>> import scregnet as sr
    >>> adata = sr.datasets.simulated(n_obs=200, n_vars=100)
    >>> variants = {"shrunk little": {"pseudo_count": 0.3}, "shrunk much": {"pseudo_count": 30.0}}
    >>> table = sr.bm.ablation_study(
    ...     adata, adata.uns["network"], "degree", variants=variants, n_seeds=3
    ... )
    >>> sr.pl.ablation(table)
    """
    needed = ["variant", "seed", "model", "split", "metric", "value"]
    table = check_frame("ablation_study", frame, needed, groupby=groupby, metrics=metrics)
    check_not_pooled(table, ["data", "method"], groupby)
    table = table[table["split"].astype(str) == split]
    if len(table) == 0:
        msg = f"frame has no rows with split={split!r}."
        raise ValueError(msg)
    names = list(table["variant"].unique())
    groups = [""] if groupby is None else list(table[groupby].astype(str).unique())
    layout = _Layout(names, colours(palette, names, "variants"), groupby, groups)
    # Single bars are wide, with room for the name of their version below.
    width = max(3.4, (1.3 if layout.single else 0.42) * len(names) * len(groups) + 1.4)
    size = (width * len(metrics), 4.2)
    axes = panels(ax, len(metrics), figsize=figsize, dpi=dpi, default_size=size, save=save)
    for one, metric in zip(axes, metrics, strict=True):
        _panel(one, table[table["metric"] == metric], metric, layout)
    legend(axes, given=ax is not None, ncols=4)
    return finish(axes, given=ax is not None, show=show, save=save, return_fig=return_fig)


def _panel(ax: Axes, table: pd.DataFrame, metric: str, layout: _Layout) -> None:
    bottom = CHANCE.get(metric, 0.0)
    ends = [bottom, float(table["value"].min()), float(table["value"].max())]
    for i, group in enumerate(layout.groups):
        here, nulls = _own_and_nulls(layout.rows_of(table, group))
        for j, (name, colour) in enumerate(zip(layout.variants, layout.colours, strict=True)):
            values = here.loc[here["variant"] == name, "value"].to_numpy(float)
            if len(values) == 0:
                continue
            # The legend takes the first of several bars with the same label.
            x, label = layout.place(i, j), None if layout.single else name
            ends += _bar(
                ax, x, layout.bar, values, bottom, colour=colour, label=label, large=layout.single
            )
        extent = None if layout.single else (i - 0.45, i + 0.45)
        _null_lines(ax, nulls, extent)
    low, high = np.nanmin(ends), np.nanmax(ends)
    # Room above for the numbers on the bars; below only where a value lies under the bars' start.
    ax.set_ylim(low - (0.04 * (high - low) if low < bottom else 0), high + 0.14 * (high - bottom))
    if layout.single:
        ticks = [name.replace(" ", "\n", 1) for name in layout.variants]
        ax.set_xticks(range(len(ticks)), ticks)
    else:
        ax.set_xticks(range(len(layout.groups)), layout.groups)
    ax.set_ylabel(LABELS.get(metric, metric))


def _own_and_nulls(table: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the rows of the method and those of the null models."""
    is_null = table["model"].isin(null_models())
    own = table[~is_null]
    # A group may lack the metric.
    if len(own) == 0 and len(table) > 0:
        # The method of the study is itself a null model; it comes first.
        own = table[table["model"] == table["model"].iloc[0]]
    return own, table[is_null & ~table["model"].isin(own["model"].unique())]


def _bar(
    ax: Axes,
    x: float,
    width: float,
    values: np.ndarray,
    bottom: float,
    *,
    colour: str,
    label: str | None,
    large: bool,
) -> tuple[float, float]:
    """Draw a version's mean, standard deviation and seeds; return the lowest and highest value."""
    n_failed = int((~np.isfinite(values)).sum())
    values = values[np.isfinite(values)]
    if len(values) == 0:
        style: dict[str, Any] = {"ha": "center", "va": "bottom", "rotation": 90, "color": "0.3"}
        ax.text(x, bottom, "failed", fontsize="small", **style)
        return bottom, bottom
    mean, spread = values.mean(), values.std(ddof=1) if len(values) > 1 else 0.0
    low, high = min(values.min(), mean - spread), max(values.max(), mean + spread)
    # Bars are a little narrower than their place, so that neighbours do not touch.
    look: dict[str, Any] = {"color": colour, "alpha": 0.55, "label": label, "zorder": 2}
    ax.bar(x, mean - bottom, width * 0.92, bottom=bottom, **look)
    _seeds(ax, x, width, values, mean, spread, colour=colour, large=large)
    if large:
        _note(ax, x, high, f"{mean:.3f}" + (f"\n{n_failed} failed" if n_failed else ""))
    return float(low), float(high)


def _seeds(
    ax: Axes,
    x: float,
    width: float,
    values: np.ndarray,
    mean: float,
    spread: float,
    *,
    colour: str,
    large: bool,
) -> None:
    """Draw the standard deviation over seeds, and a dot per seed, side by side within the bar."""
    offsets = np.zeros(1)
    if len(values) > 1:
        offsets = np.linspace(-0.22, 0.22, len(values)) * width
        capsize = 3 if large else 1.5
        ax.errorbar(x, mean, spread, color="0.15", capsize=capsize, elinewidth=1.2, zorder=5)
    look: dict[str, Any] = {"color": colour, "edgecolor": "0.15", "linewidth": 0.5, "zorder": 4}
    ax.scatter(x + offsets, values, s=14 if large else 6, **look)


def _note(ax: Axes, x: float, y: float, text: str) -> None:
    """Write the mean above its bar, on white: lines of null models may run through it."""
    box: dict[str, Any] = {
        "boxstyle": "square,pad=0.1",
        "facecolor": "white",
        "edgecolor": "none",
        "alpha": 0.85,
    }
    style: dict[str, Any] = {"ha": "center", "fontsize": "small", "bbox": box, "zorder": 6}
    ax.annotate(text, (x, y), (0, 4), textcoords="offset points", **style)


def _null_lines(
    ax: Axes,
    nulls: pd.DataFrame,
    extent: tuple[float, float] | None,
) -> None:
    """Draw a line for each null model: across the panel, or across one group of bars."""
    for name, line in zip(null_models(), cycle(_NULL_LINES), strict=False):
        rows = nulls[nulls["model"] == name]
        if len(rows) == 0:
            continue
        # Versions on other pairs have other null models; the line is that of the first version.
        value = float(rows.loc[rows["variant"] == rows["variant"].iloc[0], "value"].mean())
        label = f"null model: {name.replace('_', ' ')}"
        style: dict[str, Any] = {"color": "0.2", "linestyle": line, "linewidth": 1.3, "zorder": 3}
        if extent is None:
            ax.axhline(value, label=label, **style)
        else:
            ax.plot(extent, (value, value), label=label, **style)
