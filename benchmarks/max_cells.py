"""Does ``fit_grn(max_cells=)`` change the figures? A bound that bites against all cells.

::

    python benchmarks/max_cells.py <folder with beeline/>
    python benchmarks/max_cells.py <folder> --data simulated

Two of BEELINE's data sets with their ChIP networks, and a simulated one of 20,000 cells, which say
much there. Each seed draws a split; all rows of a seed are on its pairs. Next to the bounds, two
yardsticks: all cells with another seed of the fit (what chance does), and cells permuted within a
gene (what figures lose without co-expression).
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

import scregnet as sr

if TYPE_CHECKING:
    import anndata as ad

SEEDS = (0, 1, 2)
METRICS = ["auroc", "auprc", "per_tf_auroc"]
BOUNDS = {"hESC": (200,), "mDC": (200,), "simulated": (10_000, 2_000, 200)}


def cells(name: str, folder: Path) -> ad.AnnData:
    """Return cells with a network."""
    if name == "simulated":
        return sr.datasets.simulated(n_obs=20_000, n_vars=300, n_tfs=30, random_state=1)
    return sr.datasets.beeline(name, 500, path=folder / "beeline")


def rows(name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield what a row is called and what ``fit_grn`` is told."""
    yield "all", {}
    yield "all, another seed", {"random_state": 1000}
    for bound in BOUNDS[name]:
        yield f"{bound:,}", {"max_cells": bound}
    yield "permuted", {"shuffle_expression": True}


def figures(name: str, folder: Path) -> Iterator[dict[str, Any]]:
    """Yield the figures on the test pairs of each split."""
    data = cells(name, folder)
    for seed in SEEDS:
        sr.pp.split(data, data.uns["network"], random_state=seed)
        for row, told in rows(name):
            how = {"max_cells": None, "random_state": seed, "n_folds": 1, "n_bootstrap": 0, **told}
            sr.tl.fit_grn(data, split="split", show_progress_bar=False, **how)
            values = sr.get.metrics(data, split="test", wide=True).loc["joint", METRICS]
            yield {"data": name, "cells": row, "seed": seed, **values}


def main() -> None:
    """Print mean and deviation over the splits, and those of the differences to all cells."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--data", nargs="+", choices=BOUNDS, default=[*BOUNDS])
    asked = parser.parse_args()
    table = pd.concat([pd.DataFrame(figures(name, asked.folder)) for name in asked.data])
    by_fit = table.set_index(["data", "seed", "cells"]).sort_index()
    whole = by_fit.xs("all", level="cells")
    difference = by_fit - whole.reindex(by_fit.index.droplevel("cells")).to_numpy()
    for title, values in (("values", by_fit), ("less those of all cells", difference)):
        grouped = values.groupby(level=["data", "cells"], sort=False)
        print(title, grouped.agg(["mean", "std"]).round(3).to_string(), sep="\n")


if __name__ == "__main__":
    main()
