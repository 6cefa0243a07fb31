"""Memory and time by the number of cells, from disk, each step in a process of its own.

::

    python benchmarks/scale.py                       # 10,000, 50,000 and 200,000 cells
    python benchmarks/scale.py --cells 10000 --folder /somewhere/with/space

Cells are simulated and written to an ``h5ad`` (20,000 genes, 500 of them expressed in a cell). Each
step opens it ``backed="r"``. ``read`` only goes through all blocks. ``features`` is what
``sr.tl.fit_grn`` reads of the cells. Memory is what the process peaks at beyond what it had after
opening the file; figures of a flat line do not grow with the cells.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

N_GENES, PER_CELL, BLOCK = 20_000, 500, 5_000
CELLS = (10_000, 50_000, 200_000)
STEPS = ("read", "select_genes", "features", "svd")


def write_cells(path: Path, n_cells: int) -> None:
    """Write simulated counts in blocks: genes of all levels, some of which vary together."""
    import anndata as ad
    import h5py
    from anndata.io import sparse_dataset, write_elem

    rng = np.random.default_rng(0)
    level = rng.gamma(0.3, 1, N_GENES)
    programmes = rng.gamma(0.2, 1, (20, N_GENES))
    weights = np.cumsum(level * programmes, axis=1)
    weights /= weights[:, -1:]

    def block(size: int) -> sp.csr_matrix:
        columns = [
            np.searchsorted(weights[programme], rng.random(PER_CELL))
            for programme in rng.integers(20, size=size)
        ]
        rows = np.repeat(np.arange(size), PER_CELL)
        ones = np.ones(len(rows), np.float32)
        return sp.csr_matrix((ones, (rows, np.concatenate(columns))), shape=(size, N_GENES))

    empty = ad.AnnData(
        obs=pd.DataFrame(index=[f"c{number}" for number in range(n_cells)]),
        var=pd.DataFrame(index=[f"G{number}" for number in range(N_GENES)]),
    )
    empty.write_h5ad(path)
    with h5py.File(path, "a") as file:
        if "X" in file:
            del file["X"]
        write_elem(file, "X", block(BLOCK))
        for _ in range(n_cells // BLOCK - 1):
            sparse_dataset(file["X"]).append(block(BLOCK))


def peak() -> float:
    """Peak memory of this process in GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def run(step: str, path: Path) -> dict[str, Any]:
    """Do one step on the cells of a file, and say what it took."""
    import anndata as ad

    import scregnet as sr
    from scregnet._anndata.access import blocks
    from scregnet._anndata.features import expression_features

    adata = ad.read_h5ad(path, backed="r")
    before, start, cpu = peak(), time.perf_counter(), time.process_time()
    if step == "read":
        for _ in blocks(adata, None):
            pass
    elif step == "select_genes":
        sr.pp.select_genes(adata, tfs=None)
    elif step == "features":
        expression_features(adata, None, n_pcs=None, rows=None, random_state=0, max_cells=10_000)
    else:
        sr.tl.embed(adata, model="svd", n_components=64, show_progress_bar=False)
    return {
        "step": step,
        "cells": adata.n_obs,
        "cpu_s": round(time.process_time() - cpu, 1),
        "wall_s": round(time.perf_counter() - start, 1),
        "cells_per_cpu_s": round(adata.n_obs / (time.process_time() - cpu)),
        "gb": round(peak() - before, 2),
    }


def main() -> None:
    """Write the files, run each step on each, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", type=int, nargs="+", default=CELLS)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--step", choices=STEPS, help=argparse.SUPPRESS)
    parser.add_argument("--path", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.step:
        sys.stdout.write(json.dumps(run(chosen.step, chosen.path)))
        return
    rows = []
    with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
        for n_cells in chosen.cells:
            path = Path(folder) / f"{n_cells}.h5ad"
            write_cells(path, n_cells)
            for step in STEPS:
                command = [sys.executable, __file__, "--step", step, "--path", str(path)]
                found = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
                rows.append(json.loads(found.stdout.splitlines()[-1]))
                sys.stderr.write(f"{rows[-1]}\n")
            path.unlink()
    sys.stdout.write(pd.DataFrame(rows).to_string(index=False) + "\n")


if __name__ == "__main__":
    main()
