"""The page and the figure of ``benchmarks/models.py``, from the fits in its cache."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from scregnet.links import LINK_METHODS, null_models

METRICS = {
    "auroc": "AUROC",
    "auprc": "AUPRC",
    "per_tf_auroc": "per-TF AUROC",
    "per_tf_auprc": "per-TF AUPRC",
    "ece": "ECE",
}
LOWER_IS_BETTER = ("ece",)
SPLIT_TITLES = {
    "pairs": "Pairs that were never labelled (the papers' split)",
    "targets": "Targets that were never labelled",
    "tfs": "TFs that were never labelled",
    "both": "Neither TF nor target was ever labelled",
}
SHORT_TITLES = {
    "pairs": "pairs",
    "targets": "unseen targets",
    "tfs": "unseen TFs",
    "both": "both unseen",
}
SAMPLE1, SAMPLES = " (sample1)", " (5 splits)"
ORDER = [
    "hESC-500",
    "hHEP-500",
    f"mDC-500{SAMPLE1}",
    f"mDC-500{SAMPLES}",
    "mDC-500",
    "mESC-500",
    f"mDC-1000{SAMPLE1}",
    f"mDC-1000{SAMPLES}",
]
# AUROC and AUPRC as printed. scRegNet (with Geneformer): its Tables 2 and 3.
# scTransNet: its Table 1, means of TFs+500 and TFs+1000.
PUBLISHED = {
    "hESC-500": {"scRegNet": ("0.89", "0.62"), "scTransNet": ("0.880", "0.595")},
    "hHEP-500": {"scRegNet": ("0.90", "0.84"), "scTransNet": ("0.870", "0.780")},
    "mDC-500": {"scRegNet": ("0.81", "0.17")},
    "mESC-500": {"scRegNet": ("0.93", "0.86")},
    "mDC-1000": {"scRegNet": ("0.84", "0.17")},
}
# The palette of Okabe and Ito, which colour-blind readers can tell apart.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#F0E442", "#D55E00")
NULL_MODELS = null_models()
NULL_LINES = tuple(zip(NULL_MODELS, ("--", ":"), strict=False))
PAPERS = (("scRegNet", "black"), ("scTransNet", "white"))
DIAMOND = {"marker": "D", "markersize": 4, "color": "black"}
TITLE = "# Comparison of the methods"
BEGIN, END = (
    "<!-- written by benchmarks/models.py: begin -->",
    "<!-- written by benchmarks/models.py: end -->",
)


def write_page(rows: list[dict[str, Any]], page: Path) -> None:
    """Write figure, tables and conditions; what the page says outside of the two marks is kept."""
    fits = frame(rows)
    if fits.empty:
        msg = (
            "no fit to write about: the cache is empty or holds only fits of former code "
            "(--keep-stale uses them)."
        )
        raise SystemExit(msg)
    picture = page.with_suffix(".png")
    figure(fits, picture)
    parts = (figure_text(picture.name), "## Tables", tables(fits), how(fits))
    text = "\n\n".join((BEGIN, *(part.strip() for part in parts), END))
    former = page.read_text() if page.exists() else f"{TITLE}\n\n{BEGIN}\n{END}\n"
    before, begin, rest = former.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        msg = f"{page} has no lines {BEGIN!r} and {END!r}; add them where the tables should be."
        raise SystemExit(msg)
    page.write_text(before + text + after)


def frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """One row per fit and group it belongs to, with its metrics on the test pairs."""
    records = []
    for row in rows:
        run = row["run"]
        figures = {
            m: v
            for model, split, m, v in row.get("figures", [])
            if model == run["method"] and split == "test"
        }
        for group in groups(run):
            records.append(
                {**run, "group": group, **{name: figures.get(name, np.nan) for name in METRICS}}
                | {
                    name: row[name]
                    for name in (
                        "error",
                        "seconds",
                        "processor",
                        "commit",
                        "version",
                        "machine",
                        "jobs",
                    )
                }
            )
    fits = pd.DataFrame(records)
    if fits.empty:
        return fits
    known = [*LINK_METHODS, *sorted(set(fits["method"]) - set(LINK_METHODS))]
    fits["method"] = pd.Categorical(fits["method"], known, ordered=True)
    fits["group"] = pd.Categorical(fits["group"], ORDER, ordered=True)
    return fits


def groups(run: dict[str, Any]) -> list[str]:
    """Name the table rows that a fit belongs to.

    Fits of ``sample1`` with several seeds are one row, one fit of each sample is another.
    """
    if not run["draw"].startswith("sample"):
        return [run["data"]]
    found = [run["data"] + SAMPLE1] if run["draw"] == "sample1" else []
    if run["draw"] == f"sample{run['seed'] + 1}" or run["method"] in NULL_MODELS:
        found.append(run["data"] + SAMPLES)
    return found


def how(fits: pd.DataFrame) -> str:
    """What was run, where and by which code."""
    commits = ", ".join(f"`{name}`" for name in dict.fromkeys(fits["commit"]))
    jobs = " and ".join(str(n) for n in sorted(set(fits["jobs"])))
    runs = fits.drop_duplicates(["method", "data", "split", "draw", "seed", "embedding"])
    versions = ", ".join(sorted(set(fits["version"])))
    machines = "; ".join(dict.fromkeys(fits["machine"]))
    hours = f"{runs['processor'].sum() / 3600:.1f}"
    return f"""## How it was measured

