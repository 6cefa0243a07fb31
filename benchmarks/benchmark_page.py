"""The figures and tables of ``docs/results/benchmark.md``, from the frame of the benchmark.

::

    python -m scregnet.bm run --config benchmarks/benchmark.toml --out new.csv
    python benchmarks/benchmark_page.py new.csv

``benchmark.csv`` beside the page has one row a fit. Fits of the given frames are added to it and
replace those of the same data set, method, split and seed, so that parts of the grid may be run at
different times. Tables stand between two comments of the page and are replaced, and so are the
pictures.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import pandas as pd

import scregnet as sr

PAGE = Path(__file__).parents[1] / "docs" / "results" / "benchmark.md"
FITS = PAGE.with_suffix(".csv")
METRICS = ["auroc", "auprc", "per_tf_auroc", "per_tf_auprc"]
# What one fit is, and what is kept of it beside its metrics.
FIT, SPENT = ["data", "method", "split", "seed"], ["cpu_seconds", "peak_gib"]
NULLS = ("degree", "label_factors")
# What stands behind a method with that many seeds, if others have more.
FEW_SEEDS = ("", " ¹", " ²", " ³", " ⁴")
# AUROC and AUPRC of scRegNet's Tables 2 and 3 (cell-type-specific networks), on the sets below.
PUBLISHED_SETS = ("hESC", "hHEP", "mDC", "mDC 1000", "mESC")
PUBLISHED = {
    "scregnet": (".89 .62", ".90 .84", ".81 .17", ".84 .17", ".93 .86"),
    "genelink": (".82 .50", ".84 .70", ".71 .11", ".74 .12", ".88 .75"),
    # Table 2 has GENELink twice; the second row is like GNNLink's of Table 3.
    "gnnlink": (".85 .52", ".82 .75", ".70 .25", ".78 .21", ".84 .76"),
    "gne": (".67 .34", ".80 .65", ".52 .06", ".52 .05", ".81 .64"),
    "cnnc": (".68 .25", ".64 .46", ".54 .06", ".56 .05", ".73 .48"),
    "deepdrim": (".63 .13", ".52 .39", ".50 .06", ".50 .06", ".51 .46"),
    "grn_transformer": (".51 .15", ".49 .35", ".50 .06", ".57 .05", ".53 .49"),
    "pearson": (".47 .14", ".49 .35", ".54 .06", ".54 .05", ".51 .31"),
    "genie3": (".50 .15", ".54 .39", ".50 .05", ".52 .05", ".50 .31"),
    "grnboost2": (".49 .15", ".52 .38", ".52 .06", ".53 .05", ".53 .32"),
}


def read_fits(paths: list[Path]) -> pd.DataFrame:
    """Return one row a fit, of the page's file and of frames of the benchmark; the last one counts.

    Fits that failed have no metrics, and are left out.
    """
    parts = [pd.read_csv(FITS)] if FITS.exists() else []
    for path in paths:
        frame = pd.read_csv(path)
        frame = frame[frame["metric"].isin(METRICS)]
        wide = frame.pivot(index=FIT + SPENT, columns="metric", values="value").reset_index()
        parts.append(wide[FIT + METRICS + SPENT])
    fits = pd.concat(parts, ignore_index=True).drop_duplicates(FIT, keep="last")
    digits = dict.fromkeys(METRICS, 4) | {"cpu_seconds": 2, "peak_gib": 2}
    return fits.sort_values(FIT, ignore_index=True).round(digits)


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """Return the mean of each metric over the seeds."""
    by = ["split", "data", "method", "metric"]
    return table.groupby(by, sort=False)["value"].agg(["mean", "count"]).reset_index()


def figure(value: float | None, digits: int) -> str:
    """Return a figure from 0 to 1 without its zero; a dash for none."""
    return "–" if pd.isna(value) else f"{value:.{digits}f}".removeprefix("0")


def joined(figures: list[str]) -> str:
    """Return figures of a cell on one line; one dash where there is none."""
    return "–" if set(figures) == {"–"} else "\N{NO-BREAK SPACE}/\N{NO-BREAK SPACE}".join(figures)


def with_few_seeds(table: pd.DataFrame) -> pd.DataFrame:
    """Mark methods that have fewer seeds than others, and add the null models with theirs alone.

    Another seed has other test TFs, so their figures stand next to those of the same seeds.
    """
    number = table.groupby("method")["seed"].transform("nunique")
    parts = [table[number == number.max()]]
    # Within the TFs of unseen targets the null models have .5 with any seed.
    of_nulls = table[table["method"].isin(NULLS) & (table["split"] != "targets")]
    for few in sorted(set(number) - {number.max()}):
        fewer = table[number == few]
        same = of_nulls[of_nulls["seed"].isin(fewer["seed"])]
        parts += [part.assign(method=part["method"] + FEW_SEEDS[few]) for part in (fewer, same)]
    return pd.concat(parts)


def titled(method: str) -> str:
    """Return a method as the tables name it."""
    name, space, mark = method.partition(" ")
    return (f"*{name}* (null)" if name in NULLS else f"`{name}`") + space + mark


def markdown(found: pd.DataFrame, split: str, metrics: tuple[str, str]) -> str:
    """Return two metrics of all methods and data sets, the best method first."""
    here = found[found["split"] == split]
    wide = here.pivot_table(index="method", columns=["metric", "data"], values="mean", sort=False)
    sets = list(here["data"].unique())
    # As differences to the mean of a data set: not every method was run on all of them.
    first = wide[metrics[0]]
    order = (first - first.mean()).mean(axis=1).sort_values(ascending=False).index
    lines = ["| method | " + " | ".join(sets) + " |", "|---" * (len(sets) + 1) + "|"]
    for method in order:
        cells = [
            joined([figure(wide.loc[method].get((metric, name)), 3) for metric in metrics])
            for name in sets
        ]
        lines.append(f"| {titled(method)} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def beside_published(found: pd.DataFrame) -> str:
    """Return AUROC and AUPRC of the papers' split, each with the published figure in brackets."""
    here = found[found["split"] == "pairs"].set_index(["method", "data", "metric"])["mean"]
    lines = [
        "| method | " + " | ".join(PUBLISHED_SETS) + " |",
        "|---" * (len(PUBLISHED_SETS) + 1) + "|",
    ]
    for method, published in PUBLISHED.items():
        cells = []
        for name, figures in zip(PUBLISHED_SETS, published, strict=True):
            own = [here.get((method, name, metric)) for metric in ("auroc", "auprc")]
            here_and_there = joined([figure(value, 2) for value in own]), joined(figures.split())
            cells.append("{} ({})".format(*here_and_there))
        lines.append(f"| `{method}` | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def short(value: float) -> str:
    """Return a number with three digits, or as a whole one from 100 on."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def costs(table: pd.DataFrame) -> str:
    """Return the median CPU seconds of each method and data set."""
    cells = table.drop_duplicates(["data", "method", "split", "seed"])
    seconds = cells.pivot_table(
        index="method", columns="data", values="cpu_seconds", aggfunc="median", sort=False
    )
    order = seconds.mean(axis=1).sort_values().index
    lines = [
        "| method | " + " | ".join(seconds.columns) + " |",
        "|---" * (len(seconds.columns) + 1) + "|",
    ]
    for method in order:
        values = ["–" if pd.isna(v) else short(v) for v in seconds.loc[method]]
        lines.append(f"| `{method}` | " + " | ".join(values) + " |")
    return "\n".join(lines)


def turns(table: pd.DataFrame, metric: str) -> str:
    """Return how often neighbours in the order of methods change places."""
    # Of the methods that were run on all data sets and splits: others would stand between them.
    cells = table.drop_duplicates(["method", "data", "split"])["method"].value_counts()
    whole = cells.index[cells == cells.max()]
    found = sr.bm.rank_turns(table[table["method"].isin(whole)], metric=metric)
    first = list(dict.fromkeys(found["first"]))
    order = [*first, found["second"].iloc[-1]]
    near = found[
        [
            order.index(b) - order.index(a) == 1
            for a, b in zip(found["first"], found["second"], strict=True)
        ]
    ]
    names = {"turned_seeds": "seeds", "turned_splits": "splits", "turned_data": "data sets"}
    lines = [
        "| ahead in the mean | behind it | ahead in | turns between "
        + " | between ".join(names.values())
        + " |",
        "|---" * 6 + "|",
    ]
    for row in near.to_dict("records"):
        shares = ["–" if pd.isna(row[name]) else f"{row[name]:.0%}" for name in names]
        lines.append(
            f"| `{row['first']}` | `{row['second']}` | {row['ahead']:.0%} of "
            f"{round(row['n'] * (1 - row['tied']))} | " + " | ".join(shares) + " |"
        )
    return "\n".join(lines)


def main() -> None:
    """Write tables, pictures and the summary."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("frames", type=Path, nargs="*", help="csv of python -m scregnet.bm run")
    fits = read_fits(parser.parse_args().frames)
    fits.to_csv(FITS, index=False)
    table = fits.melt(FIT + SPENT, METRICS, "metric").assign(error="")
    found, marked = summary(table), summary(with_few_seeds(table))
    text = PAGE.read_text(encoding="utf-8")
    tables = {
        "cost": costs(table),
        "published": beside_published(found),
        "turns": turns(table, "per_tf_auroc"),
    }
    for split in found["split"].unique():
        picture = PAGE.with_name(f"benchmark-{split}.png")
        shown = ("auroc", "per_tf_auroc") if split == "pairs" else ("per_tf_auroc",)
        # Not much wider than the text of the page: a browser would make the letters too small.
        size = (10, 4.7 * len(shown))
        sr.pl.benchmark(
            table, split=split, metrics=shown, figsize=size, save=picture, dpi=130, show=False
        )
        tables[split] = markdown(marked, split, ("auroc", "auprc"))
        tables[f"{split} per TF"] = markdown(marked, split, ("per_tf_auroc", "per_tf_auprc"))
    for name, made in tables.items():
        marks = f"<!-- {name} -->", f"<!-- end of {name} -->"
        pattern = re.escape(marks[0]) + ".*?" + re.escape(marks[1])
        text = re.sub(pattern, lambda _, m=marks, t=made: f"{m[0]}\n{t}\n{m[1]}", text, flags=re.S)
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
