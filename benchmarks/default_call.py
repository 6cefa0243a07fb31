"""The first thing an analyst tries: ``sr.tl.fit_grn(adata, prior)`` on a whole transcriptome.

::

    python benchmarks/default_call.py                    # a network with the sizes of CollecTRI
    python benchmarks/default_call.py --prior collectri.csv
    python benchmarks/default_call.py --closed-world --method degree --n-folds 1

3,000 simulated cells of 18,000 genes, 42,716 edges of 1,178 TFs, every argument at its default:
five folds, both null models, bootstrap intervals. With ``--closed-world``, all pairs of the TFs and
20,000 genes are labelled, and 1,600 genes are marked as TFs. Prints time, memory, what the file
grows by, and how long ``sr.get.grn(adata, top_n=1000)`` and a million pairs of
``sr.get.score_links`` take.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import scipy.sparse as sp

import scregnet as sr

N_CELLS, N_GENES, N_TFS, N_EDGES = 3_000, 18_000, 1_178, 42_716
CLOSED_GENES, CLOSED_TFS = 20_000, 1_600


def simulated_network(rng: np.random.Generator) -> pd.DataFrame:
    """Draw edges of TFs and targets of very unequal degrees, as curated networks have them."""
    tf = rng.pareto(1, N_TFS) + 0.2
    target = rng.pareto(1, 6_700) + 0.1
    edges: set[tuple[int, int]] = set()
    while len(edges) < N_EDGES:
        sources = rng.choice(N_TFS, N_EDGES, p=tf / tf.sum())
        ends = rng.choice(len(target), N_EDGES, p=target / target.sum())
        edges |= {(s, e) for s, e in zip(sources, ends, strict=True) if s != e}
    kept = rng.permutation(sorted(edges))[:N_EDGES]
    return pd.DataFrame({"source": kept[:, 0], "target": kept[:, 1]}).map("G{}".format)


def simulated_cells(names: list[str], rng: np.random.Generator) -> ad.AnnData:
    """Draw counts: genes of all levels, 20 programmes that cells use to different degrees."""
    n_genes = len(names)
    mean = np.exp(rng.normal(-2.2, 1.8, n_genes))
    mean *= 4000 / mean.sum()
    programmes = rng.normal(0, 0.6, (20, n_genes)) * (rng.random((20, n_genes)) < 0.2)
    blocks = []
    for _ in range(0, N_CELLS, 500):
        rates = mean * np.exp(rng.normal(size=(500, 20)) @ programmes)
        blocks.append(sp.csr_matrix(rng.poisson(np.minimum(rates, 200)).astype(np.float32)))
    adata = ad.AnnData(sp.vstack(blocks, format="csr"))
    adata.var_names = rng.permutation(names)
    return adata


def file_size(adata: ad.AnnData) -> float:
    """Size of the AnnData as a file, in MB."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "adata.h5ad"
        adata.write_h5ad(path)
        return path.stat().st_size / 1e6


def main() -> None:
    """Fit, and print what it took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--prior", type=Path, help="csv with source and target")
    parser.add_argument("--n-folds", type=int, default=5)
    parser.add_argument("--method", default="joint")
    parser.add_argument("--closed-world", action="store_true", help="label all pairs")
    chosen = parser.parse_args()
    rng = np.random.default_rng(0)
    n_genes = CLOSED_GENES if chosen.closed_world else N_GENES
    if chosen.prior:
        net = pd.read_csv(chosen.prior)
        names = pd.unique(net[["source", "target"]].to_numpy().ravel()).tolist()[:n_genes]
        names += [f"G{number}" for number in range(n_genes - len(names))]
    else:
        net, names = simulated_network(rng), [f"G{number}" for number in range(n_genes)]
    adata = simulated_cells(names, rng)
    before, cpu, wall = file_size(adata), time.process_time(), time.perf_counter()
    sr.settings.verbosity = "info"
    if chosen.closed_world:
        tfs = pd.unique(net["source"])
        others = adata.var_names.difference(tfs)[: CLOSED_TFS - len(tfs)]
        adata.var["is_tf"] = adata.var_names.isin(tfs) | adata.var_names.isin(others)
        sr.pp.split(adata, net, max_pairs=None)
        net = None
    sr.tl.fit_grn(adata, net, chosen.method, n_folds=chosen.n_folds)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    start = time.perf_counter()
    links = sr.get.grn(adata, top_n=1000)
    read = time.perf_counter() - start
    pairs = adata.uns["grn"]["pairs"]
    share = round(pairs["stands_for"].sum()) if "stands_for" in pairs else len(pairs)
    asked = pd.DataFrame(
        {
            "source": rng.choice(pairs["source"].astype(str).unique(), 1_000_000),
            "target": rng.choice(adata.var_names.astype(str), 1_000_000),
        }
    )
    start = time.perf_counter()
    sr.get.score_links(adata, asked)
    scored = time.perf_counter() - start
    sys.stdout.write(
        f"{cpu:.0f} CPU s, {wall:.0f} s, {peak:.2f} GB, file + {file_size(adata) - before:.0f} MB, "
        f"get.grn {read:.2f} s ({len(links)} links), a million of score_links {scored:.1f} s; "
        f"the labelled pairs stand for {share:,}\n"
    )
    table = sr.get.metrics(adata).query("split == 'test'")
    sys.stdout.write(
        table.pivot(index="model", columns="metric", values="value").to_string() + "\n"
    )


if __name__ == "__main__":
    main()
