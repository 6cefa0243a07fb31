"""Why a link has its probability, as one card."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import TYPE_CHECKING

import numpy as np

from scregnet._docs import doc
from scregnet.get._explained.card import LinkEvidence
from scregnet.pl._figure import PALETTE, colours, finish, panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Groups that are drawn: the largest ones.
MOST_GROUPS = 20


@doc
def evidence(
    frame: LinkEvidence,
    *,
    palette: Sequence[str] | None = None,
    ax: Sequence[Axes] | None = None,
    figsize: tuple[float, float] | None = None,
    dpi: float | None = None,
    show: bool | None = None,
    save: str | PathLike[str] | None = None,
    return_fig: bool = False,
) -> Figure | Axes | None:
    """Draw why a link has its probability: terms of the logit, similar genes, and expression.

    Left, the terms one after the other, from the baseline to the logit. Middle, the labelled genes
    and TFs that are most similar; filled dots are known edges. Right, both genes in each group of
    cells: the size of a dot is the share of cells that express it, the number the correlation.

    Parameters
    ----------
    frame
        What :func:`scregnet.get.evidence` returns for a link.
    palette
        Colours of what speaks for the link and what speaks against it.
    ax
        Three axes to draw on; ``None`` makes a figure.
    %(figure)s

    Returns
    -------
    %(plot_returns)s

    Raises
    ------
    TypeError, ValueError
        ``frame`` is something else, or ``palette`` or ``ax`` does not fit.

    Examples
    --------
    >>> import scregnet as sr
    >>> adata = sr.datasets.simulated(n_obs=200, n_vars=100)
    >>> sr.tl.fit_grn(adata, adata.uns["network"], n_folds=1, n_trees=20)
    >>> first = sr.get.grn(adata, new_only=True, top_n=1).iloc[0]
    >>> sr.pl.evidence(sr.get.evidence(adata, first["source"], first["target"]))
    """
    if not isinstance(frame, LinkEvidence):
        msg = (
            "frame must be what sr.get.evidence(adata, source, target) returns, got "
            f"{type(frame).__name__}."
        )
        raise TypeError(msg)
    speaking = colours(palette, ["for", "against"], "kinds of terms")
    n_rows = max(len(frame.parts), len(frame.similar_targets) + len(frame.similar_tfs) + 2, 8)
    axes = panels(ax, 3, figsize=figsize, dpi=dpi, default_size=(13, 1.2 + 0.3 * n_rows), save=save)
    _draw_terms(axes[0], frame, speaking)
    _draw_alike(axes[1], frame)
    _draw_expression(axes[2], frame)
    return finish(axes, given=ax is not None, show=show, save=save, return_fig=return_fig)


def _draw_terms(ax: Axes, frame: LinkEvidence, speaking: list[str]) -> None:
    """Draw the terms from top to bottom, each where the one before ends."""
    terms = frame.parts[frame.parts["logit"] != 0]
    values = terms["logit"].to_numpy()
    ends = np.cumsum(values)
    starts = ends - values
    rows = np.arange(len(values))
    named = [
        "0.6" if part == "baseline" else speaking[int(v < 0)]
        for part, v in zip(terms["part"], values, strict=True)
    ]
    ax.barh(rows, values, left=starts, color=named, height=0.7)
    # What one bar ends with, the next begins with.
    for row, end in zip(rows[:-1], ends[:-1], strict=True):
        ax.plot([end, end], [row + 0.35, row + 0.65], color="0.6", linewidth=0.8)
    span = np.ptp(np.append(np.concatenate([starts, ends]), 0.0)) or 1.0
    for row, (start, end, value) in enumerate(zip(starts, ends, values, strict=True)):
        ax.text(max(start, end) + 0.02 * span, row, f"{value:+.2f}", va="center", fontsize=8)
    ax.axvline(ends[-1], color="0.2", linewidth=0.8, linestyle=":")
    ax.axvline(0, color="0.8", linewidth=0.8, zorder=0)
    shown = terms["part"].str.replace("_", " ").str.replace(r"\btf(s?)\b", r"TF\1", regex=True)
    ax.set_yticks(rows, shown)
    ax.set_ylim(len(values) - 0.4, -0.6)
    low, high = (f(np.append(starts, ends)) for f in (np.min, np.max))
    ax.set_xlim(low - 0.04 * span, high + 0.24 * span)
    ax.set_xlabel("logit (dotted: the sum)")
    told = f"{frame.source} → {frame.target}: probability {frame.summary['probability']:.2f}"
    null = frame.summary.get("null", np.nan)
    ax.set_title(told + (f", null model {null:.2f}" if null == null else ""), fontsize="medium")


def _draw_alike(ax: Axes, frame: LinkEvidence) -> None:
    """Draw similar genes above similar TFs."""
    blocks = [
        (f"labelled genes like {frame.target}", frame.similar_targets, "gene"),
        (f"TFs like {frame.source}, labelled", frame.similar_tfs, "tf"),
    ]
    labels: list[tuple[int, str]] = []
    row = 0
    for title, table, column in blocks:
        if not len(table):
            continue
        ax.text(0.0, row, title, fontsize=9, fontweight="bold", va="center", clip_on=True)
        row += 1
        similarity = table["similarity"].to_numpy()
        rows = np.arange(row, row + len(table))
        ax.hlines(rows, 0, similarity, color="0.75", linewidth=1.5, zorder=1)
        for of_edge, fill in ((True, PALETTE[0]), (False, "white")):
            which = table["label"].to_numpy() == of_edge
            ax.scatter(
                similarity[which],
                rows[which],
                s=45,
                facecolor=fill,
                edgecolor=PALETTE[0],
                zorder=2,
                label=("known edge" if of_edge else "known non-edge") if row == 1 else None,
            )
        labels += list(zip(rows.tolist(), table[column], strict=True))
        row += len(table)
    ax.set_title("Most similar, and what is known of them", fontsize="medium")
    if not labels:
        ax.text(0.5, 0.5, "none", ha="center", transform=ax.transAxes)
        ax.set_axis_off()
        return
    ax.set_yticks([place for place, _ in labels], [name for _, name in labels])
    ax.set_ylim(row - 0.4, -0.6)
    ax.axvline(0, color="0.8", linewidth=0.8, zorder=0)
    ax.set_xlabel("similarity (filled: known edge, open: known non-edge)")


def _draw_expression(ax: Axes, frame: LinkEvidence) -> None:
    """Draw both genes in each group: colour is the mean, size the share of cells."""
    table = frame.expression.nlargest(MOST_GROUPS, "n_cells", keep="first").sort_index()
    rows = np.arange(len(table))
    highest = max(table["tf_mean"].max(), table["target_mean"].max(), 1e-9)
    for place, who in enumerate(("tf", "target")):
        ax.scatter(
            np.full(len(table), place),
            rows,
            s=12 + 230 * table[f"{who}_share"].to_numpy(),
            c=table[f"{who}_mean"].to_numpy(),
            cmap="Blues",
            vmin=-0.15 * highest,
            vmax=highest,
            edgecolor="0.4",
            linewidth=0.6,
        )
    for row, (_, line) in enumerate(table.iterrows()):
        told = "–" if np.isnan(line["correlation"]) else f"{line['correlation']:+.2f}"
        if line["tf_expressed"]:
            ax.text(2, row, told, ha="center", va="center", fontsize=9)
        else:
            # The correlation of a TF that is not seen would be one of noise.
            ax.text(2, row, "TF not seen", ha="center", va="center", fontsize=7.5, color="0.4")
    names = [f"{name} ({n:,})" for name, n in zip(table["group"], table["n_cells"], strict=True)]
    ax.set_yticks(rows, names)
    ax.set_xticks([0, 1, 2], [frame.source, frame.target, "correlation"])
    ax.set_xlim(-0.6, 2.6)
    ax.set_ylim(len(table) - 0.4, -0.6)
    ax.set_title(f"Expression: mean 0 to {highest:.2g} as colour", fontsize="medium")
