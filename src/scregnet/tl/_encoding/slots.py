"""The slots of an embedding: those of genes and those of cells, each with its own record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from scregnet._anndata.access import write
from scregnet._anndata.features import is_embedding
from scregnet._anndata.taken import check_free

if TYPE_CHECKING:
    from anndata import AnnData

    from scregnet.encoders import Embedding

# What the entry of uns has about genes, and about cells.
_OF_GENES = ("varm_key", "varm_keys", "groups", "params")
_OF_CELLS = ("obsm_key", "cell_params")


def check_slots(
    adata: AnnData, key: str, keys: list[str], *, with_genes: bool, with_cells: bool
) -> None:
    """Raise ``ValueError`` if something else is under the names that an embedding would have.

    ``keys`` are the names of the groups' slots.
    """
    entry = adata.uns.get(key)
    of_cells = isinstance(entry, Mapping) and "obsm_key" in entry
    slots = [] if of_cells or is_embedding(entry) else [("uns", key)]
    if with_genes and not is_embedding(entry):
        slots += [slot for name in keys for slot in (("varm", name), ("var", f"{name}_covered"))]
    if with_cells and not of_cells:
        slots += [("obsm", key), ("obs", f"{key}_covered")]
    check_free(adata, "key_added", key, slots, "an embedding of sr.tl.embed")


def write_embedding(
    adata: AnnData,
    key: str,
    keys: list[str],
    embedding: Embedding,
    rows: np.ndarray,
    record: Mapping[str, Any],
) -> None:
    """Write the vectors of genes, of cells or of both, and their record, all or nothing.

    ``keys`` are the names of the groups' slots, ``rows`` the positions of the cells. What an
    earlier call wrote of the genes stays if this one is about cells, and the other way round.
    """
    groups = dict(zip(keys, embedding.groups, strict=True)) if embedding.groups else {}
    obsm, obs = {}, {}
    if embedding.cells is not None:
        vectors = np.zeros((adata.n_obs, embedding.cells.vectors.shape[1]), np.float32)
        vectors[rows] = embedding.cells.vectors
        covered = np.zeros(adata.n_obs, bool)
        covered[rows] = embedding.cells.covered
        obsm, obs = {key: vectors}, {f"{key}_covered": covered}
    earlier = adata.uns.get(key)
    kept: dict[str, Any] = {}
    if isinstance(earlier, Mapping):
        replaced = (*(_OF_GENES if groups else ()), *(_OF_CELLS if obsm else ()))
        kept = {name: value for name, value in earlier.items() if name not in replaced}
    write(
        adata,
        varm={name: group.vectors.astype(np.float32, copy=False) for name, group in groups.items()},
        var={f"{name}_covered": group.covered for name, group in groups.items()},
        obsm=obsm,
        obs=obs,
        uns={key: {**kept, **record}},
    )
