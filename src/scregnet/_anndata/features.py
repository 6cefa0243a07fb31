"""Gene features that a fit reads from an AnnData: expression over cells, and an embedding."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from scregnet._anndata.access import is_counts, unmasked
from scregnet._anndata.streamed import GeneSums, draw_cells, log_blocks
from scregnet._logging import logger
from scregnet._validate import check_integer, listed

if TYPE_CHECKING:
    from anndata import AnnData

SHUFFLE_STREAM = 6
"""Number of the random stream that permutes expression; split, fits and folds have their own."""


def log_normalised(
    adata: AnnData, layer: str | None, rows: np.ndarray | None = None
) -> tuple[sp.csr_matrix, bool]:
    """Return expression as float32 CSR, cells × genes, and whether it was raw counts.

    Raw counts become log1p of counts per 10,000; other values stay, and negative ones raise. An
    empty cell stays empty.
    """
    counts = is_counts(adata, layer)
    parts = [block for _, block in log_blocks(adata, layer, counts=counts, rows=rows)]
    return sp.vstack(parts, format="csr"), counts


def expression_features(
    adata: AnnData,
    layer: str | None,
    *,
    n_pcs: int | None,
    rows: np.ndarray | None,
    random_state: int | None,
    shuffle: bool = False,
    max_cells: int | None = None,
) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
    """Return the expression of each gene over cells, standardised per gene.

    Genes that do not vary have zeros. See :func:`log_normalised` for the values. ``shuffle``
    permutes the values of each gene among the cells. Of more than ``max_cells``, so many random
    cells are taken; the summary is that of all.

    Returns
    -------
    Expression, float32 of shape (n_vars, n_cells), or (n_vars, n_pcs) with the leading principal
    axes over cells; float32 of shape (n_vars, 3) with mean, standard deviation and detection rate;
    and a record of how they were made.
    """
    n_cells = adata.n_obs if rows is None else len(rows)
    drawn = draw_cells(n_cells, max_cells, random_state)
    if drawn is None:
        cells, counts = log_normalised(adata, layer, rows)
        mean, scale, summary = moments(cells)
        record = cells_record(cells, summary, counts=counts)
    else:
        cells, summary, record = _of_many(adata, layer, rows, drawn)
        mean, scale, _ = moments(cells)
    log_unseen(record)
    if shuffle:
        # After the summary, which a permutation changes by rounding only.
        cells = shuffled(cells, random_state)
    if n_pcs is None:
        values = standardised(cells, mean, scale)
    else:
        values = _principal_axes(cells, mean, scale, n_pcs, random_state)
    return np.ascontiguousarray(values, np.float32), summary.astype(np.float32), record


def _of_many(
    adata: AnnData, layer: str | None, rows: np.ndarray | None, drawn: np.ndarray
) -> tuple[sp.csr_matrix, np.ndarray, dict[str, Any]]:
    """Return the drawn cells of the rows, and summary and record of all, in one pass over them."""
    counts = is_counts(adata, layer)
    total, kept, start = GeneSums.of(sp.csr_matrix((0, adata.n_vars))), [], 0
    for _, block in log_blocks(adata, layer, counts=counts, rows=rows):
        total += GeneSums.of(block)
        first, last = np.searchsorted(drawn, [start, start + block.shape[0]])
        kept.append(block[drawn[first:last] - start])
        start += block.shape[0]
    summary = total.summary()
    record = {
        "expression": _COUNTS if counts else _AS_FOUND,
        "n_cells": total.n_cells,
        "n_cells_drawn": len(drawn),
        "n_cells_empty": total.n_empty,
        "n_genes_never_seen": int((summary[:, 2] == 0).sum()),
    }
    logger.info(
        "expression: %d random cells of %d describe how genes vary together; max_cells=None takes "
        "all of them",
        *(len(drawn), total.n_cells),
    )
    return sp.vstack(kept, format="csr"), summary, record


_COUNTS, _AS_FOUND = "counts, log1p of counts per 10,000", "as found"


def cells_record(cells: sp.csr_matrix, summary: np.ndarray, *, counts: bool) -> dict[str, Any]:
    """Return what ``uns`` keeps of the cells that were read."""
    return {
        "expression": _COUNTS if counts else _AS_FOUND,
        "n_cells": cells.shape[0],
        "n_cells_empty": int((np.diff(cells.indptr) == 0).sum()),
        "n_genes_never_seen": int((summary[:, 2] == 0).sum()),
    }


def log_unseen(record: Mapping[str, Any]) -> None:
    """Say how many cells are empty and how many genes no cell expresses."""
    n_empty, n_unseen = record["n_cells_empty"], record["n_genes_never_seen"]
    if n_empty or n_unseen:
        logger.info(
            "expression: %d empty cells and %d genes that no cell expresses", n_empty, n_unseen
        )


def moments(cells: sp.csr_matrix) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return mean and 1 / standard deviation of each gene, and its summary, all float64.

    A gene that does not vary has the scale 0. The summary, (n_genes, 3), has mean, standard
    deviation and detection rate.
    """
    mean = np.asarray(cells.mean(axis=0, dtype=np.float64)).ravel()
    square = np.asarray(cells.multiply(cells).mean(axis=0, dtype=np.float64)).ravel()
    spread = np.sqrt(np.maximum(square - mean**2, 0))
    # Below this a gene's variance is rounding error of its mean.
    scale = np.divide(
        1, spread, out=np.zeros_like(spread), where=spread > 1e-6 * np.maximum(np.abs(mean), 1)
    )
    n_seen = np.asarray((cells != 0).sum(axis=0)).ravel()
    return mean, scale, np.stack([mean, spread, n_seen / cells.shape[0]], axis=1)


