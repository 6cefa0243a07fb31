"""Links that become stronger along pseudotime: how many are found, and how many wrongly.

Prints the table of ``docs/methods.md``::

    python benchmarks/course.py --runs 10

and, of blood cells, the paragraph below it::

    python benchmarks/course.py --data folder/of/data
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
import scipy.sparse as sp
from real_data import collectri, pbmc

import scregnet as sr

N_TFS, N_GENES, N_PLANTED, Q = 10, 300, 8, 0.1
ROWS: dict[str, dict[str, Any]] = {
    "1,000 cells, nothing planted": {"planted": False},
    "1,000 cells, eight links of TF0 rise from nothing": {},
    "400 cells, the same": {"n": 400},
    "1,000 cells, they rise and fall again": {"hump": True},
    "1,000 cells, nothing planted, levels move": {"planted": False, "moving": 0.7},
    "1,000 cells, eight links rise, levels move": {"moving": 0.7},
    "three counts a gene, nothing planted, levels move": {
        "planted": False,
        "moving": 0.7,
        "level": 3.0,
    },
    "three counts a gene, eight links rise, levels move": {"moving": 0.7, "level": 3.0},
    "1,000 cells, 30 links rise, a tenth of the genes": {"n_planted": 30},
}


def cells(
    seed: int,
    n: int = 1000,
    *,
    planted: bool = True,
    n_planted: int = N_PLANTED,
    hump: bool = False,
    moving: float = 0.0,
    level: float = 20.0,
) -> ad.AnnData:
    """Return cells of uniform pseudotime; each gene follows one TF, some of them more and more.

    ``moving`` is the standard deviation of the change of the log levels of all genes.
    """
    rng = np.random.default_rng(seed)
    time = rng.random(n)
    tfs = rng.standard_normal((n, N_TFS))
    regulator = np.arange(N_GENES) % N_TFS
    targets = tfs[:, regulator]
    if planted:
        own = np.flatnonzero(regulator == 0)[:n_planted]
        strength = 1.6 * (1 - np.abs(2 * time - 1) if hump else time)
        targets[:, own] = tfs[:, [0]] * strength[:, None]
    targets += 0.8 * rng.standard_normal(targets.shape)
    trend = (time - 0.5)[:, None] * (moving * rng.standard_normal(N_TFS + N_GENES))
    counts = rng.poisson(level * np.exp(0.5 * np.hstack([tfs, targets]) + trend))
    genes = [f"TF{i}" for i in range(N_TFS)] + [f"G{i}" for i in range(N_GENES)]
    adata = ad.AnnData(
        sp.csr_matrix(counts.astype(np.float32)),
        obs=pd.DataFrame({"time": time}, index=[f"c{i}" for i in range(n)]),
        var=pd.DataFrame(index=genes),
    )
    known = [(f"TF{tf}", f"G{i}") for i, tf in enumerate(regulator)]
    sr.tl.fit_grn(adata, known, "degree", n_folds=1, n_bootstrap=0, show_progress_bar=False)
    return adata


def figures(adata: ad.AnnData, *, planted: bool, n_planted: int) -> dict[str, float]:
    """Compare along the time, and count what is found of links and TFs."""
    sr.tl.compare_grns(adata, along="time", n_permutations=50, show_progress_bar=False)
    links, tfs = sr.get.comparison(adata), sr.get.comparison(adata, "tfs")
    names = [f"G{i}" for i in range(0, N_TFS * n_planted, N_TFS)]
    true = (links["source"] == "TF0") & links["target"].isin(names) & planted
    found, found_tfs = links["q"] <= Q, tfs["q"] <= Q
    return {
        "links": len(links),
        "true": int((found & true).sum()),
        "planted": int(true.sum()),
        "wrong": int((found & ~true).sum()),
        "wrong_tfs": int((found_tfs & ((tfs["tf"] != "TF0") | (not planted))).sum()),
        "tfs": len(tfs),
        "tf0": int((found_tfs & (tfs["tf"] == "TF0") & planted).sum()),
        "p05": float((links.loc[~true, "p"] <= 0.05).mean()),
    }


def myeloid(folder: Path) -> ad.AnnData:
    """Return monocytes and dendritic cells of PBMC 68k with diffusion pseudotime.

    Its root is the monocyte that lies at the monocytes' end of the first diffusion component.
    """
    import scanpy as sc

    cells = pbmc(folder)
    labels = cells.obs["bulk_labels"].astype(str)
    cells = cells[labels.isin(["CD14+ Monocyte", "Dendritic"])].copy()
    view = cells.copy()
    view.X = sp.csr_matrix(view.X)
    sc.pp.normalize_total(view)
    sc.pp.log1p(view)
    sc.pp.pca(view, n_comps=30)
    sc.pp.neighbors(view)
    sc.tl.diffmap(view)
    first = view.obsm["X_diffmap"][:, 1]
    is_monocyte = (view.obs["bulk_labels"] == "CD14+ Monocyte").to_numpy()
    side = np.sign(first[is_monocyte].mean() - first[~is_monocyte].mean())
    view.uns["iroot"] = int(np.argmax(np.where(is_monocyte, side * first, -np.inf)))
    sc.tl.dpt(view)
    cells.obs["time"] = view.obs["dpt_pseudotime"].to_numpy()
    sr.tl.fit_grn(
        cells, collectri(folder), "degree", n_folds=1, n_bootstrap=0, show_progress_bar=False
    )
    return cells


def of_blood_cells(folder: Path, n_shuffled: int = 3) -> None:
    """Compare blood cells along pseudotime, and with pseudotime shuffled among the cells."""
    cells = myeloid(folder)
    time = cells.obs["time"].to_numpy()
    for run in range(1 + n_shuffled):
        if run:
            cells.obs["time"] = np.random.default_rng(run).permutation(time)
        sr.tl.compare_grns(cells, along="time", show_progress_bar=False)
        links, tfs = sr.get.comparison(cells), sr.get.comparison(cells, "tfs")
        all_together = sr.get.comparison(cells, "pairs").iloc[0]
        found = links[links["q"] <= Q]
        tested = tfs[tfs["p"].notna()]
        told = ", ".join(f"{row.tf} (q {row.q:.3f})" for row in tfs[tfs["q"] <= Q].itertuples())
        print(
            f"{'shuffled' if run else 'pseudotime'}: {cells.n_obs} cells, bins of "
            f"{cells.uns['comparison']['params']['bin_sizes'].tolist()}; {len(found)} of "
            f"{len(links):,} links, p of all {all_together['p']:.3f}; TFs {told or 'none'} of "
            f"{len(tested)}",
            flush=True,
        )


def main() -> None:
    """Run everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--data", type=Path, help="folder of counts/ and priors/")
    asked_for = parser.parse_args()
    if asked_for.data is not None:
        of_blood_cells(asked_for.data)
        return
    runs = asked_for.runs
    print(
        "| data | links | found, planted | wrong | data sets with a wrong link | TF0 found | "
        "wrong TFs | share of p ≤ .05 of the others |\n|" + "---|" * 8
    )
    for name, asked in ROWS.items():
        planted, n_planted = asked.get("planted", True), asked.get("n_planted", N_PLANTED)
        t = pd.DataFrame(
            [
                figures(cells(seed, **asked), planted=planted, n_planted=n_planted)
                for seed in range(runs)
            ]
        )
        total = t.sum()
        power = f"{total['true']:.0f} of {total['planted']:.0f}" if planted else ""
        print(
            f"| {name} | {total['links']:,.0f} | {power} | {total['wrong']:.0f} | "
            f"{(t['wrong'] > 0).sum()} of {runs} | {f'{total.tf0:.0f}' if planted else ''} | "
            f"{total['wrong_tfs']:.0f} of {total['tfs']:,.0f} | {t['p05'].mean():.3f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
