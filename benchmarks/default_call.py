"""The first thing an analyst tries: ``sr.tl.fit_grn(adata, prior)`` on a whole transcriptome.

::

    python benchmarks/default_call.py                    # a network with the sizes of CollecTRI
    python benchmarks/default_call.py --prior collectri.csv

3,000 simulated cells of 18,000 genes, 42,716 edges of 1,178 TFs, every argument at its default:
four folds, both null models, bootstrap intervals. Prints time, memory, what the file grows by, and
how long ``sr.get.grn(adata, top_n=1000)`` takes.
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
    mean = np.exp(rng.normal(-2.2, 1.8, N_GENES))
    mean *= 4000 / mean.sum()
    programmes = rng.normal(0, 0.6, (20, N_GENES)) * (rng.random((20, N_GENES)) < 0.2)
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
    parser.add_argument("--n-folds", type=int)
    chosen = parser.parse_args()
    rng = np.random.default_rng(0)
    if chosen.prior:
        net = pd.read_csv(chosen.prior)
        names = pd.unique(net[["source", "target"]].to_numpy().ravel()).tolist()[:N_GENES]
        names += [f"G{number}" for number in range(N_GENES - len(names))]
    else:
        net, names = simulated_network(rng), [f"G{number}" for number in range(N_GENES)]
    adata = simulated_cells(names, rng)
    before, cpu, wall = file_size(adata), time.process_time(), time.perf_counter()
    sr.settings.verbosity = "info"
    sr.tl.fit_grn(adata, net, n_folds=chosen.n_folds or "auto")
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    start = time.perf_counter()
    links = sr.get.grn(adata, top_n=1000)
    read = time.perf_counter() - start
    share = len(adata.uns["grn"]["pairs"])
    sys.stdout.write(
        f"{cpu:.0f} CPU s, {wall:.0f} s, {peak:.2f} GB, file + {file_size(adata) - before:.0f} MB, "
        f"get.grn {read:.2f} s ({len(links)} links), {share:,} labelled pairs\n"
    )
    table = sr.get.metrics(adata).query("split == 'test'")
    sys.stdout.write(
        table.pivot(index="model", columns="metric", values="value").to_string() + "\n"
    )


if __name__ == "__main__":
    main()