def standardised(cells: sp.csr_matrix, mean: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Return dense float32 (n_genes, n_cells): ``(x - mean) * scale`` of each gene."""
    # In place: there may be a gigabyte of it.
    values = np.asarray(cells.tocsc().T.toarray(), np.float32)
    values -= mean[:, None].astype(np.float32)
    values *= scale[:, None].astype(np.float32)
    return values


def shuffled(cells: sp.csr_matrix, random_state: int | None) -> sp.csr_matrix:
    """Return the matrix, cells × genes, with the values of each gene in random cells.

    For log-normalised values: permuted counts would change the totals of the cells, and so the mean
    of each gene.
    """
    rng = np.random.default_rng(np.random.SeedSequence(random_state, spawn_key=(SHUFFLE_STREAM,)))
    columns = cells.tocsc()
    n_cells = columns.shape[0]
    for start, end in zip(columns.indptr[:-1], columns.indptr[1:], strict=True):
        # The cells come in random order, so the values need no permutation of their own.
        columns.indices[start:end] = rng.choice(n_cells, end - start, replace=False)
    columns.has_sorted_indices = False
    return columns.tocsr()


def _principal_axes(
    cells: sp.csr_matrix, mean: np.ndarray, scale: np.ndarray, n_pcs: int, random_state: int | None
) -> np.ndarray:
    from scipy.sparse.linalg import LinearOperator, svds

    limit = min(cells.shape) - 1
    _check_n_pcs(n_pcs, limit, cells.shape[::-1])
    if not scale.any():
        # ARPACK stops at a matrix of zeros.
        return np.zeros((len(scale), n_pcs))
    # Centring a sparse matrix would fill it: the operator applies the mean on the fly.
    genes = cells.T.tocsr().astype(np.float64)
    shifted = mean * scale
    operator = LinearOperator(
        genes.shape,
        matvec=lambda v: scale * (genes @ v.ravel()) - shifted * v.sum(),
        rmatvec=lambda u: cells @ (scale * u.ravel()) - (shifted @ u.ravel()),
        dtype=np.float64,
    )
    start = np.random.default_rng(random_state).standard_normal(limit + 1)
    left, values, _ = svds(operator, k=n_pcs, v0=start)
    return _scaled_axes(left, values, cells.shape[0])


def _check_n_pcs(n_pcs: int, limit: int, shape: tuple[int, int]) -> None:
    check_integer("n_pcs", n_pcs, minimum=1)
    if n_pcs > limit:
        msg = (
            f"n_pcs={n_pcs} is more than {shape[1]} cells × {shape[0]} genes allow; "
            f"at most {limit}, or None for all cells."
        )
        raise ValueError(msg)


def _scaled_axes(left: np.ndarray, sizes: np.ndarray, n_cells: int) -> np.ndarray:
    """Return the axes by size, each with its largest entry positive."""
    order = np.argsort(-sizes)
    left, sizes = left[:, order], sizes[order]
    signs = np.sign(left[np.abs(left).argmax(axis=0), np.arange(len(sizes))])
    # Scaled so that an entry has the size of a standardised expression value.
    return np.asarray(left * signs * sizes / np.sqrt(n_cells) * np.sqrt(len(sizes)))


def reduced(values: np.ndarray, n_pcs: int, random_state: int | None) -> np.ndarray:
    """Return the leading principal axes of dense standardised expression, as with ``n_pcs``."""
    from scipy.sparse.linalg import svds

    limit = min(values.shape) - 1
    _check_n_pcs(n_pcs, limit, values.shape)
    if not values.any():
        return np.zeros((len(values), n_pcs))
    start = np.random.default_rng(random_state).standard_normal(limit + 1)
    left, sizes, _ = svds(values.astype(np.float64), k=n_pcs, v0=start)
    return _scaled_axes(left, sizes, values.shape[1])


def is_embedding(entry: object) -> bool:
    """Return whether an entry of ``uns`` is one that :func:`scregnet.tl.embed` wrote."""
    return isinstance(entry, Mapping) and bool({"varm_key", "varm_keys"} & set(entry))


def embedding_features(
    adata: AnnData, embedding: str | pd.DataFrame | None, group: str | None = None
) -> tuple[np.ndarray | None, dict[str, Any]]:
    """Return the vectors of the genes, float32 (n_vars, width), and a record.

    Genes without a vector have zeros. ``"auto"`` takes the only embedding that
    :func:`scregnet.tl.embed` wrote, or none.
    """
    if embedding is None:
        return None, {"embedding": "none"}
    if isinstance(embedding, pd.DataFrame):
        return _from_frame(adata, embedding)
    if not isinstance(embedding, str):
        msg = (
            "embedding must be a key of adata.varm, a frame indexed by gene, 'auto' or None, "
            f"got {type(embedding).__name__}."
        )
        raise TypeError(msg)
    if embedding == "auto":
        written = [key for key, entry in adata.uns.items() if is_embedding(entry)]
        if not written:
            logger.info("embedding: none was written by sr.tl.embed, fitting without")
            return None, {"embedding": "none"}
        if len(written) > 1:
            msg = (
                f"adata has several embeddings ({listed(written)}); "
                "choose one with embedding=, or None for none."
            )
            raise ValueError(msg)
        embedding = written[0]
    key = _group_key(adata, str(embedding), group)
    if key not in adata.varm:
        msg = (
            f"embedding={embedding!r} is not in adata.varm; it has {listed(adata.varm)}. "
            f"Call sr.tl.embed(adata, model={embedding!r}) first, or name another with embedding=."
        )
        raise KeyError(msg)
    values = unmasked(adata.varm[key], f"adata.varm[{key!r}]")
    if isinstance(values, pd.DataFrame):
        values = values.to_numpy()
    elif sp.issparse(values):
        values = values.toarray()
    values = np.asarray(values, np.float32)
    if values.ndim != 2 or not np.isfinite(values).all():
        msg = (
            f"adata.varm[{key!r}] must be a finite matrix of genes × width; "
            f"it has shape {values.shape} or holds NaN or infinite values."
        )
        raise ValueError(msg)
    return values, {"embedding": key, "n_genes_embedded": int(np.any(values != 0, axis=1).sum())}


def is_of_groups(adata: AnnData, embedding: str | pd.DataFrame | None) -> bool:
    """Return whether the embedding that a fit reads was made group by group."""
    if not isinstance(embedding, str):
        return False
    names = adata.uns if embedding == "auto" else [embedding]
    entries = [adata.uns.get(name) for name in names if name not in adata.varm]
    return any(isinstance(entry, Mapping) and "varm_keys" in entry for entry in entries)


def _group_key(adata: AnnData, embedding: str, group: str | None) -> str:
    """Return the slot of an embedding, or of the group's own embedding if there is one."""
    entry = adata.uns.get(embedding)
    if embedding in adata.varm or not isinstance(entry, Mapping) or "varm_keys" not in entry:
        return embedding
    keys = {
        str(name): str(key) for name, key in zip(entry["groups"], entry["varm_keys"], strict=True)
    }
    if group in keys:
        return keys[group]
    made_for = (
        f"group {group!r} is not among them"
        if group is not None
        else "name one of adata.varm, or fit with the same groupby"
    )
    msg = f"embedding={embedding!r} was made for the groups {listed(keys)}: {made_for}."
    raise KeyError(msg)


def _from_frame(adata: AnnData, frame: pd.DataFrame) -> tuple[np.ndarray, dict[str, Any]]:
    if not frame.index.is_unique:
        twice = frame.index[frame.index.duplicated()].unique()
        msg = f"embedding: genes {listed(twice, 5)} have several rows; the index must be unique."
        raise ValueError(msg)
    where = frame.index.get_indexer(adata.var_names)
    found = where >= 0
    if not found.any():
        msg = (
            f"embedding: none of its {len(frame)} rows is in adata.var_names "
            f"(index like {listed(frame.index[:3])}, genes like {listed(adata.var_names[:3])}). "
            "Index it by gene name."
        )
        raise ValueError(msg)
    values = np.zeros((adata.n_vars, frame.shape[1]), np.float32)
    values[found] = frame.to_numpy(np.float32)[where[found]]
    if not np.isfinite(values).all():
        msg = (
            "embedding: the frame holds NaN or infinite values; "
            "drop those genes, which then count as having no vector."
        )
        raise ValueError(msg)
    logger.info("embedding: %d of %d genes have a vector", found.sum(), adata.n_vars)
    return values, {"embedding": "frame", "n_genes_embedded": int(found.sum())}
