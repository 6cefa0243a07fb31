"""CPU seconds and peak memory of the methods that read no labels, from expression alone.

``python benchmarks/from_expression.py METHOD --genes 2000 --cells 3000 --tfs 100``
"""

from __future__ import annotations

import argparse
import json
import resource
from time import perf_counter, process_time

import anndata as ad
import numpy as np
import scipy.sparse as sp

import scregnet as sr


def made(n_cells: int, n_genes: int, n_tfs: int) -> ad.AnnData:
    """Return counts of few programmes, most of them zero; the first genes are the TFs."""
    rng = np.random.default_rng(0)
    programmes = rng.gamma(0.3, 1, (n_cells, 12)) @ rng.gamma(0.3, 1, (12, n_genes))
    depth = rng.lognormal(0, 0.3, (n_cells, 1))
    level = rng.lognormal(-1.5, 1, n_genes) / programmes.mean(axis=0)
    adata = ad.AnnData(sp.csr_matrix(rng.poisson(programmes * depth * level).astype(np.float32)))
    adata.var["is_tf"] = np.arange(n_genes) < n_tfs
    adata.obs["time"] = np.linspace(0, 1, n_cells)
    return adata


def main() -> None:
    """Fit once and print one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("method")
    parser.add_argument("--genes", type=int, default=2000)
    parser.add_argument("--cells", type=int, default=3000)
    parser.add_argument("--tfs", type=int, default=100)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    sr.settings.n_jobs = options.threads
    sr.settings.progress_bar = False
    adata = made(options.cells, options.genes, options.tfs)
    small = adata[:50, :20].copy()
    time = {"pseudotime": "time"} if options.method == "scode" else {}
    # Compiled before the clock runs.
    sr.tl.fit_grn(small, method=options.method, **time)
    start, clock = process_time(), perf_counter()
    sr.tl.fit_grn(adata, method=options.method, **time)
    line = {
        **vars(options),
        "zeros": round(1 - adata.X.nnz / np.prod(adata.shape), 2),
        "seconds": round(process_time() - start, 1),
        "wall": round(perf_counter() - clock, 1),
        "gib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
    }
    print(json.dumps(line))


if __name__ == "__main__":
    main()
