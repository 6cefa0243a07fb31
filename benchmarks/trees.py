"""Tree methods next to arboreto: CPU seconds a gene and rank correlation of edges, in one run.

``python benchmarks/trees.py --arboreto FOLDER`` needs ``pip install --target FOLDER --no-deps
arboreto``. Its functions of one gene are called directly, so dask is not needed. With ``--write
tests/data/arboreto.npz`` it makes the reference that the tests compare with.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from time import process_time
from types import ModuleType

import numpy as np
from scipy.stats import spearmanr

import scregnet as sr
from scregnet._anndata.features import expression_features
from scregnet.links import LinkTask, Pairs, get_method

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
NONE = Pairs(np.zeros(0, int), np.zeros(0, int), np.zeros(0, bool))


def arboreto(folder: Path) -> ModuleType:
    """Import ``arboreto.core`` without dask, which its functions of one gene do not use."""
    sys.path.insert(0, str(folder))
    for name in ("dask", "dask.dataframe", "dask.dataframe.utils"):
        sys.modules.setdefault(name, ModuleType(name))
    sys.modules["dask"].delayed = None
    sys.modules["dask.dataframe"].from_delayed = None
    sys.modules["dask.dataframe.utils"].make_meta = lambda kinds: None
    import arboreto.core as core

    return core


def reference(core, method, expression, tfs, genes, seed, *, n_trees):
    """Return arboreto's importances (n_tfs, n_genes of ``genes``), CPU seconds a gene and trees."""
    kind = "GBM" if method == "grnboost2" else "RF"
    settings = dict(core.SGBM_KWARGS if kind == "GBM" else core.RF_KWARGS)
    if n_trees:
        settings["n_estimators"] = n_trees
    found = np.zeros((len(tfs), len(genes)))
    start, grown = process_time(), 0
    for column, gene in enumerate(genes):
        rows = np.flatnonzero(tfs != gene)
        matrix = np.ascontiguousarray(expression[tfs[rows]].T)
        model = core.fit_model(
            kind, settings, matrix, expression[gene], early_stop_window_length=25, seed=seed
        )
        found[rows, column] = core.to_feature_importances(kind, settings, model)
        grown += len(model.estimators_)
    return found, (process_time() - start) / len(genes), grown / len(genes)


def ours(method, expression, tfs, genes, seed, **parameters):
    """Return the same of this package."""
    regulators = np.searchsorted(genes, tfs)
    task = LinkTask(len(genes), NONE, NONE, np.float32(expression[genes]), regulators=regulators)
    start = process_time()
    links = get_method(method, **parameters).fit(task, rng=np.random.default_rng(seed)).links
    seconds = (process_time() - start) / len(genes)
    return links.values, seconds


def agree(one, other) -> float:
    """Return the rank correlation of all edges, the TFs' own left out."""
    return float(spearmanr(one.ravel(), other.ravel()).statistic)


def write_reference(core: ModuleType, path: Path) -> None:
    """Write cells, and what two seeds of arboreto make of them: GENIE3 of 300 trees."""
    adata = sr.datasets.simulated(300, 60, n_tfs=15, random_state=0)
    values, _, _ = expression_features(adata, None, n_pcs=None, rows=None, random_state=0)
    varies = np.flatnonzero(values.std(axis=1) > 0)
    regulators = varies[adata.var_names[varies].isin(adata.uns["network"]["source"])]
    genes = np.sort(np.concatenate([regulators, np.setdiff1d(varies, regulators)[:25]]))
    expression = np.float32(values[genes].round(4))
    tfs, every = np.searchsorted(genes, regulators), np.arange(len(genes))
    found = {}
    for method, n_trees in (("grnboost2", None), ("genie3", 300)):
        for seed in (0, 1):
            given = np.float64(expression), tfs, every, seed
            table, _, grown = reference(core, method, *given, n_trees=n_trees)
            found[f"{method}_{seed}"] = np.float32(table)
            print(method, seed, f"{grown:.1f} trees a gene")
    np.savez_compressed(path, expression=expression, regulators=tfs, **found)


def main() -> None:
    """Print one line of JSON for each comparison."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--arboreto", type=Path, required=True)
    parser.add_argument("--cells", default="mDC")
    parser.add_argument("--method", choices=["grnboost2", "genie3"], default="grnboost2")
    parser.add_argument("--n-tfs", type=int, default=100)
    parser.add_argument("--n-genes", type=int, default=50, help="predicted genes beside TFs")
    parser.add_argument("--reference-trees", type=int, help="fewer trees of a forest of arboreto")
    parser.add_argument("--n-bins", type=int, nargs="+", default=[64])
    parser.add_argument("--max-trees", type=int, nargs="+", default=[5000])
    parser.add_argument("--write", type=Path, help="write the reference of the tests, no more")
    options = parser.parse_args()
    core = arboreto(options.arboreto)
    if options.write:
        write_reference(core, options.write)
        return
    adata = sr.datasets.beeline(options.cells, 500, path=SHARED / "beeline")
    expression, _, _ = expression_features(adata, None, n_pcs=None, rows=None, random_state=0)
    rng = np.random.default_rng(0)
    varies = np.flatnonzero(expression.std(axis=1) > 0)
    marked = np.flatnonzero(adata.var_names.isin(adata.uns["network"]["source"]))
    others = np.setdiff1d(varies, marked)
    n_more = max(options.n_tfs - len(marked), 0)
    tfs = np.sort(np.concatenate([marked, rng.choice(others, n_more, replace=False)]))
    rest = np.setdiff1d(varies, tfs)
    genes = np.sort(np.concatenate([tfs, rng.choice(rest, options.n_genes, replace=False)]))
    sr.settings.n_jobs = 1
    # Compiled before the clock runs.
    ours(options.method, expression[:, :20], tfs[:5], tfs[:9], 0)

    def run(seed):
        return reference(
            core, options.method, expression, tfs, genes, seed,
            n_trees=options.reference_trees,
        )  # fmt: skip

    (first, seconds, trees), (second, *_) = run(0), run(1)
    own_trees = 1000 if options.method == "genie3" else 5000
    if options.reference_trees:
        seconds *= own_trees / options.reference_trees
    data = {"cells": options.cells, "shape": [len(tfs), len(genes), expression.shape[1]]}
    line = {"arboreto_seconds": seconds, "trees": trees, "two_seeds": agree(first, second)}
    print(json.dumps(data | {"method": options.method} | line), flush=True)
    for n_bins in options.n_bins:
        for most in options.max_trees if options.method == "grnboost2" else [1000]:
            limit = {"max_trees" if options.method == "grnboost2" else "n_estimators": most}
            fits = [
                ours(options.method, expression, tfs, genes, seed, n_bins=n_bins, **limit)
                for seed in range(3)
            ]
            own = fits[0][1]
            tables = [table for table, _ in fits]
            line = {
                "n_bins": n_bins,
                **limit,
                "seconds": own,
                "ratio": seconds / own,
                "with_arboreto": [agree(tables[0], first), agree(tables[0], second)],
                "two_seeds": agree(tables[0], tables[1]),
                "mean_of_3_with_arboreto": agree(np.mean(tables, axis=0), first),
            }
            print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
