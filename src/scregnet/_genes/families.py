"""Gene families, read from the symbols of genes."""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np

# The leading letters (HOXB4: HOXB), else the trailing ones (1700001L19Rik: RIK).
_ROOT = re.compile(r"^[A-Z]+|[A-Z]+$")


def gene_families(names: Iterable[str]) -> np.ndarray:
    """Number of each gene's family, int32 (n_genes,); a gene without relatives is its own family.

    Genes share a family if their symbols share a root: the leading letters in upper case
    (``HOXB4``, ``HOXB13``), else the trailing ones (the ``Rik`` of RIKEN clones). A root that more
    than half of the genes have is the prefix of an identifier, such as ``ENSG``: those genes get
    no relatives.

    Notes
    -----
    Symbols follow the nomenclature committee: :cite:p:`bruford2020nomenclature`.
    """
    symbols = [str(name).upper() for name in names]
    # The colon keeps a gene without a root, such as "7", apart from a family of that name.
    roots = [
        match.group() if (match := _ROOT.search(symbol)) else f":{symbol}" for symbol in symbols
    ]
    _, family, size = np.unique(
        np.array(roots, dtype=object).astype(str), return_inverse=True, return_counts=True
    )
    # Identifiers: number these genes one by one, after the last family.
    alone = size[family] > len(family) / 2
    family[alone] = len(size) + np.arange(int(alone.sum()))
    return np.asarray(family, np.int32)
