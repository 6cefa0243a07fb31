"""What differs between groups: links as a volcano, and TFs by what they gained and lost."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scregnet._docs import doc
from scregnet._validate import check_integer, check_interval, listed
from scregnet.pl._figure import colours, finish, panels
from scregnet.pl._two_regulons import check_pair, draw_two_regulons

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_NEEDED = ("group_a", "group_b", "source", "target", "correlation_a", "correlation_b")
_TESTED = ("difference", "p", "q")
_GREY = "#BBBBBB"
_LONG = 24
"""Letters of both names of groups that the label of an axis has room for on one line."""
_FEWEST_ROWS = 6


@doc
def comparison(
    frame: pd.DataFrame,
    *,
    max_q: float = 0.1,
    n_labels: int = 10,
    n_tfs: int = 20,
    source: str | None = None,
    n_targets: int = 30,
    palette: Sequence[str] | None = None,
    ax: Sequence[Axes] | None = None,
    figsize: tuple[float, float] | None = None,
    dpi: float | None = None,
    show: bool | None = None,
    save: str | PathLike[str] | None = None,
    return_fig: bool = False,
) -> Figure | Axes | None:
    """Draw which links differ between groups of cells, and what TFs gained and lost.

    Of two groups: left, each link by the difference of its correlations and by ``p``; right, links
    of each TF with ``q`` up to ``max_q``. Of cells in an order, the change from the first to the
    last bin takes the place of the difference. Of more groups: left, how many links differ in each
    pair of them; right, how many of each TF. With ``source``, the targets of one TF: correlations
    in both groups side by side, and what was lost, gained, or is without a change that was found.

    Parameters
    ----------
    frame
        The links that :func:`scregnet.get.comparison` returns.
    max_q
        Links up to this ``q`` are coloured and counted.
    n_labels, n_tfs
        Links that are named, and TFs that are shown, at most.
    source
        TF whose targets are drawn; the frame has one pair of groups.
    n_targets
        Targets of ``source`` that are drawn, at most: those that changed come first.
    palette
        Colours of what is weaker and what is stronger in ``group_b``.
    %(two_axes)s
    %(figure)s

    Returns
    -------
    %(plot_returns)s

    Raises
    ------
    TypeError, ValueError
        ``frame`` is another one, or ``palette`` or ``ax`` does not fit.
    KeyError
        ``source`` has no link in ``frame``.

    Examples
    --------
    >>> import scregnet as sr
    >>> adata = sr.datasets.simulated(300, 80, n_cell_types=2, dropout_percentile=30, rewired=0.8)
    >>> sr.tl.fit_grn(adata, adata.uns["network"], method="degree", n_folds=1)
    >>> sr.tl.compare_grns(adata, groupby="cell_type", n_permutations=20)
    >>> sr.pl.comparison(sr.get.comparison(adata))
    """
    _check(frame)
    check_interval("max_q", max_q, 0, 1)
    check_integer("n_labels", n_labels, minimum=0)
    check_integer("n_tfs", n_tfs, minimum=1)
    check_integer("n_targets", n_targets, minimum=1)
    two = colours(palette, ["weaker", "stronger"], "kinds of links")
    if source is not None:
        links = _without_formulas(check_pair(frame, source))
        size = (8.6, max(3.0, 1.2 + 0.2 * min(n_targets, len(links))))
        axes = panels(ax, 2, figsize=figsize, dpi=dpi, default_size=size, save=save)
        draw_two_regulons(axes, links, max_q=max_q, n_targets=n_targets, two=two)
        return finish(axes, given=ax is not None, show=show, save=save, return_fig=return_fig)
    frame = _without_formulas(frame)
    changed = frame[frame["q"] <= max_q]
    pairs = frame[["group_a", "group_b"]].astype(str).drop_duplicates()
    counts = changed["source"].astype(str).value_counts()
    tfs = counts.sort_index().sort_values(ascending=False, kind="stable").index[:n_tfs].tolist()
    size = (11, max(4.0, 1.4 + 0.24 * max(len(tfs), len(pairs) if len(pairs) > 1 else 0)))
    axes = panels(ax, 2, figsize=figsize, dpi=dpi, default_size=size, save=save)
    if len(pairs) == 1:
        where, xlabel = _words(frame, pairs["group_a"].iloc[0], pairs["group_b"].iloc[0])
        _draw_links(axes[0], frame, max_q, n_labels, two, where, xlabel)
        _draw_tfs(axes[1], changed, tfs, two, where)
    else:
        _draw_pairs(axes[0], changed, pairs)
        _draw_tfs_of_pairs(axes[1], changed, pairs, tfs)
    if not tfs:
        axes[1].text(
            0.5, 0.5, f"no link with q ≤ {max_q:g}", ha="center", transform=axes[1].transAxes
        )
    return finish(axes, given=ax is not None, show=show, save=save, return_fig=return_fig)


def _check(frame: object) -> None:
    """Raise unless the frame is one of links."""
    what = "the links that sr.get.comparison(adata) returns"
    if not isinstance(frame, pd.DataFrame):
        msg = f"frame must be {what}, got {type(frame).__name__}."
        raise TypeError(msg)
    missing = [column for column in (*_NEEDED, *_TESTED) if column not in frame]
    if missing or len(frame) == 0:
        said = f"lacks the columns {listed(missing)}" if missing else "is empty"
        msg = f"frame {said}; it must be {what}."
        raise ValueError(msg)


def _without_formulas(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with names as text: a dollar sign would start a formula."""
    texts = {name: frame[name].astype(str) for name in ("group_a", "group_b", "source", "target")}
    return frame.assign(
        **{
            name: values.str.replace("$", r"\$", regex=False)
            for name, values in texts.items()
            if values.str.contains("$", regex=False).any()
        }
    )


