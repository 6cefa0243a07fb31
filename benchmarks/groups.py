"""Networks of cell types next to those of random halves of one type.

Prints the tables of ``docs/methods.md``. Counts of PBMC are not shipped; ``--data`` names their
folder::

    python benchmarks/groups.py --data ../shared/data      # ten minutes on one CPU core
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import scipy.sparse as sp
from real_data import collectri, pbmc

import scregnet as sr
from scregnet.tl._fit import shared

N_TFS, N_GENES = 12, 120
FAST = {"n_folds": 1, "n_bootstrap": 0, "show_progress_bar": False}
NO_TREES = {"n_trees": 0, "n_forest_trees": 0}


def rewired(n_cells: int, seed: int) -> tuple[ad.AnnData, pd.DataFrame]:
    """Return two types of cells in which each target follows another TF, and a part of the edges.

    Means are the same in both, so that only co-expression tells the types apart.
    """
    rng = np.random.default_rng(seed)
    n_targets = N_GENES - N_TFS
    edges, others = (np.eye(N_TFS)[:, rng.integers(N_TFS, size=n_targets)] for _ in "ab")
    counts = []
    for network in (edges, others):
        tfs = rng.standard_normal((n_cells, N_TFS))
        targets = tfs @ network + 0.5 * rng.standard_normal((n_cells, n_targets))
        counts.append(rng.poisson(2 * np.exp(0.6 * np.hstack([tfs, targets]))))
    names = [f"TF{i}" for i in range(N_TFS)] + [f"G{i}" for i in range(n_targets)]
    cells = [f"cell{i}" for i in range(2 * n_cells)]
    data = ad.AnnData(
        sp.csr_matrix(np.vstack(counts).astype(np.float32)),
        obs=pd.DataFrame({"type": np.repeat(["a", "b"], n_cells)}, index=cells),
        var=pd.DataFrame(index=names),
    )
    known = np.argwhere(edges)[rng.random(n_targets) < 0.7]
    frame = {"source": [names[t] for t, _ in known], "target": [names[N_TFS + g] for _, g in known]}
    return data, pd.DataFrame(frame)


def simulated() -> pd.DataFrame:
    """Count how often two types are above the floor, with rewiring and with shuffled labels."""
    rows = []
    for labels, n_cells, n_seeds in (
        ("rewired", 300, 12),
        ("random", 150, 24),
        ("random", 300, 24),
    ):
        above = []
        for seed in range(n_seeds):
            data, net = rewired(n_cells, seed)
            if labels == "random":
                data.obs["type"] = np.random.default_rng(seed + 1).permutation(data.obs["type"])
            sr.tl.fit_grn(data, net, groupby="type", **FAST, **NO_TREES)
            above.append(sr.get.group_differences(data).set_index("statistic")["above"]["ranks"])
        rows.append((labels, n_cells, n_seeds, int(sum(above))))
    return pd.DataFrame(rows, columns=["labels", "cells of a type", "data sets", "above"])


@contextmanager
def own_features() -> Iterator[None]:
    """Give groups the features of their own cells alone, as without shrinkage."""
    kept = shared.own_share
    shared.own_share = lambda *_, **__: 1.0
    try:
        yield
    finally:
        shared.own_share = kept


def fitted(data: ad.AnnData, net: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Fit all types; return the differences, and share and test figures of each type."""
    sr.tl.fit_grn(data, net, groupby="bulk_labels", **FAST)
    rows = []
    for group, key in zip(data.uns["grn"]["groups"], data.uns["grn"]["keys"], strict=True):
        metrics, params = data.uns[key]["metrics"], data.uns[key]["params"]
        test = metrics[(metrics["model"] == "joint") & (metrics["split"] == "test")]
        figures = test.set_index("metric")["value"]
        rows.append(
            (
                group,
                params["n_cells"],
                params["own_share"],
                params["own_share_summary"],
                figures["auprc"],
                figures["per_tf_auroc"],
            )
        )
    columns = ["group", "cells", "own share", "of the summary", "AUPRC", "AUROC per TF"]
    return sr.get.group_differences(data), pd.DataFrame(rows, columns=columns)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path)
    folder = parser.parse_args().data
    if folder is not None:
        data, net = pbmc(folder), collectri(folder)
        with own_features():
            print("own cells alone", *fitted(data, net), sep="\n")
        print("shrunk", *fitted(data, net), sep="\n")
        labels = data.obs["bulk_labels"].astype(str)
        data.obs["bulk_labels"] = np.random.default_rng(0).permutation(labels)
        print("shrunk, random labels", *fitted(data, net), sep="\n")
    print(simulated())


if __name__ == "__main__":
    pd.set_option("display.width", 140, "display.max_columns", 20, "display.precision", 3)
    main()
