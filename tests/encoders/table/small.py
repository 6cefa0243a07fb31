"""A small table of vectors, one row per gene."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd


def write(folder: Path, genes: list[str]) -> Path:
    """Write the table; it has these genes and two others."""
    folder.mkdir(parents=True, exist_ok=True)
    names = [*genes, "ENSG00000777777", "ENSG00000777778"]
    vectors = np.random.default_rng(4).normal(size=(len(names), 5)).astype(np.float32)
    pd.DataFrame(vectors, index=names).rename(columns=str).to_csv(folder / "vectors.csv")
    return folder