```bash
python benchmarks/models.py <folder with BEELINE data> --jobs 2
```

:::{{dropdown}} Data, splits, machine

- **Fits**: {len(runs)} fits of `sr.tl.fit_grn` with the defaults of every method,
  {hours} hours of CPU time in all, one thread per fit, {jobs} at a time.
- **Code**: scregnet {versions}, commit {commits} (`+`: with changes since).
- **Machine**: {machines}.
- **Metrics**: of the test pairs, mean ± standard deviation. The best mean of a data set is bold.
- **Pairs**: the split that the scRegNet authors publish, five seeds of the fit. They publish none
  for mDC. Others drew five splits by the same rule: `sample1` is one of them with five seeds of the
  fit, `5 splits` all of them with one seed each.
- **Other splits**: a quarter of the targets, of the TFs, or of both is held out for testing. The
  seed of the fit draws it.
- **Null models**: they are the same with every seed.
- **Embedding `svd`**: `sr.tl.embed(model="svd", counts=False)` of the same cells.
- **As published**: scRegNet with Geneformer, its Tables 2 and 3; scTransNet, its Table 1, which
  gives means of TFs+500 and TFs+1000.
- **ECE**: expected calibration error; lower is better.
- **CPU s**: CPU seconds of a whole fit, evaluation and all links included.
:::"""


def figure_text(name: str) -> str:
    """The figure with its legend."""
    return f"""```{{figure}} {name}
:width: 100%
Means over the fits; whiskers: standard deviation. Lines: the null models, which use no cells;
diamonds: as published. AUPRC depends on the share of edges, so it cannot be compared between data
sets.
```"""


def tables(fits: pd.DataFrame) -> str:
    """One table per split."""
    parts = []
    for split, title in SPLIT_TITLES.items():
        here = fits[fits["split"] == split]
        if here.empty:
            continue
        lines = [
            f"### {title}\n",
            ":::{dropdown} Table",
            "| data | method | embedding | " + " | ".join(METRICS.values()) + " | CPU s | fits |",
            "|" + "---|" * (len(METRICS) + 5),
        ]
        for group, of_group in here.groupby("group", observed=True):
            lines += _rows(str(group), of_group)
            if split == "pairs":
                lines += [
                    f"| {group} | {name}, as published |  | {auroc} | {auprc} |" + "  |" * 5
                    for name, (auroc, auprc) in PUBLISHED.get(
                        str(group).partition(" ")[0], {}
                    ).items()
                ]
        parts.append("\n".join([*lines, ":::"]) + "\n")
    return "\n".join(parts)


def _rows(group: str, of_group: pd.DataFrame) -> list[str]:
    by_model = of_group.groupby(["method", "embedding"], observed=True)
    means, spreads = by_model[list(METRICS)].mean(), by_model[list(METRICS)].std()
    best = {
        name: means[name].min() if name in LOWER_IS_BETTER else means[name].max()
        for name in METRICS
    }
    lines = []
    for (method, embedding), fits in by_model:
        failed = fits["error"] != ""
        cells = []
        for name in METRICS:
            mean, spread = (
                means.loc[(method, embedding), name],
                spreads.loc[(method, embedding), name],
            )
            text = "" if np.isnan(mean) else f"{mean:.3f}"
            text = f"**{text}**" if text and f"{mean:.3f}" == f"{best[name]:.3f}" else text
            cells.append(text + ("" if np.isnan(spread) else f"\u00a0±\u00a0{spread:.3f}"))
        null = " (null model)" if method in NULL_MODELS else ""
        count = f"{len(fits)}" + (
            f", {failed.sum()} failed: {fits['error'][failed].iloc[0]}".replace("|", "\\|")
            if failed.any()
            else ""
        )
        shown = "" if embedding == "none" else embedding
        cpu = f"{fits['processor'].mean():.1f}"
        row = [group, f"{method}{null}", shown, *cells, cpu, count]
        lines.append(f"| {' | '.join(row)} |")
    return lines


def figure(fits: pd.DataFrame, file: Path) -> None:
    """Draw a grid of splits and metrics: a row of dots a data set, as wide as the page's text."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    shown = ("auroc", "auprc", "per_tf_auroc")
    splits = [split for split in SPLIT_TITLES if (fits["split"] == split).any()]
    models = list(
        fits[~fits["method"].isin(NULL_MODELS)]
        .groupby(["method", "embedding"], observed=True)
        .groups
    )
    counts = [fits["group"][fits["split"] == split].nunique() for split in splits]
    grid, axes = plt.subplots(
        len(splits),
        len(shown),
        figsize=(9, 1.2 + sum(0.42 * n + 0.8 for n in counts)),
        height_ratios=[n + 0.5 for n in counts],
        squeeze=False,
        layout="constrained",
    )
    for row, split in zip(axes, splits, strict=True):
        for axis, metric in zip(row, shown, strict=True):
            names = _panel(axis, fits[fits["split"] == split], metric, models)
            axis.set_yticklabels(names if axis is row[0] else [])
            axis.set_xlabel(METRICS[metric])
        row[0].set_title(SHORT_TITLES[split], loc="left", fontweight="bold")
    handles: list[Any] = [
        plt.Line2D([], [], linestyle="", marker="o", color=_colour(number))
        for number, _ in enumerate(models)
    ]
    labels = [
        method if embedding == "none" else f"{method}, {embedding}" for method, embedding in models
    ]
    for null, style in NULL_LINES:
        handles.append(plt.Line2D([], [], color="black", linestyle=style))
        labels.append(f"{null} (null model)")
    for paper, filling in PAPERS:
        handles.append(plt.Line2D([], [], linestyle="", **DIAMOND, markerfacecolor=filling))
        labels.append(f"{paper}, as published")
    grid.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False)
    grid.savefig(file, dpi=130)
    plt.close(grid)


