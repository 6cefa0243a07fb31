"""Families of genes, read from their symbols."""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np

_ROOT = re.compile(r"^[A-Z]+|[A-Z]+$")


def gene_families(names: Iterable[str]) -> np.ndarray:
    """Number of each gene's family, int32 of shape (n_genes,); a gene without relatives is a family of its own.

    Genes are of one family if their symbols have the same root, in upper case the letters before the first other character (``HOXB`` of ``HOXB4`` and ``HOXB13``,
    ``GM`` of the predicted genes of the mouse), or those at the end where there are none (``RIK`` of the RIKEN clones). Nomenclature committees name genes so. A root that more
    than half of the genes have is no root of symbols but the form of an identifier, such as ``ENSG``: these genes have no relatives.

    Notes
    -----
    Bruford et al., Guidelines for human gene nomenclature, Nature Genetics 52 (2020).
    """
    symbols = [str(name).upper() for name in names]
    # The colon keeps a gene without a root from the family of a gene that is called so.
    roots = [
        match.group() if (match := _ROOT.search(symbol)) else f":{symbol}" for symbol in symbols
    ]
    _, family, size = np.unique(
        np.array(roots, dtype=object).astype(str), return_inverse=True, return_counts=True
    )
    alone = size[family] > len(family) / 2
    family[alone] = len(size) + np.arange(int(alone.sum()))
    return np.asarray(family, np.int32)
