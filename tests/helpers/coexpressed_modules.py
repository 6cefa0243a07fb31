"""Cells of which only co-expression tells the targets."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import scipy.sparse as sp

import scregnet as sr


def modules(seed=0):
    """Return cells of which only co-expression tells the targets: a TF regulates two modules.

    All TFs have as many targets, and so have all targets regulators.
    """
    rng = np.random.default_rng(seed)
    n_modules, size = 4, 20
    # Names of letters only: no two of them share a root, which would make them a family.
    tfs = [f"TF{letter}" for letter in "ABCD"]
    genes = [f"G{first}{second}" for first in "ABCD" for second in "ABCDEFGHIJKLMNOPQRST"]
    level = rng.gamma(1.0, 2.0, (250, n_modules))
    of_genes = np.repeat(level, size, axis=1)
    counts = rng.poisson(np.concatenate([level, of_genes], axis=1)).astype(np.float32)
    data = ad.AnnData(sp.csr_matrix(counts), var=pd.DataFrame(index=tfs + genes))
    edges = [
        (tfs[tf], genes[gene])
        for tf in range(n_modules)
        for gene in range(len(genes))
        if (gene // size - tf) % n_modules < 2
    ]
    net = pd.DataFrame(edges, columns=["source", "target"])
    sr.pp.split(data, net, kind="targets", test_fraction=0.4)
    return data
