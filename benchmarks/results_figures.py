"""The figures at the head of pages in ``docs/results`` that have tables alone.

::

    python benchmarks/results_figures.py

Reads the tables of the pages, so that a figure never says anything else.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib as mpl
import matplotlib.pyplot as plt
import pandas as pd

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PAGES = Path(__file__).parents[1] / "docs" / "results"
# Colours of Okabe and Ito, which the colour-blind can tell apart.
BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#8a939c"
KINDS = {"reversed": BLUE, "indirect": ORANGE, "co-regulated": GREEN, "other": GREY}


def table(page: str, first: str, which: int = 0) -> pd.DataFrame:
    """Return a table of a page, of those whose header starts so."""
    lines = (PAGES / f"{page}.md").read_text("utf-8").splitlines()
    start = [i for i, line in enumerate(lines) if line.startswith(first)][which]
    rows = []
    for line in lines[start:]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip(" `*") for cell in line.strip("|").split("|")])
    frame = pd.DataFrame(rows[2:], columns=rows[0])
    # An empty cell repeats the one above.
    frame.iloc[:, 0] = frame.iloc[:, 0].replace("", pd.NA).ffill()
    return frame


def number(cell: str, part: int = 0) -> float:
    """Return one of the numbers of a cell."""
    found = re.findall(r"\d*\.?\d+", cell.replace(",", ""))
    return float(found[part])


def clean(ax: Axes) -> None:
    """Take away the lines that say nothing."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.tick_params(length=0)


def edge_kinds() -> None:
    """How often true edges are ranked above pairs of each kind."""
    header = "| method | reversed | indirect | co-regulated | other | all |"
    frame = table("edge_kinds", header, 1)[::-1]
    figure, axes = plt.subplots(1, 2, figsize=(8, 3.4), sharey=True, layout="constrained")
    for part, (ax, title) in enumerate(zip(axes, ("over all pairs", "within TFs"), strict=True)):
        for kind, colour in KINDS.items():
            values = [number(cell, part) for cell in frame[kind]]
            ax.plot(values, frame["method"], "o", color=colour, label=kind, markersize=6)
        ax.axvline(0.5, color="0.6", linewidth=1, zorder=0)
        ax.grid(axis="y", color="0.93")
        ax.set(title=title, xlabel="true edges ranked above (0.5: chance)", xlim=(0.3, 1))
        clean(ax)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    figure.savefig(PAGES / "edge_kinds.png", dpi=130)


def evidence() -> None:
    """AUROC within TFs without and with the layer."""
    frame = table("evidence", "| pairs | data set | no layer | permuted layer | layer |")
    kinds = list(frame["pairs"].unique())
    figure, axes = plt.subplots(1, len(kinds), figsize=(9, 2.8), sharey=True, layout="constrained")
    for ax, kind in zip(axes, kinds, strict=True):
        here = frame[frame["pairs"] == kind][::-1]
        bare = [number(cell, 2) for cell in here["no layer"]]
        layer = [number(cell, 2) for cell in here["layer"]]
        null = [number(cell, 2) for cell in here.iloc[:, -1]]
        ax.hlines(here["data set"], bare, layer, color="0.75", linewidth=2, zorder=1)
        ax.plot(null, here["data set"], "|", color="0.4", markersize=14, label="popularity")
        ax.plot(bare, here["data set"], "o", color=GREY, label="no layer")
        ax.plot(layer, here["data set"], "o", color=BLUE, label="with the layer")
        ax.set(title=kind, xlabel="AUROC within TFs", xlim=(0.48, 0.9))
        clean(ax)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    figure.savefig(PAGES / "evidence.png", dpi=130)


