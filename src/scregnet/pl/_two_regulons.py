"""The targets of one TF in two groups, side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scregnet._validate import listed

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from matplotlib.axes import Axes

_GREY = "#BBBBBB"
KINDS = ("lost", "gained", "no change found")


def check_pair(frame: pd.DataFrame, source: str) -> pd.DataFrame:
    """Return the links of a TF; raise if the frame has none, or several pairs of groups."""
    pairs = frame[["group_a", "group_b"]].astype(str).drop_duplicates()
    if len(pairs) > 1:
        found = listed(f"{a} and {b}" for a, b in pairs.itertuples(index=False))
        msg = (
            f"source={source!r} shows two groups, and frame has {len(pairs)} pairs: {found}. "
            "Choose one with groups= of sr.get.comparison."
        )
        raise ValueError(msg)
    own = frame[frame["source"].astype(str) == source]
    if len(own) == 0:
        names = frame["source"].astype(str).unique()
        msg = f"source={source!r} has no link in frame; its TFs: {listed(names, 20)}."
        raise KeyError(msg)
    return own


def draw_two_regulons(
    axes: Sequence[Axes], links: pd.DataFrame, *, max_q: float, n_targets: int, two: Sequence[str]
) -> None:
    """Draw the correlations of a TF with its targets as bars, a panel for each group.

    What was lost comes first, then what was gained, then the strongest links without a change.
    """
    from matplotlib.ticker import MaxNLocator

    chosen, kinds = _chosen(links, max_q, n_targets)
    colour = {"lost": two[0], "gained": two[1], "no change found": _GREY}
    colours = [colour[kind] for kind in kinds]
    rows = np.arange(len(chosen))
    values = [chosen[f"correlation_{side}"].to_numpy(float) for side in "ab"]
    reach = 1.08 * max(0.05, *(float(np.abs(one).max()) for one in values))
    for ax, one, side in zip(axes, values, "ab", strict=True):
        ax.barh(rows, one, color=colours, height=0.75)
        ax.axvline(0, color="0.3", linewidth=0.8)
        ax.set_xlim(-reach if min(map(np.min, values)) < 0 else 0, reach)
        ax.xaxis.set_major_locator(MaxNLocator(5, prune="both"))
        ax.set_ylim(len(chosen) - 0.4, -0.6)
        ax.set_yticks(rows, chosen["target"].astype(str), fontsize=8)
        ax.set_title(links[f"group_{side}"].iloc[0], fontsize="medium")
        ax.set_xlabel(f"correlation with {links['source'].iloc[0]}")
        ax.spines[["top", "right"]].set_visible(False)
    # The names stand once, between both panels.
    axes[1].tick_params(axis="y", labelleft=False)
    _legend(axes[1], links, max_q, colour)


def kind_of(links: pd.DataFrame, max_q: float) -> np.ndarray:
    """Return what became of each link from the first to the second group."""
    stronger = (links["correlation_b"].abs() > links["correlation_a"].abs()).to_numpy()
    changed = (links["q"] <= max_q).to_numpy()
    return np.where(changed, np.where(stronger, "gained", "lost"), "no change found").astype(object)


def _chosen(links: pd.DataFrame, max_q: float, n_targets: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Return the links to draw: those that changed most clearly, and then the strongest others."""
    kinds = kind_of(links, max_q)
    size = links[["correlation_a", "correlation_b"]].abs().max(axis=1).to_numpy(float)
    same = kinds == "no change found"
    clear = np.where(same, -size, links["p"].to_numpy(float))
    order = np.lexsort((links["target"].astype(str), clear, same))[:n_targets]
    rank = np.array([KINDS.index(kind) for kind in kinds[order]])
    order = order[np.lexsort((-size[order], rank))]
    return links.iloc[order], kinds[order]


def _legend(ax: Axes, links: pd.DataFrame, max_q: float, colour: dict[str, str]) -> None:
    from matplotlib.patches import Patch

    counts = {kind: int((kind_of(links, max_q) == kind).sum()) for kind in KINDS}
    handles = [
        Patch(color=colour[kind], label=f"{kind} ({counts[kind]:,})")
        for kind in KINDS
        if counts[kind]
    ]
    title = f"of {len(links):,} links, q ≤ {max_q:g}"
    ax.legend(
        handles=handles,
        title=title,
        fontsize=8,
        title_fontsize=8,
        frameon=False,
        loc="upper left",
        bbox_to_anchor=(1.02, 1.0),
    )