def _words(frame: pd.DataFrame, first: str, second: str) -> tuple[str, str]:
    """Return where links are stronger or weaker, and what the axis of the differences shows."""
    if "correlation_1" in frame:
        # Names of bins are long: they have the ends of an interval.
        change = "change of correlation (Fisher's z) along the bins"
        return "at the end", f"{change},\nfrom {first}, to {second}"
    least = "\n" if len(first) + len(second) > _LONG else " "
    return f"in {second}", f"difference of correlation (Fisher's z):{least}{second} less {first}"


def _stronger(frame: pd.DataFrame) -> np.ndarray:
    """Return whether the absolute correlation is larger in the second group."""
    return (frame["correlation_b"].abs() > frame["correlation_a"].abs()).to_numpy()


def _draw_links(
    ax: Axes,
    frame: pd.DataFrame,
    max_q: float,
    n_labels: int,
    two: list[str],
    where: str,
    xlabel: str,
) -> None:
    """Draw the volcano, and name the clearest links."""
    x, y = frame["difference"].to_numpy(), -np.log10(frame["p"].to_numpy())
    found, stronger = (frame["q"] <= max_q).to_numpy(), _stronger(frame)
    ax.scatter(x[~found], y[~found], s=7, color=_GREY, linewidth=0, rasterized=len(x) > 5000)
    for which, colour, said in ((False, two[0], "weaker"), (True, two[1], "stronger")):
        own = found & (stronger == which)
        label = f"{said} {where} ({own.sum():,})"
        ax.scatter(x[own], y[own], s=16, color=colour, linewidth=0, label=label)
    order = np.lexsort((-np.abs(x), frame["p"].to_numpy()))
    ends = np.abs(x).max() * 1.45 or 1.0
    span = max(y.max(), 1.0)
    # Names stand in columns at the sides, so that they never lie on each other.
    for side in (-1, 1):
        chosen = [i for i in order if found[i] and np.sign(x[i]) == side][: (n_labels + 1) // 2]
        chosen.sort(key=lambda i: -y[i])
        for rank, i in enumerate(chosen):
            ax.annotate(
                f"{frame['source'].iloc[i]}→{frame['target'].iloc[i]}",
                (x[i], y[i]),
                xytext=(side * ends * 1.02, span * (1.02 - 0.085 * rank)),
                fontsize=7.5,
                ha="right" if side > 0 else "left",
                va="center",
                arrowprops={"arrowstyle": "-", "color": "0.7", "linewidth": 0.5},
            )
    ax.set_xlim(-1.05 * ends, 1.05 * ends)
    ax.set_ylim(-0.03 * span, 1.2 * span)
    ax.axvline(0, color="0.85", linewidth=0.8, zorder=0)
    ax.set_xlabel(xlabel)
    ax.set_ylabel("-log10 p")
    ax.set_title(f"Links (coloured: q ≤ {max_q:g})", fontsize="medium")
    ax.legend(loc="upper center", ncols=2, fontsize=8, frameon=False)


def _draw_tfs(ax: Axes, changed: pd.DataFrame, tfs: list[str], two: list[str], where: str) -> None:
    """Draw bars of what each TF gained, to the right, and lost."""
    from matplotlib.ticker import MaxNLocator

    source = changed["source"].astype(str).to_numpy()
    stronger = _stronger(changed)
    rows = np.arange(len(tfs))
    gained, lost = (
        np.array([((source == tf) & (stronger == which)).sum() for tf in tfs])
        for which in (True, False)
    )
    ax.barh(rows, gained, color=two[1], height=0.7)
    ax.barh(rows, -lost, color=two[0], height=0.7)
    ax.axvline(0, color="0.3", linewidth=0.8)
    ax.set_yticks(rows, tfs)
    # A single TF is a bar, not a wall.
    ax.set_ylim(max(len(tfs), _FEWEST_ROWS) - 0.4, -0.6)
    most = max([1, *gained.tolist(), *lost.tolist()])
    ax.set_xlim(-1.1 * most, 1.1 * most)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.xaxis.set_major_formatter(lambda value, _: f"{abs(value):g}")
    ax.set_xlabel(f"links: weaker {where}  |  stronger {where}")
    ax.set_title("TFs", fontsize="medium")


def _draw_pairs(ax: Axes, changed: pd.DataFrame, pairs: pd.DataFrame) -> None:
    """Draw how many links differ in each pair of groups."""
    names = list(dict.fromkeys([*pairs["group_a"], *pairs["group_b"]]))
    table = pd.DataFrame(np.nan, index=names, columns=names)
    for a, b in pairs.itertuples(index=False):
        own = (changed["group_a"].astype(str) == a) & (changed["group_b"].astype(str) == b)
        table.loc[a, b] = table.loc[b, a] = own.sum()
    _heat(ax, table, "Links that differ")


def _draw_tfs_of_pairs(
    ax: Axes, changed: pd.DataFrame, pairs: pd.DataFrame, tfs: list[str]
) -> None:
    """Draw how many links of each TF differ in each pair."""
    names = [f"{a} | {b}" for a, b in pairs.itertuples(index=False)]
    own = changed["group_a"].astype(str) + " | " + changed["group_b"].astype(str)
    table = pd.crosstab(changed["source"].astype(str), own).reindex(
        index=tfs, columns=names, fill_value=0
    )
    if tfs:
        _heat(ax, table, "of each TF")


def _heat(ax: Axes, table: pd.DataFrame, title: str) -> None:
    """Draw counts as colours, with numbers where they can be read."""
    values = table.to_numpy(float)
    most = max(1.0, float(np.nanmax(values, initial=0.0)))
    ax.imshow(values, cmap="Blues", vmin=0, vmax=most, aspect="auto")
    for row, column in np.argwhere(np.isfinite(values)):
        value = values[row, column]
        if value and values.size <= 600:
            shade = "white" if value > 0.6 * most else "black"
            ax.text(column, row, f"{value:,.0f}", ha="center", va="center", fontsize=7, color=shade)
    ax.set_xticks(range(values.shape[1]), table.columns, rotation=90, fontsize=8)
    ax.set_yticks(range(values.shape[0]), table.index, fontsize=8)
    ax.set_title(title, fontsize="medium")