def delivered() -> None:
    """How many of the first 100 new links come again."""
    frame = table("delivered", "| data | `n_folds` | seed |")
    changes = list(frame.columns[2:])
    figure, axes = plt.subplots(1, 3, figsize=(9, 3), sharey=True, layout="constrained")
    for ax, (data, here) in zip(axes, frame.groupby("data", sort=False), strict=True):
        one, five = ([number(value) for value in row] for row in here[changes].to_numpy())
        ax.hlines(changes, one, five, color="0.75", linewidth=2, zorder=1)
        ax.plot(one, changes, "o", color=GREY, label="one model")
        ax.plot(five, changes, "o", color=BLUE, label="out of fold (the default)")
        ax.set(title=data, xlabel="of the first 100 new links", xlim=(0, 100))
        clean(ax)
    axes[0].invert_yaxis()
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    figure.savefig(PAGES / "delivered.png", dpi=130)


def bars(page: str, first: str, column: str, label: str) -> None:
    """One bar a row, with its number."""
    frame = table(page, first)[::-1]
    values = [number(cell) for cell in frame[column]]
    figure, ax = plt.subplots(figsize=(7, 0.38 * len(frame) + 0.9), layout="constrained")
    ours = [name in ("ours", "joint") for name in frame.iloc[:, 0]]
    drawn = ax.barh(frame.iloc[:, 0], values, color=[BLUE if own else GREY for own in ours])
    ax.bar_label(drawn, labels=[f"{value:,g}" for value in values], padding=4)
    ax.margins(x=0.12)
    ax.set_xlabel(label)
    clean(ax)
    figure.savefig(PAGES / f"{page}.png", dpi=130)


def finetune() -> None:
    """Links with each embedding: means and standard deviations over seeds."""
    frame = table("finetune", "| embedding | AUROC |")[::-1]
    figure, axes = plt.subplots(1, 2, figsize=(8, 2.9), sharey=True, layout="constrained")
    for ax, metric in zip(axes, ("AUROC", "per-TF AUROC"), strict=True):
        for row, cell in zip(frame["embedding"], frame[metric], strict=True):
            colour = ORANGE if "null" in row else BLUE
            ax.errorbar(number(cell), row, xerr=number(cell, 1), fmt="o", color=colour, capsize=3)
        ax.set_xlabel(metric)
        clean(ax)
    figure.savefig(PAGES / "finetune.png", dpi=130)


def pairs() -> None:
    """How often true targets are ranked above other genes, and above each other kind of pair."""
    frame = table("pairs", "| score | true / all other |")[::-1]
    figure, axes = plt.subplots(1, 3, figsize=(9, 4.6), sharey=True, layout="constrained")
    for ax, kind in zip(axes, frame.columns[1:], strict=True):
        seeds = frame[kind].map(lambda cell: [float(part) for part in cell.split()])
        for score, values in zip(frame["score"], seeds, strict=True):
            # A trained model stands out from the untrained one and from what needs no model.
            colour = BLUE if score.startswith(("attention", "knock", "TF put", "tokens")) else GREY
            colour = ORANGE if score.endswith("untrained") else colour
            ax.plot(values, [score] * len(values), "o", color=colour, markersize=4, alpha=0.5)
            ax.plot(sum(values) / len(values), score, "|", color=colour, markersize=13, mew=2.5)
        ax.axvline(0.5, color="0.6", linewidth=1, zorder=0)
        ax.grid(axis="y", color="0.93")
        ax.set(title=kind.replace("true / ", "above "), xlim=(0.3, 0.75))
        clean(ax)
    axes[1].set_xlabel("true targets ranked above, within a TF (0.5: chance)")
    figure.savefig(PAGES / "pairs.png", dpi=130)


def main() -> None:
    """Draw all."""
    mpl.use("Agg")
    edge_kinds()
    pairs()
    evidence()
    delivered()
    finetune()
    bars("fit", "| method | s | CPU s | epochs |", "s", "seconds of a whole fit, one thread")
    bars("embed", "| 2,048 cells | cells/s |", "cells/s", "cells tokenised per second, one thread")


if __name__ == "__main__":
    main()
