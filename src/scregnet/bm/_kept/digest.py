"""What a fit reads of a data set and of labelled pairs, as texts: equal ones are known again."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from scregnet._anndata.access import by_cells
from scregnet._anndata.evidence import layer_names
from scregnet._anndata.features import is_embedding
from scregnet.bm._kept.plain import plain
from scregnet.tl._fit.task import AUTO, FitOptions

if TYPE_CHECKING:
    from anndata import AnnData

    from scregnet._genes.split import LabelledPairs
    from scregnet.links import LinkMethod

BLOCK = 1024
"""Rows of a file that are in memory at a time."""

OF_PAIRS = ("sources", "targets", "labels", "share")
"""What null models read of labelled pairs."""


def digest_of_cells(data: AnnData) -> hashlib.blake2b:
    """Return the digest of the cells, the names and all vectors of genes; it can be updated."""
    found = hashlib.blake2b(digest_size=16)
    for names in (data.obs_names, data.var_names):
        found.update("\n".join(names.astype(str)).encode())
    # Newer anndata lists X among the layers, under None. A layer and vectors may share a name.
    layers = [(name, layer) for name, layer in data.layers.items() if name is not None]
    named = [("", data.X), *layers, *data.varm.items()]
    for _, matrix in sorted(named, key=lambda pair: pair[0]):
        for part in _arrays(matrix):
            found.update(np.ascontiguousarray(part).tobytes())
    return found


def named_by(keywords: Mapping[str, Any], data: AnnData, *, by_tfs: bool) -> list[str]:
    """Return the texts of what keywords of a fit name, beside :func:`digest_of_cells`.

    ``by_tfs`` says that the marked TFs are read, as methods without labels do.
    """
    texts = []
    if isinstance(taken := keywords.get("embedding", AUTO), str) and taken == AUTO:
        # It takes the one that sr.tl.embed wrote, which uns tells.
        texts += [str(key) for key, entry in data.uns.items() if is_embedding(entry)]
    # If the column is not there, the fit fails and says so.
    time = keywords.get("pseudotime")
    if isinstance(time, str) and time in data.obs:
        texts.append(plain(data.obs[time].to_numpy()))
    for layer in layer_names(keywords.get("evidence")):
        columns = sorted(name for name in data.var if str(name).startswith(f"{layer}_"))
        texts.append(plain(data.var[columns]))
        texts += [plain(part) for part in _arrays(data.varp.get(layer))]
    if by_tfs and "is_tf" in data.var:
        texts.append(plain(data.var["is_tf"].to_numpy()))
    return texts


def of_fit(
    name: str, method: LinkMethod, labelled: LabelledPairs, options: FitOptions, data: AnnData
) -> list[str]:
    """Return the texts of what a fit reads beside :func:`digest_of_cells`."""
    keywords = vars(options)
    return [
        *named_by(keywords, data, by_tfs=not method.needs_labels),
        *of_pairs(labelled),
        *(plain(ends) for ends in labelled.left_out),
        plain(keywords),
        name,
        repr(method),
    ]


def of_pairs(labelled: LabelledPairs) -> list[str]:
    """Return the texts of what null models read of labelled pairs."""
    return [plain(getattr(part, name)) for part in labelled.parts.all for name in OF_PAIRS]


def _arrays(matrix: Any) -> Iterator[np.ndarray]:
    """Yield the arrays of a matrix: of a file or of dask, block by block."""
    if matrix is None:
        return
    if sp.issparse(matrix):
        yield from (matrix.data, matrix.indices, matrix.indptr)
    elif isinstance(matrix, np.ndarray | pd.DataFrame):
        yield np.asarray(matrix)
    else:
        source = by_cells(matrix)
        for start in range(0, matrix.shape[0], BLOCK):
            block = source[start : min(start + BLOCK, matrix.shape[0])]
            if sp.issparse(block):
                yield from (block.data, block.indices, block.indptr)
            else:
                yield np.asarray(block)
