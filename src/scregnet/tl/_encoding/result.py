"""What an encoder returned: is it what was promised, and how much of the data did it use?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from scregnet._logging import logger

if TYPE_CHECKING:
    from scregnet.encoders import CellVectors, Embedding, GeneVectors
    from scregnet.tl._encoding.cells import Cells

# Below this share of known genes, what matched is probably chance: wrong organism or wrong ids.
_FEW = 0.2


def check_result(
    name: str, embedding: Embedding, n_groups: int, n_genes: int, n_cells: int | None = None
) -> None:
    """Raise ``ValueError`` unless an encoder, which may be the user's own, kept its promise.

    ``n_groups`` is 0 if no genes were asked for, ``n_cells`` is ``None`` if no cells were.
    """
    if len(embedding.groups) != n_groups or len(embedding.known) != n_genes:
        msg = (
            f"model={name!r} returned {len(embedding.groups)} groups of {len(embedding.known)} "
            f"genes instead of {n_groups} of {n_genes}."
        )
        raise ValueError(msg)
    faults = [_fault(group, n_genes, "genes") for group in embedding.groups]
    if n_cells is not None:
        found = embedding.cells
        faults.append("no vectors of cells" if found is None else _fault(found, n_cells, "cells"))
    if fault := next(filter(None, faults), None):
        msg = f"model={name!r} returned {fault}."
        raise ValueError(msg)


def _fault(found: GeneVectors | CellVectors, n: int, of: str) -> str:
    """Return what is wrong with the vectors of a group's genes, or of cells; empty for nothing."""
    vectors, covered = found.vectors, found.covered
    if vectors.ndim != 2 or len(vectors) != n or covered.shape != (n,):
        return f"vectors of shape {vectors.shape} for {n} {of}"
    if vectors.dtype.kind != "f" or covered.dtype != bool:
        return (
            f"{vectors.dtype} vectors and a {covered.dtype} mask instead of floating point and bool"
        )
    if not np.isfinite(vectors).all():
        return "vectors with NaN or infinite values"
    if vectors[~covered].any():
        return f"vectors that are not zero for {of} that are not covered"
    return ""


def check_used(name: str, embedding: Embedding, cells: Cells) -> None:
    """Raise ``ValueError`` unless the model could use a cell."""
    n_cells, n_genes = len(cells.rows), len(embedding.known)
    used = any(group.n_cells for group in embedding.groups) or (
        embedding.cells is not None and embedding.cells.covered.any()
    )
    if cells.n_empty < n_cells and used:
        return
    msg = (
        f"none of the {n_cells} cells could be used by model={name!r}: {cells.n_empty} are empty, "
        f"and the others have no counts, or too few, in the {int(embedding.known.sum())} of "
        f"{n_genes} genes that the model knows."
    )
    raise ValueError(msg)


def coverage(name: str, embedding: Embedding, cells: Cells) -> dict[str, Any]:
    """Log how much of the data the model used, and return it for the record."""
    n_genes, n_known = len(embedding.known), int(embedding.known.sum())
    # Not divided by zero where no cell has a count.
    share = float(cells.totals[embedding.known].sum() / max(cells.totals.sum(), 1e-12))
    logger.info(
        "%s: %d of %d genes (%.0f %%), %.0f %% of the %s",
        *(name, n_known, n_genes, 100 * n_known / n_genes, 100 * share),
        "counts" if cells.counts else "expression",
    )
    if n_known < _FEW * n_genes:
        logger.warning(
            "%s knows only %d of %d genes: are adata.var_names (or gene_ids=) the ids and the "
            "organism it was trained on?",
            *(name, n_known, n_genes),
        )
    if cells.n_empty:
        logger.info("%s: %d cells are empty and were left out", name, cells.n_empty)
    return {
        "n_cells": len(cells.rows),
        "n_cells_empty": cells.n_empty,
        "n_genes": n_genes,
        "n_genes_known": n_known,
        "share_known": share,
    }


def covered_genes(name: str, embedding: Embedding, groups: list[str]) -> dict[str, Any]:
    """Log which groups lack genes, and return for the record how many genes have a vector."""
    n_known = int(embedding.known.sum())
    covered = np.array([int(group.covered.sum()) for group in embedding.groups])
    used = np.array([group.n_cells for group in embedding.groups])
    for group in np.flatnonzero(covered < n_known):
        of = f" in {groups[group]!r}" if groups else ""
        logger.info(
            "%s: %d known genes were seen in no cell%s: their vectors are zero",
            *(name, n_known - covered[group], of),
        )
    for group in np.flatnonzero(used == 0):
        logger.warning(
            "%s: no cell of %r could be used: all its vectors are zero", name, groups[group]
        )
    return {
        "n_cells_used": used if groups else int(used[0]),
        "n_genes_covered": covered if groups else int(covered[0]),
    }


def covered_cells(name: str, key: str, embedding: Embedding, n_obs: int) -> dict[str, Any]:
    """Log how many cells have no vector, and return for the record how many have one."""
    if embedding.cells is None:
        return {}
    n_covered = int(embedding.cells.covered.sum())
    if n_covered < n_obs:
        logger.warning(
            "%s: %d of %d cells have no vector: zeros, and False in adata.obs[%r]. Leave them out "
            "before a neighbour graph",
            *(name, n_obs - n_covered, n_obs, f"{key}_covered"),
        )
    return {"n_cells_used": n_covered, "cell_dimension": embedding.cells.vectors.shape[1]}
