"""Gene sets, one an experiment: GMT files and mappings, named TF_CELL_GENOME as Enrichr's are."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from scregnet._genes.evidence.experiments import Experiments
from scregnet._text import read_text

# Enrichr's newer libraries have a space where older ones have "_": "GATA1 K562 hg19".
_AFTER_TF = re.compile(r"[_\s]+")


def read_gmt(path: Path, argument: str = "net") -> dict[str, list[str]]:
    """Read a GMT file, plain or gzip: name, description and genes of one set a line.

    A weight after a gene (``GATA1,1.0``) is not read. ``argument`` is what messages call the file.

    Raises
    ------
    ValueError
        If it is no GMT file, or a name occurs twice.
    """
    where = f"{argument}={str(path)!r}"
    sets: dict[str, list[str]] = {}
    for number, line in enumerate(read_text(path, where).splitlines(), start=1):
        if not line.strip():
            continue
        name, *rest = (field.strip() for field in line.split("\t"))
        if len(rest) < 2 or not name:
            msg = (
                f"{where}: line {number} is {line[:60]!r}, but a GMT file has a name, "
                "a description and genes, divided by tabs."
            )
            raise ValueError(msg)
        if name in sets:
            msg = f"{where}: the set {name!r} occurs twice, again in line {number}. Rename one."
            raise ValueError(msg)
        # The first field after the name is the description.
        sets[name] = [gene.partition(",")[0] for gene in rest[1:] if gene]
    return sets


def sets_experiments(sets: Mapping[Any, Any], form: str) -> Experiments:
    """Return gene sets as experiments; what follows the TF in a name is the context.

    Raises
    ------
    ValueError
        If there is no set, or a set is not a list of gene names.
    """
    names, parts = [], []
    for name, genes in sets.items():
        if isinstance(genes, (str, bytes, pd.DataFrame)) or not isinstance(genes, Iterable):
            msg = f"net[{name!r}] is {type(genes).__name__}; give its genes as a list."
            raise ValueError(msg)
        members = pd.Index(list(genes), dtype=object)
        odd = [gene for gene in members if not isinstance(gene, str)]
        if odd or not isinstance(name, str):
            msg = f"net[{name!r}] holds {odd[0] if odd else name!r}, which is not a name."
            raise ValueError(msg)
        names.append(name)
        parts.append(members.unique())
    sizes = [len(part) for part in parts]
    if not sum(sizes):
        msg = "net has no gene sets, or they are all empty."
        raise ValueError(msg)
    codes, found = pd.factorize(np.concatenate([part.to_numpy() for part in parts]), sort=True)
    table = sp.csr_matrix(
        (np.ones(len(codes), np.float32), codes, np.concatenate([[0], np.cumsum(sizes)])),
        shape=(len(names), len(found)),
    )
    table.sort_indices()
    # "STAT1_HELAS3_HG19": the TF, then the context.
    divided = [(*_AFTER_TF.split(name.strip(), maxsplit=1), "")[:2] for name in names]
    tfs, contexts = (np.array(column, dtype=object) for column in zip(*divided, strict=True))
    return Experiments(table, tfs, contexts, pd.Index(found, dtype=object), form)
