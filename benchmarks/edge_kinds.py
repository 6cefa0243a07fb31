"""Which pairs without an edge are ranked above true edges? By every method, on simulated truth.

``python benchmarks/edge_kinds.py --csv edge_kinds.csv`` makes the table, and prints that of
``docs/results/edge_kinds.md``. Rows that the file has are not made again.
"""

from __future__ import annotations

import argparse
import logging
import tomllib
from pathlib import Path
from time import process_time
from typing import Any

import pandas as pd

import scregnet as sr

QUICK = ["joint", "pearson", "spearman", "mutual_info", "pidc", "grnboost2", "gnnlink"]
SLOW = ["gne", "genelink", "genie3", "scregnet", "sctransnet"]
# Of the middle depth alone.
SLOWEST = ["grn_transformer", "cnnc", "deepdrim", "dgrns"]
CONFIG = Path(__file__).with_name("benchmark.toml")
OPTIONS: dict[str, dict[str, Any]] = tomllib.loads(CONFIG.read_text())["methods"]
# Of 50.
OPTIONS["dgrns"]["max_epochs"] = 20
# Counts per gene before dropout, the median over cells; simulated's default is 1.
DEPTHS = {"shallow": 0.2, "middle": 1.0, "deep": 5.0}
SIZES = {"n_obs": 500, "n_vars": 300, "n_tfs": 60}
CELL = ["depth", "seed", "fit"]
SHOWN = ["reversed", "indirect", "co-regulated", "other", "all"]


def fitted(depth: str, seed: int, methods: list[str]) -> pd.DataFrame:
    """Fit the methods to one simulated data set, all on the same pairs; return all rows."""
    how = {"depth": DEPTHS[depth], "random_state": seed}
    adata = sr.datasets.simulated(**SIZES, **how)
    sr.pp.split(adata, adata.uns["network"], random_state=seed)
    zeros = 1 - adata.X.nnz / adata.X.shape[0] / adata.X.shape[1]
    tables = []
    for method in methods:
        start = process_time()
        fixed = {"n_folds": 1, "n_bootstrap": 0, "random_state": seed, "device": "cpu"}
        own = OPTIONS[method]
        sr.tl.fit_grn(adata, method=method, split="split", **fixed, **own)
        table = sr.bm.edge_kinds(adata).assign(depth=depth, seed=seed, fit=method)
        tables.append(table.assign(zeros=zeros, seconds=process_time() - start))
        print(depth, seed, method, f"{process_time() - start:.0f} s", flush=True)
    return pd.concat(tables)


def page(rows: pd.DataFrame, index: list[str]) -> str:
    """Return means over seeds as the page has them, AUROC / AUROC per TF, a column a kind."""
    values = ["auroc", "per_tf_auroc"]
    means = rows.pivot_table(values, index, "against", sort=False)
    order = means["auroc", "all"].groupby(level="model").mean().sort_values(ascending=False).index
    lines = [f"| {' | '.join(index)} | {' | '.join(SHOWN)} |"]
    lines.append("|---" * (len(index) + len(SHOWN)) + "|")
    for model in order:
        for name, row in means[means.index.get_level_values("model") == model].iterrows():
            names = [name] if isinstance(name, str) else list(name)
            cells = [
                " / ".join(f"{row[v, kind]:.3f}".lstrip("0") for v in values) for kind in SHOWN
            ]
            lines.append(f"| {' | '.join([f'`{names[0]}`', *names[1:], *cells])} |")
    return "\n".join(lines)


def tables(found: pd.DataFrame) -> None:
    """Print the tables of the page: all methods once, quick ones over seeds, and over depths."""
    # The null models are in every fit of a data set, each time the same.
    rows = found.drop_duplicates(["depth", "seed", "model", "against"])
    middle = rows[rows["depth"] == "middle"]
    few = middle.groupby("model")["seed"].transform("nunique") < middle["seed"].nunique()
    print(f"one data set\n{page(middle[middle['seed'] == 0], ['model'])}")
    print(f"all data sets\n{page(middle[~few], ['model'])}")
    chosen = rows[rows["model"].isin(["joint", "pearson", "grnboost2"])]
    # Not where --methods leaves them out.
    if len(chosen):
        print(f"depths\n{page(chosen, ['model', 'depth'])}")
    sizes = rows.groupby(["seed", "against"], sort=False)[["n_edges", "n_pairs"]].first()
    print(sizes.to_string())
    print(rows.groupby("depth", sort=False)["zeros"].mean().round(2).to_string())


def main() -> None:
    """Fit what the file lacks, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--csv", type=Path, default=Path("edge_kinds.csv"))
    parser.add_argument("--seeds", type=int, default=3, help="of the quick methods")
    parser.add_argument("--slow-seeds", type=int, default=1, help="of the slow ones")
    parser.add_argument("--depths", nargs="+", choices=DEPTHS, default=list(DEPTHS))
    parser.add_argument("--methods", nargs="+", default=QUICK + SLOW + SLOWEST)
    options = parser.parse_args()
    logging.getLogger("scregnet").setLevel(logging.ERROR)
    found = pd.read_csv(options.csv) if options.csv.exists() else pd.DataFrame(columns=CELL)
    with sr.settings.override(progress_bar=False):
        for seed in range(options.seeds):
            for depth in options.depths:
                slow = SLOW + SLOWEST if seed >= options.slow_seeds else []
                slow += SLOWEST if depth != "middle" else []
                there = found[(found["depth"] == depth) & (found["seed"] == seed)]["fit"]
                methods = [m for m in options.methods if m not in {*slow, *there}]
                if methods:
                    new = fitted(depth, seed, methods)
                    found = pd.concat([found, new]) if len(found) else new
                    found.to_csv(options.csv, index=False)
    tables(found)


if __name__ == "__main__":
    main()