def _panel(axis: Any, fits: pd.DataFrame, metric: str, models: list[tuple[str, str]]) -> list[str]:
    """Draw one metric of a split; return the name of each row."""
    names = [name for name in ORDER if (fits["group"] == name).any()]
    table = fits.groupby(["group", "method", "embedding"], observed=True)[metric].agg(
        ["mean", "std"]
    )
    height = 0.7 / max(len(models), 1)
    for at, name in enumerate(names):
        here = [model for model in models if (name, *model) in table.index]
        for place, model in enumerate(here):
            y = at + height * (place + 0.5 - len(here) / 2)
            mean, spread = table.loc[(name, *model)]
            whisker = 0 if np.isnan(spread) else spread
            look = {"color": _colour(models.index(model)), "markersize": 4, "linewidth": 1.2}
            axis.errorbar(mean, y, xerr=whisker, fmt="o", **look)
        for null, style in NULL_LINES:
            if (name, null, "none") in table.index:
                value = table.loc[(name, null, "none"), "mean"]
                axis.vlines(value, at - 0.42, at + 0.42, "black", style, linewidth=1.2)
        if metric in ("auroc", "auprc") and (fits["split"] == "pairs").all():
            for paper, filling in PAPERS:
                if paper in (values := PUBLISHED.get(name.partition(" ")[0], {})):
                    value = float(values[paper][("auroc", "auprc").index(metric)])
                    axis.plot(value, at, **DIAMOND, markerfacecolor=filling, zorder=3)
    if metric != "auprc":
        axis.axvline(0.5, color="0.6", linewidth=0.6, zorder=0)
    axis.set_yticks(range(len(names)))
    axis.set_ylim(len(names) - 0.4, -0.6)
    axis.tick_params(length=0)
    axis.grid(axis="x", color="0.93")
    axis.set_axisbelow(True)
    axis.spines[["top", "right"]].set_visible(False)
    return names


def _colour(number: int) -> str:
    return COLOURS[number % len(COLOURS)]
