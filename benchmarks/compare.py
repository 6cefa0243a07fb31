"""Rewired links between groups of simulated cells: how many are found, and how many wrongly.

Prints the tables of ``docs/methods.md``::

    python benchmarks/compare.py --runs 50
    python benchmarks/compare.py --runs 50 --cells --donors 10

and, of blood cells, the paragraph below them::

    python benchmarks/compare.py --data folder/of/data
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from real_data import collectri, pbmc

import scregnet as sr

if TYPE_CHECKING:
    import anndata as ad

Q = 0.1
N_GENES = 120
QUIET = {"n_folds": 1, "n_bootstrap": 0, "show_progress_bar": False}


def types(n_cells: int, rewired: float, seed: int, n_types: int = 2) -> ad.AnnData:
    """Return simulated cell types, every second one rewired, with less dropout than the default."""
    adata = sr.datasets.simulated(
        n_cells * n_types,
        N_GENES,
        n_cell_types=n_types,
        rewired=rewired,
        dropout_percentile=30,
        random_state=seed,
    )
    sr.tl.fit_grn(adata, adata.uns["network"], "degree", **QUIET)
    return adata


def truth(adata: ad.AnnData, links: pd.DataFrame) -> np.ndarray:
    """Return which links are lost or gained."""
    if "rewired" not in adata.uns:
        return np.zeros(len(links), bool)
    changed = pd.MultiIndex.from_frame(adata.uns["rewired"][["source", "target"]])
    return pd.MultiIndex.from_arrays(
        [links["source"].astype(str), links["target"].astype(str)]
    ).isin(changed)


def figures(adata: ad.AnnData, **asked: object) -> dict[str, float]:
    """Compare, and count what is found of links and TFs."""
    sr.tl.compare_grns(adata, show_progress_bar=False, **asked)
    links, tfs = sr.get.comparison(adata), sr.get.comparison(adata, "tfs")
    pair = sr.get.comparison(adata, "pairs").iloc[0]
    changed = truth(adata, links)
    lost, touched = set[str](), set[str]()
    if "rewired" in adata.uns:
        frame = adata.uns["rewired"]
        lost = set(frame[frame["change"] == "lost"]["source"])
        touched = set(frame["source"])
    # The others gained a few targets at most.
    is_lost, is_touched = (
        tfs["tf"].astype(str).isin(names).to_numpy() for names in (lost, touched)
    )
    found, found_tfs = (links["q"] <= Q).to_numpy(), (tfs["q"] <= Q).to_numpy()
    testable = tfs["p"].notna().to_numpy()
    return {
        "links": len(links),
        "changed": changed.sum(),
        "found": found.sum(),
        "true": (found & changed).sum(),
        "p05": (links["p"] <= 0.05).mean(),
        "tfs_changed": (is_lost & testable).sum(),
        "tfs": testable.sum(),
        "tfs_found": found_tfs.sum(),
        "tfs_wrong": (found_tfs & ~is_touched).sum(),
        "tfs_true": (found_tfs & is_lost).sum(),
        "overall": pair["p"],
    }


def row(name: str, runs: list[dict[str, float]]) -> None:
    """Print one row of the table."""
    t = pd.DataFrame(runs)
    share = lambda a, b: "" if t[b].sum() == 0 else f"{t[a].sum() / t[b].sum():.3f}"
    wrong = t["found"].sum() - t["true"].sum()
    print(
        f"| {name} | {len(t)} | {t['links'].mean():.0f} | {t['changed'].mean():.0f} | "
        f"{t['found'].sum():.0f} | {wrong:.0f} | {share('true', 'changed')} | "
        f"{(t['found'] > t['true']).sum()} | {t['tfs'].mean():.1f} | {t['tfs_found'].sum():.0f} | "
        f"{t['tfs_wrong'].sum():.0f} | {share('tfs_true', 'tfs_changed')} | "
        f"{(t['tfs_wrong'] > 0).sum()} | "
        f"{(t['overall'] <= 0.05).sum()} | {t['p05'].mean():.3f} |",
        flush=True,
    )


def with_donors(n_donors: int, n_cells: int, rewired: float, seed: int) -> ad.AnnData:
    """Return donors that differ as cell types do, half of them of each condition."""
    adata = types(n_cells, rewired, seed, n_types=n_donors)
    number = adata.obs["cell_type"].cat.codes
    adata.obs["donor"] = adata.obs["cell_type"]
    adata.obs["condition"] = pd.Categorical(np.where(number % 2, "treated", "control"))
    return adata


def halves(n_cells: int, seed: int) -> ad.AnnData:
    """Return one type of twice as many cells, divided at random."""
    adata = types(2 * n_cells, 0.0, seed, n_types=1)
    half = np.random.default_rng(seed).permutation(adata.n_obs) % 2
    adata.obs["half"] = pd.Categorical(np.where(half, "b", "a"))
    return adata


def rows_of_cells(n_cells: int, runs: int) -> None:
    """Print the rows of a number of cells a group."""
    asked = {"n_permutations": 100}
    row(
        f"one type of {2 * n_cells}, divided at random",
        [figures(halves(n_cells, s), groupby="half", **asked) for s in range(runs)],
    )
    for rewired in (0.0, 0.8):
        row(
            f"types of {n_cells}, " + (f"{rewired:.0%} rewired" if rewired else "alike"),
            [
                figures(types(n_cells, rewired, s), groupby="cell_type", **asked)
                for s in range(runs)
            ],
        )


def rows_of_donors(n_donors: int, runs: int) -> None:
    """Print the rows of a number of donors, each data set tested in both ways."""
    asked = {"groupby": "condition", "n_permutations": 100}
    for rewired in (0.0, 0.8):
        found: dict[str, list[dict[str, float]]] = {"donors": [], "cells": []}
        for seed in range(runs):
            adata = with_donors(n_donors, 150, rewired, seed)
            found["donors"].append(figures(adata, donor="donor", **asked))
            found["cells"].append(figures(adata, donor=None, **asked))
        what = f"{rewired:.0%} rewired" if rewired else "alike"
        for by, runs_of in found.items():
            row(f"{n_donors} donors of 150, {what}, {by} permuted", runs_of)


def of_blood_cells(folder: Path) -> None:
    """Compare all pairs of types of PBMC 68k, and again with labels shuffled among the cells."""
    cells = pbmc(folder)
    sr.tl.fit_grn(cells, collectri(folder), "degree", **QUIET)
    labels = cells.obs["bulk_labels"]
    cells.obs["shuffled"] = labels.to_numpy()[np.random.default_rng(0).permutation(cells.n_obs)]
    for column in ("bulk_labels", "shuffled"):
        sr.tl.compare_grns(cells, groupby=column, n_permutations=100, show_progress_bar=False)
        links, tfs, pairs = (sr.get.comparison(cells, what) for what in ("links", "tfs", "pairs"))
        print(f"{column}: TFs with q ≤ {Q}: {(tfs['q'] <= Q).sum()}")
        for pair in pairs.itertuples():
            own = links[(links["group_a"] == pair.group_a) & (links["group_b"] == pair.group_b)]
            first = ", ".join(f"{row.source}→{row.target}" for row in own.head(5).itertuples())
            print(
                f"  {pair.group_a} | {pair.group_b}: {pair.n_changed} of {pair.n_links:,} links, "
                f"p {pair.p:.3f}; first: {first}",
                flush=True,
            )


def main() -> None:
    """Run everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--cells", type=int, nargs="*", default=[300, 1000])
    parser.add_argument("--donors", type=int, nargs="*", default=[6, 10])
    parser.add_argument("--data", type=Path, help="folder of counts/ and priors/")
    n = parser.parse_args()
    if n.data is not None:
        of_blood_cells(n.data)
        return
    print(
        "| data | runs | links | changed | found | wrong | power | runs with a wrong link "
        "| TFs | TFs found | wrong | power of TFs | runs with a wrong TF "
        "| runs with p ≤ .05 of all links | share of p ≤ .05 |\n|" + "---|" * 15
    )
    for n_cells in n.cells:
        rows_of_cells(n_cells, n.runs)
    for n_donors in n.donors:
        rows_of_donors(n_donors, n.runs)


if __name__ == "__main__":
    main()
