"""Readers of data that are not shipped, for the benchmarks."""

from __future__ import annotations

from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import scipy.sparse as sp


def pbmc(folder: Path) -> ad.AnnData:
    """Read the counts of the cells and genes that scanpy ships as ``pbmc68k_reduced``."""
    import scanpy as sc

    cells = sc.datasets.pbmc68k_reduced()
    counts = sp.load_npz(folder / "counts/10x_pbmc68k_reduced_counts.npz").astype(np.float32)
    return ad.AnnData(counts, cells.obs.copy(), pd.DataFrame(index=cells.var_names))


def beeline(folder: Path, cells: str) -> ad.AnnData:
    """Read the expression of one of BEELINE's sets."""
    path = folder / f"beeline/{cells}/TFs+500/BL--ExpressionData.csv.gz"
    return ad.AnnData(pd.read_csv(path, index_col=0).T.astype(np.float32))


def collectri(folder: Path) -> pd.DataFrame:
    """Read CollecTRI."""
    return pd.read_csv(folder / "priors/collectri.csv", keep_default_na=False)


def trrust(folder: Path, organism: str) -> pd.DataFrame:
    """Read TRRUST, with symbols in upper case as BEELINE has them."""
    path = folder / f"priors/trrust_rawdata.{organism}.tsv"
    names = ["source", "target", "mode", "pmid"]
    table = pd.read_csv(path, sep="\t", header=None, names=names, keep_default_na=False)
    return table.assign(source=table["source"].str.upper(), target=table["target"].str.upper())
